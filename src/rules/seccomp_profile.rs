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
//! - the container is privileged (`privileged`);
//! - a legacy annotation (`seccomp.security.alpha.kubernetes.io/pod`,
//!   `container.seccomp.security.alpha.kubernetes.io/NAME`) says something else: the API
//!   server refuses a different field at the same level (`legacySeccomp`). A container that
//!   only its annotation speaks for takes the pod level's field, which the API server allows
//!   (no kubelet since Kubernetes 1.27 reads the annotation), unless an exempt or privileged
//!   container would inherit it too: then it is left, and said.
//!
//! ## Exempting
//! `exempt.ironhull.dev/seccompProfile`, for the pod or one container. A namespace that
//! uses it needs Pod Security `baseline`; `Unconfined` passes neither level.
//!
//! ## Source
//! Pod Security Standards, *restricted*, "Seccomp"
//! (`k8s.io/pod-security-admission/policy/check_seccompProfile_restricted.go`); KEP-135;
//! `validateSeccompAnnotationsAndFields` in `k8s.io/kubernetes/pkg/apis/core/validation`.

use crate::outcome::{Finding, Level, Note, RuleResult, Skip, Subject, Value};
use crate::pass::Pass;
use crate::pod;
use crate::policy::decode::{Decoder, RuleSettings, object, words};
use crate::policy::tree::Node;
use crate::policy::values::LocalhostPath;
use crate::rules::{Action, Rule, RuleName};

/// What a policy says to this rule.
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
    /// Only a `Localhost` profile has a path, and it cannot do without.
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

/// The annotation that spoke for the pod before the field was there.
const POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// What came before a container's name in the annotation that spoke for it.
const CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// What is to be done about one container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Its own value meets the standard.
    Nothing,
    /// It has no value of its own and takes the pod level's.
    Inherits,
    /// The same, and no field of its own is allowed beside its legacy annotation.
    InheritsOnly,
    /// Its own weaker value is to be replaced.
    Replace,
    /// Its own weaker value stays.
    Keep,
    /// It is exempt or privileged, or a legacy annotation holds its own weaker value.
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
            let need = need(pass, index, settings);
            if let Some(slot) = needs.get_mut(index) {
                *slot = need;
            }
        });
        let level = Levels::choose(pass, settings, &needs);
        if level == Levels::Pod {
            pass.plan.pod.seccomp_profile = Some(&settings.profile);
        }
        for (index, need) in needs.into_iter().enumerate() {
            let own = pass
                .containers
                .get(index)
                .map(|c| &c.placed.container.security_context.seccomp_profile);
            let effective = own.filter(|own| own.is_set()).unwrap_or(outer);
            let Some(plan) = pass.plan.containers.get_mut(index) else { continue };
            let finding = Finding::new(
                RuleName::SeccompProfile,
                Subject::Container(index),
                RuleResult::Compliant,
            )
            .was(kind(effective));
            let now = Value::Text(settings.profile.word().into());
            let mut set = |result, level| {
                if level == Level::Container {
                    plan.seccomp_profile = Some(&settings.profile);
                }
                Finding { result, ..finding.clone().now(now.clone(), level) }
            };
            let finding = match need {
                Need::Out => continue,
                Need::Nothing => finding,
                Need::Inherits | Need::InheritsOnly if outer.is_compliant() => finding,
                Need::Keep => Finding { result: RuleResult::Kept, ..finding },
                _ if settings.action == Action::Warn => {
                    Finding { result: RuleResult::Kept, note: Some(Note::OnlyWarns), ..finding }
                }
                Need::Replace => set(RuleResult::Replaced, Level::Container),
                Need::Inherits | Need::InheritsOnly if level == Levels::KeepWeak => {
                    Finding { result: RuleResult::Kept, ..finding }
                }
                Need::InheritsOnly if level != Levels::Pod => {
                    Finding { result: RuleResult::Skipped(Skip::LegacySeccomp), ..finding }
                }
                Need::Inherits | Need::InheritsOnly => {
                    let result =
                        if outer.is_set() { RuleResult::Replaced } else { RuleResult::Set };
                    set(result, if level == Levels::Pod { Level::Pod } else { Level::Container })
                }
            };
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
    /// The pod's weak value stays, since this container inherits it; others get their own.
    Inherited(&'p str),
    /// The pod's weak value stays, since the rule only fills.
    KeepWeak,
    /// A legacy annotation holds the pod level.
    Legacy,
}

impl<'p> Levels<'p> {
    fn choose(pass: &Pass<'p>, settings: &Settings, needs: &[Need]) -> Self {
        let outer = &pass.pod.spec.security_context.seccomp_profile;
        let inherits = needs.contains(&Need::Inherits);
        let inherits_only = needs.contains(&Need::InheritsOnly);
        if outer.is_set() && !outer.is_compliant() && settings.action == Action::Fill {
            return Self::KeepWeak;
        }
        if pass.ephemeral || !settings.action.acts() || outer.is_compliant() {
            return Self::Containers;
        }
        let annotation = pass.pod.annotation(POD_ANNOTATION);
        if annotation.is_some_and(|value| differs(value, &settings.profile)) {
            return Self::Legacy;
        }
        if !outer.is_set() && !inherits_only {
            let shared = needs.iter().all(|need| !matches!(need, Need::Keep | Need::Out));
            return if inherits && shared { Self::Pod } else { Self::Containers };
        }
        // An exemption or a privileged container must not get what it does not ask for.
        let heir = pass.containers.iter().zip(needs).find(|(container, need)| {
            **need == Need::Out
                && !container.placed.container.security_context.seccomp_profile.is_set()
        });
        match heir {
            Some(_) if !outer.is_set() => Self::Containers,
            Some((container, _)) => Self::Inherited(&container.placed.container.name),
            None => Self::Pod,
        }
    }

    /// Records what became of an explicit pod-level value.
    fn find(self, pass: &mut Pass<'p>, settings: &Settings) {
        let outer = &pass.pod.spec.security_context.seccomp_profile;
        let finding =
            |result| Finding::new(RuleName::SeccompProfile, Subject::Pod, result).was(kind(outer));
        let finding = match self {
            Self::Legacy => finding(RuleResult::Skipped(Skip::LegacySeccomp)),
            _ if !outer.is_set() || outer.is_compliant() || pass.ephemeral => return,
            Self::Pod => finding(RuleResult::Replaced)
                .now(Value::Text(settings.profile.word().into()), Level::Pod),
            Self::Inherited(name) => finding(RuleResult::Kept).note(Some(Note::InheritedBy(name))),
            Self::KeepWeak => finding(RuleResult::Kept),
            // What is weak stays there under `warn` alone.
            Self::Containers => finding(RuleResult::Kept).note(Some(Note::OnlyWarns)),
        };
        pass.findings.push(finding);
    }
}

/// What one container needs; says so where a legacy annotation stands in the way.
fn need(pass: &mut Pass<'_>, index: usize, settings: &Settings) -> Need {
    let Some(container) = pass.containers.get(index) else { return Need::Out };
    let container = container.placed.container;
    let own = &container.security_context.seccomp_profile;
    if own.is_compliant() {
        return Need::Nothing;
    }
    let annotations = &pass.pod.metadata.annotations;
    let annotation = annotations.get_joined(CONTAINER_ANNOTATION, &container.name);
    if annotation.is_some_and(|value| differs(value, &settings.profile)) {
        if !own.is_set() && !pass.ephemeral {
            return Need::InheritsOnly;
        }
        let result = RuleResult::Skipped(Skip::LegacySeccomp);
        pass.find(RuleName::SeccompProfile, Subject::Container(index), result);
        return Need::Out;
    }
    match (own.is_set(), settings.action) {
        (false, _) => Need::Inherits,
        (true, Action::Enforce) => Need::Replace,
        (true, Action::Fill) => Need::Keep,
        (true, _) => Need::Replace,
    }
}

/// Whether a legacy annotation says something else than `profile`.
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
    /// The word of the field `type`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::RuntimeDefault => "RuntimeDefault",
            Self::Localhost(_) => "Localhost",
        }
    }
}
