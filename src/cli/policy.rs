//! `ironhull policy`: check policies, print their schema, show a namespace's.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use jiff::civil::Date;
use serde::Serialize;

use super::{diagnostics, policy_files};
use crate::policy::names::is_label;
use crate::policy::set::Choice;
use crate::policy::{Diagnostic, Place, PolicySet, Severity, Source, effective, manifest, parse};

/// What can be asked about policies.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check policy files: every error and warning, with its place
    Check(CheckArgs),
    /// Print the JSON Schema of a policy file
    Schema,
    /// Show which policy a namespace gets, why, and all it comes to
    Show(ShowArgs),
}

/// The arguments of `ironhull policy check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Policy files, or directories of them, all taken together as the server takes a
    /// directory (what is compiled in by default)
    #[arg(env = "IRONHULL_POLICY")]
    paths: Vec<PathBuf>,
    /// The day to judge last days by (YYYY-MM-DD, UTC; today by default)
    #[arg(long)]
    date: Option<Date>,
    /// How to answer
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// The arguments of `ironhull policy show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The namespace's name
    namespace: String,
    /// A policy file, or a directory of them (the compiled-in policy by default)
    #[arg(long, env = "IRONHULL_POLICY")]
    policy: Option<PathBuf>,
}

/// How `check` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs `command`. What it answers goes to `out`, diagnostics for people go to `err`.
/// Returns the exit code: 0, or 2 where policies have errors.
///
/// # Errors
/// When files cannot be read, a name is not one, or a stream cannot be written.
pub fn run(command: &Command, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    match command {
        Command::Check(args) => check(args, out, err),
        Command::Schema => {
            serde_json::to_writer_pretty(&mut *out, &manifest::schema())?;
            writeln!(out)?;
            Ok(0)
        }
        Command::Show(args) => show(args, out, err),
    }
}

fn check(args: &CheckArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let CheckArgs { paths, date, output } = args;
    let mut files = Vec::new();
    for path in paths {
        files.extend(policy_files::read(path)?);
    }
    if files.is_empty() {
        files = parse::embedded_files();
    }
    let today = date.unwrap_or_else(super::today);
    let (set, found) = match PolicySet::load(&files, Some(today)) {
        Ok((set, warnings)) => (Some(set), warnings),
        Err(errors) => (None, errors),
    };
    match output {
        Format::Json => report(set.as_ref(), &found, out)?,
        Format::Text => {
            err.write_all(diagnostics::styled(&found, &files).as_bytes())?;
            writeln!(out, "{}", summary(set.as_ref(), &found, files.len()))?;
        }
    }
    Ok(if set.is_some() { 0 } else { 2 })
}

/// `2 policies in 3 files: no errors, 1 warning`
fn summary(set: Option<&PolicySet>, found: &[Diagnostic], files: usize) -> String {
    let count = |severity| found.iter().filter(|d| d.severity == severity).count();
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let errors = counted(count(Severity::Error), "error", "errors");
    let warnings = counted(count(Severity::Warning), "warning", "warnings");
    let files = counted(files, "file", "files");
    match set {
        Some(set) => {
            let policies = counted(set.policies().len(), "policy", "policies");
            format!("{policies} in {files}: {errors}, {warnings}")
        }
        None => format!("{files}: {errors}, {warnings}"),
    }
}

#[derive(Serialize)]
struct Report<'r> {
    policies: Vec<Listed<'r>>,
    diagnostics: Vec<Said<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'r> {
    name: &'r str,
    revision: &'r str,
    namespaces: Vec<String>,
    by_label: bool,
}

#[derive(Serialize)]
struct Said<'r> {
    severity: &'static str,
    #[serde(flatten)]
    place: At<'r>,
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    related: Option<Related<'r>>,
}

#[derive(Serialize)]
struct Related<'r> {
    #[serde(flatten)]
    place: At<'r>,
    message: &'r str,
}

/// Lines and columns count from 1, bytes from 0.
#[derive(Serialize)]
struct At<'r> {
    file: &'r str,
    line: usize,
    column: usize,
    start: usize,
    end: usize,
}

impl<'r> At<'r> {
    fn of(place: &'r Place) -> Self {
        let Place { file, line, column, span } = place;
        Self { file, line: *line, column: *column, start: span.start, end: span.end }
    }
}

fn report(
    set: Option<&PolicySet>,
    found: &[Diagnostic],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let policies = set.map(PolicySet::policies).unwrap_or_default().iter().map(|policy| Listed {
        name: &policy.name,
        revision: &policy.revision,
        namespaces: policy.namespaces.iter().map(ToString::to_string).collect(),
        by_label: policy.by_label,
    });
    let diagnostics = found.iter().map(|diagnostic| Said {
        severity: diagnostic.severity.as_str(),
        place: At::of(&diagnostic.place),
        message: &diagnostic.message,
        hint: diagnostic.hint.as_deref(),
        related: diagnostic
            .related
            .as_ref()
            .map(|(place, message)| Related { place: At::of(place), message }),
    });
    let report = Report { policies: policies.collect(), diagnostics: diagnostics.collect() };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)?;
    Ok(())
}

fn show(args: &ShowArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let ShowArgs { namespace, policy } = args;
    if !is_label(namespace) {
        bail!("`{namespace}` cannot be the name of a namespace");
    }
    let files: Vec<Source> = match policy {
        Some(path) => policy_files::read(path)?,
        None => Vec::new(),
    };
    let set = match PolicySet::load(&files, None) {
        Ok((set, _)) => set,
        Err(errors) => {
            err.write_all(diagnostics::styled(&errors, &files).as_bytes())?;
            return Ok(2);
        }
    };
    for line in reasons(namespace, &set) {
        writeln!(out, "# {line}")?;
    }
    let chosen = set.for_namespace(namespace);
    let yaml = serde_yaml::to_string(&effective::document(chosen))
        .context("the policy cannot be written as YAML")?;
    out.write_all(yaml.as_bytes())?;
    Ok(0)
}

/// Which policy it is, why, and what else could be.
fn reasons(namespace: &str, set: &PolicySet) -> Vec<String> {
    let Choice { policy, pattern } = set.choose(namespace);
    let name = &policy.name;
    let mut lines =
        vec![format!("namespace `{namespace}`: policy `{name}`, revision {}", policy.revision)];
    lines.push(match pattern {
        Some(pattern) => {
            let at = policy.namespaces.iter().position(|other| other == pattern);
            let place = at.and_then(|at| policy.origin.namespaces.get(at));
            format!("chosen by `{pattern}`, {}", place.unwrap_or(&policy.origin.name))
        }
        None => "chosen because no policy claims this namespace: it is compiled in".to_owned(),
    });
    let by_label = set.policies().iter().filter(|other| other.by_label && other.name != *name);
    let by_label: Vec<_> = by_label.map(|other| format!("`{}`", other.name)).collect();
    if !by_label.is_empty() {
        lines.push(format!("the label `ironhull.dev/policy` could choose {}", by_label.join(", ")));
    }
    if let Some(known) = policy.images.known() {
        let count = known.entries().len();
        lines.push(format!("the {count} known images come after the entries of `images`"));
    }
    lines
}
