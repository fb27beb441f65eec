//! docs to come

use crate::harden::Pass;
use crate::policy::GroupId;
use crate::policy::decode::{settings, words};
use crate::rules::{Action, Rule, RuleName};

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The fsGroup where the image's entry names none.
        pub value: GroupId = "value",
        /// The fsGroupChangePolicy that comes with it.
        pub change_policy: ChangePolicy = "changePolicy",
    }
}

/// The rule.
pub struct FsGroup;

impl Rule for FsGroup {
    fn name(&self) -> RuleName {
        RuleName::FsGroup
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}

/// `fsGroupChangePolicy` of a pod's securityContext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangePolicy {
    /// Files are re-owned only where the volume's root is not owned as it should be.
    OnRootMismatch,
    /// Every file is looked at, at every start.
    Always,
}

words! { ChangePolicy as "changePolicy" { OnRootMismatch = "OnRootMismatch", Always = "Always", } }
