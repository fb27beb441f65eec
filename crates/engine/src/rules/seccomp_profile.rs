//! # `seccompProfile`
//!
//! ## What it does
//! Sets the container runtime's default seccomp profile, or one that the policy names. It
//! goes to the pod when every container can take it, else to each container.
//!
//! ## Why
//! Kubernetes runs containers without any system call filter unless told otherwise.
//!
//! ## Fields
//! - `spec.securityContext.seccompProfile`
//! - `spec.containers[*].securityContext.seccompProfile`
//! - `spec.initContainers[*].securityContext.seccompProfile`
//! - `spec.ephemeralContainers[*].securityContext.seccompProfile`
//!
//! ## Left alone when
//! - it is `RuntimeDefault` or `Localhost`, at either level;
//! - the container is privileged (`privileged`).
//!
//! A legacy annotation (`seccomp.security.alpha.kubernetes.io/pod`,
//! `container.seccomp.security.alpha.kubernetes.io/NAME`) excuses nothing: no kubelet since
//! Kubernetes 1.27 reads it. But the API server refuses a new pod with another profile in the
//! field at the same level, so where the field is set, such an annotation is made to agree.
//!
//! ## Exempting
//! `exempt.ironhull.dev/seccompProfile`, for the pod or one container. A namespace that
//! uses it needs Pod Security `baseline`; `Unconfined` passes neither level.
//!
//! ## Source
//! Pod Security Standards, *restricted*, "Seccomp"
//! (`k8s.io/pod-security-admission/policy/check_seccompProfile_restricted.go`); KEP-135;
//! `validateSeccompAnnotationsAndFields` in `k8s.io/kubernetes/pkg/apis/core/validation`.

use std::borrow::Cow;

use crate::outcome::{Finding, Level, Note, RuleResult, Subject, Value};
use crate::pass::Pass;
use crate::pod;
use crate::policy::decode::{Decoder, RuleSettings, object, words};
use crate::policy::tree::Node;
use crate::policy::values::LocalhostPath;
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

/// A policy's settings for this rule.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Settings {
    /// How strongly the rule acts.
    pub action: Action,
    /// The profile that is set.
    #[serde(flatten)]
    pub profile: Profile,
}

/// The profile that the rule sets.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "type", content = "localhostProfile")]
pub enum Profile {
    /// The container runtime's own.
    RuntimeDefault,
    /// A profile on the node, by its path below the kubelet's seccomp directory.
    Localhost(String),
}

object! {
    #[derive(Default)]
    #[schemars(inline)]
    pub(crate) struct Stated as "key" {
        /// How strongly the rule acts.
        action: Option<Action> = "action",
        /// The profile that is set.
        profile_type: Option<ProfileType> = "type",
        /// With `type: Localhost`: the profile's path below the kubelet's seccomp directory.
        localhost_profile: Option<LocalhostPath> = "localhostProfile",
    }
    check Stated::check
}

/// `type` of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProfileType {
    RuntimeDefault,
    Localhost,
}

words! {
    ProfileType as "type" { RuntimeDefault = "RuntimeDefault", Localhost = "Localhost", }
}

impl Stated {
    /// A `Localhost` profile must have a path, and no other profile may have one.
    fn check(&self, node: &Node<'_>, decoder: &mut Decoder) {
        let local = self.profile_type == Some(ProfileType::Localhost);
        match (node.get("type"), node.get("localhostProfile")) {
            (Some(at), None) if local => {
                decoder.error(at.span, "`type: Localhost` without `localhostProfile`").hint(
                    "`localhostProfile` is the file's path below the kubelet's seccomp directory",
                )
            }
            (_, Some(at)) if !local && self.localhost_profile.is_some() => decoder
                .error(at.span, "`localhostProfile` without `type: Localhost`")
                .hint("add `type: Localhost`, or leave `localhostProfile` out"),
            _ => return,
        };
    }
}

impl RuleSettings for Settings {
    type Stated = Stated;

    fn short(action: Action) -> Stated {
        Stated { action: Some(action), ..Stated::default() }
    }

    fn complete(stated: Stated, base: Option<&Self>) -> Option<Self> {
        let profile = match (stated.profile_type, stated.localhost_profile) {
            (Some(ProfileType::RuntimeDefault), _) => Some(Profile::RuntimeDefault),
            (Some(ProfileType::Localhost), Some(path)) => Some(Profile::Localhost(path.0)),
            _ => base.map(|base| base.profile.clone()),
        };
        Some(Self {
            action: stated.action.or_else(|| base.map(|base| base.action))?,
            profile: profile?,
        })
    }
}

/// The rule.
pub struct SeccompProfile;

/// The annotation for the pod from before the field existed.
const POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// Prefix of the annotation for a container from before the field existed; the container's name
/// follows.
const CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// What to do about one container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Its own value meets the standard.
    Nothing,
    /// It has no value of its own and takes the pod level's.
    Inherits,
    /// Its own weaker value is to be replaced.
    Replace,
    /// Its own weaker value stays.
    Keep,
    /// It is exempt or privileged.
    Out,
}

impl Rule for SeccompProfile {
    fn name(&self) -> RuleName {
        RuleName::SeccompProfile
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        let settings = &pass.policy.rules.seccomp_profile;
        let outer = &pass.pod.spec.security_context.seccomp_profile;
        let mut needs = vec![Need::Out; pass.containers.len()];
        pass.judge(self.name(), |pass, index| {
            let Some(examined) = pass.containers.get(index) else { return };
            let own = &examined.placed.container.security_context.seccomp_profile;
            let need = match (own.is_set(), settings.action) {
                _ if own.is_compliant() => Need::Nothing,
                (false, _) => Need::Inherits,
                (true, Action::Fill) => Need::Keep,
                (true, _) => Need::Replace,
            };
            if let Some(slot) = needs.get_mut(index) {
                *slot = need;
            }
        });
        let level = Levels::choose(pass, settings, &needs);
        if level == Levels::Pod {
            pass.plan.pod.seccomp_profile = Some(&settings.profile);
            mend_annotation(pass, POD_ANNOTATION, "", &settings.profile);
        }
        for (index, need) in needs.into_iter().enumerate() {
            let Some(examined) = pass.containers.get(index) else { continue };
            let container = examined.placed.container;
            let own = &container.security_context.seccomp_profile;
            let finding = Finding::new(
                RuleName::SeccompProfile,
                Subject::Container(index),
                RuleResult::Compliant,
            )
            .was(kind(if own.is_set() { own } else { outer }));
            let now = Value::Text(settings.profile.word().into());
            let set = |result, level| {
                let finding = Finding { result, ..finding.clone() };
                finding.now(now.clone(), level)
            };
            let finding = match need {
                Need::Out => continue,
                Need::Nothing => finding,
                Need::Inherits if outer.is_compliant() => finding,
                Need::Keep => Finding { result: RuleResult::Kept, ..finding },
                _ if settings.action == Action::Warn => {
                    Finding { result: RuleResult::Kept, note: Some(Note::OnlyWarns), ..finding }
                }
                Need::Replace => set(RuleResult::Replaced, Level::Container),
                Need::Inherits if level == Levels::KeepWeak => {
                    Finding { result: RuleResult::Kept, ..finding }
                }
                Need::Inherits => {
                    let result =
                        if outer.is_set() { RuleResult::Replaced } else { RuleResult::Set };
                    set(result, if level == Levels::Pod { Level::Pod } else { Level::Container })
                }
            };
            if finding.level == Some(Level::Container) {
                if let Some(plan) = pass.plan.containers.get_mut(index) {
                    plan.seccomp_profile = Some(&settings.profile);
                }
                let name = &container.name;
                mend_annotation(pass, CONTAINER_ANNOTATION, name, &settings.profile);
            }
            pass.findings.push(finding);
        }
        level.find(pass, settings);
    }
}

/// What happens at the pod level.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Levels<'p> {
    /// The pod's value is set, or replaced, and containers inherit it.
    Pod,
    /// Nothing changes on the pod; containers get their own.
    Containers,
    /// The pod's weak value stays because this container inherits it; others get their own.
    Inherited(&'p str),
    /// The pod's weak value stays because the rule only fills.
    KeepWeak,
}

impl<'p> Levels<'p> {
    fn choose(pass: &Pass<'p>, settings: &Settings, needs: &[Need]) -> Self {
        let outer = &pass.pod.spec.security_context.seccomp_profile;
        if outer.is_set() && !outer.is_compliant() && settings.action == Action::Fill {
            return Self::KeepWeak;
        }
        if pass.ephemeral || !settings.action.acts() || outer.is_compliant() {
            return Self::Containers;
        }
        if !outer.is_set() {
            let inherits = needs.contains(&Need::Inherits);
            let shared = needs.iter().all(|need| !matches!(need, Need::Keep | Need::Out));
            return if inherits && shared { Self::Pod } else { Self::Containers };
        }
        // A container that is exempt or privileged must not get what it does not ask for.
        let heir = pass.containers.iter().zip(needs).find(|(container, need)| {
            **need == Need::Out
                && !container.placed.container.security_context.seccomp_profile.is_set()
        });
        match heir {
            Some((container, _)) => Self::Inherited(&container.placed.container.name),
            None => Self::Pod,
        }
    }

    /// Records the result for an explicit pod-level value.
    fn find(self, pass: &mut Pass<'p>, settings: &Settings) {
        let outer = &pass.pod.spec.security_context.seccomp_profile;
        let finding =
            |result| Finding::new(RuleName::SeccompProfile, Subject::Pod, result).was(kind(outer));
        let finding = match self {
            _ if !outer.is_set() || outer.is_compliant() || pass.ephemeral => return,
            Self::Pod => finding(RuleResult::Replaced)
                .now(Value::Text(settings.profile.word().into()), Level::Pod),
            Self::Inherited(name) => finding(RuleResult::Kept).note(Some(Note::InheritedBy(name))),
            Self::KeepWeak => finding(RuleResult::Kept),
            // Under `warn` alone a weak value stays there.
            Self::Containers => finding(RuleResult::Kept).note(Some(Note::OnlyWarns)),
        };
        pass.findings.push(finding);
    }
}

/// Makes the legacy annotation of the pod or one container agree with the field beside it, if
/// they differ. On an update the API server takes no annotations, and compares none.
fn mend_annotation<'p>(
    pass: &mut Pass<'p>,
    prefix: &'static str,
    name: &'p str,
    profile: &'p Profile,
) {
    let value = pass.pod.metadata.annotations.get_joined(prefix, name);
    if !pass.ephemeral && value.is_some_and(|value| differs(value, profile)) {
        pass.plan.seccomp_annotations.push((prefix, name, profile));
    }
}

/// Whether a legacy annotation names another profile.
fn differs(value: &str, profile: &Profile) -> bool {
    match profile {
        Profile::RuntimeDefault => !matches!(value, "runtime/default" | "docker/default"),
        Profile::Localhost(path) => value.strip_prefix("localhost/") != Some(path),
    }
}

fn kind<'p>(profile: &'p pod::SeccompProfile<'_>) -> Option<Value<'p>> {
    profile.kind.as_deref().map(|kind| Value::Text(kind.into()))
}

impl Profile {
    /// The value of the field `type`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::RuntimeDefault => "RuntimeDefault",
            Self::Localhost(_) => "Localhost",
        }
    }

    /// What a legacy annotation calls it (`SeccompProfileRuntimeDefault`,
    /// `SeccompLocalhostProfileNamePrefix` in `k8s.io/api/core/v1`).
    pub(crate) fn legacy(&self) -> Cow<'_, str> {
        match self {
            Self::RuntimeDefault => Cow::Borrowed("runtime/default"),
            Self::Localhost(path) => Cow::Owned(format!("localhost/{path}")),
        }
    }
}
