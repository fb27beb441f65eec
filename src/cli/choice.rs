//! The policies a command goes by: a candidate's, or those that are installed in the cluster.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::ValueHint;
use jiff::civil::Date;

use super::policy_files;
use crate::cluster::policies::Installed;
use crate::cluster::{Cluster, policies};
use crate::date::today;
use crate::policy::{PolicyFile, PolicySet};
use crate::terminal::say;

/// Origin of what comes with ironhull itself.
pub const BUILT_IN: &str = "built in";

/// Policies, and their origin in words.
pub struct Policies {
    /// The policies.
    pub set: PolicySet,
    /// Origin: `policies.yaml`, `configmap ironhull-system/ironhull-policies`, `built in`.
    pub from: String,
    /// Whether they are those in force, or named by the user: false where the installed ones may not
    /// be read.
    pub known: bool,
}

/// What a command that looks at a cluster goes by.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ChoiceArgs {
    /// Policies instead of those installed
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub policy: Option<PathBuf>,

    /// Facts of images; may be given several times
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub facts: Vec<PathBuf>,

    /// Judge exemptions as of this date; by default today (UTC)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    pub date: Option<Date>,
}

impl ChoiceArgs {
    /// The date by which exemptions end.
    pub fn date(&self) -> Date {
        self.date.unwrap_or_else(today)
    }

    /// The policies, as [`Choice::of`] has them.
    ///
    /// # Errors
    /// As [`Choice::of`].
    pub fn choice(&self, err: &mut dyn Write) -> anyhow::Result<Option<Choice>> {
        Choice::of(self.policy.as_deref(), &self.facts, self.date(), err)
    }
}

/// Source of the policies that a command goes by.
pub enum Choice {
    /// Policies that were named.
    Candidate(Box<Policies>),
    /// Policies of the cluster, and these facts of images beside those that it has.
    Installed(Vec<PolicyFile>),
}

impl Choice {
    /// The choice that `--policy` and `--facts` make. If the policies are wrong, reports that to
    /// `err`, and there is no choice.
    ///
    /// # Errors
    /// As [`candidate`].
    pub fn of(
        path: Option<&Path>,
        facts: &[PathBuf],
        date: Date,
        err: &mut dyn Write,
    ) -> anyhow::Result<Option<Self>> {
        let facts = policy_files::read_all(facts.iter())?;
        match path {
            Some(path) => {
                let policies = candidate(path, facts, date, err)?;
                Ok(policies.map(|policies| Self::Candidate(Box::new(policies))))
            }
            None => Ok(Some(Self::Installed(facts))),
        }
    }

    /// Returns the policies. Those of the cluster are read now.
    ///
    /// # Errors
    /// As [`installed`].
    pub async fn read(
        self,
        cluster: &Cluster,
        date: Date,
        err: &mut dyn Write,
    ) -> anyhow::Result<Policies> {
        match self {
            Self::Candidate(policies) => Ok(*policies),
            Self::Installed(facts) => installed(cluster, facts, date, err).await,
        }
    }
}

/// Reads a candidate, beside facts of images. If it is wrong, reports that to `err` and returns
/// `None`.
///
/// # Errors
/// When it cannot be read, or `err` cannot be written to.
pub fn candidate(
    path: &Path,
    facts: Vec<PolicyFile>,
    date: Date,
    err: &mut dyn Write,
) -> anyhow::Result<Option<Policies>> {
    let mut files = policy_files::read(path)?;
    files.extend(facts);
    let set = policy_files::load(&files, date, err)?;
    Ok(set.map(|set| Policies { set, from: path.display().to_string(), known: true }))
}

/// The policies that are installed in the cluster, if they may be read; otherwise the built-in one.
///
/// # Errors
/// When those that are installed cannot be used, or `err` cannot be written to.
async fn installed(
    cluster: &Cluster,
    facts: Vec<PolicyFile>,
    date: Date,
    err: &mut dyn Write,
) -> anyhow::Result<Policies> {
    let found = policies::installed(cluster).await;
    let known = found.is_some();
    if !known {
        say::note(err, "not allowed to read the installed policies; using the built-in one")?;
    }
    let Installed { mut files, config_maps, facts: learnt } = found.unwrap_or_default();
    let from = match config_maps.is_empty() {
        true => BUILT_IN.to_owned(),
        false => config_maps.join(", "),
    };
    files.extend(facts);
    // The webhook goes on with its policies where facts cannot be used, and so does this.
    let learnt_from = files.len();
    files.extend(learnt);
    let mut set = policy_files::load(&files, date, err)?;
    if set.is_none() && learnt_from < files.len() {
        say::note(err, "going on without the facts that `ironhull watch` has learnt")?;
        files.truncate(learnt_from);
        set = policy_files::load(&files, date, err)?;
    }
    match set {
        Some(set) => Ok(Policies { set, from, known }),
        None => bail!("the installed policies cannot be used ({from})"),
    }
}
