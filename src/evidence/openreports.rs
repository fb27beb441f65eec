//! A workload's evidence as a `Report` of `openreports.io/v1alpha1`: a result for each check and each
//! state that containers have of it.
//!
//! Two write them: `ironhull report -o openreports`, once, and `ironhull watch --reports`, as pods come
//! and go. A [`Fact`] is all that a result takes from a cell, so that the watch can keep facts and no
//! cells.
//!
//! Source: the types in `apis/openreports.io/v1alpha1` of <https://github.com/openreports/reports-api>.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::check::{Check, Standard};
use super::document::{Cell, ExemptionEvidence, SetBy, Source, State, value_text};
use crate::text::{hex, printable};

/// The API of a report.
pub const API_VERSION: &str = "openreports.io/v1alpha1";

/// `source` of a report: who made it.
pub const SOURCE: &str = "ironhull";

/// Label that says who keeps a report.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Maximum length of a property or message, in bytes. A report has at most one result for each check
/// and state, 130 in all, each with at most 9 texts: below 800 KB with every character escaped, where
/// etcd takes 1.5 MB.
const MAX_TEXT: usize = 300;

/// Maximum length of the containers' names in a message, in bytes: what is said of them comes after.
const MAX_NAMES: usize = 120;

/// Characters of the readable part of a name, of the 253 that Kubernetes takes.
const MAX_NAME: usize = 200;

/// What a result takes from a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    check: Check,
    state: State,
    value: Box<str>,
    source: Source,
    set_by: SetBy,
    why: Box<str>,
    exemption: Option<Box<Claim>>,
}

/// The exemption of a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Claim {
    reason: Box<str>,
    ticket: Box<str>,
    until: Box<str>,
    granted_by: Box<str>,
}

/// The workload that a report is about.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'s> {
    /// Its namespace, which is the report's too.
    pub namespace: &'s str,
    /// Its `apiVersion`.
    pub api_version: &'s str,
    /// Its kind.
    pub kind: &'s str,
    /// Its name.
    pub name: &'s str,
    /// Its uid, if it is known. The report then belongs to it, and goes when it goes.
    pub uid: Option<&'s str>,
}

/// A fact of a container that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen<'s> {
    /// Name of the container.
    pub container: &'s str,
    /// The fact.
    pub fact: &'s Fact,
    /// Number of pods; `None` where pods are not counted.
    pub pods: Option<u32>,
}

impl Fact {
    /// What a result takes from a cell and the exemption that it refers to.
    pub fn of(cell: &Cell, exemption: Option<&ExemptionEvidence>) -> Self {
        let optional = |text: &Option<String>| short(text.as_deref().unwrap_or_default());
        Self {
            check: cell.check,
            state: cell.state,
            value: short(&value_text(&cell.value)),
            source: cell.source,
            set_by: cell.set_by,
            why: short(&cell.why),
            exemption: exemption.map(|it| {
                Box::new(Claim {
                    reason: short(&it.reason),
                    ticket: optional(&it.ticket),
                    until: optional(&it.until),
                    granted_by: short(&it.granted_by),
                })
            }),
        }
    }

    /// Length of its texts, in bytes.
    pub fn size(&self) -> usize {
        let claim = self.exemption.as_ref().map_or(0, |it| {
            size_of::<Claim>()
                + it.reason.len()
                + it.ticket.len()
                + it.until.len()
                + it.granted_by.len()
        });
        self.value.len() + self.why.len() + claim
    }
}

impl Scope<'_> {
    /// Name of the report: that of the workload, cut, and a digest by which no two of a namespace are
    /// the same. At most 226 characters.
    pub fn report_name(&self) -> String {
        let Self { api_version, kind, name, .. } = self;
        // A version of the API is no other workload.
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let whole = format!("{kind}-{name}").to_lowercase();
        let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(*c);
        let cut: String = whole.chars().filter(plain).take(MAX_NAME).collect();
        let digest = Sha256::digest(format!("{group}/{kind}/{name}"));
        format!("{SOURCE}-{}-{}", cut.trim_matches(['-', '.']), hex(digest.iter().take(8)))
    }

    /// The report: results at this time, in seconds since 1970, and `managed_by` as its label.
    pub fn report(&self, seen: Vec<Seen<'_>>, managed_by: &str, seconds: i64) -> Value {
        let Self { namespace, api_version, kind, name, uid } = *self;
        let mut metadata = metadata(&self.report_name(), managed_by);
        let mut scope =
            json!({"apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name});
        metadata.insert("namespace".into(), namespace.into());
        if let Some(uid) = uid {
            if let Some(scope) = scope.as_object_mut() {
                scope.insert("uid".to_owned(), uid.into());
            }
            metadata.insert(
                "ownerReferences".into(),
                json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}]),
            );
        }
        let results = results(seen, seconds);
        json!({
            "apiVersion": API_VERSION,
            "kind": "Report",
            "metadata": metadata,
            "source": SOURCE,
            "scope": scope,
            "summary": summary(&results),
            "results": results,
        })
    }
}

/// `metadata` of a report of any kind.
pub fn metadata(name: &str, managed_by: &str) -> Map<String, Value> {
    let labels = json!({MANAGED_BY: managed_by});
    Map::from_iter([("name".to_owned(), name.into()), ("labels".to_owned(), labels)])
}

/// Containers that have one state of one check.
struct Group<'s> {
    containers: Vec<&'s str>,
    pods: Option<u32>,
    /// That of the first container: others may have got there another way.
    fact: &'s Fact,
}

/// A result for each check and each state that containers have of it, whatever order they come in.
fn results(mut seen: Vec<Seen<'_>>, seconds: i64) -> Vec<Value> {
    seen.sort_unstable();
    let mut groups: BTreeMap<(Check, State), Group<'_>> = BTreeMap::new();
    for Seen { container, pods, fact } in seen {
        let blank = Group { containers: Vec::new(), pods: pods.map(|_| 0), fact };
        let group = groups.entry((fact.check, fact.state)).or_insert(blank);
        // In order of their names, so that a name comes again right after itself.
        if group.containers.last() != Some(&container) {
            group.containers.push(container);
        }
        group.pods = group.pods.zip(pods).map(|(sum, pods)| sum.saturating_add(pods));
    }
    groups.values().map(|group| result(group, seconds)).collect()
}

fn result(group: &Group<'_>, seconds: i64) -> Value {
    let Fact { check, state, value, source, set_by, why, exemption } = group.fact;
    let about = check.about();
    let scored = about.standard != Standard::Other;
    let policy = match about.standard {
        Standard::Baseline => "pod-security-baseline",
        Standard::Restricted => "pod-security-restricted",
        Standard::Other => "hardening",
    };
    let mut properties = Map::new();
    let mut property = |name: &str, value: &str| {
        if !value.is_empty() {
            properties.insert(name.to_owned(), value.into());
        }
    };
    property("containers", &named(&group.containers, MAX_TEXT));
    if let Some(pods) = group.pods {
        property("pods", &pods.to_string());
    }
    property("state", state.as_str());
    property("value", value);
    property("source", source.as_str());
    property("setBy", set_by.as_str());
    property("why", why);
    if let Some(it) = exemption {
        property("reason", &it.reason);
        property("ticket", &it.ticket);
        property("until", &it.until);
        property("grantedBy", &it.granted_by);
    }
    let end = match state {
        State::Pass => "",
        State::Fail => " is not so",
        State::Exempt => " is not so, which an exemption allows",
        State::NotApplicable => " means nothing here",
        State::Unknown => " cannot be told",
    };
    let containers = named(&group.containers, MAX_NAMES);
    json!({
        "policy": policy,
        "rule": about.name,
        "category": policy,
        "severity": severity(*check),
        "scored": scored,
        "result": outcome(*state, scored),
        "message": short(&format!("{containers}: {}{end}", about.title)),
        "timestamp": {"seconds": seconds, "nanos": 0},
        "properties": properties,
    })
}

/// Names of containers, as many as fit, and the number of the others.
fn named(containers: &[&str], max: usize) -> String {
    let mut text = String::new();
    for (at, name) in containers.iter().enumerate() {
        let name = short(name);
        // Room for `, ` and for what is said of those that do not fit.
        if at > 0 && text.len() + name.len() + 20 > max {
            let others = containers.len() - at;
            return format!("{text} and {others} more");
        }
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(&name);
    }
    text
}

/// The words of OpenReports: `warn` is not met and not scored, `error` could not be evaluated, and
/// `skip` was not asked for, which is what an exemption says. It is no pass.
fn outcome(state: State, scored: bool) -> &'static str {
    match state {
        State::Pass => "pass",
        State::Fail if scored => "fail",
        State::Fail => "warn",
        State::Unknown => "error",
        State::Exempt | State::NotApplicable => "skip",
    }
}

fn severity(check: Check) -> &'static str {
    match (check, check.about().standard) {
        (Check::Privileged | Check::HostProcess, _) => "critical",
        (Check::RunAsNonRoot, _) | (_, Standard::Baseline) => "high",
        (_, Standard::Restricted) => "medium",
        (_, Standard::Other) => "low",
    }
}

/// The numbers of results by outcome. All five are there, as the Go types write them.
pub fn summary(results: &[Value]) -> Value {
    let count = |word: &str| results.iter().filter(|result| result["result"] == word).count();
    json!({
        "pass": count("pass"), "fail": count("fail"), "warn": count("warn"),
        "error": count("error"), "skip": count("skip"),
    })
}

/// A text that can be shown, of at most [`MAX_TEXT`] bytes.
pub fn short(text: &str) -> Box<str> {
    const CUT: &str = "…";
    let text = printable(text, MAX_TEXT);
    if text.len() <= MAX_TEXT {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_TEXT - CUT.len());
    let cut = text.get(..end).unwrap_or_default();
    format!("{cut}{CUT}").into()
}

#[cfg(test)]
mod tests;
