//! `ironhull policy`: check and compare policies, print their schema, show a namespace's.

pub mod diff;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueHint;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::choice::{self, Policies};
use super::policy_files;
use crate::cluster::namespaces::{NamespaceArgs, SelectedNamespaces};
use crate::cluster::{self, Connection};
use crate::policy::is_label;
use crate::policy::set::Choice;
use crate::policy::{
    Diagnostic, Place, PolicyFile, PolicySet, Severity, effective, manifest, parse,
};
use crate::terminal::{diagnostics, say};

/// Check and compare policies, print their schema, show a namespace's policy
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check policy files: every error and warning, with its position
    Check(CheckArgs),
    // What is said of it stands at its arguments.
    #[expect(missing_docs, reason = "it would hide the long text")]
    Diff(Box<diff::Args>),
    /// Print the JSON Schema of a policy file
    Schema,
    /// Show which policy applies to a namespace, why, and its full content
    Show(Box<ShowArgs>),
}

/// The arguments of `ironhull policy check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
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

/// The arguments of `ironhull policy show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Name of the namespace
    #[arg(value_hint = ValueHint::Other)]
    namespace: String,
    /// A policy file, or a directory of them (by default the compiled-in policy)
    #[arg(long, env = "IRONHULL_POLICY", hide_env_values = true, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    policy: Option<PathBuf>,
    /// Use the policies installed in the cluster, and the namespace's own label
    #[arg(long, conflicts_with = "policy")]
    installed: bool,
    #[command(flatten)]
    connection: Connection,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ShowFormat::Yaml)]
    output: ShowFormat,
}

/// How `show` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ShowFormat {
    /// The policy as a file, with comments on why it applies
    Yaml,
    /// For programs: see docs/json.md
    Json,
}

/// How `check` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: see docs/json.md
    Json,
}

/// Runs `command`. Its answer goes to `out`, diagnostics for people go to `err`. Returns the exit
/// code: 0, or 2 if policies have errors.
///
/// # Errors
/// When files cannot be read, a name is not one, or a stream cannot be written.
pub fn run(command: &Command, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    match command {
        Command::Check(args) => check(args, out, err),
        Command::Diff(args) => diff::run(args, out, err),
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
    let today = date.unwrap_or_else(crate::date::today);
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

/// The result of checking policy files.
#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'r> {
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

fn show(args: &ShowArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let ShowArgs { namespace, policy, installed, connection, output } = args;
    if !is_label(namespace) {
        bail!("`{namespace}` cannot be the name of a namespace");
    }
    if *installed {
        let shown = cluster::block_on(of_cluster(namespace, connection, err))?;
        return write_shown(namespace, &shown.set, *output, out);
    }
    let files: Vec<PolicyFile> = match policy {
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
    if policy.is_none() {
        let said = "no policies are named, so this uses the compiled-in ones; for those of a cluster, use --installed";
        say::note(err, said)?;
    }
    write_shown(namespace, &set, *output, out)
}

/// The policies of a cluster. If the namespace chooses another one by its label, that is reported:
/// what follows holds without the label.
async fn of_cluster(
    namespace: &str,
    connection: &Connection,
    err: &mut dyn Write,
) -> anyhow::Result<Policies> {
    let cluster = connection.connect().await?;
    let found = choice::Choice::Installed;
    let found = found.read(&cluster, crate::date::today(), err).await?;
    say::note(err, format!("policies: {}", found.from))?;
    let wanted =
        NamespaceArgs { namespaces: vec![namespace.to_owned()], ..NamespaceArgs::default() };
    // The question may be about a namespace that does not exist yet.
    if let Ok(namespaces) = SelectedNamespaces::find(&wanted, &cluster).await {
        for settings in namespaces.iter() {
            let own = settings.policy(&found.set);
            if own.name != found.set.for_namespace(namespace).name {
                let said = format!(
                    "the label ironhull.dev/policy of `{namespace}` chooses `{}`",
                    own.name
                );
                say::note(err, said)?;
            }
        }
    }
    Ok(found)
}

fn write_shown(
    namespace: &str,
    set: &PolicySet,
    output: ShowFormat,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    if output == ShowFormat::Json {
        serde_json::to_writer_pretty(&mut *out, &Shown::of(namespace, set))?;
        writeln!(out)?;
        return Ok(0);
    }
    for line in reasons(namespace, set) {
        writeln!(out, "# {line}")?;
    }
    let chosen = set.for_namespace(namespace);
    let yaml = serde_yaml::to_string(&effective::document(chosen))
        .context("the policy cannot be written as YAML")?;
    out.write_all(yaml.as_bytes())?;
    Ok(0)
}

/// Which policy it is, why, and which others it could be.
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
        None => {
            "chosen because no policy claims this namespace; it is the compiled-in one".to_owned()
        }
    });
    let by_label = set.policies().iter().filter(|other| other.by_label && other.name != *name);
    let by_label: Vec<_> = by_label.map(|other| format!("`{}`", other.name)).collect();
    if !by_label.is_empty() {
        lines.push(format!("the label `ironhull.dev/policy` can choose {}", by_label.join(", ")));
    }
    if let Some(known) = policy.images.known() {
        let count = known.entries().len();
        lines.push(format!("the {count} known images follow the entries of `images`"));
    }
    lines
}

/// The policy that a namespace gets.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'s> {
    /// The namespace.
    namespace: &'s str,
    /// The policy's name.
    policy: &'s str,
    /// A hash of what it does, not of how it is written.
    revision: &'s str,
    /// The pattern by which it claims the namespace; null if no policy does, and the
    /// compiled-in one applies.
    chosen_by: Option<String>,
    /// Position of that pattern, as `file:line:column`, or null.
    chosen_at: Option<String>,
    /// The other policies that the label `ironhull.dev/policy` can choose.
    by_label: Vec<&'s str>,
    /// Number of known images that follow the entries of `images`.
    known_images: usize,
    /// The complete policy, as in a policy file: `ironhull policy schema` describes its
    /// members.
    #[schemars(with = "serde_json::Map<String, Value>")]
    document: Value,
}

impl<'s> Shown<'s> {
    fn of(namespace: &'s str, set: &'s PolicySet) -> Self {
        let Choice { policy, pattern } = set.choose(namespace);
        let at = pattern.and_then(|pattern| {
            let index = policy.namespaces.iter().position(|other| other == pattern)?;
            policy.origin.namespaces.get(index)
        });
        let others = set.policies().iter().filter(|other| other.by_label);
        Self {
            namespace,
            policy: &policy.name,
            revision: &policy.revision,
            chosen_by: pattern.map(ToString::to_string),
            chosen_at: at.map(ToString::to_string),
            by_label: others
                .map(|other| other.name.as_str())
                .filter(|name| *name != policy.name)
                .collect(),
            known_images: policy.images.known().map_or(0, |known| known.entries().len()),
            document: serde_json::to_value(effective::document(policy)).unwrap_or_default(),
        }
    }
}
