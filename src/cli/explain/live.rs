//! `ironhull explain POD`: a pod of a cluster. Which rules ironhull set in it, which its
//! author, which are missing and why; and if it does not run, what the messages mean.

mod troubles;

use std::io::Write;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use k8s_openapi::api::core::v1::Pod as LivePod;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Exempt, Row, Voided};
use crate::cli::cluster::{Cluster, Connection};
use crate::cli::preview::gather::PODS;
use crate::cli::preview::policies::{Choice, Policies};
use crate::cli::preview::scope::{Scope, Space, Wanted};
use crate::cli::table::{BOLD, Cell, DIM, Table, clean};
use crate::exemption::HARDENED_ANNOTATION;
use crate::harden::{Context, Scope as Of, harden};
use crate::outcome::Outcome;
use crate::pod::{MIRROR_ANNOTATION, Pod};
use crate::policy::Policy;
use crate::policy::diagnostic::nearest;
use crate::provenance::{self, Incoming};
pub use troubles::Trouble;

/// What is asked.
pub(super) struct Asked<'a> {
    /// `NAME` or `pod/NAME`.
    pub(super) pod: &'a str,
    /// `-n`.
    pub(super) namespace: Option<&'a String>,
    /// Which cluster.
    pub(super) connection: &'a Connection,
    /// The policies to go by.
    pub(super) choice: Choice,
    /// The date by which exemptions end.
    pub(super) date: Date,
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
    /// What its namespace opted in to: `enforce` or `audit`; null for nothing.
    pub mode: Option<&'static str>,
    /// The policy of its namespace.
    pub policy: String,
    /// The policy that hardened it, as `NAME@REVISION`; null where none did.
    pub hardened_by: Option<String>,
    /// Each rule in each container.
    pub rules: Vec<PodRule>,
    /// The exemptions in force.
    pub exemptions: Vec<Exempt>,
    /// Annotations that exempt nothing.
    pub void: Vec<Voided>,
    /// Why it does not run, where it does not.
    pub troubles: Vec<Trouble>,
}

/// A rule in a container of a pod.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodRule {
    /// The rule's name.
    pub rule: &'static str,
    /// The container's name; null for the pod level by itself.
    pub container: Option<String>,
    /// `init`, `sidecar`, `app`, or `pod`.
    pub container_kind: &'static str,
    /// Whose the value is: `ironhull`, `author` (or another webhook), `missing`, `exempt`,
    /// `skipped`, or `none` where none is needed.
    pub by: &'static str,
    /// The effective value; null where there is none.
    pub value: Option<Value>,
    /// What stood there before ironhull, where it says so.
    pub was: Option<Value>,
    /// Why, in words; may be empty.
    pub why: String,
}

/// Reads the pod and what is said of it.
pub(super) async fn explain(asked: Asked<'_>, err: &mut dyn Write) -> anyhow::Result<ExplainedPod> {
    let Asked { pod: name, namespace, connection, choice, date } = asked;
    let cluster = connection.connect().await?;
    let name = match name.split_once('/') {
        None => name,
        Some(("pod" | "pods" | "po", name)) => name,
        Some((kind, _)) => bail!("`{kind}` is not a pod; `ironhull preview` looks at workloads"),
    };
    let wanted =
        Wanted { namespaces: namespace.cloned().into_iter().collect(), ..Wanted::default() };
    let scope = Scope::find(&wanted, &cluster).await?;
    let space = scope.spaces().next().context("no namespace")?;
    let Some(json) = cluster.reader.get(PODS, Some(&space.name), name).await? else {
        return Err(no_such_pod(&cluster, space, name).await);
    };
    let Policies { set, .. } = choice.read(&cluster, date, err).await?;
    let live: LivePod = serde_json::from_str(&json).context("the pod cannot be read")?;
    let pod = Pod::from_json(&json).context("the pod cannot be read")?;
    let policy = space.policy(&set);
    let context =
        Context { date, scope: Of::Create, provenance: false, root: "", reserved_volumes: &[] };
    let outcome = harden(&pod, policy, &context);
    let note = pod.annotation(HARDENED_ANNOTATION).and_then(Incoming::read);
    let troubles = troubles::of(&cluster.reader, space, name, &live).await;
    Ok(ExplainedPod {
        namespace: space.name.clone(),
        name: name.to_owned(),
        phase: live.status.and_then(|status| status.phase).unwrap_or_default(),
        mode: space.mode,
        policy: policy.name.clone(),
        hardened_by: note.as_ref().and_then(|note| note.policy().map(str::to_owned)),
        rules: rules(&outcome, note.as_ref(), space, policy, &pod),
        exemptions: outcome.exemptions.iter().map(|e| super::exemption(&outcome, e)).collect(),
        void: super::voided(&outcome),
        troubles,
    })
}

#[derive(Deserialize)]
struct Named {
    metadata: Name,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// That there is no such pod, and which there are.
async fn no_such_pod(cluster: &Cluster, space: &Space, name: &str) -> anyhow::Error {
    let mut names = Vec::new();
    let namespace = Some(space.name.as_str());
    let each = cluster.reader.each(PODS, namespace, None, true, |item, _| {
        let pod: Named = serde_json::from_str(item.get())?;
        names.push(pod.metadata.name);
        Ok(())
    });
    let _listed = each.await;
    let space = &space.name;
    let same = |pod: &&String| pod.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let of_workload: Vec<&str> = names.iter().filter(same).map(String::as_str).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = match (of_workload.first().copied(), nearest(name, &all)) {
        (Some(pod), _) | (None, Some(pod)) => format!("did you mean `{pod}`?"),
        (None, None) => format!("`kubectl get pods -n {space}` lists them"),
    };
    anyhow::anyhow!("there is no pod `{name}` in namespace `{space}`; {hint}")
}

fn rules(
    outcome: &Outcome<'_>,
    note: Option<&Incoming>,
    space: &Space,
    policy: &Policy,
    pod: &Pod<'_>,
) -> Vec<PodRule> {
    let missing = missing(note, space, policy, pod);
    let mut findings: Vec<_> = outcome.findings.iter().collect();
    findings.sort_by_key(|finding| finding.subject);
    findings
        .into_iter()
        .map(|finding| {
            let Row { rule, container, container_kind, result, skip, was, why, .. } =
                super::row(outcome, finding);
            let key = provenance::key(outcome, finding.subject);
            // What stands at the pod level counts for every container that says nothing.
            let place = note.and_then(|note| {
                [key, "pod"].into_iter().find(|key| {
                    note.set.get(*key).is_some_and(|set| set.iter().any(|name| name == rule))
                })
            });
            let ours = place.and_then(|place| note?.was.get(place)?.get(rule)).cloned();
            let (by, why) = match (result, place) {
                ("compliant", Some(_)) => ("ironhull", why),
                ("compliant", None) if was.is_none() && rule != CAPABILITIES => ("none", why),
                ("compliant", None) => ("author", why),
                ("kept", _) => ("author", why),
                ("set" | "replaced", _) => ("missing", missing.to_owned()),
                ("exempt", _) => ("exempt", why),
                _ => ("skipped", if why.is_empty() { skip.unwrap_or("").to_owned() } else { why }),
            };
            let value = match (result, rule) {
                ("compliant", CAPABILITIES) => Some(dropped(was)),
                _ => was,
            };
            PodRule { rule, container, container_kind, by, value, was: ours, why }
        })
        .collect()
}

/// `RuleName::Capabilities`
const CAPABILITIES: &str = "capabilities";

/// The capabilities of a container that has dropped all but these.
fn dropped(adds: Option<Value>) -> Value {
    let adds: Vec<String> =
        adds.and_then(|adds| serde_json::from_value(adds).ok()).unwrap_or_default();
    Value::String(match adds.as_slice() {
        [] => "drop ALL".to_owned(),
        adds => format!("drop ALL, add {}", adds.join(", ")),
    })
}

/// Why a rule that would be applied today was not.
fn missing(note: Option<&Incoming>, space: &Space, policy: &Policy, pod: &Pod<'_>) -> &'static str {
    if pod.annotation(MIRROR_ANNOTATION).is_some() {
        return "a static pod: nothing that the API server changes would reach it";
    }
    match (space.mode, note) {
        (None, _) => "its namespace has not opted in",
        (Some("audit"), _) => "audit only says what it would do",
        (_, None) => "it was made before its namespace opted in, or past the webhook",
        (_, Some(note)) if note.policy() != Some(&policy.versioned()) => {
            "the policy is another one since it was made"
        }
        _ => "changed after ironhull had seen the pod",
    }
}

/// For people.
pub(super) fn table(one: &ExplainedPod, width: Option<usize>) -> String {
    let mode = one.mode.unwrap_or("not opted in");
    let mut text = format!(
        "{BOLD}Pod/{}{BOLD:#}  namespace {} ({mode}), policy {}, {}\n",
        clean(&one.name),
        clean(&one.namespace),
        one.policy,
        clean(&one.phase)
    );
    text.push_str(&match &one.hardened_by {
        Some(policy) => format!("  hardened by {}\n", clean(policy)),
        None => "  ironhull has not changed it\n".to_owned(),
    });
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
    // The same for all of them.
    if let Some(rule) = one.rules.iter().find(|rule| rule.by == "missing") {
        text.push_str(&format!("  missing: {}\n", rule.why));
    }
    for exemption in &one.exemptions {
        text.push_str(&format!("  {}\n", clean(&exemption.text)));
    }
    for void in &one.void {
        let said = format!("annotation {}", void.text());
        text.push_str(&format!("  {}\n", clean(&said)));
    }
    for trouble in &one.troubles {
        text.push_str(&trouble.text());
    }
    if one.troubles.is_empty() && one.phase == "Running" {
        text.push_str(&format!("  {DIM}it runs{DIM:#}\n"));
    }
    text
}
