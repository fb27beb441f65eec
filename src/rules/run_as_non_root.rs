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
pub struct RunAsNonRoot;

impl Rule for RunAsNonRoot {
    fn name(&self) -> RuleName {
        RuleName::RunAsNonRoot
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}
