//! What `-f` names: files, directories, standard input.

mod other;
mod walk;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use jiff::civil::Date;

use super::pass::Asked;
use super::{parallel, policy_files};
use crate::manifest::{Encoding, ManifestError, ManifestFile};
use crate::policy::PolicySet;
use crate::terminal::{diagnostics, say};
use crate::workload::Kinds;
use walk::FoundFiles;

/// What `harden` and `explain` work on, and by which policy.
#[derive(Clone, Debug, clap::Args)]
pub struct Input {
    /// A file, a directory, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,

    /// Policies; by default the built-in `restricted`
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub policy: Option<PathBuf>,

    /// Facts of images; may be given several times
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath, hide_short_help = true)]
    pub facts: Vec<PathBuf>,

    /// Apply this one of the policies to every namespace
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other, hide_short_help = true)]
    pub policy_name: Option<String>,

    /// Namespace of documents without one (default: `default`), or of POD
    #[arg(short, long, value_name = "NS", value_hint = ValueHint::Other)]
    pub namespace: Option<String>,

    /// Judge exemptions as of this date (default: today)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    pub date: Option<Date>,

    /// Skip files with errors, report them, exit with 2
    #[arg(long, hide_short_help = true)]
    pub keep_going: bool,
}

/// The name under which standard input appears.
pub const STDIN: &str = "stdin";

impl Input {
    /// Input from these files, without a policy of its own.
    pub fn of(files: Vec<PathBuf>, namespace: Option<&String>, date: Option<Date>) -> Self {
        let (facts, namespace) = (Vec::new(), namespace.cloned());
        Self { files, policy: None, facts, policy_name: None, namespace, date, keep_going: false }
    }

    /// The namespace of documents that name none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }

    /// What the command line says of policies.
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

    /// Reads the policies. If they are wrong, reports that to `err` and returns `None`.
    ///
    /// # Errors
    /// When `err` cannot be written to, or a policy file cannot be read.
    pub fn policies(&self, err: &mut dyn Write) -> anyhow::Result<Option<PolicySet>> {
        let files = policy_files::read_all(self.policy.iter().chain(&self.facts))?;
        Ok(policy_files::load(&files, self.date(), err)?)
    }

    /// Reports errors that keep the rest from being judged, and how to go on without it. Returns the
    /// exit code.
    ///
    /// # Errors
    /// When `err` cannot be written to.
    pub fn refuse(&self, errors: &[ManifestError], err: &mut dyn Write) -> io::Result<u8> {
        let code = diagnostics::errors(err, errors)?;
        if self.files.len() > 1 || self.files.iter().any(|path| path.is_dir()) {
            say::note(err, "nothing was judged; --keep-going skips files with errors")?;
        }
        Ok(code)
    }

    /// Reads everything that was named, in order. Returns what could be read, and the errors.
    ///
    /// # Errors
    /// When `err` cannot be written to, or no thread can be started.
    pub fn read(&self, kinds: &Kinds, err: &mut dyn Write) -> anyhow::Result<Read> {
        let mut named = Named::default();
        if self.files.is_empty() {
            if io::stdin().is_terminal() {
                let mut error = ManifestError::about(STDIN, "no manifests are named");
                error.hint = Some("name files or directories with -f, or - to type here".into());
                return Ok(Read { sources: Vec::new(), errors: vec![error] });
            }
            named.places.push(Place::Stdin);
        }
        for path in &self.files {
            if path.as_os_str() == "-" {
                named.places.push(Place::Stdin);
            } else if path.is_dir() {
                named.directory(path);
            } else {
                named.places.push(Place::File { path: path.clone(), found: false });
            }
        }
        let Named { places, mut notes } = named;
        let mut sources = Vec::new();
        let mut errors = Vec::new();
        for read in parallel::in_order("reading manifests", places, |place| place.read(kinds))? {
            match read {
                Ok(source) => sources.push(source),
                Err(Unread::LeftOut(note)) => notes.push(note),
                Err(Unread::Wrong(wrong)) => errors.extend(wrong),
            }
        }
        notes.iter().try_for_each(|note| say::note(err, note))?;
        Ok(Read { sources, errors })
    }

    /// Whether there was nothing to judge where manifests were looked for: no document at all in the
    /// directories or on standard input. A file that is named may well be empty.
    pub fn found_nothing<'s>(&self, sources: impl IntoIterator<Item = &'s ManifestFile>) -> bool {
        let searches = self.reads_stdin() || self.files.iter().any(|path| path.is_dir());
        let mut documents = sources.into_iter().flat_map(|source| &source.documents);
        searches && documents.all(|document| document.value.is_null())
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

/// What was named, place by place.
#[derive(Default)]
struct Named {
    places: Vec<Place>,
    notes: Vec<String>,
}

/// A place to read from, or an error instead.
enum Place {
    Stdin,
    File {
        path: PathBuf,
        /// Whether it was found in a directory. Then it may be anything; otherwise it has to be a
        /// manifest.
        found: bool,
    },
    Error(ManifestError),
}

impl Place {
    fn read(self, kinds: &Kinds) -> Result<ManifestFile, Unread> {
        match self {
            Self::Stdin => {
                let mut bytes = Vec::new();
                let read = io::stdin().lock().read_to_end(&mut bytes);
                text(kinds, STDIN, None, read.map(|_| bytes), false)
            }
            Self::File { path, found } => {
                text(kinds, &path.display().to_string(), Some(&path), fs::read(&path), found)
            }
            Self::Error(error) => Err(Unread::Wrong(vec![error])),
        }
    }
}

impl Named {
    fn directory(&mut self, root: &Path) {
        let FoundFiles { files, notes, errors } = match walk::walk(root) {
            Ok(found) => found,
            Err(error) => {
                let error = ManifestError::about(&root.display().to_string(), error);
                return self.places.push(Place::Error(error));
            }
        };
        if files.is_empty() && notes.is_empty() {
            self.notes.push(format!("{}: no .yaml, .yml or .json file here", root.display()));
        }
        self.notes.extend(notes);
        self.places.extend(errors.into_iter().map(Place::Error));
        self.places.extend(files.into_iter().map(|path| Place::File { path, found: true }));
    }
}

/// Why something is not a source.
enum Unread {
    /// A manifest that cannot be read.
    Wrong(Vec<ManifestError>),
    /// A file that was found and is no manifest at all, in words.
    LeftOut(String),
}

fn text(
    kinds: &Kinds,
    name: &str,
    path: Option<&Path>,
    bytes: io::Result<Vec<u8>>,
    found: bool,
) -> Result<ManifestFile, Unread> {
    let unread = |errors, other: Option<&str>| match other.filter(|_| found) {
        Some(what) => Unread::LeftOut(format!("{name}: left out, not a manifest: {what}")),
        None => Unread::Wrong(errors),
    };
    let bytes = bytes.map_err(|error| unread(vec![ManifestError::about(name, error)], None))?;
    let (text, encoding) = Encoding::decode(&bytes).map_err(|message| {
        // Whatever the encoding, the letters of those keys are there.
        let letters: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        let meant = other::is_meant_for_kubernetes(&String::from_utf8_lossy(&letters));
        let other = (!meant).then_some("not UTF-8 text");
        unread(vec![ManifestError::about(name, message)], other)
    })?;
    let other = other::what(&text);
    let source = ManifestFile::read_knowing(kinds, name, text);
    let source = source.map_err(|errors| unread(errors, other))?;
    Ok(ManifestFile { path: path.map(Path::to_owned), encoding, ..source })
}
