//! `ironhull harden`: manifests in, hardened manifests out.

mod annotations;
mod diff;
mod engine;
mod interrupt;
pub mod krm;
pub(super) mod output;
mod sarif;
mod would_change;
mod write;

use std::io::{self, Write};

use super::input::Input;
use crate::terminal::{diagnostics, say};
use engine::{AtErrors, Hardened, Hardening};

/// Harden manifests, as the webhook would
///
/// Changes nothing else. If anything cannot be read, nothing is written.
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").args(["output", "check"]).multiple(true))]
pub struct Args {
    #[command(flatten)]
    input: Input,

    /// Output format; by default the hardened manifests, as with `yaml`
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    /// Exit with 1 if anything would change; without -o, list the changes
    #[arg(long)]
    check: bool,

    /// Rewrite the files in place; on an error, none
    #[arg(long, conflicts_with = "what")]
    write: bool,

    /// ironhull's own image, for seeded directories
    #[arg(long, value_name = "IMAGE", value_hint = clap::ValueHint::Other, hide_short_help = true, value_parser = super::serve::image_name)]
    seed_image: Option<String>,
}

/// What `harden` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The manifests (the default)
    Yaml,
    /// One object, or a List of them
    Json,
    /// A line for each changed document, for programs: see docs/json.md
    Patch,
    /// A unified diff
    Diff,
    /// SARIF 2.1.0: a result for each field that would change, and what could not be read
    Sarif,
    /// The same as workflow commands, which GitHub shows beside the lines
    Github,
    /// The same as a Code Quality report of GitLab
    Gitlab,
    /// The same as a report of tests
    Junit,
}

impl Format {
    /// Whether it has a place for what could not be read.
    const fn tells_errors(self) -> bool {
        matches!(self, Self::Sarif | Self::Github | Self::Gitlab | Self::Junit)
    }
}

/// Runs the command. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { input, output, check, write, seed_image } = args;
    let seed_image = seed_image.as_deref();
    if *write {
        return write::run(input, seed_image, out, err);
    }
    // Whatever reads only a part of the output would take it for the whole. Reports have a place
    // for what is missing, and a list of what would change is for people.
    let listed = *check && output.is_none();
    let goes_on = input.keep_going || listed || output.is_some_and(Format::tells_errors);
    let at_errors = if goes_on { AtErrors::GoOn } else { AtErrors::Stop };
    let Some(Hardening { hardened, errors }) =
        engine::harden_all(input, at_errors, seed_image, err)?
    else {
        return Ok(say::EXIT_ERROR);
    };
    if !goes_on && !errors.is_empty() {
        return Ok(input.refuse(&errors, err)?);
    }
    let written = match output {
        None if *check => out.write_all(output::list(&hardened).as_bytes()),
        None | Some(Format::Yaml) => out.write_all(output::yaml(&hardened).as_bytes()),
        Some(Format::Json) => out.write_all(output::json(&hardened).as_bytes()),
        Some(Format::Patch) => out.write_all(output::patches(&hardened).as_bytes()),
        Some(Format::Diff) => {
            diff::say_encodings(&hardened, err)?;
            diff::write(&diff::diff(&hardened), out)
        }
        Some(Format::Sarif) => out.write_all(sarif::log(&hardened, &errors).as_bytes()),
        Some(Format::Github) => out.write_all(annotations::github(&hardened, &errors).as_bytes()),
        Some(Format::Gitlab) => out.write_all(annotations::gitlab(&hardened, &errors).as_bytes()),
        Some(Format::Junit) => out.write_all(annotations::junit(&hardened, &errors).as_bytes()),
    };
    match written.and_then(|()| out.flush()) {
        // The reader has closed the output, and has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    if !errors.is_empty() {
        return Ok(diagnostics::errors(err, &errors)?);
    }
    let nothing = input.found_nothing(hardened.iter().map(|one| &one.source));
    if nothing {
        say::note(err, "no manifests here")?;
    }
    Ok(match *check {
        true if nothing => say::EXIT_UNKNOWN,
        true => checked(&hardened),
        false => 0,
    })
}

/// Exit code of a check that met no errors.
fn checked(hardened: &[Hardened]) -> u8 {
    let documents = || hardened.iter().flat_map(|one| &one.source.documents);
    if hardened.iter().any(|one| !one.changes.is_empty()) {
        say::EXIT_CHANGES
    } else if documents().any(|document| document.contents.leaves_something())
        || hardened.iter().any(|one| one.leaves_something)
    {
        say::EXIT_UNKNOWN
    } else {
        0
    }
}
