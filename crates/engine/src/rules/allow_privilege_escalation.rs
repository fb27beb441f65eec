//! # `allowPrivilegeEscalation`
//!
//! ## What it does
//! Sets `allowPrivilegeEscalation: false`, which gives the process `no_new_privs`.
//!
//! ## Why
//! Without it a set-uid binary in the image turns any uid back into root.
//!
//! ## Fields
//! - `spec.containers[*].securityContext.allowPrivilegeEscalation`
//! - `spec.initContainers[*].securityContext.allowPrivilegeEscalation`
//! - `spec.ephemeralContainers[*].securityContext.allowPrivilegeEscalation`
//!
//! ## Left alone when
//! - the container is privileged (`privileged`): the API server rejects the two together;
//! - it adds the literal `CAP_SYS_ADMIN` (`capSysAdmin`): rejected likewise. Judged on the
//!   adds as they will be after the `capabilities` rule. Where both rules are on `enforce` and
//!   only an exemption from `capabilities` keeps it, it is taken out, and said: that exemption
//!   does not bring privilege escalation with it. `SYS_ADMIN` may stay.
//!
//! ## Exempting
//! `exempt.ironhull.dev/allowPrivilegeEscalation`, for the pod or one container. A
//! namespace that uses it needs Pod Security `baseline`.
//!
//! ## Source
//! Pod Security Standards, *restricted*, "Privilege Escalation"
//! (`k8s.io/pod-security-admission/policy/check_allowPrivilegeEscalation.go`); the
//! rejections are `ValidateSecurityContext` in `k8s.io/kubernetes/pkg/apis/core/validation`.

use std::borrow::Cow;

use crate::outcome::{Finding, Level, Note, RuleResult, Skip, Subject, Value};
use crate::pass::Pass;
use crate::policy::decode::settings;
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
    }
}

/// The rule.
pub struct AllowPrivilegeEscalation;

/// The one spelling that the API server's validation looks for.
const REFUSED_ADD: &str = "CAP_SYS_ADMIN";

impl Rule for AllowPrivilegeEscalation {
    fn name(&self) -> RuleName {
        RuleName::AllowPrivilegeEscalation
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        let action = pass.policy.rules.allow_privilege_escalation.action;
        let capabilities = pass.policy.rules.capabilities.action;
        pass.judge(self.name(), |pass, index| {
            let Some((container, plan)) = pass.container(index) else { return };
            let context = &container.placed.container.security_context;
            let own = context.allow_privilege_escalation;
            let refused = match &plan.capabilities.rewrite_add {
                Some(adds) => adds.iter().any(|name| name == REFUSED_ADD),
                None => context.capabilities.add.iter().any(|name| &**name == REFUSED_ADD),
            };
            let finding = |result| {
                Finding::new(RuleName::AllowPrivilegeEscalation, Subject::Container(index), result)
                    .was(own.map(Value::Bool))
            };
            let finding = match (own, action) {
                (Some(false), _) => finding(RuleResult::Compliant),
                // An exemption from capabilities kept it, which is no exemption from this rule.
                (_, Action::Enforce) if refused && capabilities == Action::Enforce => {
                    let kept = plan.capabilities.rewrite_add.take();
                    let adds = kept.unwrap_or_else(|| {
                        let theirs = &context.capabilities.add;
                        theirs.iter().map(|name| Cow::Borrowed(&**name)).collect()
                    });
                    let left = adds.into_iter().filter(|name| name != REFUSED_ADD).collect();
                    plan.capabilities.rewrite_add = Some(left);
                    plan.allow_privilege_escalation = Some(false);
                    let result = if own.is_some() { RuleResult::Replaced } else { RuleResult::Set };
                    finding(result)
                        .now(Value::Bool(false), Level::Container)
                        .note(Some(Note::TakenOut(REFUSED_ADD)))
                }
                _ if refused => finding(RuleResult::Skipped(Skip::CapSysAdmin)),
                (_, Action::Warn) => finding(RuleResult::Kept).note(Some(Note::OnlyWarns)),
                (Some(true), Action::Fill) => finding(RuleResult::Kept),
                _ => {
                    plan.allow_privilege_escalation = Some(false);
                    let result = if own.is_some() { RuleResult::Replaced } else { RuleResult::Set };
                    finding(result).now(Value::Bool(false), Level::Container)
                }
            };
            pass.findings.push(finding);
        });
    }
}
