//! `-o openreports`: a `Report` for each workload and, of a whole cluster, a `ClusterReport` of its
//! controls, as `openreports.io/v1alpha1` has them. One `List`, for `kubectl apply -f -`.
//!
//! Source: the types in `apis/openreports.io/v1alpha1` of <https://github.com/openreports/reports-api>.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::text;
use crate::evidence::check::{Check, Standard};
use crate::evidence::controls::ControlResult;
use crate::evidence::document::{Cell, Document, State, Tally, WorkloadEvidence};
use crate::text::printable;

/// The API that the objects are of.
const API_VERSION: &str = "openreports.io/v1alpha1";

/// Who made a report, in its `source`, and in the label by which its reports can be found.
const SOURCE: &str = "ironhull";

/// Characters of a property or message. A report has at most one result for each check and state, 130,
/// so that it stays below 300 KB, where etcd takes 1.5 MB.
const MOST_TEXT: usize = 300;

/// Characters of a name, of the 253 that Kubernetes takes.
const MOST_NAME: usize = 200;

/// The list, as JSON.
pub(super) fn list(document: &Document, whole_cluster: bool) -> Value {
    let mut items: Vec<Value> = document
        .workloads
        .iter()
        .filter(|workload| workload.running().next().is_some())
        .map(|workload| report(document, workload))
        .collect();
    if whole_cluster {
        items.push(cluster_report(document));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn report(document: &Document, workload: &WorkloadEvidence) -> Value {
    let WorkloadEvidence { namespace, api_version, kind, name, uid, .. } = workload;
    let mut metadata = metadata(&name_of(&[kind, name]));
    let mut scope = Map::from_iter([
        ("apiVersion".to_owned(), api_version.as_str().into()),
        ("kind".to_owned(), kind.as_str().into()),
        ("namespace".to_owned(), namespace.as_str().into()),
        ("name".to_owned(), name.as_str().into()),
    ]);
    metadata.insert("namespace".into(), namespace.as_str().into());
    if let Some(uid) = uid {
        scope.insert("uid".to_owned(), uid.as_str().into());
        // The report goes when the workload goes.
        metadata.insert(
            "ownerReferences".into(),
            json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}]),
        );
    }
    let results = results(document, workload);
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

/// Containers of a workload whose cells of one check have one state.
#[derive(Default)]
struct Group<'d> {
    containers: Vec<&'d str>,
    pods: u32,
    cell: Option<&'d Cell>,
}

/// A result for each check and each state that containers have of it.
fn results(document: &Document, workload: &WorkloadEvidence) -> Vec<Value> {
    let mut groups: BTreeMap<(Check, State), Group<'_>> = BTreeMap::new();
    for container in workload.running() {
        for cell in &container.cells {
            let group = groups.entry((cell.check, cell.state)).or_default();
            if !group.containers.contains(&container.name.as_str()) {
                group.containers.push(&container.name);
            }
            group.pods += container.pods;
            group.cell.get_or_insert(cell);
        }
    }
    let seconds = seconds(document);
    groups
        .iter()
        .map(|((check, state), group)| result(document, *check, *state, group, seconds))
        .collect()
}

fn result(
    document: &Document,
    check: Check,
    state: State,
    group: &Group<'_>,
    seconds: i64,
) -> Value {
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
            properties.insert(name.to_owned(), printable(value, MOST_TEXT).into());
        }
    };
    property("containers", &group.containers.join(", "));
    property("pods", &group.pods.to_string());
    property("state", state.as_str());
    let mut message = format!("{}: {}", group.containers.join(", "), about.title);
    if let Some(cell) = group.cell {
        property("value", &text(&cell.value));
        property("source", cell.source.as_str());
        property("setBy", cell.set_by.as_str());
        property("why", &cell.why);
        if let Some((_, exemption)) = document.exemption(cell) {
            property("reason", &exemption.reason);
            property("ticket", exemption.ticket.as_deref().unwrap_or_default());
            property("until", exemption.until.as_deref().unwrap_or_default());
            property("grantedBy", &exemption.granted_by);
        }
    }
    message.push_str(match state {
        State::Pass => "",
        State::Fail => " is not so",
        State::Exempt => " is not so, which an exemption allows",
        State::NotApplicable => " means nothing here",
        State::Unknown => " cannot be told",
    });
    json!({
        "policy": policy,
        "rule": about.name,
        "category": policy,
        "severity": severity(check),
        "scored": scored,
        "result": outcome(state, scored),
        "message": printable(&message, MOST_TEXT),
        "timestamp": {"seconds": seconds, "nanos": 0},
        "properties": properties,
    })
}

/// The words of OpenReports: `warn` is not met and not scored, `error` could not be evaluated, `skip`
/// does not apply. An exempt field is not met, so it is a warning and no pass.
fn outcome(state: State, scored: bool) -> &'static str {
    match state {
        State::Pass => "pass",
        State::Fail if scored => "fail",
        State::Fail | State::Exempt => "warn",
        State::Unknown => "error",
        State::NotApplicable => "skip",
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
fn summary(results: &[Value]) -> Value {
    let count = |word: &str| results.iter().filter(|result| result["result"] == word).count();
    json!({
        "pass": count("pass"), "fail": count("fail"), "warn": count("warn"),
        "error": count("error"), "skip": count("skip"),
    })
}

/// The results of controls. They say something of a cluster only where all of it was looked at.
fn cluster_report(document: &Document) -> Value {
    let seconds = seconds(document);
    let mut results = Vec::new();
    for framework in &document.controls {
        for control in &framework.controls {
            let policy = format!("{} {}", framework.name, framework.version);
            results.push(of_control(&policy, control, seconds));
        }
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": "ClusterReport",
        "metadata": metadata("ironhull-controls"),
        "source": SOURCE,
        "summary": summary(&results),
        "results": results,
    })
}

fn of_control(policy: &str, control: &ControlResult, seconds: i64) -> Value {
    let tally = control.containers;
    let Tally { pass, fail, exempt, unknown, .. } = tally;
    // `pass` says only that no field failed: `beyond` is what was not looked at.
    let result = match (fail, unknown, exempt, pass) {
        (1.., ..) => "fail",
        (0, 1.., ..) => "error",
        (0, 0, 1.., _) => "warn",
        (0, 0, 0, 1..) => "pass",
        (0, 0, 0, 0) => "skip",
    };
    let mut properties = Map::new();
    for state in State::ALL {
        properties.insert(state.as_str().to_owned(), tally.of(state).to_string().into());
    }
    properties.insert("extent".to_owned(), control.extent.as_str().into());
    if !control.beyond.is_empty() {
        properties.insert("beyond".to_owned(), printable(&control.beyond, MOST_TEXT).into());
    }
    json!({
        "policy": policy,
        "rule": control.id,
        "category": control.group,
        "result": result,
        "message": printable(&control.title, MOST_TEXT),
        "timestamp": {"seconds": seconds, "nanos": 0},
        "properties": properties,
    })
}

fn metadata(name: &str) -> Map<String, Value> {
    let labels = json!({"app.kubernetes.io/managed-by": SOURCE});
    Map::from_iter([("name".to_owned(), name.into()), ("labels".to_owned(), labels)])
}

/// A name for an object about the one of these words: theirs, cut, and a digest by which no two are
/// the same.
fn name_of(words: &[&str]) -> String {
    let whole = words.join("-").to_lowercase();
    let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(*c);
    let cut: String = whole.chars().filter(plain).take(MOST_NAME).collect();
    let digest = Sha256::digest(words.join("/"));
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{SOURCE}-{}-{digest}", cut.trim_matches(['-', '.']))
}

/// When the cluster was looked at, in seconds since 1970; 0 if the report does not say it.
fn seconds(document: &Document) -> i64 {
    document.taken.at.parse::<Timestamp>().map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests;
