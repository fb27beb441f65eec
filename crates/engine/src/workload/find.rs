//! The pods in an object: their JSON, and where each part of it is in the object.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::part::{Part, PodIn};
use super::path::Path;
use super::{Holds, argo};

/// The pods at a path of an object, in order. What is not an object is not one. Objects within the
/// object ([`Holds::Object`]) are not looked into.
pub fn pods<'o>(object: &'o Value, path: &Path, holds: Holds) -> Vec<PodIn<'o>> {
    let found = path.find(object).into_iter().filter(|(_, value)| value.is_object());
    let pod = |(at, value): (String, &'o Value)| match holds {
        Holds::Template => Some(PodIn {
            parts: vec![Part::new("", at.clone())],
            pod: Cow::Borrowed(value),
            at,
            left: None,
        }),
        Holds::PodSpec => Some(PodIn {
            parts: vec![
                Part::new("/spec", at.clone()),
                Part::new("/metadata", "/metadata".to_owned()),
            ],
            pod: Cow::Owned(json!({"metadata": annotations(object), "spec": value})),
            at,
            left: None,
        }),
        Holds::ArgoTemplate => argo::pod(object, at, value),
        Holds::Object => None,
    };
    found.filter_map(pod).collect()
}

/// What a pod that is made from a bare `spec` gets of its object's `metadata`: the annotations, as
/// far as anything is. They are there, if empty, beside any other member: a patch that began with
/// `metadata` itself would put it in place of the object's.
fn annotations(object: &Value) -> Value {
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else {
        return json!({});
    };
    match metadata.get("annotations").filter(|own| !own.is_null()) {
        Some(own) => json!({"annotations": own}),
        None if metadata.is_empty() => json!({}),
        None => json!({"annotations": {}}),
    }
}

/// Names of the volumes that pods made from the template at `at` get besides its own: those of the
/// `volumeClaimTemplates` in it, beside it, or around it.
pub fn reserved_volumes(object: &Value, at: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut next = Some(at);
    while let Some(around) = next {
        next = around.rsplit_once('/').map(|(outer, _)| outer);
        let claims = object.pointer(around).and_then(|it| it.get("volumeClaimTemplates"));
        let claims = claims.and_then(Value::as_array).into_iter().flatten();
        names.extend(
            claims.filter_map(|claim| claim.pointer("/metadata/name")?.as_str()).map(str::to_owned),
        );
    }
    names
}
