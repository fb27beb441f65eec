//! The pods the scenarios start.

use serde_json::{Value, json};

/// A root image with nothing but busybox in it.
pub const BUSYBOX: &str = "localhost/busybox:local";
/// The same with `USER app`.
pub const NAMED_USER: &str = "localhost/busybox-named-user:local";

/// A container that sleeps.
pub fn container(name: &str, image: &str) -> Value {
    json!({
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "3600"],
    })
}

/// A pod with these containers.
pub fn pod(name: &str, containers: &[Value]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": containers},
    })
}

/// The pod an auditor finds: root, and nothing else said.
pub fn auditor(name: &str) -> Value {
    let mut pod = pod(name, &[container("app", BUSYBOX)]);
    pod["spec"]["securityContext"] = json!({"runAsUser": 0, "runAsGroup": 0});
    pod
}

/// An object with a pod template made of this pod.
pub fn workload(api_version: &str, kind: &str, pod: &Value) -> Value {
    let name = pod["metadata"]["name"].clone();
    let labels = pod["metadata"]["labels"].clone();
    let template = json!({"metadata": {"labels": labels}, "spec": pod["spec"]});
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    })
}
