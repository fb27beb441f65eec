//! Policy files: reading, parsing, and reporting what is wrong with them.

use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use tracing::{error, warn};

use super::poll::{Digest, digest};
use crate::date::today;
use crate::policy::{Diagnostic, PolicyFile, PolicySet, parse};

/// Files as they were read.
#[derive(Clone, Debug, Default)]
pub struct PolicyTexts {
    /// Policies, and facts of images beside them. If anything is wrong with one, none is taken.
    pub policies: Vec<PolicyFile>,
    /// Facts of images that a program keeps. One that cannot be read does not keep policies from
    /// loading: it may be of another version of ironhull.
    pub facts: Vec<PolicyFile>,
}

/// Reads the files, or returns why it could not.
type ReadPolicies = dyn Fn() -> Result<PolicyTexts, String> + Send + Sync;

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

/// What files hold.
#[derive(Clone, Debug)]
pub struct ParsedFiles {
    /// The policies, which know the facts.
    pub policies: PolicySet,
    /// What is wrong with each file of facts that could not be read.
    pub refused_facts: Vec<String>,
}

impl PolicyFiles {
    /// Parses `texts` into policies, and logs the warnings.
    ///
    /// # Errors
    /// Everything that is wrong with the policies.
    pub fn parse(&self, texts: &PolicyTexts) -> Result<ParsedFiles, Vec<Diagnostic>> {
        let (policies, warnings) = PolicySet::load(&texts.policies, Some(today()))?;
        for warning in &warnings {
            warn!(%warning, "policy warning");
        }
        let mut entries = Vec::new();
        let mut refused_facts = Vec::new();
        for file in &texts.facts {
            match parse::facts(file) {
                Ok(facts) => entries.extend(facts),
                Err(wrong) => {
                    let wrong = in_one_line(&wrong);
                    error!(error = wrong, "facts cannot be read");
                    refused_facts.push(wrong);
                }
            }
        }
        let policies = if entries.is_empty() { policies } else { policies.and_facts(&entries) };
        Ok(ParsedFiles { policies, refused_facts })
    }

    /// Like [`Self::parse`], for whoever starts the process.
    ///
    /// # Errors
    /// Everything that is wrong with them, shown with their lines.
    pub(crate) fn parse_first(&self, texts: &PolicyTexts) -> anyhow::Result<ParsedFiles> {
        self.parse(texts).map_err(|wrong| {
            anyhow!("in `{}`:\n{}", self.name, (self.render)(&wrong, &texts.policies).trim_end())
        })
    }

    /// Like [`Self::parse`], for the log of a running process. Where facts cannot be read, those in
    /// force `before` stay.
    ///
    /// # Errors
    /// Everything that is wrong with them, in one line.
    pub(crate) fn parse_again(
        &self,
        texts: &PolicyTexts,
        before: &PolicySet,
    ) -> Result<ParsedFiles, String> {
        let parsed = self.parse(texts).map_err(|wrong| in_one_line(&wrong))?;
        Ok(match parsed.refused_facts.is_empty() {
            true => parsed,
            false => ParsedFiles { policies: parsed.policies.with_facts_of(before), ..parsed },
        })
    }

    /// Digest that tells whether the files have changed.
    pub(crate) fn digest(texts: &PolicyTexts) -> Digest {
        let files = texts.policies.iter().chain(&texts.facts);
        digest(files.flat_map(|file| [file.name.as_bytes(), file.text.as_bytes()]))
    }
}

fn in_one_line(wrong: &[Diagnostic]) -> String {
    let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    lines.join("; ")
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
