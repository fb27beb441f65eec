//! docs to come

use crate::harden::Pass;
use crate::rules::{Action, Rule, RuleName};

/// What a policy says to this rule.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How strongly the rule acts.
    pub action: Action,
}

/// The rule.
pub struct UnprivilegedPorts;

impl Rule for UnprivilegedPorts {
    fn name(&self) -> RuleName {
        RuleName::UnprivilegedPorts
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}
