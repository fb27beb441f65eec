//! `ironhull policy show`: which policy applies to a namespace, why, and its full content.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueHint;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cli::choice::{self, Policies};
use crate::cli::policy_files;
use crate::cluster::namespaces::{NamespaceArgs, SelectedNamespaces};
use crate::cluster::{self, Connection};
use crate::policy::set::Choice;
use crate::policy::{PolicyFile, PolicySet, effective, is_label};
use crate::terminal::{diagnostics, say};

/// The arguments of `ironhull policy show`.
#[derive(Debug, clap::Args)]
pub struct Args {
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
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Yaml)]
    output: Format,
}

/// How `show` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The policy as a file, with comments on why it applies
    Yaml,
    /// For programs: see docs/json.md
    Json,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { namespace, policy, installed, connection, output } = args;
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
    let found = choice::Choice::Installed(Vec::new());
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
    output: Format,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    if output == Format::Json {
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
pub(in crate::cli) struct Shown<'s> {
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
