//! `harden --write`: rewrites the files in place.
//!
//! First the new text of every file is read again, and written beside the old file under another
//! name. Only when all of that has worked do the new files take the old ones' places, each in one
//! step. So nothing is half done: what goes wrong goes wrong before.

mod draft;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use super::engine::{self, AtErrors, Hardened, Hardening};
use super::interrupt::Interrupt;
use super::output::changes;
use crate::cli::input::{Input, STDIN};
use crate::cli::pass::place;
use crate::manifest::ManifestError;
use crate::terminal::progress::Progress;
use crate::terminal::{diagnostics, say};
use draft::Draft;

/// Rewrites the files, and reports to `out` which ones. Returns the exit code.
///
/// # Errors
/// When the report cannot be written.
pub(super) fn run(
    input: &Input,
    seed_image: Option<&str>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    if input.reads_stdin() {
        let mut error = ManifestError::about(STDIN, "cannot be rewritten");
        error.hint = Some("name files or directories with -f, or leave out --write".to_owned());
        return Ok(diagnostics::errors(err, &[error])?);
    }
    let Some(hardening) = engine::harden_all(input, AtErrors::GoOn, seed_image, err)? else {
        return Ok(say::EXIT_ERROR);
    };
    let Hardening { hardened, mut errors } = hardening;
    let keep_going = input.keep_going;
    let interrupt = Interrupt::listen()?;
    let mut ready = Vec::new();
    if errors.is_empty() || keep_going {
        let (drafts, wrong) = drafts(&hardened, keep_going, &interrupt);
        ready = drafts;
        errors.extend(wrong);
    }
    if interrupt.came() {
        drop(ready);
        anyhow::bail!("interrupted; nothing was written");
    }
    if !errors.is_empty() && !keep_going {
        drop(ready);
        diagnostics::errors(err, &errors)?;
        say::note(err, "nothing was written; --keep-going writes every file without errors")?;
        return Ok(say::EXIT_ERROR);
    }
    let written = replace(ready, &mut errors, out)?;
    let fixed: Vec<String> = written.iter().flat_map(|one| fixed(one)).collect();
    let refused: HashSet<&str> = errors.iter().map(|error| error.file.as_str()).collect();
    let unchanged = hardened.iter().filter(|one| one.changes.is_empty()).count();
    summary(out, written.len(), unchanged, refused.len())?;
    say_fixed(&fixed, err)?;
    if errors.is_empty() { Ok(0) } else { Ok(diagnostics::errors(err, &errors)?) }
}

/// Writes the new files beside the old ones. Returns them, and what is wrong with the rest. Stops
/// at the first error unless it is to keep going.
fn drafts<'h>(
    hardened: &'h [Hardened],
    keep_going: bool,
    interrupt: &Interrupt,
) -> (Vec<(&'h Hardened, Draft)>, Vec<ManifestError>) {
    let changed: Vec<_> = hardened.iter().filter(|one| !one.changes.is_empty()).collect();
    let mut progress = Progress::new("writing", u64::try_from(changed.len()).ok());
    let mut targets: HashSet<PathBuf> = HashSet::new();
    let (mut drafts, mut errors) = (Vec::new(), Vec::new());
    for one in changed {
        if interrupt.came() || (!errors.is_empty() && !keep_going) {
            break;
        }
        progress.advance(1);
        match Draft::of(one) {
            // A file that was named twice, or through two links, is written once.
            Ok(draft) if !targets.insert(draft.target().to_owned()) => drop(draft),
            Ok(draft) => drafts.push((one, draft)),
            Err(error) => errors.push(error),
        }
    }
    (drafts, errors)
}

/// Puts the drafts in the old files' places, and reports it. Returns what was written.
fn replace<'h>(
    drafts: Vec<(&'h Hardened, Draft)>,
    errors: &mut Vec<ManifestError>,
    out: &mut dyn Write,
) -> io::Result<Vec<&'h Hardened>> {
    let mut written = Vec::new();
    for (one, draft) in drafts {
        match draft.replace(one) {
            Ok(()) => {
                written.push(one);
                writeln!(out, "wrote {}: {}", one.source.name, changes(one.fields()))?;
            }
            Err(error) => errors.push(error),
        }
    }
    Ok(written)
}

/// Changes that the API server refuses if the object exists already. A Job's template and nearly
/// all of a pod are immutable (`pkg/apis/batch/validation`, `pkg/apis/core/validation`). An object
/// that is named by the server is made anew each time.
fn fixed(one: &Hardened) -> Vec<String> {
    let documents =
        one.changes.iter().filter_map(|change| one.source.documents.get(change.document));
    documents
        .flat_map(|document| {
            let fixed = document.contents.workloads.iter().filter(|workload| {
                matches!(workload.kind.as_str(), "Job" | "Pod") && !workload.name.ends_with('*')
            });
            fixed.map(move |workload| place(&one.source, document, Some(workload)))
        })
        .collect()
}

fn say_fixed(fixed: &[String], err: &mut dyn Write) -> io::Result<()> {
    /// Maximum number of objects named: a line has room for no more.
    const NAMED: usize = 3;
    if fixed.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = fixed.iter().take(NAMED).map(String::as_str).collect();
    let more = match fixed.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    say::note(
        err,
        format!(
            "a Job's template and a Pod cannot be changed once created, so `kubectl apply` \
             fails: recreate them with `kubectl replace --force` ({}{more})",
            names.join("; ")
        ),
    )
}

fn summary(
    out: &mut dyn Write,
    written: usize,
    unchanged: usize,
    refused: usize,
) -> io::Result<()> {
    let files = if written == 1 { "file" } else { "files" };
    write!(out, "{written} {files} written, {unchanged} unchanged")?;
    match refused {
        0 => writeln!(out)?,
        refused => writeln!(out, ", {refused} refused")?,
    }
    out.flush()
}
