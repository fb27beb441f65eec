//! The fields that hardening would change, one by one.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::pass::{Judged, title};
use crate::outcome::{Finding, Level, Outcome, Subject};
use crate::rule::{Action, RuleName};

/// A field that would change.
pub(super) struct WouldChange {
    pub(super) rule: RuleName,
    pub(super) level: &'static str,
    pub(super) message: String,
    /// Place in the document where the field is, or would be.
    pub(super) pointer: String,
    /// Identity that stays the same when lines move: rule, kind, namespace, name and container, and
    /// the template where there are several.
    pub(super) identity: String,
}

/// Fields that the engine would change in a workload.
pub(super) fn found(judged: &Judged<'_>) -> Vec<WouldChange> {
    let changes = judged.outcome.findings.iter().filter(|finding| finding.result.changes());
    changes.map(|finding| found_one(judged, finding)).collect()
}

fn found_one(judged: &Judged<'_>, finding: &Finding<'_>) -> WouldChange {
    let Judged { workload, namespace, policy, outcome, .. } = *judged;
    let rule = finding.rule;
    let container = match finding.subject {
        Subject::Pod => String::new(),
        Subject::Container(_) => outcome.subject_name(finding.subject).to_owned(),
    };
    let was = finding.was.as_ref().map_or("unset".to_owned(), ToString::to_string);
    let mut message = title(workload);
    if !container.is_empty() {
        let _ = write!(message, ", container {container}");
    }
    let _ = write!(message, ": {rule} is {was}");
    match (&finding.now, finding.level) {
        (Some(now), Some(Level::Pod)) if !container.is_empty() => {
            let _ = write!(message, "; hardened, it is {now}, set on the pod");
        }
        (Some(now), _) => {
            let _ = write!(message, "; hardened, it is {now}");
        }
        (None, _) => {}
    }
    let why = outcome.why(finding);
    if !why.is_empty() {
        let _ = write!(message, " ({why})");
    }
    let place = container_at(&workload.pod, outcome, finding.subject);
    let field = match rule {
        RuleName::HostUsers => "/spec/hostUsers".to_owned(),
        RuleName::ServiceAccountToken => "/spec/automountServiceAccountToken".to_owned(),
        RuleName::UnprivilegedPorts => format!("/spec{place}/securityContext/sysctls"),
        other => format!("/spec{place}/securityContext/{other}"),
    };
    let which = workload.which();
    let mut identity =
        vec![rule.as_str(), &workload.kind, namespace, &workload.name, container.as_str()];
    identity.extend(which.as_deref());
    WouldChange {
        rule,
        level: level(policy.rules.action(rule)),
        message,
        pointer: workload.pointer(&field),
        identity: identity.join("\n"),
    }
}

/// SARIF level: a rule that the policy enforces is a warning.
pub(super) fn level(action: Action) -> &'static str {
    if action == Action::Enforce { "warning" } else { "note" }
}

/// Place of a container in the pod's spec. Empty for the pod level, and for a container that is not
/// where it should be.
fn container_at(pod: &Value, outcome: &Outcome<'_>, subject: Subject) -> String {
    let Subject::Container(subject) = subject else { return String::new() };
    let Some(looked) = outcome.containers.get(subject) else { return String::new() };
    let list = looked.kind.list();
    let containers = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
    let named =
        |container: &Value| container.get("name").and_then(Value::as_str) == Some(looked.name);
    match containers.and_then(|containers| containers.iter().position(named)) {
        Some(index) => format!("/{list}/{index}"),
        None => String::new(),
    }
}
