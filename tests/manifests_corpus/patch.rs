//! A patch of every shape that the engine writes.

use ironhull::manifest::Workload;
use serde_json::{Value, json};

/// A patch of every shape the engine writes, for one workload. Empty for one whose kind cannot be
/// given all of that.
pub fn patch(workload: &Workload) -> Vec<Value> {
    let mut patch = Vec::new();
    let (pod, root) = (&workload.pod, "");
    members(
        &mut patch,
        pod.pointer("/spec/securityContext"),
        &format!("{root}/spec/securityContext"),
        &[
            ("runAsNonRoot", json!(true)),
            ("runAsUser", json!(1000)),
            ("seccompProfile", json!({"type": "RuntimeDefault"})),
        ],
    );
    for list in ["initContainers", "containers"] {
        let containers = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let path = format!("{root}/spec/{list}/{index}");
            let context = container.get("securityContext");
            members(
                &mut patch,
                context,
                &format!("{path}/securityContext"),
                &[("allowPrivilegeEscalation", json!(false)), ("runAsUser", json!(2000))],
            );
            let drop = container.pointer("/securityContext/capabilities/drop");
            if context.and_then(Value::as_object).is_some_and(|context| !context.is_empty()) {
                let capabilities = format!("{path}/securityContext/capabilities");
                match drop.and_then(Value::as_array) {
                    Some(drop) if !drop.is_empty() => {
                        patch.push(json!({"op": "add", "path": format!("{capabilities}/drop/-"), "value": "ALL"}));
                    }
                    _ => members(
                        &mut patch,
                        container.pointer("/securityContext/capabilities"),
                        &capabilities,
                        &[("drop", json!(["ALL"]))],
                    ),
                }
                if let Some(Value::Array(add)) =
                    container.pointer("/securityContext/capabilities/add")
                {
                    let kept: Vec<_> = add.iter().skip(1).collect();
                    patch.push(json!({"op": "replace", "path": format!("{capabilities}/add"), "value": kept}));
                }
            }
            append(
                &mut patch,
                container.get("volumeMounts"),
                &format!("{path}/volumeMounts"),
                &[json!({"name": "ironhull-tmp", "mountPath": "/tmp"})],
            );
        }
    }
    append(
        &mut patch,
        pod.pointer("/spec/volumes"),
        &format!("{root}/spec/volumes"),
        &[
            json!({"name": "ironhull-tmp", "emptyDir": {}}),
            json!({"name": "ironhull-b", "emptyDir": {"medium": "Memory"}}),
        ],
    );
    match pod.get("metadata").and_then(Value::as_object) {
        Some(metadata) if !metadata.is_empty() => members(
            &mut patch,
            metadata.get("annotations"),
            &format!("{root}/metadata/annotations"),
            &[("example.com/volumes", json!("a,b"))],
        ),
        _ => patch.push(json!({"op": "add", "path": format!("{root}/metadata"), "value": {"annotations": {"example.com/volumes": "a,b"}}})),
    }
    workload.patch(patch).unwrap_or_default()
}

fn members(patch: &mut Vec<Value>, object: Option<&Value>, path: &str, new: &[(&str, Value)]) {
    match object {
        Some(Value::Object(object)) if !object.is_empty() => {
            for (key, value) in new {
                let op = if object.contains_key(*key) { "replace" } else { "add" };
                let key = key.replace('/', "~1");
                patch.push(json!({"op": op, "path": format!("{path}/{key}"), "value": value}));
            }
        }
        _ => {
            let value: serde_json::Map<String, Value> =
                new.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            patch.push(json!({"op": "add", "path": path, "value": value}));
        }
    }
}

fn append(patch: &mut Vec<Value>, list: Option<&Value>, path: &str, new: &[Value]) {
    match list {
        Some(Value::Array(list)) if !list.is_empty() => {
            for value in new {
                patch.push(json!({"op": "add", "path": format!("{path}/-"), "value": value}));
            }
        }
        _ => patch.push(json!({"op": "add", "path": path, "value": new})),
    }
}
