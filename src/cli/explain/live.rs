//! `ironhull explain POD`: a pod of a cluster. Tells which rules ironhull set in it, which its
//! author set, and which are missing and why. If the pod does not run, tells what the messages
//! mean.

mod fix;
mod rules;
mod troubles;

use std::io::Write;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use k8s_openapi::api::core::v1::Pod as LivePod;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::KnownImage;
use crate::admission::Mode;
use crate::cli::choice::{Choice, Policies};
use crate::cluster::Cluster;
use crate::cluster::namespaces::{NamespaceArgs, NamespaceSettings, SelectedNamespaces};
use crate::exemption::HARDENED_ANNOTATION;
use crate::foresight::exemptions::{Exempt, Voided, exemption, voided};
use crate::foresight::observed::status_of;
use crate::foresight::owner;
use crate::foresight::unhardened::{self, Stays, Unhardened};
use crate::foresight::workloads::{PODS, opt_in};
use crate::harden::{Scope, harden};
use crate::pod::Pod;
use crate::provenance::{self, Incoming};
use crate::terminal::table::{BOLD, Cell, DIM, Table, paragraph};
use crate::text::clean;
use crate::text::nearest;
pub use fix::Proposal;
pub(in crate::cli::explain) use fix::yaml;
pub use troubles::Trouble;

/// What is asked.
pub(super) struct Asked<'a> {
    /// `NAME` or `pod/NAME`.
    pub(super) pod: &'a str,
    /// `-n`.
    pub(super) namespace: Option<&'a String>,
    /// The policies to judge by.
    pub(super) choice: Choice,
    /// The date by which exemptions end.
    pub(super) date: Date,
    /// `--fix`
    pub(super) fix: bool,
}

/// A pod of a cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `status.phase`
    pub phase: String,
    /// What it or its namespace opted in to: `enforce` or `audit`; null for nothing.
    pub mode: Option<&'static str>,
    /// What is wrong with a label that was meant to opt the namespace in; null if nothing is.
    pub slip: Option<String>,
    /// The policy of its namespace.
    pub policy: String,
    /// The policy that hardened it, as `NAME@REVISION`; null if none did.
    pub hardened_by: Option<String>,
    /// Whether the pod matches its note, and the note's policy if that is the current one: whoever may change
    /// annotations can forge a note. True if there is none.
    pub note_holds: bool,
    /// Why it is left alone as a whole: the name of a skip reason, or null.
    pub left_alone: Option<&'static str>,
    /// The containers that are not hardened, or would not be, and why.
    pub unhardened: Vec<Unhardened>,
    /// ironhull's own init containers, which no rule looks at.
    pub seeding: Vec<SeedingContainer>,
    /// Each rule in each container.
    pub rules: Vec<PodRule>,
    /// The exemptions in force.
    pub exemptions: Vec<Exempt>,
    /// Annotations that exempt nothing.
    pub void: Vec<Voided>,
    /// What the policy knows of the containers' images.
    pub images: Vec<KnownImage>,
    /// Why it does not run, or what it complains of; empty if it runs without a known complaint.
    pub troubles: Vec<Trouble>,
    /// What `--fix` proposes; null without it.
    pub fix: Option<Proposal>,
}

/// One of ironhull's own init containers: they fill emptyDirs with what an image has at their paths.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SeedingContainer {
    /// Its name.
    pub container: String,
    /// The paths that it copies; empty for the one that brings the program.
    pub paths: Vec<String>,
}

impl SeedingContainer {
    fn all(pod: &Pod<'_>) -> Vec<Self> {
        let init = pod.spec.init_containers.iter().filter(|init| init.seeding().is_some());
        init.map(|init| Self { container: init.name.to_string(), paths: init.seeds() }).collect()
    }

    fn text(&self) -> String {
        match self.paths.as_slice() {
            [] => format!("{}: ironhull's own, brings the program that copies", self.container),
            paths => format!(
                "{}: ironhull's own, copies what the image has at {} into the emptyDir there",
                self.container,
                paths.join(", ")
            ),
        }
    }
}

/// A rule in a container of a pod.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodRule {
    /// The rule's name.
    pub rule: &'static str,
    /// The container's name; null for the pod level by itself.
    pub container: Option<String>,
    /// `init`, `sidecar`, `app`, `ephemeral`, or `pod`.
    pub container_kind: &'static str,
    /// Origin of the value: `ironhull`, `author` (or another webhook), `missing`, `exempt`,
    /// `skipped`, or `none` if none is needed.
    pub by: &'static str,
    /// The effective value; null where there is none.
    pub value: Option<Value>,
    /// The value before ironhull, if the note has it.
    pub was: Option<Value>,
    /// Why, in words; may be empty.
    pub why: String,
}

/// Reads the pod, and collects what there is to say of it.
pub(super) async fn explain(
    cluster: &Cluster,
    asked: Asked<'_>,
    err: &mut dyn Write,
) -> anyhow::Result<ExplainedPod> {
    let Asked { pod: name, namespace, choice, date, fix } = asked;
    let name = match name.split_once('/') {
        None => name,
        Some(("pod" | "pods" | "po", name)) => name,
        Some((kind, _)) => bail!("`{kind}` is not a pod; for workloads, use `ironhull preview`"),
    };
    let wanted = NamespaceArgs {
        namespaces: namespace.cloned().into_iter().collect(),
        ..NamespaceArgs::default()
    };
    let namespaces = SelectedNamespaces::find(&wanted, cluster).await?;
    let namespace = namespaces.iter().next().context("no namespace")?;
    let Some(json) = cluster.reader.get(&PODS, Some(&namespace.name), name).await? else {
        return Err(no_such_pod(cluster, namespace, name).await);
    };
    let Policies { set, .. } = choice.read(cluster, date, err).await?;
    let live: LivePod = serde_json::from_str(&json).context("the pod cannot be read")?;
    let pod = Pod::from_json(&json).context("the pod cannot be read")?;
    let policy = namespace.policy(&set);
    let mode = namespace.mode_of(opt_in(&json).as_deref());
    let environment = cluster.environment(date).await;
    let outcome = harden(&pod, policy, &environment.context(Scope::Create));
    let debug = harden(&pod, policy, &environment.context(Scope::Ephemeral { known: &[] }));
    let note = pod.annotation(HARDENED_ANNOTATION).and_then(Incoming::read);
    let of_today = note.as_ref().is_some_and(|it| it.policy() == Some(&*policy.versioned()));
    let note_holds = !provenance::claims_too_much(&pod)
        && (!of_today || outcome.left_alone.is_some() || outcome.patch.is_empty());
    let troubles = troubles::of(&cluster.reader, namespace, &live, &pod, note.as_ref()).await;
    let mut rules = rules::of(&outcome, note.as_ref(), mode, policy, &pod);
    let runs_as = |name: &str, own: Option<i64>| runs_as(&live, name).or(own);
    let mut unhardened = unhardened::unhardened(&pod, &outcome, pod.containers(), runs_as);
    if outcome.left_alone.is_none() && pod.ephemeral_containers().next().is_some() {
        rules.extend(rules::of_debug(&debug, mode, &pod));
        let placed = pod.ephemeral_containers();
        unhardened.extend(unhardened::unhardened(&pod, &debug, placed, runs_as));
    }
    let fix = match fix {
        true => {
            let owner = owner::of(&cluster.reader, set.kinds(), &namespace.name, &live).await?;
            Some(fix::propose(&owner, &live, &troubles, policy, environment))
        }
        false => None,
    };
    Ok(ExplainedPod {
        namespace: namespace.name.clone(),
        name: name.to_owned(),
        phase: live.status.and_then(|status| status.phase).unwrap_or_default(),
        mode: mode.map(Mode::as_str),
        slip: namespace.slip.clone(),
        policy: policy.name.clone(),
        hardened_by: note.as_ref().and_then(|note| note.policy().map(str::to_owned)),
        note_holds,
        left_alone: outcome.left_alone.map(|skip| skip.as_str()),
        unhardened,
        seeding: SeedingContainer::all(&pod),
        rules,
        exemptions: outcome.exemptions.iter().map(|e| exemption(&outcome, e)).collect(),
        void: voided(&outcome),
        images: super::known_images(&outcome),
        troubles,
        fix,
    })
}

/// Applies what is proposed, if anything is, and can be. Returns whether it did.
///
/// # Errors
/// When the user may not, or the API server does not take it.
pub(super) async fn apply(cluster: &Cluster, pod: &ExplainedPod) -> anyhow::Result<bool> {
    let Some(proposal) = &pod.fix else { return Ok(false) };
    fix::apply(&cluster.reader, &pod.namespace, proposal).await
}

/// Uid that a container runs as, if the kubelet reports it.
fn runs_as(pod: &LivePod, container: &str) -> Option<i64> {
    Some(status_of(pod, container)?.user.as_ref()?.linux.as_ref()?.uid)
}

#[derive(Deserialize)]
struct Named {
    metadata: Name,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// Error for a pod that does not exist. It names those that do.
async fn no_such_pod(
    cluster: &Cluster,
    namespace: &NamespaceSettings,
    name: &str,
) -> anyhow::Error {
    let mut names = Vec::new();
    let namespace = namespace.name.as_str();
    let each = cluster.reader.each(&PODS, Some(namespace), None, true, |item, _| {
        let pod: Named = serde_json::from_str(item.get())?;
        names.push(pod.metadata.name);
        Ok(())
    });
    let _listed = each.await;
    let same = |pod: &&String| pod.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let of_workload: Vec<&str> = names.iter().filter(same).map(String::as_str).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = match (of_workload.first().copied(), nearest(name, &all)) {
        (Some(pod), _) | (None, Some(pod)) => format!("did you mean `{pod}`?"),
        (None, None) => format!("`kubectl get pods -n {namespace}` lists them"),
    };
    anyhow::anyhow!("there is no pod `{name}` in namespace `{namespace}`; {hint}")
}

/// The explanation as text for people.
pub(super) fn table(one: &ExplainedPod, width: Option<usize>) -> String {
    let mode = one.mode.unwrap_or("not opted in");
    let mut text = format!(
        "{BOLD}Pod/{}{BOLD:#}  namespace {} ({mode}), policy {}, {}\n",
        clean(&one.name),
        clean(&one.namespace),
        one.policy,
        clean(&one.phase)
    );
    if let Some(slip) = &one.slip {
        text.push_str(&format!("  {}\n", clean(slip)));
    }
    text.push_str(&match &one.hardened_by {
        Some(policy) => format!("  hardened by {}\n", clean(policy)),
        None => "  ironhull has not changed it\n".to_owned(),
    });
    if !one.note_holds {
        text.push_str("  but the pod does not match its note\n");
    }
    if let Some(skip) = one.left_alone {
        text.push_str(&format!("  left alone as a whole ({skip})\n"));
    }
    let mut table = Table::new(["CONTAINER", "KIND", "RULE", "BY", "VALUE"], "WHY");
    let mut before = None;
    for rule in &one.rules {
        let subject = (&rule.container, rule.container_kind);
        let first = before.replace(subject) != Some(subject);
        let (container, kind) = match &rule.container {
            _ if !first => ("", ""),
            Some(container) => (container.as_str(), rule.container_kind),
            None => ("(pod)", ""),
        };
        let value = rule.value.as_ref().map_or_else(|| "unset".to_owned(), super::table::value);
        let value = match &rule.was {
            Some(was) => format!("{value} (was {})", super::table::value(was)),
            None => value,
        };
        table.row(
            [
                Cell::new(container, BOLD),
                Cell::plain(kind),
                Cell::plain(rule.rule),
                Cell::new(rule.by, super::table::style(rule.by)),
                Cell::plain(value),
            ],
            if rule.by == "missing" { "" } else { rule.why.as_str() },
        );
    }
    text.push_str(&table.render(width));
    // The same for all of them, but that debug containers come another way.
    let mut said: Vec<&str> = Vec::new();
    for rule in one.rules.iter().filter(|rule| rule.by == "missing") {
        if !said.contains(&rule.why.as_str()) {
            let of = if rule.container_kind == "ephemeral" { " in debug containers" } else { "" };
            text.push_str(&format!("  missing{of}: {}\n", rule.why));
            said.push(&rule.why);
        }
    }
    for seeding in &one.seeding {
        text.push_str(&paragraph(2, &clean(&seeding.text()), width));
    }
    // What a rule would set is in the table, as missing.
    let said = |it: &&Unhardened| match it.stays {
        Stays::LeftAlone => false,
        Stays::MayBeRoot => !matches!(it.reason, "set" | "replaced"),
        Stays::Privileged | Stays::Root => true,
    };
    for stays in one.unhardened.iter().filter(said) {
        let container = stays.container.as_deref().unwrap_or("pod");
        let said = format!("{}: {}", clean(container), stays.text());
        text.push_str(&paragraph(2, &said, width));
    }
    for exemption in &one.exemptions {
        text.push_str(&paragraph(2, &clean(&exemption.text), width));
    }
    for void in &one.void {
        let said = format!("annotation {}", void.text());
        text.push_str(&paragraph(2, &clean(&said), width));
    }
    for image in &one.images {
        let said = format!("{}: the policy knows the image: {}", image.container, image.reason);
        text.push_str(&format!("  {DIM}{}{DIM:#}\n", clean(&said)));
    }
    for trouble in &one.troubles {
        text.push_str(&trouble.text());
    }
    if one.troubles.iter().any(|trouble| trouble.cause.is_some()) {
        let (name, namespace) = (clean(&one.name), clean(&one.namespace));
        text.push_str(&format!(
            "\n  {DIM}as a patch: ironhull explain {name} -n {namespace} --fix{DIM:#}\n"
        ));
    }
    if one.troubles.is_empty() && one.phase == "Running" {
        text.push_str(&format!("  {DIM}it runs{DIM:#}\n"));
    }
    text
}
