//! docs to come

use crate::harden::Pass;
use crate::policy::NonRootId;
use crate::policy::decode::{settings, words};
use crate::rules::{Action, Rule, RuleName};

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The uid a container gets that says nothing and whose image has no entry.
        pub value: NonRootId = "value",
        /// What happens where the author says `runAsNonRoot: true` and no uid.
        pub when_image_user: WhenImageUser = "whenImageUser",
    }
}

/// The rule.
pub struct RunAsUser;

impl Rule for RunAsUser {
    fn name(&self) -> RuleName {
        RuleName::RunAsUser
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}

/// `whenImageUser`: whether an author's `runAsNonRoot: true` without a uid is taken
/// as reliance on the image's own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenImageUser {
    /// The image's user stays.
    Keep,
    /// The rule's uid is set.
    Override,
}

words! { WhenImageUser as "whenImageUser" { Keep = "keep", Override = "override", } }
