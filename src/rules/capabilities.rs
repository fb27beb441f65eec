//! docs to come

use crate::harden::Pass;
use crate::policy::Capability;
use crate::policy::decode::settings;
use crate::rules::{Action, Rule, RuleName};

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The capabilities a container may add.
        pub allowed_add: Vec<Capability> = "allowedAdd",
        /// What a container that may run as root gets back when ironhull drops ALL.
        pub root_keeps: Vec<Capability> = "rootKeeps",
    }
}

/// The rule.
pub struct Capabilities;

impl Rule for Capabilities {
    fn name(&self) -> RuleName {
        RuleName::Capabilities
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}
