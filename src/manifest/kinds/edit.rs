//! A patch of a pod as a patch of the object that the pod is in.

use serde_json::{Value, json};

use crate::workload::Part;

/// The part that a value of the pod is in, and the pointer from there. Of several the innermost.
pub(super) fn part_of<'p>(parts: &'p [Part], pointer: &str) -> Option<(&'p Part, String)> {
    let rest = |part: &Part| {
        let rest = pointer.strip_prefix(part.pod.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
    };
    let within = parts.iter().filter_map(|part| Some((part, rest(part)?)));
    within.max_by_key(|(part, _)| part.pod.len())
}

/// What the kind's own pods cannot be told of; the webhook tells the pods themselves. Nothing else
/// of a hardening relies on it, so that the rest may be done without.
const ONLY_OF_PODS: &str = "/spec/hostUsers";

/// The operations at their places in the document. What the document does not have yet, because
/// the pod inherits it, is added there whole.
///
/// # Errors
/// When a value is nowhere in the document.
pub(super) fn relocate(patch: Vec<Value>, parts: &[Part]) -> Result<Vec<Value>, String> {
    let mut relocated = Vec::new();
    // The inherited parts that change: where they are to be, and their values so far.
    let mut written: Vec<(String, Value)> = Vec::new();
    for mut operation in patch {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default();
        let Some((part, rest)) = part_of(parts, path) else {
            if path == ONLY_OF_PODS {
                continue;
            }
            return Err(format!("`{path}` has no place in it"));
        };
        let Some(inherited) = &part.inherited else {
            let path = format!("{}{rest}", part.object);
            set_path(&mut operation, path);
            relocated.push(operation);
            continue;
        };
        set_path(&mut operation, rest);
        let of_part = |(at, _): &(String, Value)| *at == part.object;
        let index = written.iter().position(of_part).unwrap_or_else(|| {
            written.push((part.object.clone(), inherited.clone()));
            written.len() - 1
        });
        if let Some((_, value)) = written.get_mut(index) {
            let operation: json_patch::Patch =
                serde_json::from_value(json!([operation])).map_err(|error| error.to_string())?;
            json_patch::patch(value, &operation).map_err(|error| error.to_string())?;
        }
    }
    let add = |(path, value)| json!({"op": "add", "path": path, "value": value});
    relocated.extend(written.into_iter().map(add));
    Ok(relocated)
}

fn set_path(operation: &mut Value, path: String) {
    if let Some(members) = operation.as_object_mut() {
        members.insert("path".to_owned(), Value::String(path));
    }
}

/// The pod level, as operations name it.
const POD_LEVEL: &str = "/spec/securityContext";
/// Fields of the pod level that containers have as well: one that has none of its own inherits it.
const INHERITED: [&str; 4] = ["runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile"];

/// The same changes on the containers alone.
///
/// # Errors
/// The reason, if only the pod level has such a field, or it is none that the kind's own webhook
/// lets through.
pub(super) fn on_containers(patch: Vec<Value>, pod: &Value) -> Result<Vec<Value>, String> {
    let refused = |what: &str| format!("it needs {what}, which its kind refuses by default");
    let mut left = Vec::new();
    let mut moved: Vec<(String, Value)> = Vec::new();
    for operation in patch {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default();
        let value = operation.get("value").unwrap_or(&Value::Null);
        let adds = |value: &Value| value.get("add").is_some();
        if let Some(rest) = path.strip_prefix(POD_LEVEL) {
            let fields: Vec<(String, Value)> = match rest.strip_prefix('/') {
                None => value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
                Some(field) => vec![(field.to_owned(), value.clone())],
            };
            for (field, value) in fields {
                match field.split('/').next().unwrap_or_default() {
                    // It goes with fsGroup.
                    "fsGroupChangePolicy" => {}
                    name if INHERITED.contains(&name) => moved.push((field, value)),
                    "fsGroup" => return Err(refused("an fsGroup for its volumes")),
                    other => return Err(refused(&format!("`{other}` at the pod level"))),
                }
            }
        } else if path == ONLY_OF_PODS {
            continue;
        } else if path == "/spec/initContainers" || path == "/spec/initContainers/0" {
            return Err(refused("an init container that seeds a directory"));
        } else if path.contains("/capabilities/add")
            || (path.ends_with("/capabilities") && adds(value))
            || (path.ends_with("/securityContext") && value.get("capabilities").is_some_and(adds))
        {
            return Err(refused("an added capability"));
        } else {
            left.push(operation);
        }
    }
    for list in ["initContainers", "containers"] {
        let containers = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let at = format!("/spec/{list}/{index}/securityContext");
            let own = container.get("securityContext").filter(|own| own.is_object());
            for (field, value) in &moved {
                if own.is_none_or(|own| own.get(field).is_none_or(Value::is_null)) {
                    put(&mut left, &at, field, value, own);
                }
            }
        }
    }
    Ok(left)
}

/// The same changes, where an operator gives the pod an fsGroup unless it has a `securityContext`.
///
/// # Errors
/// When one would be added without an fsGroup: the operator's is what lets the pod write its volumes.
pub(super) fn with_fs_group(patch: Vec<Value>) -> Result<Vec<Value>, String> {
    let takes_it_away = |operation: &Value| {
        operation.get("path").and_then(Value::as_str) == Some(POD_LEVEL)
            && operation.pointer("/value/fsGroup").is_none()
    };
    match patch.iter().any(takes_it_away) {
        true => {
            Err("with a pod-level `securityContext` its operator would set no fsGroup".to_owned())
        }
        false => Ok(patch),
    }
}

/// Sets a field of the securityContext at `at`, in the operation that adds it whole if there is
/// one.
fn put(patch: &mut Vec<Value>, at: &str, field: &str, value: &Value, own: Option<&Value>) {
    let whole = |operation: &&mut Value| operation.get("path") == Some(&json!(at));
    let whole = patch.iter_mut().find(whole).and_then(|it| it.get_mut("value")?.as_object_mut());
    match (whole, own.is_some_and(|own| own.as_object().is_some_and(|own| !own.is_empty()))) {
        (Some(whole), _) => {
            whole.entry(field).or_insert_with(|| value.clone());
        }
        (None, true) => {
            patch.push(json!({"op": "add", "path": format!("{at}/{field}"), "value": value}));
        }
        (None, false) => patch.push(json!({"op": "add", "path": at, "value": {field: value}})),
    }
}
