//! docs to come

use crate::harden::Pass;
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

/// The rule.
pub struct SeccompProfile;

impl Rule for SeccompProfile {
    fn name(&self) -> RuleName {
        RuleName::SeccompProfile
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
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
            (Some(at), None) if local => decoder
                .error(at.span, "`type: Localhost` without `localhostProfile`")
                .hint("`localhostProfile` is the file's path below the kubelet's seccomp directory"),
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
        Some(Self { action: stated.action.or_else(|| base.map(|base| base.action))?, profile: profile? })
    }
}
