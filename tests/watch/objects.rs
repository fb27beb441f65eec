//! Namespaces and pods.

use std::sync::OnceLock;

use serde_json::{Value, json};

pub fn namespace(name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<_, _> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let kind = "PartialObjectMetadata";
    json!({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": {"name": name, "uid": format!("ns-{name}"), "labels": labels}})
}

pub fn opted_in(name: &str) -> Value {
    namespace(name, &[("ironhull.dev/harden", "enforce")])
}

/// A pod whose one container was started as this uid.
pub fn pod(namespace: &str, name: &str, uid: i64) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}")},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "web", "state": {"running": {"startedAt": "2027-01-01T00:00:00Z"}},
            "user": {"linux": {"uid": uid, "gid": uid}},
        }]},
    })
}

pub fn annotated(mut pod: Value, key: &str, value: &str) -> Value {
    pod["metadata"]["annotations"] = json!({key: value});
    pod
}

/// One of a crowd in 50 namespaces `crowd-N`, about as large as pods are in clusters: in every
/// hundred one is root.
pub fn one_of_many(number: usize) -> String {
    static REST: OnceLock<String> = OnceLock::new();
    let rest = REST.get_or_init(rest_of_many);
    let (uid, space) = (if number.is_multiple_of(100) { 0 } else { 1000 }, number % 50);
    format!(
        r#"{{"metadata":{{"name":"web-{number}","namespace":"crowd-{space}","uid":"{number:08x}-0000-4000-8000-000000000000","resourceVersion":"1"}},"status":{{"phase":"Running","containerStatuses":[{{"name":"web","state":{{"running":{{}}}},"user":{{"linux":{{"uid":{uid}}}}}}},{{"name":"proxy","state":{{"running":{{}}}},"user":{{"linux":{{"uid":7}}}}}}]}},{rest}}}"#
    )
}

/// What all of them have in common: made once, for the test is not about making it.
fn rest_of_many() -> String {
    let environment: Vec<_> = (0..24)
        .map(|index| json!({"name": format!("SETTING_{index}"), "value": "a value of some length"}))
        .collect();
    let fields: Vec<_> = (0..40).map(|index| format!("f:field-number-{index}")).collect();
    let rest = json!({
        "managedFields": fields,
        "spec": {"containers": [
            {"name": "web", "image": "registry.example/shop/web:1.2.3", "env": environment},
            {"name": "proxy", "image": "registry.example/proxy:4", "securityContext": {"runAsUser": 7}},
        ]},
    });
    rest.to_string().trim_start_matches('{').trim_end_matches('}').to_owned() + "}"
}
