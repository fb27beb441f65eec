//! docs to come

use crate::harden::Pass;
use crate::policy::WritablePath;
use crate::rules::{Action, Rule, RuleName};

/// What a policy says to this rule.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How strongly the rule acts.
    pub action: Action,
    /// The paths that get an emptyDir when the root file system is read-only.
    pub writable_paths: Vec<WritablePath>,
    /// The emptyDirs' medium.
    pub medium: Medium,
    /// The emptyDirs' sizeLimit, a Kubernetes quantity.
    pub size_limit: Option<String>,
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
