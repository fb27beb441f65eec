//! `-o oscal`: the results for the controls of NIST SP 800-53 as OSCAL *assessment results*, in JSON.
//!
//! An observation for each check that the controls name, a finding for each control. A finding is
//! never `satisfied`: what these checks answer is a part of the control, and the rest is somebody
//! else's to assess. Identifiers are made of what they stand for, so that two documents can be compared.
//!
//! Source: <https://pages.nist.gov/OSCAL/reference/1.1.3/assessment-results/json-reference/>.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::evidence::check::Check;
use crate::evidence::controls::{ControlResult, FrameworkResult};
use crate::evidence::document::{
    CheckSummary, ContainerEvidence, ContainerState, Document, WorkloadEvidence,
};
use crate::text::printable;

/// Version of OSCAL.
const OSCAL: &str = "1.1.3";

/// `id` of the standard among the controls.
const STANDARD: &str = "nist-800-53";

/// Namespace of this document's own properties.
const NAMESPACE: &str = "https://ironhull.dev/ns/oscal";

/// Characters of a property's value.
const MOST_TEXT: usize = 300;

/// The document; `None` if the list of controls has no SP 800-53.
pub(super) fn assessment_results(document: &Document) -> Option<Value> {
    let framework = document.controls.iter().find(|framework| framework.id == STANDARD)?;
    let taken = &document.taken;
    let checks: Vec<&CheckSummary> =
        document.checks.iter().filter(|summary| names(framework, summary.check)).collect();
    let subjects = subjects(document, &checks);
    let plan = uuid(&["plan"]);
    let items: Vec<Value> = subjects.iter().map(|subject| subject.item()).collect();
    let mut result = json!({
        "uuid": uuid(&["result", &taken.server, &taken.at]),
        "title": "Running containers, by what Kubernetes' API tells of them",
        "description": format!(
            "{} of {}, Kubernetes {}, looked at from {} to {}. {}",
            taken.scope,
            taken.server,
            taken.kubernetes.as_deref().unwrap_or("of an unknown version"),
            taken.at,
            taken.until,
            "Evidence for the fields named, in the containers that ran; no statement that a control is complied with."
        ),
        "start": taken.at,
        "end": taken.until,
        "reviewed-controls": {"control-selections": [{
            "include-controls":
                framework.controls.iter().map(|it| json!({"control-id": id(&it.id)})).collect::<Vec<_>>(),
        }]},
        "observations": checks
            .iter()
            .map(|summary| observation(document, summary, &subjects))
            .collect::<Vec<_>>(),
        "findings": framework
            .controls
            .iter()
            .map(|control| finding(document, control))
            .collect::<Vec<_>>(),
    });
    // OSCAL has no empty lists.
    if let Some(members) = result.as_object_mut().filter(|_| !items.is_empty()) {
        members.insert("local-definitions".to_owned(), json!({"inventory-items": items}));
    }
    Some(json!({"assessment-results": {
        "uuid": uuid(&["document", &taken.server, &taken.at]),
        "metadata": {
            "title": format!("How the containers of {} run", taken.server),
            "last-modified": taken.until,
            "version": taken.at,
            "oscal-version": OSCAL,
            "props": [
                property("tool", "ironhull"),
                property("tool-version", taken.ironhull),
                property("format", document.format),
            ],
        },
        "import-ap": {"href": format!("#{plan}"), "remarks": "There is no assessment plan: the resource says so."},
        "results": [result],
        "back-matter": {"resources": [{
            "uuid": plan,
            "title": "In place of an assessment plan",
            "description": "This document was written by a tool that looks at every container of the scope, without a plan.",
        }]},
    }}))
}

fn names(framework: &FrameworkResult, check: Check) -> bool {
    let mut controls = framework.controls.iter();
    controls.any(|control| control.checks.contains(&check) || control.stricter.contains(&check))
}

/// Running containers that do not pass one of the checks.
struct Subject<'d> {
    uuid: String,
    workload: &'d WorkloadEvidence,
    container: &'d ContainerEvidence,
}

fn subjects<'d>(document: &'d Document, checks: &[&CheckSummary]) -> Vec<Subject<'d>> {
    let mut subjects = Vec::new();
    for workload in &document.workloads {
        for (at, container) in workload.containers.iter().enumerate() {
            let wanting = checks.iter().any(|summary| !container.state(summary.check).holds());
            if wanting && container.status == ContainerState::Running {
                let WorkloadEvidence { namespace, kind, name, .. } = workload;
                // Several entries of one name are pods that differ.
                let at = at.to_string();
                let uuid = uuid(&[
                    "container",
                    &document.taken.server,
                    namespace,
                    kind,
                    name,
                    &container.name,
                    &at,
                ]);
                subjects.push(Subject { uuid, workload, container });
            }
        }
    }
    subjects
}

impl Subject<'_> {
    fn item(&self) -> Value {
        let Self { uuid, workload, container } = self;
        let WorkloadEvidence { namespace, kind, name, .. } = workload;
        let description =
            format!("Container {} of {kind} {name} in namespace {namespace}", container.name);
        json!({
            "uuid": uuid,
            "description": printable(&description, MOST_TEXT),
            "props": [
                property("namespace", namespace),
                property("workload-kind", kind),
                property("workload", name),
                property("container", &container.name),
                property("image", &container.image),
                property("pods", &container.pods.to_string()),
            ],
        })
    }
}

fn observation(document: &Document, summary: &CheckSummary, subjects: &[Subject<'_>]) -> Value {
    let taken = &document.taken;
    let tally = &summary.pods;
    let mut observation = json!({
        "uuid": observed(document, summary.check),
        "title": format!("{}: {}", summary.check.as_str(), summary.title),
        "description": format!(
            "A container passes if {}. Known {}. Running containers: {} pass, {} fail, {} exempt, {} not applicable, \
             {} unknown.",
            summary.passes,
            summary.obtained,
            tally.pass,
            tally.fail,
            tally.exempt,
            tally.not_applicable,
            tally.unknown
        ),
        "methods": ["EXAMINE"],
        "types": ["finding"],
        "collected": taken.until,
    });
    let wanting: Vec<Value> = subjects
        .iter()
        .map(|subject| (subject, subject.container.state(summary.check)))
        .filter(|(_, state)| !state.holds())
        .map(|(subject, state)| {
            json!({
                "subject-uuid": subject.uuid,
                "type": "inventory-item",
                "props": [property("state", state.as_str())],
            })
        })
        .collect();
    if let Some(members) = observation.as_object_mut().filter(|_| !wanting.is_empty()) {
        members.insert("subjects".to_owned(), wanting.into());
    }
    observation
}

fn observed(document: &Document, check: Check) -> String {
    uuid(&["observation", &document.taken.server, &document.taken.at, check.as_str()])
}

fn finding(document: &Document, control: &ControlResult) -> Value {
    let tally = &control.containers;
    let (reason, remarks) = match (tally.fail, tally.unknown, tally.exempt) {
        (1.., ..) => ("fail", "Containers fail fields that this control asks for.".to_owned()),
        (0, 1.., _) => ("other", "Of some containers it is not known.".to_owned()),
        (0, 0, 1..) => ("other", "Containers fail, and exemptions allow that.".to_owned()),
        (0, 0, 0) => (
            "other",
            "No container fails. It is not called satisfied, since this is a part of what it asks."
                .to_owned(),
        ),
    };
    let checks = control.checks.iter().chain(&control.stricter);
    json!({
        "uuid": uuid(&["finding", &document.taken.server, &document.taken.at, &control.id]),
        "title": format!("{}: {}", control.id, control.title),
        "description": format!(
            "Running containers: {} pass, {} fail, {} exempt, {} not applicable, {} unknown. Asked beyond these fields: {}.",
            tally.pass, tally.fail, tally.exempt, tally.not_applicable, tally.unknown,
            if control.beyond.is_empty() { "nothing" } else { &control.beyond },
        ),
        "target": {
            "type": "statement-id",
            "target-id": format!("{}_smt", id(&control.id)),
            "status": {"state": "not-satisfied", "reason": reason, "remarks": remarks},
        },
        "related-observations": checks
            .map(|check| json!({"observation-uuid": observed(document, *check)}))
            .collect::<Vec<_>>(),
    })
}

/// A property of this document's own. A value has no space at its ends, and is not empty.
fn property(name: &str, value: &str) -> Value {
    let value = printable(value, MOST_TEXT);
    let value = value.trim();
    let value = if value.is_empty() { "none" } else { value };
    json!({"name": name, "ns": NAMESPACE, "value": value})
}

/// The identifier of a control in NIST's catalogue: `ac-6.10` for `AC-6(10)`.
fn id(control: &str) -> String {
    control.to_lowercase().replace('(', ".").replace(')', "")
}

/// A UUID of version 5 (RFC 9562): the same for the same words. OSCAL takes versions 4 and 5.
fn uuid(words: &[&str]) -> String {
    let mut name = NAMESPACE.as_bytes().to_vec();
    for word in words {
        // A length before each word, so that no two lists read alike.
        name.extend(word.len().to_be_bytes());
        name.extend(word.as_bytes());
    }
    Uuid::new_v5(&Uuid::NAMESPACE_URL, &name).to_string()
}

#[cfg(test)]
mod tests;
