//! Policy files: reading, parsing, and reporting what is wrong with them.

use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use tracing::warn;

use super::poll::{Digest, digest};
use crate::date::today;
use crate::policy::{Diagnostic, PolicyFile, PolicySet};

/// Reads the files, or returns why it could not.
type ReadPolicies = dyn Fn() -> Result<Vec<PolicyFile>, String> + Send + Sync;

/// Source of policies. The caller supplies reading and rendering, so that every command reads a
/// policy directory and complains about it in the same way.
#[derive(Clone)]
pub struct PolicyFiles {
    /// The path, to show to people.
    pub name: String,
    /// Reads the files.
    pub read: Arc<ReadPolicies>,
    /// Renders what is wrong with the files for whoever starts the server.
    pub render: fn(&[Diagnostic], &[PolicyFile]) -> String,
}

impl PolicyFiles {
    /// Parses `files` into policies, and logs the warnings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(&self, files: &[PolicyFile]) -> Result<PolicySet, Vec<Diagnostic>> {
        let (policies, warnings) = PolicySet::load(files, Some(today()))?;
        for warning in &warnings {
            warn!(%warning, "policy warning");
        }
        Ok(policies)
    }

    /// Like [`Self::parse`], for whoever starts the process.
    ///
    /// # Errors
    /// Everything that is wrong with them, shown with their lines.
    pub(crate) fn parse_first(&self, files: &[PolicyFile]) -> anyhow::Result<PolicySet> {
        self.parse(files).map_err(|wrong| {
            anyhow!("in `{}`:\n{}", self.name, (self.render)(&wrong, files).trim_end())
        })
    }

    /// Like [`Self::parse`], for the log of a running process.
    ///
    /// # Errors
    /// Everything that is wrong with them, in one line.
    pub(crate) fn parse_again(&self, files: &[PolicyFile]) -> Result<PolicySet, String> {
        self.parse(files).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })
    }

    /// Digest that tells whether the files have changed.
    pub(crate) fn digest(files: &[PolicyFile]) -> Digest {
        digest(files.iter().flat_map(|file| [file.name.as_bytes(), file.text.as_bytes()]))
    }
}

impl fmt::Debug for PolicyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PolicyFiles").field(&self.name).finish()
    }
}

/// The compiled-in policy, for when no files are given.
///
/// # Errors
/// Never, as long as the compiled-in policy is good.
pub(crate) fn embedded() -> anyhow::Result<PolicySet> {
    PolicySet::new(Vec::new()).map_err(|_| anyhow!("the compiled-in policy is bad"))
}
