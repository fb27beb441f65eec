//! docs to come

use crate::harden::Pass;
use crate::policy::decode::settings;
use crate::rules::{Action, Rule, RuleName};

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
    }
}

/// The rule.
pub struct UnprivilegedPorts;

impl Rule for UnprivilegedPorts {
    fn name(&self) -> RuleName {
        RuleName::UnprivilegedPorts
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}
