//! `ironhull harden`: manifests in, hardened manifests out.

mod diff;
mod output;

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use super::input::Input;
use super::manifest::{Document, Edited, ManifestError, Source};
use super::pass::{self, Judged, Pass};
use super::{policies, say};

/// Harden manifests
///
/// The same engine as in the cluster, on files. Documents that need no hardening, and
/// documents of other kinds, come out as they went in; in the others only what changes
/// changes. Nothing is written where anything could not be read.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit status: 0; 1 with --check when anything would change; 2 for errors.")]
pub struct Args {
    #[command(flatten)]
    input: Input,

    /// What to write: the manifests as they were written, hardened; the hardened objects
    /// as JSON; a JSON Patch a line; a diff for `patch -p1` and `git apply`
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    /// Change nothing, exit with 1 if anything would change; without -o, list what
    #[arg(long)]
    check: bool,
}

/// What `harden` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The manifests (the default)
    Yaml,
    /// One object, or a List of them
    Json,
    /// A line for each changed document: {"file","document","kind","namespace","name","patch"}
    Patch,
    /// A unified diff
    Diff,
}

/// A source after the engine has seen all of it.
struct Hardened {
    source: Source,
    /// For each document that changes, in order: its index, and how.
    changes: Vec<Change>,
}

/// A document that changes.
struct Change {
    document: usize,
    namespace: String,
    name: String,
    patch: Vec<Value>,
    edited: Edited,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let Args { input, output, check } = args;
    let hardened = match harden_all(input) {
        Ok(hardened) => hardened,
        Err(errors) => {
            errors.iter().for_each(say::manifest_error);
            return ExitCode::from(say::EXIT_ERROR);
        }
    };
    let text = match output {
        None if *check => output::list(&hardened),
        None | Some(Format::Yaml) => output::yaml(&hardened),
        Some(Format::Json) => output::json(&hardened),
        Some(Format::Patch) => output::patches(&hardened),
        Some(Format::Diff) => diff::diff(&hardened),
    };
    let written = if *output == Some(Format::Diff) {
        diff::write(&text)
    } else {
        io::stdout().lock().write_all(text.as_bytes())
    };
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say::error(format!("standard output: {error}"));
            return ExitCode::from(say::EXIT_ERROR);
        }
        _ => {}
    }
    if *check && hardened.iter().any(|hardened| !hardened.changes.is_empty()) {
        return ExitCode::from(say::EXIT_CHANGES);
    }
    ExitCode::SUCCESS
}

fn harden_all(input: &Input) -> Result<Vec<Hardened>, Vec<ManifestError>> {
    let policies = policies::read(input.policy.as_deref())?;
    let sources = input.read()?;
    let pass = Pass { policies: &policies, namespace: &input.namespace, date: input.date() };
    let mut hardened = Vec::with_capacity(sources.len());
    let mut errors = Vec::new();
    for source in sources {
        let mut changes = Vec::new();
        for (index, document) in source.documents.iter().enumerate() {
            match harden_document(&pass, &source, document, index) {
                Ok(Some(change)) => changes.push(change),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        hardened.push(Hardened { source, changes });
    }
    if errors.is_empty() { Ok(hardened) } else { Err(errors) }
}

fn harden_document(
    pass: &Pass<'_>,
    source: &Source,
    document: &Document,
    index: usize,
) -> Result<Option<Change>, ManifestError> {
    pass::say_remarks(source, document);
    let mut patch: Vec<Value> = Vec::new();
    let mut namespaces: Vec<String> = Vec::new();
    pass.judge(source, document, |judged| {
        say_warnings(source, document, judged);
        if judged.outcome.changes() {
            // The engine writes its patch itself: an array of operations.
            let operations = serde_json::from_str(judged.outcome.patch.as_json());
            patch.extend::<Vec<Value>>(operations.unwrap_or_default());
        }
        namespaces.push(judged.namespace.to_owned());
    })?;
    if patch.is_empty() {
        return Ok(None);
    }
    let edited = source.apply(document, &patch).map_err(|message| ManifestError {
        file: source.name.clone(),
        document: document.number,
        at: None,
        message,
        hint: None,
    })?;
    if !edited.rewritten.is_empty() {
        let places: Vec<String> =
            edited.rewritten.iter().map(|place| format!("`{place}`")).collect();
        say::note(format!(
            "{}: {} could not be edited where it stands (an anchor, or an unusual layout) and is \
             written anew",
            pass::place(source, document, None),
            places.join(", "),
        ));
    }
    namespaces.dedup();
    let single = namespaces.len() == 1;
    let namespace = namespaces.into_iter().next().filter(|_| single).unwrap_or_default();
    let name = match document.contents.workloads.as_slice() {
        [workload] if workload.at.is_empty() => workload.name.clone(),
        _ => String::new(),
    };
    Ok(Some(Change { document: index, namespace, name, patch, edited }))
}

fn say_warnings(source: &Source, document: &Document, judged: &Judged<'_>) {
    for warning in judged.outcome.warnings(false) {
        let place = pass::place(source, document, Some(judged.workload));
        say::warning(format!("{place}: {warning}"));
    }
}
