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
pub struct RunAsNonRoot;

impl Rule for RunAsNonRoot {
    fn name(&self) -> RuleName {
        RuleName::RunAsNonRoot
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}
