//! # `privileged`
//!
//! ## What it does
//! Says which containers are privileged, or makes them unprivileged. Under `warn`, as in `restricted`,
//! a privileged container is left as it is by every rule, and named. Under `enforce` its
//! `privileged: true` becomes `false`, and the other rules then treat it like any container.
//!
//! There is no `fill`: a field that is unset is `false` already.
//!
//! ## Why
//! A privileged container is root on the node. Most of those that ask for it are node agents, which
//! cannot work without, and belong in a namespace that does not opt in. `enforce` **breaks what
//! was made for it**: it is for namespaces where nothing privileged has any business, and where no Pod
//! Security behind ironhull refuses such a pod.
//!
//! ## Fields
//! - `spec.containers[*].securityContext.privileged`
//! - `spec.initContainers[*].securityContext.privileged`
//! - `spec.ephemeralContainers[*].securityContext.privileged`
//!
//! ## Left alone when
//! - the container is not privileged: then there is nothing to say of it;
//! - the pod is for Windows (`windows`).
//!
//! ## Exempting
//! `exempt.ironhull.dev/privileged`, for the pod or one container. No other rule then acts on the
//! container either. Pod Security refuses it at *baseline* too.
//!
//! ## Source
//! Pod Security Standards, *baseline*, "Privileged Containers"
//! (`k8s.io/pod-security-admission/policy/check_privileged.go`).

use crate::outcome::{Finding, Level, Note, RuleResult, Subject, Value};
use crate::pass::Pass;
use crate::policy::decode::settings;
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts; not `fill`.
        pub action: Action = "action",
    }
}

/// The rule.
pub struct Privileged;

impl Rule for Privileged {
    fn name(&self) -> RuleName {
        RuleName::Privileged
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        let action = pass.policy.rules.privileged.action;
        for (index, container) in pass.containers.iter().enumerate() {
            if !container.placed.container.security_context.privileged {
                continue;
            }
            let finding = |result| {
                Finding::new(RuleName::Privileged, Subject::Container(index), result)
                    .was(Some(Value::Bool(true)))
            };
            let finding = if container.exempt.contains(RuleName::Privileged) {
                finding(RuleResult::Exempt)
            } else if action == Action::Enforce {
                if let Some(plan) = pass.plan.containers.get_mut(index) {
                    plan.privileged = Some(false);
                }
                finding(RuleResult::Replaced).now(Value::Bool(false), Level::Container)
            } else {
                finding(RuleResult::Kept).note(Some(Note::OnlyWarns))
            };
            pass.findings.push(finding);
        }
    }
}
