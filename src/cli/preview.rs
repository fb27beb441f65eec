//! `ironhull preview`: what would become of the workloads of a cluster or of manifests, before
//! anything is changed.

mod manifests;
mod markdown;
pub mod report;
mod rollout;
mod sarif;
mod step;
pub(super) mod table;

use std::io::Write;
use std::path::PathBuf;

use clap::ValueHint;
use jiff::civil::Date;

use super::choice::{Choice, ChoiceArgs, Policies};
use super::input::Input;
use super::width;
use crate::admission::Environment;
use crate::cluster::namespaces::{NamespaceArgs, NamespaceSettings, SelectedNamespaces};
use crate::cluster::{self, Connection};
use crate::foresight::workloads;
use crate::harden::{Scope, harden};
use crate::manifest::ManifestError;
use crate::pod::Pod;
use crate::policy::Policy;
use crate::terminal::{diagnostics, say};
use report::{Preview, WorkloadPreview};

/// Predict what hardening would do to workloads
///
/// Reports for each workload what would change, what is exempt, what Pod Security restricted
/// would still refuse, what is likely to break, and what helps. Read-only: the role `view` is
/// enough.
///
/// The verdicts are `starts`; `breaks`: it needs the change or annotation shown; `unknown`:
/// ironhull does not know its program, so it has to be tried.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Manifests instead of a cluster
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath, conflicts_with_all = ["all_namespaces", "selector"])]
    files: Vec<PathBuf>,

    #[command(flatten)]
    wanted: NamespaceArgs,

    #[command(flatten)]
    by: ChoiceArgs,

    /// Print the steps to opt in workload by workload
    #[arg(long, conflicts_with = "files")]
    rollout: bool,

    /// Output format: table, json, yaml, markdown or sarif
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, hide_possible_values = true)]
    output: Format,

    /// Exit with 1 if anything breaks
    #[arg(long)]
    check: bool,

    /// Skip files with errors, report them, exit with 2
    #[arg(long, requires = "files", conflicts_with_all = ["all_namespaces", "selector"], hide_short_help = true)]
    keep_going: bool,

    #[command(flatten)]
    connection: Connection,
}

/// The forms of a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// For programs: see docs/json.md
    Json,
    /// The same as YAML
    Yaml,
    /// For a comment on a pull request
    Markdown,
    /// For code scanning, SARIF 2.1.0; only with -f
    Sarif,
}

/// A preview, and what it lacks.
struct Previewed {
    preview: Preview,
    /// What could not be read of manifests.
    errors: Vec<ManifestError>,
    /// Whether manifests were looked for, and there were none.
    nothing: bool,
}

/// Runs the command. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When the cluster or the policies cannot be read, or nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { output, check, rollout, .. } = args;
    if *output == Format::Sarif && args.files.is_empty() {
        say::error(err, "`-o sarif` points into files: name them with -f")?;
        return Ok(say::EXIT_ERROR);
    }
    let previewed = match args.files.is_empty() {
        true => of_cluster(args, err)?,
        false => manifests::preview(&args.input(), *output == Format::Sarif, err)?,
    };
    let Some(Previewed { mut preview, errors, nothing }) = previewed else {
        return Ok(say::EXIT_ERROR);
    };
    if *rollout {
        preview.namespaces.iter_mut().for_each(rollout::plan);
    }
    match output {
        Format::Table if *rollout => {
            out.write_all(rollout::table(&preview, width()).as_bytes())?;
        }
        Format::Table => out.write_all(table::table(&preview, width()).as_bytes())?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&preview)?)?,
        Format::Yaml => out.write_all(serde_yaml::to_string(&preview)?.as_bytes())?,
        Format::Sarif => out.write_all(sarif::log(&preview).as_bytes())?,
        Format::Markdown => out.write_all(markdown::markdown(&preview).as_bytes())?,
    }
    let breaks = preview.namespaces.iter().any(|namespace| namespace.verdicts.breaks > 0);
    Ok(match *check {
        _ if !errors.is_empty() => diagnostics::errors(err, &errors)?,
        true if breaks => say::EXIT_CHANGES,
        true if nothing => say::EXIT_UNKNOWN,
        _ => 0,
    })
}

impl Args {
    /// The manifests, and the policies that they are judged by.
    fn input(&self) -> Input {
        let namespace = self.wanted.namespaces.first();
        let ChoiceArgs { policy, facts, date } = self.by.clone();
        let input = Input::of(self.files.clone(), namespace, date);
        Input { policy, facts, keep_going: self.keep_going, ..input }
    }
}

/// Previews a cluster. `None` if the policies are wrong, which has been reported.
fn of_cluster(args: &Args, err: &mut dyn Write) -> anyhow::Result<Option<Previewed>> {
    let Args { wanted, by, connection, .. } = args;
    let Some(choice) = by.choice(err)? else { return Ok(None) };
    let preview = cluster::block_on(look(wanted, connection, choice, by.date(), err))?;
    Ok(Some(Previewed { preview, errors: Vec::new(), nothing: false }))
}

async fn look(
    wanted: &NamespaceArgs,
    connection: &Connection,
    choice: Choice,
    date: Date,
    err: &mut dyn Write,
) -> anyhow::Result<Preview> {
    let cluster = connection.connect().await?;
    let namespaces = SelectedNamespaces::find(wanted, &cluster).await?;
    let Policies { set, from, .. } = choice.read(&cluster, date, err).await?;
    let environment = cluster.environment(date).await;
    let mut workloads = Vec::new();
    let hardened_by = |namespace: &NamespaceSettings, json: &str, by: &str| {
        let policy = namespace.policy(&set);
        policy.versioned() != by || changes_nothing(json, policy, environment)
    };
    let kinds = set.kinds();
    let each = workloads::workloads(&cluster.reader, &namespaces, kinds, &hardened_by, |found| {
        let policy = found.namespace.policy(&set);
        let workload = WorkloadPreview::new(found, policy, environment);
        workloads.push((found.namespace.name.clone(), workload));
    });
    let unread = each.await?;
    unread.iter().try_for_each(|note| say::note(err, note))?;
    let namespaces =
        namespaces.iter().map(|namespace| (namespace, namespace.policy(&set).name.clone()));
    Ok(Preview::new(date.to_string(), from, namespaces, workloads))
}

/// Whether a pod is as a policy would have it. Of what cannot be read nothing is known.
fn changes_nothing(json: &str, policy: &Policy, environment: Environment<'_>) -> bool {
    let context = environment.context(Scope::Create);
    Pod::from_json(json).is_ok_and(|pod| harden(&pod, policy, &context).patch.is_empty())
}
