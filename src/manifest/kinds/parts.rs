//! Signs that something is only a part of an object: a patch that kustomize or kubectl lays over a
//! whole one. Hardened by itself, it would override what the whole says.

use serde_json::Value;

/// Keys of strategic merge patches that say how to merge
/// (`k8s.io/apimachinery/pkg/util/strategicpatch`). Some are followed by a field's name.
const DIRECTIVES: [&str; 4] =
    ["$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/"];

/// Sign that the object, or its pod, is not a whole one.
pub(super) fn sign(object: &Value, pod: &Value) -> Option<String> {
    if let Some(directive) = directive(object) {
        return Some(format!("`{directive}` is a patch directive"));
    }
    // A value of the wrong type is an error, which the engine reports.
    let list = |name| pod.get("spec").and_then(|spec| spec.get(name)).unwrap_or(&Value::Null);
    let none = match list("containers") {
        Value::Null => true,
        containers => containers.as_array().is_some_and(Vec::is_empty),
    };
    // The API server refuses a pod without containers, and a container without an image. An empty
    // image is for somebody to fill in, and the object is whole.
    if none {
        return Some("it has no containers".to_owned());
    }
    let lists =
        ["containers", "initContainers"].into_iter().filter_map(|name| list(name).as_array());
    let mut bare = lists.flatten().filter(|container| {
        container.is_object() && container.get("image").is_none_or(Value::is_null)
    });
    let name = bare.next()?.get("name").and_then(Value::as_str);
    Some(match name {
        Some(name) => format!("container `{name}` has no image"),
        None => "a container has no image".to_owned(),
    })
}

/// The first patch directive in the value or below it.
fn directive(value: &Value) -> Option<&str> {
    match value {
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            let named = |directive: &&str| match directive.ends_with('/') {
                true => key.starts_with(*directive),
                false => key == *directive,
            };
            if DIRECTIVES.iter().any(named) {
                return Some(key.as_str());
            }
            directive(value)
        }),
        Value::Array(items) => items.iter().find_map(directive),
        _ => None,
    }
}
