//! What may break, as SARIF.

use schemars::schema_for;
use serde_json::{Value, json};

use super::report::{Preview, RiskPreview, WorkloadPreview};
use crate::cli::sarif::{Log, descriptor, location};
use crate::foresight::risk::Cause;

/// The log: a result for each risk, at its container.
pub(super) fn log(preview: &Preview) -> String {
    let mut log = Log { rules: descriptors(), successful: true, ..Log::default() };
    for namespace in &preview.namespaces {
        for workload in &namespace.workloads {
            for risk in &workload.risks {
                result(&namespace.name, workload, risk, &mut log);
            }
            if let Some(error) = &workload.error {
                log.successful = false;
                log.notifications.push(json!({
                    "level": "error",
                    "message": {"text": format!("{}: {error}", workload.title())},
                    "locations": [place(workload, "")],
                }));
            }
        }
    }
    log.text()
}

fn result(namespace: &str, workload: &WorkloadPreview, risk: &RiskPreview, log: &mut Log) {
    let title = workload.title();
    let RiskPreview { container, cause, certain, why } = risk;
    let id = id(*cause);
    let mut message = format!("{title}, container {container}: {why}");
    for advice in &workload.remedy.advice {
        message.push_str(&format!("; {advice}"));
    }
    for (key, value) in &workload.remedy.annotations {
        message.push_str(&format!("; {}: {key}: {value:?}", workload.remedy.annotations_at));
    }
    let result = json!({
        "ruleId": id,
        "ruleIndex": Cause::ALL.iter().position(|other| other == cause),
        "level": if *certain { "error" } else { "warning" },
        "message": {"text": message},
        "locations": [place(workload, container)],
    });
    let WorkloadPreview { kind, name, template, .. } = workload;
    let mut identity: Vec<&str> = vec![&id, kind, namespace, name, container, why];
    identity.extend(template.as_deref());
    log.result(result, &identity.join("\n"));
}

/// Where a container stands, else its workload.
fn place(workload: &WorkloadPreview, container: &str) -> Value {
    let places = &workload.places;
    let at = places.get(container).or_else(|| places.get("")).copied();
    location(workload.file.as_deref().unwrap_or_default(), at)
}

/// `preview/needsRoot`: other than the names of rules, beside whose results these may stand.
fn id(cause: Cause) -> String {
    let name = serde_json::to_value(cause).unwrap_or_default();
    format!("preview/{}", name.as_str().unwrap_or_default())
}

/// Each cause with what its documentation says.
fn descriptors() -> Vec<Value> {
    let schema = schema_for!(Cause);
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let text = |cause: Cause| {
        let name = serde_json::to_value(cause).unwrap_or_default();
        let mut variants = variants.into_iter().flatten();
        let variant = variants.find(|variant| variant.get("const") == Some(&name));
        variant.and_then(|variant| variant.get("description")?.as_str()).unwrap_or_default()
    };
    let described = |cause: &Cause| {
        let text = text(*cause);
        descriptor(&id(*cause), text, text, json!({"text": text}), "warning")
    };
    Cause::ALL.iter().map(described).collect()
}
