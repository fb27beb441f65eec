//! Reads policy files from the disk, and selects the policies that a command goes by.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use jiff::civil::Date;

use crate::cluster::Cluster;
use crate::cluster::policies as cluster_policies;
use crate::policy::{Diagnostic, PolicyFile, PolicySet};
use crate::terminal::{diagnostics, say};

/// Why policy files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file or directory could not be opened or read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file is not UTF-8.
    #[error("`{}` is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A directory has no policy files.
    #[error("no file in `{}` ends in .yaml or .yml", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

/// Reads the file `path`, or the files of the directory `path` that end in `.yaml` or `.yml`, by
/// name. Directories within it are left out, and so are names that begin with `..`: a mounted
/// ConfigMap keeps its files there and links to them from the outside.
///
/// # Errors
/// When something cannot be read, is not UTF-8, or the directory has no such file.
pub fn read(path: &Path) -> Result<Vec<PolicyFile>, ReadError> {
    let io = |source| ReadError::Io { path: path.to_owned(), source };
    // Follows links, as everything below does: a ConfigMap's files are links.
    if !fs::metadata(path).map_err(io)?.is_dir() {
        return Ok(vec![file(path)?]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?.path();
        if is_policy_file(&entry) {
            files.push(entry);
        }
    }
    if files.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    files.sort();
    files.iter().map(|path| file(path)).collect()
}

/// The set of policies in `files`, with grants judged by `date`. Warnings go to `err`. Errors do
/// too, and then there is no set.
///
/// # Errors
/// When `err` cannot be written to.
pub fn load(
    files: &[PolicyFile],
    date: Date,
    err: &mut dyn Write,
) -> io::Result<Option<PolicySet>> {
    match PolicySet::load(files, Some(date)) {
        Ok((policies, warnings)) => {
            for Diagnostic { place, message, .. } in &warnings {
                say::warning(err, format!("{place}: {message}"))?;
            }
            Ok(Some(policies))
        }
        Err(errors) => {
            err.write_all(diagnostics::styled(&errors, files).as_bytes())?;
            Ok(None)
        }
    }
}

fn is_policy_file(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
    let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    // A dangling link is not a directory, and reading it reports why.
    yaml && !hidden && !path.is_dir()
}

fn file(path: &Path) -> Result<PolicyFile, ReadError> {
    let bytes = fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let text =
        String::from_utf8(bytes).map_err(|_| ReadError::NotText { path: path.to_owned() })?;
    Ok(PolicyFile { name: path.display().to_string(), text })
}

/// Policies, and their origin in words.
pub struct Policies {
    /// The policies.
    pub set: PolicySet,
    /// Origin: `policies.yaml`, `configmap ironhull-system/ironhull-policies`, `built in`.
    pub from: String,
}

/// Source of the policies that a command goes by.
pub enum Choice {
    /// Policies that were named.
    Candidate(Box<Policies>),
    /// Policies of the cluster.
    Installed,
}

impl Choice {
    /// The choice that `--policy` makes. If the policies are wrong, reports that to `err`, and
    /// there is no choice.
    ///
    /// # Errors
    /// As [`candidate`].
    pub fn of(
        path: Option<&Path>,
        date: Date,
        err: &mut dyn Write,
    ) -> anyhow::Result<Option<Self>> {
        match path {
            Some(path) => {
                Ok(candidate(path, date, err)?.map(|policies| Self::Candidate(Box::new(policies))))
            }
            None => Ok(Some(Self::Installed)),
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
            Self::Installed => installed(cluster, date, err).await,
        }
    }
}

/// Reads a candidate. If it is wrong, reports that to `err` and returns `None`.
///
/// # Errors
/// When it cannot be read, or `err` cannot be written to.
pub fn candidate(path: &Path, date: Date, err: &mut dyn Write) -> anyhow::Result<Option<Policies>> {
    let files = read(path)?;
    let set = load(&files, date, err)?;
    Ok(set.map(|set| Policies { set, from: path.display().to_string() }))
}

/// The policies that are installed in the cluster, if they may be read; otherwise the built-in one.
///
/// # Errors
/// When those that are installed cannot be used, or `err` cannot be written to.
async fn installed(cluster: &Cluster, date: Date, err: &mut dyn Write) -> anyhow::Result<Policies> {
    let found = cluster_policies::installed(cluster).await;
    if found.is_none() {
        say::note(
            err,
            "the installed policies cannot be read with these rights; this goes by the built-in one",
        )?;
    }
    let (files, config_maps) =
        found.map(|found| (found.files, found.config_maps)).unwrap_or_default();
    let from = match config_maps.is_empty() {
        true => "built in".to_owned(),
        false => config_maps.join(", "),
    };
    match load(&files, date, err)? {
        Some(set) => Ok(Policies { set, from }),
        None => bail!("the installed policies cannot be used ({from})"),
    }
}
