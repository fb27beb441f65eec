//! Reads policy files from the disk, and selects the policies that a command goes by.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

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

impl ReadError {
    /// Whether there is nothing to read, rather than something that cannot be.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Empty { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::NotText { .. } => false,
        }
    }
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

/// Reads several of them, in order.
///
/// # Errors
/// As [`read`].
pub fn read_all<'p>(
    paths: impl Iterator<Item = &'p PathBuf>,
) -> Result<Vec<PolicyFile>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(read(path)?);
    }
    Ok(files)
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
