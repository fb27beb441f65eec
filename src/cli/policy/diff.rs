//! `ironhull policy diff`: what another policy, or another list of known images, would do
//! to workloads.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::ValueHint;
use jiff::civil::Date;
use k8s_openapi::api::core::v1::PodSpec;
use schemars::JsonSchema;
use serde::Serialize;

use crate::admission::Environment;
use crate::cli::choice;
use crate::cli::input::{Input, Read};
use crate::cli::pass::{self, Assignment};
use crate::cluster::namespaces::{NamespaceArgs, SelectedNamespaces};
use crate::cluster::{self, Connection};
use crate::date::today;
use crate::foresight::outlook::{Effect, Effects, Template, effects, spec_value};
use crate::foresight::risk::{Seen, Verdict};
use crate::foresight::workloads;
use crate::harden::{Scope, SeedImage};
use crate::manifest::{Document, ManifestError, ManifestFile, Workload};
use crate::pod::Pod;
use crate::policy::{Policy, PolicySet};
use crate::terminal::{diagnostics, say};
use crate::text::clean;
use crate::text::listed;

/// Compare what two sets of policies do to workloads
///
/// Judges every workload by the OLD policies and by the NEW ones, and reports the
/// differences. Workloads come from manifests (-f) or from a cluster (-n, -A or -l), which
/// is only read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Current policies: a file, or a directory as the server reads it
    #[arg(value_name = "OLD", value_hint = ValueHint::AnyPath)]
    old: PathBuf,
    /// New policies
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    new: PathBuf,

    /// Manifests: a file, a directory, or - for standard input; may be given several times.
    /// -n is then the namespace of documents that have none
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    wanted: NamespaceArgs,

    /// Judge exemptions as of this date; by default today (UTC)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    date: Option<Date>,

    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,

    /// Exit with 1 if anything differs
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    connection: Connection,
}

/// The forms of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// For programs: see docs/json.md
    Json,
}

/// What differs. Members may be added; those here keep their names and meanings.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Differences {
    /// Number of workloads judged.
    pub judged: usize,
    /// The workloads for which the results differ.
    pub workloads: Vec<Differing>,
}

/// A workload for which the results differ.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Differing {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The file it is in; null for a workload of a cluster.
    pub file: Option<String>,
    /// The names of the policies.
    pub policy: Change<String>,
    /// The verdict on its pods.
    pub verdict: Change<Verdict>,
    /// The rules whose results differ.
    pub rules: Vec<RuleChange>,
    /// The fields for which Pod Security *restricted* would still refuse it.
    pub restricted: Change<Vec<String>>,
}

/// One thing before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change<T> {
    /// Under the old policies.
    pub old: T,
    /// Under the new ones.
    pub new: T,
}

/// A rule whose results in a container differ.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RuleChange {
    /// The container, or `pod` for the pod level by itself.
    pub container: String,
    /// The rule.
    pub rule: &'static str,
    /// The effective value under the old policies, in words; null if the rule is off.
    pub old: Option<String>,
    /// The same under the new ones.
    pub new: Option<String>,
}

/// Runs the command. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When something cannot be read, or nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { old, new, files, wanted, date, output, check, connection } = args;
    let date = date.unwrap_or_else(today);
    let mut read = |path: &Path| choice::candidate(path, Vec::new(), date, err);
    let (Some(old), Some(new)) = (read(old)?, read(new)?) else { return Ok(say::EXIT_ERROR) };
    let (old, new) = (&old.set, &new.set);
    let found = Differences::default();
    let environment =
        Environment { date, user_namespaces: false, seed_image: Some(SeedImage::ANY) };
    let mut judge =
        Judge { old, new, environment, found, errors: Vec::new(), unclaimed: BTreeMap::new() };
    let of_cluster = wanted.is_given();
    if !files.is_empty() {
        if wanted.all_namespaces || wanted.selector.is_some() {
            bail!("`-f` reads manifests, `-A` and `-l` read a cluster: use one of the two");
        }
        if !judge.manifests(files, wanted, err)? {
            return Ok(say::EXIT_ERROR);
        }
    } else if of_cluster {
        let unread = cluster::block_on(judge.cluster(wanted, connection))?;
        unread.iter().try_for_each(|note| say::note(err, note))?;
    } else {
        bail!("no workloads to compare: name manifests with -f, or namespaces with -n, -A or -l");
    }
    let Judge { found, errors, unclaimed, .. } = judge;
    if !errors.is_empty() {
        for error in &errors {
            say::error(err, clean(error))?;
        }
        return Ok(say::EXIT_ERROR);
    }
    for (side, names) in &unclaimed {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let names = listed(names);
        say::note(err, format!("{side} has no policy for {names}: using the built-in one"))?;
    }
    match output {
        Format::Table => out.write_all(table::of(&found).as_bytes())?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?,
    }
    Ok(if *check && !found.workloads.is_empty() { say::EXIT_CHANGES } else { 0 })
}

struct Judge<'j> {
    old: &'j PolicySet,
    new: &'j PolicySet,
    environment: Environment<'j>,
    found: Differences,
    /// Namespaces that no policy of OLD, or of NEW, is for.
    unclaimed: BTreeMap<&'static str, BTreeSet<String>>,
    /// Workloads of which nothing can be said, and why.
    errors: Vec<String>,
}

/// A workload to judge.
struct Subject<'s> {
    namespace: &'s str,
    kind: &'s str,
    name: &'s str,
    file: Option<&'s str>,
    json: &'s str,
    reserved_volumes: &'s [String],
    scope: Scope<'static>,
    seen: &'s Seen,
}

impl Judge<'_> {
    /// Returns false if the manifests cannot be read, which has been reported.
    fn manifests(
        &mut self,
        files: &[PathBuf],
        wanted: &NamespaceArgs,
        err: &mut dyn Write,
    ) -> anyhow::Result<bool> {
        let input =
            Input::of(files.to_vec(), wanted.namespaces.first(), Some(self.environment.date));
        let Read { sources, mut errors } = input.read(self.new.kinds(), err)?;
        if !errors.is_empty() {
            diagnostics::errors(err, &errors)?;
            return Ok(false);
        }
        let mut old = Assignment::of(self.old);
        // A label may choose a policy that exists only among the new ones.
        old.read_labels(&sources, &mut std::io::sink())?;
        let mut new = Assignment::of(self.new);
        new.read_labels(&sources, err)?;
        for source in &sources {
            for document in &source.documents {
                pass::say_remarks(err, source, document)?;
                for workload in &document.contents.workloads {
                    let namespace = workload.namespace.as_deref().unwrap_or(input.namespace());
                    let (old, new) = (old.for_namespace(namespace), new.for_namespace(namespace));
                    let json = workload.pod.to_string();
                    let subject = Subject {
                        namespace,
                        kind: &workload.kind,
                        name: &workload.name,
                        file: Some(&source.name),
                        json: &json,
                        reserved_volumes: &workload.reserved_volumes,
                        scope: workload.scope(),
                        seen: &Seen::default(),
                    };
                    if let Err(error) = self.judge(&subject, old, new) {
                        errors.push(unreadable(source, document, workload, &json, &error));
                    }
                }
            }
        }
        if !errors.is_empty() {
            diagnostics::errors(err, &errors)?;
            return Ok(false);
        }
        Ok(true)
    }

    async fn cluster(
        &mut self,
        wanted: &NamespaceArgs,
        connection: &Connection,
    ) -> anyhow::Result<Vec<String>> {
        let cluster = connection.connect().await?;
        self.environment = cluster.environment(self.environment.date).await;
        let namespaces = SelectedNamespaces::find(wanted, &cluster).await?;
        // Hardened or not, a uid of it is nobody's but ironhull's.
        let kinds = self.new.kinds();
        let hardened_by = |_: &_, _: &_, _: &_| true;
        let each =
            workloads::workloads(&cluster.reader, &namespaces, kinds, &hardened_by, |found| {
                let (old, new) =
                    (found.namespace.policy(self.old), found.namespace.policy(self.new));
                let subject = Subject {
                    namespace: &found.namespace.name,
                    kind: found.kind,
                    name: found.name,
                    file: None,
                    json: found.json,
                    reserved_volumes: found.reserved_volumes,
                    scope: found.scope,
                    seen: &found.facts.seen(),
                };
                if let Err(error) = self.judge(&subject, old, new) {
                    let Subject { namespace, kind, name, .. } = subject;
                    self.errors.push(format!("{namespace}, {kind}/{name}: {error:#}"));
                }
            });
        each.await
    }

    fn judge(&mut self, subject: &Subject<'_>, old: &Policy, new: &Policy) -> anyhow::Result<()> {
        self.found.judged += 1;
        for (side, set, policy) in [("OLD", self.old, old), ("NEW", self.new, new)] {
            let claimed = set.choose(subject.namespace).pattern.is_some();
            if !claimed && policy.name == set.fallback().name {
                self.unclaimed.entry(side).or_default().insert(subject.namespace.to_owned());
            }
        }
        // Policies that do the same have the same revision.
        if old.revision != new.revision || old.name != new.name {
            let found = self.differing(subject, old, new)?;
            self.found.workloads.extend(found);
        }
        Ok(())
    }

    fn differing(
        &self,
        subject: &Subject<'_>,
        old: &Policy,
        new: &Policy,
    ) -> anyhow::Result<Option<Differing>> {
        let Subject { namespace, kind, name, file, json, reserved_volumes, scope, seen } = *subject;
        let environment = self.environment;
        let template =
            |policy| Template { json, policy, environment, reserved_volumes, scope, seen };
        let (before, after) = (effects(&template(old))?, effects(&template(new))?);
        let rules = rule_changes(&before, &after);
        let verdict = Change { old: before.verdict, new: after.verdict };
        let restricted = Change { old: before.restricted, new: after.restricted };
        let same =
            rules.is_empty() && verdict.old == verdict.new && restricted.old == restricted.new;
        Ok((!same).then(|| Differing {
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            file: file.map(str::to_owned),
            policy: Change { old: old.name.clone(), new: new.name.clone() },
            verdict,
            rules,
            restricted,
        }))
    }
}

/// The error in a workload of a manifest, with its place.
fn unreadable(
    source: &ManifestFile,
    document: &Document,
    workload: &Workload,
    json: &str,
    error: &anyhow::Error,
) -> ManifestError {
    // The workload is read first as the engine reads it, then with all that Kubernetes has of it.
    if let Err(error) = pass::read::<Pod<'_>>(source, document, workload, "", json) {
        return *error;
    }
    let spec = spec_value(&workload.pod).to_string();
    match pass::read::<PodSpec>(source, document, workload, "/spec", &spec) {
        Err(error) => *error,
        Ok(_) => {
            let message = format!("{}: {error:#}", pass::title(workload));
            ManifestError::of(source, document, &workload.template, message)
        }
    }
}

fn rule_changes(old: &Effects, new: &Effects) -> Vec<RuleChange> {
    let (old, new) = (&old.rules, &new.rules);
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let value = |effect: Option<&Effect>| effect.map(|effect| effect.value.clone());
    keys.into_iter()
        .filter(|key| match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => old.value != new.value,
            // Off, or not applied since something else is there already.
            (old, new) => old.or(new).is_some_and(|effect| effect.changes),
        })
        .map(|key| RuleChange {
            container: key.0.clone(),
            rule: key.1,
            old: value(old.get(key)),
            new: value(new.get(key)),
        })
        .collect()
}
