//! `ironhull policy check`: every error and warning of policy files.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::policy_files;
use crate::policy::{Diagnostic, Place, PolicySet, Severity, parse};
use crate::terminal::diagnostics;

/// The arguments of `ironhull policy check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy files, or directories of them, read together as the server reads a directory
    /// (by default the compiled-in policies)
    #[arg(env = "IRONHULL_POLICY", hide_env_values = true, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Judge exemptions as of this date; by default today (UTC)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    date: Option<Date>,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    output: Format,
}

/// How `check` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: see docs/json.md
    Json,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { paths, date, output } = args;
    let mut files = policy_files::read_all(paths.iter())?;
    let is_compiled_in = files.is_empty();
    if is_compiled_in {
        files = parse::embedded_files();
    }
    let today = date.unwrap_or_else(crate::date::today);
    let (set, found) = match PolicySet::load(&files, Some(today)) {
        Ok((set, warnings)) => (Some(set), warnings),
        Err(errors) => (None, errors),
    };
    match output {
        Format::Json => report(set.as_ref(), &found, out)?,
        Format::Text => {
            err.write_all(diagnostics::styled(&found, &files).as_bytes())?;
            // Nobody is to take these for the files that lie around.
            let compiled_in = if is_compiled_in { "compiled in: " } else { "" };
            writeln!(out, "{compiled_in}{}", summary(set.as_ref(), &found, files.len()))?;
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
            let facts = match set.facts().len() {
                0 => String::new(),
                1 => " and facts of 1 image".to_owned(),
                count => format!(" and facts of {count} images"),
            };
            format!("{policies}{facts} in {files}: {errors}, {warnings}")
        }
        None => format!("{files}: {errors}, {warnings}"),
    }
}

/// The result of checking policy files.
#[derive(Serialize, JsonSchema)]
pub(in crate::cli) struct Report<'r> {
    /// The policies; empty if there is an error.
    policies: Vec<Listed<'r>>,
    /// Every error and warning.
    diagnostics: Vec<Said<'r>>,
}

/// A policy.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Policy")]
struct Listed<'r> {
    /// Its name.
    name: &'r str,
    /// A hash of what it does, not of how it is written.
    revision: &'r str,
    /// The namespaces it claims: names and patterns.
    namespaces: Vec<String>,
    /// Whether a namespace may choose it by the label `ironhull.dev/policy`.
    by_label: bool,
}

/// An error or a warning.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Diagnostic")]
struct Said<'r> {
    /// `error` or `warning`.
    severity: &'static str,
    #[serde(flatten)]
    place: At<'r>,
    /// What is wrong.
    message: &'r str,
    /// A hint; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'r str>,
    /// A related place; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    related: Option<Related<'r>>,
}

/// A related place of an error or a warning.
#[derive(Serialize, JsonSchema)]
struct Related<'r> {
    #[serde(flatten)]
    place: At<'r>,
    /// How it is related.
    message: &'r str,
}

/// A place in a file.
#[derive(Serialize, JsonSchema)]
struct At<'r> {
    /// The file.
    file: &'r str,
    /// The line, from 1.
    line: usize,
    /// The column in characters, from 1.
    column: usize,
    /// The first byte, from 0.
    start: usize,
    /// The byte after the last, from 0.
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
