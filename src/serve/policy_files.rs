//! Policy files: read, parsed, and complained about.

use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use tracing::warn;

use super::poll::{Digest, digest};
use crate::date::today;
use crate::policy::{Diagnostic, PolicyFile, PolicySet};

/// Reads the files, and says why it could not.
type ReadPolicies = dyn Fn() -> Result<Vec<PolicyFile>, String> + Send + Sync;

/// Where policies come from. Reading and rendering are given by the caller, so that every
/// command reads a policy directory, and complains about it, in the same way.
#[derive(Clone)]
pub struct PolicyFiles {
    /// The path, for people.
    pub name: String,
    /// Reads the files.
    pub read: Arc<ReadPolicies>,
    /// Shows what is wrong with them to who starts the server.
    pub render: fn(&[Diagnostic], &[PolicyFile]) -> String,
}

impl PolicyFiles {
    /// The policies in `files`. What deserves a look goes to the log.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(&self, files: &[PolicyFile]) -> Result<PolicySet, Vec<Diagnostic>> {
        let (policies, warnings) = PolicySet::load(files, Some(today()))?;
        for warning in &warnings {
            warn!(%warning, "a policy deserves a look");
        }
        Ok(policies)
    }

    /// As [`Self::parse`], for who starts the process.
    ///
    /// # Errors
    /// Everything that is wrong with them, shown with their lines.
    pub(crate) fn parse_first(&self, files: &[PolicyFile]) -> anyhow::Result<PolicySet> {
        self.parse(files).map_err(|wrong| {
            anyhow!("in `{}`:\n{}", self.name, (self.render)(&wrong, files).trim_end())
        })
    }

    /// As [`Self::parse`], for the log of a process that runs.
    ///
    /// # Errors
    /// Everything that is wrong with them, in one line.
    pub(crate) fn parse_again(&self, files: &[PolicyFile]) -> Result<PolicySet, String> {
        self.parse(files).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })
    }

    /// By which it is known whether they have changed.
    pub(crate) fn digest(files: &[PolicyFile]) -> Digest {
        digest(files.iter().flat_map(|file| [file.name.as_bytes(), file.text.as_bytes()]))
    }
}

impl fmt::Debug for PolicyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PolicyFiles").field(&self.name).finish()
    }
}

/// The policies where no files are given.
///
/// # Errors
/// Never, as long as the compiled-in policy is good.
pub(crate) fn embedded() -> anyhow::Result<PolicySet> {
    PolicySet::new(Vec::new()).map_err(|_| anyhow!("the compiled-in policy is bad"))
}
