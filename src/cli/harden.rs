//! `ironhull harden`: manifests in, hardened manifests out.

mod diff;
pub(super) mod output;

use std::io::{self, Write};

use serde_json::Value;

use super::input::Input;
use super::manifest::{Document, Edited, ManifestError, Source};
use super::pass::{self, Judged, Pass};
use super::say;

/// Harden manifests, as the webhook would
///
/// The same engine as in the cluster, on files. Documents that need no hardening, and
/// documents of other kinds, come out as they went in; in the others only what changes
/// changes. Nothing is written where anything could not be read.
#[derive(Clone, Debug, clap::Args)]
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
    /// A line for each changed document, for programs: docs/json.md has its members
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

/// Runs the command; what it answers goes to `out`, what is wrong to `err`. Returns the
/// exit code.
///
/// # Errors
/// When nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { input, output, check } = args;
    let hardened = match harden_all(input, err)? {
        Ok(hardened) => hardened,
        Err(errors) => return Ok(say::errors(err, &errors)?),
    };
    let written = match output {
        None if *check => out.write_all(output::list(&hardened).as_bytes()),
        None | Some(Format::Yaml) => out.write_all(output::yaml(&hardened).as_bytes()),
        Some(Format::Json) => out.write_all(output::json(&hardened).as_bytes()),
        Some(Format::Patch) => out.write_all(output::patches(&hardened).as_bytes()),
        Some(Format::Diff) => diff::write(&diff::diff(&hardened), out),
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    let changes = hardened.iter().any(|hardened| !hardened.changes.is_empty());
    Ok(if *check && changes { say::EXIT_CHANGES } else { 0 })
}

/// All sources, or every error in any of them: a part of the output alone would be taken
/// for the whole by whatever reads it.
fn harden_all(
    input: &Input,
    err: &mut dyn Write,
) -> anyhow::Result<Result<Vec<Hardened>, Vec<ManifestError>>> {
    let Some(policies) = input.policies(err)? else { return Ok(Err(Vec::new())) };
    let sources = match input.read(err)? {
        Ok(sources) => sources,
        Err(errors) => return Ok(Err(errors)),
    };
    let pass = Pass { policies: &policies, namespace: input.namespace(), date: input.date() };
    let mut hardened = Vec::with_capacity(sources.len());
    let mut errors = Vec::new();
    for source in sources {
        let mut changes = Vec::new();
        for (index, document) in source.documents.iter().enumerate() {
            pass::say_remarks(err, &source, document)?;
            match harden_document(&pass, &source, document, index) {
                Ok((change, warnings)) => {
                    warnings.iter().try_for_each(|warning| say::warning(err, warning))?;
                    if let Some(change) = &change {
                        say_rewritten(err, &source, document, change)?;
                    }
                    changes.extend(change);
                }
                Err(error) => errors.push(*error),
            }
        }
        hardened.push(Hardened { source, changes });
    }
    Ok(if errors.is_empty() { Ok(hardened) } else { Err(errors) })
}

/// How the document changes, if it does, and the engine's warnings about it.
fn harden_document(
    pass: &Pass<'_>,
    source: &Source,
    document: &Document,
    index: usize,
) -> Result<(Option<Change>, Vec<String>), Box<ManifestError>> {
    let mut patch: Vec<Value> = Vec::new();
    let mut namespaces: Vec<String> = Vec::new();
    let mut warnings = Vec::new();
    pass.judge(source, document, |judged| {
        warnings.extend(say_warnings(source, document, judged));
        if judged.outcome.changes() {
            // The engine writes its patch itself: an array of operations.
            let operations = serde_json::from_str(judged.outcome.patch.as_json());
            patch.extend::<Vec<Value>>(operations.unwrap_or_default());
        }
        namespaces.push(judged.namespace.to_owned());
    })?;
    if patch.is_empty() {
        return Ok((None, warnings));
    }
    let edited = source
        .apply(document, &patch)
        .map_err(|message| Box::new(ManifestError::of(source, document, "", message)))?;
    namespaces.dedup();
    let single = namespaces.len() == 1;
    let namespace = namespaces.into_iter().next().filter(|_| single).unwrap_or_default();
    let name = match document.contents.workloads.as_slice() {
        [workload] if workload.at.is_empty() => workload.name.clone(),
        _ => String::new(),
    };
    Ok((Some(Change { document: index, namespace, name, patch, edited }), warnings))
}

fn say_warnings(source: &Source, document: &Document, judged: &Judged<'_>) -> Vec<String> {
    let place = pass::place(source, document, Some(judged.workload));
    let warnings = judged.outcome.warnings(false).into_iter();
    warnings
        .map(|warning| {
            // Who speaks is clear here.
            let warning = warning.strip_prefix("ironhull: ").unwrap_or(&warning);
            format!("{place}: {warning}")
        })
        .collect()
}

fn say_rewritten(
    err: &mut dyn Write,
    source: &Source,
    document: &Document,
    change: &Change,
) -> io::Result<()> {
    let places: Vec<String> =
        change.edited.rewritten.iter().map(|place| format!("`{place}`")).collect();
    if places.is_empty() {
        return Ok(());
    }
    let place = pass::place(source, document, None);
    let places = places.join(", ");
    say::note(
        err,
        format!("{place}: written anew, for an anchor or an unusual layout there: {places}"),
    )
}
