//! What `-f` names: files, directories, standard input.

use std::collections::HashSet;
use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use jiff::civil::Date;

use super::manifest::{ManifestError, Source};
use super::{diagnostics, policy_files, say};
use crate::policy::{Diagnostic, PolicySet};

/// What `harden` and `explain` work on, and by which policy.
#[derive(Clone, Debug, clap::Args)]
pub struct Input {
    /// A file of manifests, a directory (*.yaml, *.yml and *.json in it, and below), or
    /// - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,

    /// The policies to go by; without it, the built-in `restricted` for every namespace
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub policy: Option<PathBuf>,

    /// The namespace of documents that name none, `default` without it; or of a POD
    #[arg(short, long, value_name = "NS", value_hint = ValueHint::Other)]
    pub namespace: Option<String>,

    /// The date by which exemptions end; else today (UTC)
    #[arg(long, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    pub date: Option<Date>,
}

/// The name under which standard input appears.
const STDIN: &str = "stdin";

impl Input {
    /// These files, by no policy of their own.
    pub fn of(files: Vec<PathBuf>, namespace: Option<&String>, date: Option<Date>) -> Self {
        Self { files, policy: None, namespace: namespace.cloned(), date }
    }

    /// The namespace of documents that name none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    /// The date to go by.
    pub fn date(&self) -> Date {
        self.date.unwrap_or_else(super::today)
    }

    /// Reads the policies; what is wrong with them goes to `err`, and then there are none.
    ///
    /// # Errors
    /// When `err` cannot be written to, or a policy file cannot be read.
    pub fn policies(&self, err: &mut dyn Write) -> anyhow::Result<Option<PolicySet>> {
        let files = match &self.policy {
            Some(path) => policy_files::read(path)?,
            None => Vec::new(),
        };
        match PolicySet::load(&files, Some(self.date())) {
            Ok((policies, warnings)) => {
                for Diagnostic { place, message, .. } in &warnings {
                    say::warning(err, format!("{place}: {message}"))?;
                }
                Ok(Some(policies))
            }
            Err(errors) => {
                err.write_all(diagnostics::styled(&errors, &files).as_bytes())?;
                Ok(None)
            }
        }
    }

    /// Reads everything that was named, in order: the sources, or everything that could
    /// not be read, all together.
    ///
    /// # Errors
    /// When `err` cannot be written to.
    pub fn read(&self, err: &mut dyn Write) -> io::Result<Result<Vec<Source>, Vec<ManifestError>>> {
        let mut reader = Reader::default();
        if self.files.is_empty() {
            if io::stdin().is_terminal() {
                let mut error = ManifestError::about("stdin", "there is nothing to read");
                error.hint = Some("name files or directories with -f, or - to type here".into());
                return Ok(Err(vec![error]));
            }
            reader.stdin();
        }
        for path in &self.files {
            if path.as_os_str() == "-" {
                reader.stdin();
            } else if path.is_dir() {
                reader.directory(path);
            } else {
                reader.file(path);
            }
        }
        reader.notes.iter().try_for_each(|note| say::note(err, note))?;
        Ok(if reader.errors.is_empty() { Ok(reader.sources) } else { Err(reader.errors) })
    }
}

#[derive(Default)]
struct Reader {
    sources: Vec<Source>,
    errors: Vec<ManifestError>,
    notes: Vec<String>,
}

impl Reader {
    fn stdin(&mut self) {
        let mut bytes = Vec::new();
        match io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => self.text(STDIN, bytes),
            Err(error) => self.errors.push(ManifestError::about(STDIN, error)),
        }
    }

    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match fs::read(path) {
            Ok(bytes) => self.text(&name, bytes),
            Err(error) => self.errors.push(ManifestError::about(&name, error)),
        }
    }

    fn text(&mut self, name: &str, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) => match Source::read(name, text) {
                Ok(source) => self.sources.push(source),
                Err(errors) => self.errors.extend(errors),
            },
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                self.errors
                    .push(ManifestError::about(name, format!("is not UTF-8 from byte {at} on")));
            }
        }
    }

    fn directory(&mut self, root: &Path) {
        let real = match root.canonicalize() {
            Ok(real) => real,
            Err(error) => {
                return self.errors.push(ManifestError::about(&root.display().to_string(), error));
            }
        };
        let mut walk =
            Walk { root: real, seen: HashSet::new(), files: Vec::new(), notes: Vec::new() };
        if let Err(error) = walk.enter(root) {
            self.errors.push(ManifestError::about(&root.display().to_string(), error));
        }
        let before = self.sources.len() + self.errors.len();
        for file in std::mem::take(&mut walk.files) {
            self.file(&file);
        }
        self.notes.extend(walk.notes);
        if self.sources.len() + self.errors.len() == before {
            self.notes.push(format!("{}: no .yaml, .yml or .json file here", root.display()));
        }
    }
}

/// A walk through a directory.
struct Walk {
    /// The directory itself, without links.
    root: PathBuf,
    /// What was visited, without links: a link back up ends here.
    seen: HashSet<PathBuf>,
    files: Vec<PathBuf>,
    notes: Vec<String>,
}

impl Walk {
    fn enter(&mut self, directory: &Path) -> io::Result<()> {
        if !self.seen.insert(directory.canonicalize()?) {
            return Ok(());
        }
        let mut entries = fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        for path in entries {
            // .git and the like, and the hidden generations of a mounted ConfigMap.
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                continue;
            }
            if path.is_symlink() && !path.canonicalize().is_ok_and(|to| to.starts_with(&self.root))
            {
                self.notes.push(format!("{}: left out, a link to outside", path.display()));
            } else if path.is_dir() {
                self.enter(&path)?;
            } else if is_manifest(&path) && self.seen.insert(path.canonicalize()?) {
                self.files.push(path);
            }
        }
        Ok(())
    }
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    matches!(&*extension, "yaml" | "yml" | "json")
}
