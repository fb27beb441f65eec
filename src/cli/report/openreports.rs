//! `-o openreports`: a `Report` for each workload and, of a whole cluster, a `ClusterReport` of its
//! controls, as `openreports.io/v1alpha1` has them. One `List`, for `kubectl apply -f -`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::evidence::controls::ControlResult;
use crate::evidence::document::{Document, State, Tally, WorkloadEvidence};
use crate::evidence::openreports::{
    API_VERSION, Fact, SOURCE, Scope, Seen, metadata, short, summary,
};

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
    let scope = Scope { namespace, api_version, kind, name, uid: uid.as_deref() };
    let facts: Vec<_> = workload
        .running()
        .flat_map(|container| container.cells.iter().map(move |cell| (container, cell)))
        .map(|(container, cell)| {
            let exemption = document.exemption(cell).map(|(_, exemption)| exemption);
            (container, Fact::of(cell, exemption))
        })
        .collect();
    let seen = facts.iter().map(|(container, fact)| Seen {
        container: &container.name,
        fact,
        pods: Some(container.pods),
    });
    scope.report(seen.collect(), SOURCE, seconds(document))
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
        "metadata": metadata("ironhull-controls", SOURCE),
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
        properties.insert("beyond".to_owned(), (*short(&control.beyond)).into());
    }
    json!({
        "policy": policy,
        "rule": control.id,
        "category": control.group,
        "result": result,
        "message": short(&control.title),
        "timestamp": {"seconds": seconds, "nanos": 0},
        "properties": properties,
    })
}

/// When the cluster was looked at, in seconds since 1970; 0 if the report does not say it.
fn seconds(document: &Document) -> i64 {
    document.taken.at.parse::<Timestamp>().map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests;
