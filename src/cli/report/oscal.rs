//! `-o oscal`: the results for the controls of NIST SP 800-53 as OSCAL *assessment results*, in JSON.
//!
//! An observation for each check that the controls name, a finding for each control. A finding is
//! never `satisfied`: what these checks answer is a part of the control, and the rest is somebody
//! else's to assess. Identifiers are made of what they stand for, so that two documents can be compared.
//!
//! Source: <https://pages.nist.gov/OSCAL/reference/1.1.3/assessment-results/json-reference/>.

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::evidence::check::Check;
use crate::evidence::controls::{ControlResult, FrameworkResult};
use crate::evidence::document::{
    CheckSummary, ContainerEvidence, ContainerState, Document, State, WorkloadEvidence,
};
use crate::text::printable;

/// Version of OSCAL.
const OSCAL: &str = "1.1.3";

/// `id` of the standard among the controls.
const STANDARD: &str = "nist-800-53";

/// Namespace of this document's own properties.
const NAMESPACE: &str = "https://ironhull.dev/ns/oscal";

/// Namespace of the UUIDs: that of URLs, in RFC 9562.
const URLS: [u8; 16] = [
    0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
];

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
            let wanting = checks.iter().any(|summary| {
                !matches!(state(container, summary.check), State::Pass | State::NotApplicable)
            });
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

fn state(container: &ContainerEvidence, check: Check) -> State {
    let cell = container.cells.iter().find(|cell| cell.check == check);
    cell.map_or(State::Unknown, |cell| cell.state)
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
        .filter_map(|subject| {
            let word = match state(subject.container, summary.check) {
                State::Pass | State::NotApplicable => return None,
                State::Fail => "fail",
                State::Exempt => "exempt",
                State::Unknown => "unknown",
            };
            Some(json!({
                "subject-uuid": subject.uuid,
                "type": "inventory-item",
                "props": [property("state", word)],
            }))
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

/// A UUID of version 5: the same for the same words. OSCAL takes versions 4 and 5.
fn uuid(words: &[&str]) -> String {
    let mut hash = Sha1::new();
    hash.update(URLS);
    hash.update(NAMESPACE);
    for word in words {
        // A length before each word, so that no two lists read alike.
        hash.update(word.len().to_be_bytes());
        hash.update(word);
    }
    let mut hex: String =
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    hex.replace_range(12..13, "5");
    let variant = match hex.get(16..17).and_then(|digit| u8::from_str_radix(digit, 16).ok()) {
        Some(digit) => ["8", "9", "a", "b"].get(usize::from(digit & 3)).copied().unwrap_or("8"),
        None => "8",
    };
    hex.replace_range(16..17, variant);
    for at in [20, 16, 12, 8] {
        hex.insert(at, '-');
    }
    hex
}

#[cfg(test)]
mod tests;
