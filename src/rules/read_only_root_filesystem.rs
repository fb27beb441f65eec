//! docs to come

use crate::harden::Pass;
use crate::policy::{Quantity, WritablePath};
use crate::policy::decode::{settings, words};
use crate::rules::{Action, Rule, RuleName};

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The paths that get an emptyDir when the root file system is read-only.
        pub writable_paths: Vec<WritablePath> = "writablePaths",
        /// The emptyDirs' medium.
        pub medium: Medium = "medium",
        /// The emptyDirs' sizeLimit, a Kubernetes quantity.
        pub size_limit: Option<Quantity> = "sizeLimit",
    }
}

/// The rule.
pub struct ReadOnlyRootFilesystem;

impl Rule for ReadOnlyRootFilesystem {
    fn name(&self) -> RuleName {
        RuleName::ReadOnlyRootFilesystem
    }

    fn apply(&self, _pass: &mut Pass<'_, '_>) {}
}

/// `medium` of an emptyDir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// The node's disk (`""`).
    Disk,
    /// Memory: mode 1777, counted as the container's memory.
    Memory,
}

words! { Medium as "medium" { Disk = "", Memory = "Memory", } }
