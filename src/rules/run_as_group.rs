//! docs to come

use crate::harden::Pass;
use crate::policy::GroupId;
use crate::policy::decode::settings;
use crate::rules::{Action, Rule, RuleName};

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The gid that goes with the rule's uid.
        pub value: GroupId = "value",
    }
}

/// The rule.
pub struct RunAsGroup;

impl Rule for RunAsGroup {
    fn name(&self) -> RuleName {
        RuleName::RunAsGroup
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}
