//! docs to come

use crate::harden::Pass;
use crate::rules::{Action, Rule, RuleName};

/// What a policy says to this rule.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How strongly the rule acts.
    pub action: Action,
    /// The profile that is set.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The container runtime's own.
    RuntimeDefault,
    /// A profile on the node, by its path below the kubelet's seccomp directory.
    Localhost(String),
}
