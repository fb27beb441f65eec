//! What `-f` names: files, directories, standard input.

mod other;
mod walk;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use jiff::civil::Date;

use super::pass::Asked;
use super::policy_files;
use crate::manifest::{Encoding, ManifestError, ManifestFile};
use crate::policy::PolicySet;
use crate::terminal::progress::Progress;
use crate::terminal::say;
use walk::FoundFiles;

/// What `harden` and `explain` work on, and by which policy.
#[derive(Clone, Debug, clap::Args)]
pub struct Input {
    /// A file, a directory (Helm charts' templates are left out), or - for standard input;
    /// may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,

    /// The policies to go by; without it, the built-in `restricted` for every namespace
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub policy: Option<PathBuf>,

    /// The one of these policies to go by, whatever the namespaces are
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other, hide_short_help = true)]
    pub policy_name: Option<String>,

    /// The namespace of documents that name none, `default` without it; or of a POD
    #[arg(short, long, value_name = "NS", value_hint = ValueHint::Other)]
    pub namespace: Option<String>,

    /// The date by which exemptions end; else today (UTC)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    pub date: Option<Date>,
}

/// The name under which standard input appears.
pub const STDIN: &str = "stdin";

impl Input {
    /// These files, by no policy of their own.
    pub fn of(files: Vec<PathBuf>, namespace: Option<&String>, date: Option<Date>) -> Self {
        Self { files, policy: None, policy_name: None, namespace: namespace.cloned(), date }
    }

    /// The namespace of documents that name none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    /// What it says of policies.
    pub fn asked(&self) -> Asked<'_> {
        let Self { policy, policy_name, .. } = self;
        Asked {
            policy: policy.as_deref(),
            policy_name: policy_name.as_deref(),
            namespace: self.namespace(),
        }
    }

    /// The date to go by.
    pub fn date(&self) -> Date {
        self.date.unwrap_or_else(crate::date::today)
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
        Ok(policy_files::load(&files, self.date(), err)?)
    }

    /// Reads everything that was named, in order: the sources, or everything that could
    /// not be read, all together.
    ///
    /// # Errors
    /// When `err` cannot be written to.
    pub fn read(
        &self,
        err: &mut dyn Write,
    ) -> io::Result<Result<Vec<ManifestFile>, Vec<ManifestError>>> {
        let Read { sources, errors } = self.read_what_can_be(err)?;
        Ok(if errors.is_empty() { Ok(sources) } else { Err(errors) })
    }

    /// Reads everything that was named, in order: what could be read, and what not.
    ///
    /// # Errors
    /// When `err` cannot be written to.
    pub fn read_what_can_be(&self, err: &mut dyn Write) -> io::Result<Read> {
        let mut reader = Reader::default();
        if self.files.is_empty() {
            if io::stdin().is_terminal() {
                let mut error = ManifestError::about(STDIN, "there is nothing to read");
                error.hint = Some("name files or directories with -f, or - to type here".into());
                return Ok(Read { sources: Vec::new(), errors: vec![error] });
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
        let Reader { sources, errors, notes } = reader;
        notes.iter().try_for_each(|note| say::note(err, note))?;
        Ok(Read { sources, errors })
    }

    /// Whether standard input is among what is read.
    pub fn reads_stdin(&self) -> bool {
        self.files.is_empty() || self.files.iter().any(|path| path.as_os_str() == "-")
    }
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// What could be read.
    pub sources: Vec<ManifestFile>,
    /// Why the rest could not.
    pub errors: Vec<ManifestError>,
}

#[derive(Default)]
struct Reader {
    sources: Vec<ManifestFile>,
    errors: Vec<ManifestError>,
    notes: Vec<String>,
}

impl Reader {
    fn stdin(&mut self) {
        let mut bytes = Vec::new();
        match io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => match text(STDIN, None, bytes) {
                Ok(source) => self.sources.push(source),
                Err(Unread { errors, .. }) => self.errors.extend(errors),
            },
            Err(error) => self.errors.push(ManifestError::about(STDIN, error)),
        }
    }

    /// A file that was named: it has to be a manifest.
    fn file(&mut self, path: &Path) {
        match file(path) {
            Ok(source) => self.sources.push(source),
            Err(Unread { errors, .. }) => self.errors.extend(errors),
        }
    }

    /// A file that was found: it may be anything.
    fn found(&mut self, path: &Path) {
        match file(path) {
            Ok(source) => self.sources.push(source),
            Err(Unread { other: Some(what), .. }) => {
                self.notes.push(format!("{}: left out, no manifest: {what}", path.display()));
            }
            Err(Unread { errors, .. }) => self.errors.extend(errors),
        }
    }

    fn directory(&mut self, root: &Path) {
        let FoundFiles { files, notes, errors } = match walk::walk(root) {
            Ok(found) => found,
            Err(error) => {
                return self.errors.push(ManifestError::about(&root.display().to_string(), error));
            }
        };
        if files.is_empty() && notes.is_empty() {
            self.notes.push(format!("{}: no .yaml, .yml or .json file here", root.display()));
        }
        self.notes.extend(notes);
        self.errors.extend(errors);
        let total = u64::try_from(files.len()).ok();
        let mut progress = Progress::new("reading manifests", total);
        for file in files {
            self.found(&file);
            progress.advance(1);
        }
    }
}

/// Why something is no source.
struct Unread {
    errors: Vec<ManifestError>,
    /// What it is, where it is no manifest at all.
    other: Option<&'static str>,
}

fn file(path: &Path) -> Result<ManifestFile, Unread> {
    let name = path.display().to_string();
    match fs::read(path) {
        Ok(bytes) => text(&name, Some(path), bytes),
        Err(error) => Err(Unread { errors: vec![ManifestError::about(&name, error)], other: None }),
    }
}

fn text(name: &str, path: Option<&Path>, bytes: Vec<u8>) -> Result<ManifestFile, Unread> {
    let (text, encoding) = Encoding::decode(&bytes).map_err(|message| {
        // Whatever the encoding, the letters of those keys are there.
        let letters: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        let meant = other::is_meant_for_kubernetes(&String::from_utf8_lossy(&letters));
        let other = (!meant).then_some("no text in UTF-8");
        Unread { errors: vec![ManifestError::about(name, message)], other }
    })?;
    let other = other::what(&text);
    let source = ManifestFile::read(name, text).map_err(|errors| Unread { errors, other })?;
    Ok(ManifestFile { path: path.map(Path::to_owned), encoding, ..source })
}
