//! Which fields may change, by the values.

use serde_json::Value;

/// What differs between two objects and is none of the hardening's.
pub(super) fn wrong(before: &Value, after: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    walk(before, after, String::new(), &mut wrong);
    wrong
}

fn walk(before: &Value, after: &Value, path: String, wrong: &mut Vec<String>) {
    if before == after || hardened(&path, after) {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                wrong.push(format!("{path}/{key} is gone"));
            }
            for (key, new) in new {
                walk(old.get(key).unwrap_or(&Value::Null), new, format!("{path}/{key}"), wrong);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() <= new.len() => {
            for (index, new) in new.iter().enumerate() {
                let old = old.get(index).unwrap_or(&Value::Null);
                walk(old, new, format!("{path}/{index}"), wrong);
            }
        }
        // What was not there before, down to what may be new.
        (Value::Null, Value::Object(new)) => {
            for (key, new) in new {
                walk(&Value::Null, new, format!("{path}/{key}"), wrong);
            }
        }
        (Value::Null, Value::Array(new)) => {
            for (index, new) in new.iter().enumerate() {
                walk(&Value::Null, new, format!("{path}/{index}"), wrong);
            }
        }
        _ => wrong.push(format!("{path}: {before} became {after}")),
    }
}

/// Whether the field is one that hardening sets, to a value that it sets.
fn hardened(path: &str, after: &Value) -> bool {
    let within = |name: &str| path.rsplit_once(name).map(|(_, rest)| rest);
    if let Some(field) = within("/securityContext/") {
        return match field {
            "runAsNonRoot" | "readOnlyRootFilesystem" => after == true,
            "allowPrivilegeEscalation" => after == false,
            "runAsUser" => after.as_u64().is_some_and(|uid| uid > 0),
            "runAsGroup" | "fsGroup" => after.is_u64(),
            "fsGroupChangePolicy" => after == "OnRootMismatch",
            "seccompProfile/type" => after == "RuntimeDefault",
            "capabilities/add" => after.is_array(),
            field if field.starts_with("capabilities/drop/") => after == "ALL",
            field if field.starts_with("capabilities/add/") => after.is_string(),
            field if field.ends_with("/name") => after == "net.ipv4.ip_unprivileged_port_start",
            field if field.ends_with("/value") => after == "0",
            _ => false,
        };
    }
    let ours = after["name"].as_str().is_some_and(|name| name.starts_with("ironhull-"));
    if path.rsplit_once('/').is_some_and(|(list, _)| list.ends_with("/volumeMounts")) {
        return ours && after.as_object().is_some_and(|mount| mount.len() == 2);
    }
    if path.rsplit_once('/').is_some_and(|(list, _)| list.ends_with("/volumes")) {
        return ours && after.get("emptyDir").is_some();
    }
    path.ends_with("/annotations/cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes")
}
