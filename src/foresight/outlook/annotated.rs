//! A pod with more annotations, to try what helps.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The pod with more annotations.
pub(super) fn annotated(object: &Value, annotations: &BTreeMap<String, String>) -> Value {
    let values: Vec<(String, String)> =
        annotations.iter().map(|(key, value)| (key.clone(), beside(object, key, value))).collect();
    let mut object = object.clone();
    let Some(map) = object.as_object_mut() else { return object };
    let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let Some(metadata) = metadata.as_object_mut() else { return object };
    let own = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if own.is_null() {
        *own = Value::Object(Map::new());
    }
    if let Some(own) = own.as_object_mut() {
        for (key, value) in values {
            own.insert(key, Value::String(value));
        }
    }
    object
}

/// Value of an annotation in this pod. Directories that the pod asks for already are kept.
pub(super) fn beside(object: &Value, key: &str, value: &str) -> String {
    let annotations = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
    match annotations.and_then(|own| own.get(key)).and_then(Value::as_str) {
        Some(old) if key.ends_with("/writable-paths") && !old.trim().is_empty() => {
            format!("{old},{value}")
        }
        _ => value.to_owned(),
    }
}
