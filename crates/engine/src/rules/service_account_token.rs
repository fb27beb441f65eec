//! # `serviceAccountToken`
//!
//! ## What it does
//! Takes the token for the Kubernetes API away from a pod that has no use for it: sets
//! `automountServiceAccountToken: false`, and removes the volume and the mounts that the API
//! server's ServiceAccount plugin has put into the pod before any webhook. It does both or nothing.
//! The field alone leaves the token mounted; the removal alone is undone, because the API server
//! calls the plugin again. In a manifest or a template nothing is mounted yet, and the field is
//! enough. Under `warn` it says which pods this would be.
//!
//! ## Why
//! Every pod gets a token, and most never use it. Whoever breaks into a container can ask the API
//! with it, for as much as the ServiceAccount may.
//!
//! ## Fields
//! - `spec.automountServiceAccountToken`
//! - `spec.volumes[*]`: removed, the plugin's alone
//! - `spec.containers[*].volumeMounts[*]`: removed, of that volume
//! - `spec.initContainers[*].volumeMounts[*]`: removed, of that volume
//!
//! ## Left alone when
//! - no token is mounted: the pod or its ServiceAccount says so;
//! - the pod has a ServiceAccount of its own, or is the template of a kind that is not Kubernetes'
//!   own, whose operator may choose one (`ownServiceAccount`): who makes an account makes it for
//!   somebody;
//! - something tells that the pod uses the API (`usesApi`): a command, an argument, a variable, a
//!   probe or a hook that names Kubernetes, a kubeconfig, leader election or a known client, an image
//!   called after one, or the annotation or label of an injector whose containers need a token;
//! - the author mounts a token of their own for the API, something at the token's path, the
//!   plugin's volume in another place or, beside `automountServiceAccountToken: false`, in some
//!   containers alone, or has a volume called `kube-api-access-…` that is not as the plugin makes it
//!   (`ownToken`). A projected token counts if it has no audience, or that of `kubernetes.default`;
//!   one for somebody else does not, and neither does a Secret with a token at another path.
//!
//! `automountServiceAccountToken: true` stays under `fill`; `enforce` replaces it.
//!
//! An application may use the token without a word in its manifest. So try `fill` where its authors
//! are asked first, or make them say `true` or name a ServiceAccount. A sidecar that a webhook
//! injects later is seen by its annotation on the pod, and not by a label of the namespace.
//!
//! ## Exempting
//! `exempt.ironhull.dev/serviceAccountToken`, for the whole pod.
//!
//! ## Source
//! CIS Kubernetes Benchmark, "Ensure that Service Account Tokens are only mounted where necessary";
//! NSA/CISA Kubernetes Hardening Guide, "Protecting Pod service account tokens";
//! `mountServiceAccountToken` in `k8s.io/kubernetes/plugin/pkg/admission/serviceaccount`.

mod signs;

use crate::outcome::{Finding, Level, Note, RuleResult, Skip, Subject, Value};
use crate::pass::{Pass, Scope};
use crate::patch::NoToken;
use crate::pod::token::{DEFAULT_ACCOUNT, Injected, Token};
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
pub struct ServiceAccountToken;

impl Rule for ServiceAccountToken {
    fn name(&self) -> RuleName {
        RuleName::ServiceAccountToken
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        // Its volumes cannot change, and it cannot mount what is not there.
        if pass.ephemeral {
            return;
        }
        let stated = pass.pod.spec.automount_service_account_token;
        let finding = Finding::new(self.name(), Subject::Pod, RuleResult::Compliant)
            .was(stated.map(Value::Bool));
        let finding = match judge(pass) {
            Judgement::Leave(result, note) => Finding { result, note, ..finding },
            Judgement::Take(injected) => {
                pass.plan.no_token = Some(NoToken { injected });
                let result =
                    if stated == Some(true) { RuleResult::Replaced } else { RuleResult::Set };
                Finding { result, ..finding }.now(Value::Bool(false), Level::Pod)
            }
        };
        pass.findings.push(finding);
    }
}

/// What to do about the token of a pod.
enum Judgement<'p> {
    /// Nothing.
    Leave(RuleResult, Option<Note<'p>>),
    /// Take it away; with it goes what the plugin has put there.
    Take(Option<Injected>),
}

fn judge<'p>(pass: &Pass<'p>) -> Judgement<'p> {
    use Judgement::Leave;
    let (pod, action) = (pass.pod, pass.policy.rules.service_account_token.action);
    let skipped = |skip, note| Leave(RuleResult::Skipped(skip), note);
    let stated = pod.spec.automount_service_account_token;
    let injected = match (pass.scope, pod.token()) {
        _ if pass.declared.of_pod().contains(RuleName::ServiceAccountToken) => {
            return Leave(RuleResult::Exempt, None);
        }
        (_, Token::Own(volume)) => return skipped(Skip::OwnToken, Some(Note::OwnVolume(volume))),
        // Nobody but its author has put it there.
        (Scope::Template { .. }, Token::Injected(Injected { volume, .. })) => {
            let name = pod.spec.volumes.get(volume).map_or("", |volume| &*volume.name);
            return skipped(Skip::OwnToken, Some(Note::OwnVolume(name)));
        }
        (Scope::Template { .. }, Token::None)
            if stated != Some(false) && !pass.containers.is_empty() =>
        {
            None
        }
        (_, Token::None) => return Leave(RuleResult::Compliant, None),
        (_, Token::Injected(injected)) => Some(injected),
    };
    if let Some(sign) = signs::of_use(pass) {
        return skipped(Skip::UsesApi, Some(Note::UsesApi(sign)));
    }
    if matches!(pass.scope, Scope::Template { complete: false }) {
        return skipped(Skip::OwnServiceAccount, Some(Note::OperatorsAccount));
    }
    let account = pod.service_account();
    if account != DEFAULT_ACCOUNT {
        return skipped(Skip::OwnServiceAccount, Some(Note::Account(account)));
    }
    match (action, stated) {
        (Action::Warn, Some(true)) => Leave(RuleResult::Kept, Some(Note::OnlyWarns)),
        (Action::Warn, _) => Leave(RuleResult::Kept, Some(Note::NoSignOfUse)),
        (Action::Fill, Some(true)) => Leave(RuleResult::Kept, None),
        _ => Judgement::Take(injected),
    }
}
