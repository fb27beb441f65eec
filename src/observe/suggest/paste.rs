//! What to paste: a patch of the workload, and a part of a policy.

use serde_json::{Map, Value, json};

use super::Needs;
use crate::exemption::DOMAIN;
use crate::foresight::workloads::{annotations_at, in_object};
use crate::image::{full_name, repository};
use crate::policy;

/// What was observed of one container.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'o> {
    /// Its name.
    pub container: &'o str,
    /// Its image, as the pod names it.
    pub image: &'o str,
    /// Whether it is a native sidecar, among the init containers.
    pub sidecar: bool,
    /// Whether it is the only container of its pod.
    pub only: bool,
    /// What it needs.
    pub needs: &'o Needs,
}

/// A strategic merge patch of the object that makes the pods, of that kind. `None` if nothing is
/// needed.
pub fn patch(kind: &str, observed: &[Observed<'_>]) -> Option<Value> {
    let mut annotations = Map::new();
    let (mut containers, mut sidecars, mut volumes) = (Vec::new(), Vec::new(), Vec::new());
    for one in observed {
        annotate(one, &mut annotations);
        let Some(container) = container(one, &mut volumes) else { continue };
        if one.sidecar { sidecars.push(container) } else { containers.push(container) }
    }
    let lists = [("containers", containers), ("initContainers", sidecars), ("volumes", volumes)];
    let spec: Map<String, Value> = lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(key, list)| (key.to_owned(), Value::Array(list)))
        .collect();
    let mut template = Map::new();
    if !annotations.is_empty() {
        template.insert("metadata".to_owned(), json!({"annotations": annotations}));
    }
    if !spec.is_empty() {
        template.insert("spec".to_owned(), Value::Object(spec));
    }
    (!template.is_empty()).then(|| in_object(&annotations_at(kind), Value::Object(template)))
}

/// The annotations of a container. Where it is the only one, they are the pod's.
fn annotate(one: &Observed<'_>, annotations: &mut Map<String, Value>) {
    let of = if one.only { String::new() } else { format!("{}.", one.container) };
    let needs = one.needs;
    if !needs.writable_paths.is_empty() {
        let paths: Vec<String> = needs
            .writable_paths
            .iter()
            .map(|it| policy::Writable::written(&it.path, it.seed).into_owned())
            .collect();
        annotations.insert(format!("{of}{DOMAIN}/writable-paths"), json!(paths.join(",")));
    }
    for exempt in &needs.exemptions {
        annotations.insert(format!("{of}exempt.{DOMAIN}/{}", exempt.rule), json!(exempt.reason));
    }
}

fn container(one: &Observed<'_>, volumes: &mut Vec<Value>) -> Option<Value> {
    let needs = one.needs;
    let mut container = Map::new();
    let mut put = |key: &str, value: Value| _ = container.insert(key.to_owned(), value);
    if let Some(user) = &needs.user {
        put("securityContext", json!({"runAsUser": user.uid, "runAsGroup": user.gid}));
    }
    if !needs.ports.is_empty() {
        put("ports", json!(needs.ports));
    }
    if let Some(home) = &needs.home {
        put("env", json!([{"name": "HOME", "value": home}]));
    }
    if !needs.volumes.is_empty() {
        let mounts = needs.volumes.iter().map(|path| {
            let name = format!("observed-{}", volumes.len());
            volumes.push(json!({"name": name, "emptyDir": {}}));
            json!({"name": name, "mountPath": path})
        });
        put("volumeMounts", Value::Array(mounts.collect()));
    }
    if container.is_empty() {
        return None;
    }
    let mut named = Map::from_iter([("name".to_owned(), json!(one.container))]);
    named.extend(container);
    Some(Value::Object(named))
}

/// The part of a policy's `spec` that knows these images, for every workload that has them. `None` if
/// nothing is needed. `reason` tells of the observation.
pub fn policy(observed: &[Observed<'_>], reason: &str) -> Option<Value> {
    let mut images: Vec<Value> = Vec::new();
    let mut grants: Vec<Value> = Vec::new();
    for one in observed {
        let name = full_name(one.image);
        let pattern = format!("{}:*", repository(&name).unwrap_or(&name));
        let entry = entry(one.needs, &pattern, reason);
        if let Some(entry) = entry.filter(|entry| !images.contains(entry)) {
            images.push(entry);
        }
        for exempt in one.needs.exemptions.iter().filter(|it| it.rule != READ_ONLY) {
            let grant = json!({
                "images": [pattern], "rules": [exempt.rule], "reason": exempt.reason,
            });
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
    }
    let mut spec = Map::new();
    for (key, list) in [("images", images), ("exempt", grants)] {
        if !list.is_empty() {
            spec.insert(key.to_owned(), Value::Array(list));
        }
    }
    (!spec.is_empty()).then_some(Value::Object(spec))
}

/// An entry says this of an image by itself.
const READ_ONLY: &str = "readOnlyRootFilesystem";

fn entry(needs: &Needs, pattern: &str, reason: &str) -> Option<Value> {
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| _ = entry.insert(key.to_owned(), value);
    if let Some(user) = &needs.user {
        put("runAsUser", json!(user.uid));
        put("runAsGroup", json!(user.gid));
    }
    let volumes = needs.volumes.iter().map(|path| json!(path));
    let paths = needs.writable_paths.iter().map(|it| match it.seed {
        true => json!({"path": it.path, "seed": true}),
        false => json!(it.path),
    });
    let own: Vec<Value> = paths.chain(volumes).collect();
    if !own.is_empty() {
        // An entry's list takes the place of the rule's.
        put("writablePaths", std::iter::once(json!("/tmp")).chain(own).collect());
    }
    let tcp = needs.ports.iter().map(|port| port.container_port);
    let mut ports: Vec<u16> = tcp.collect();
    ports.dedup();
    if !ports.is_empty() {
        put("ports", json!(ports));
    }
    if needs.exemptions.iter().any(|it| it.rule == READ_ONLY) {
        put(READ_ONLY, json!(false));
    }
    if entry.is_empty() {
        return None;
    }
    let mut whole = Map::from_iter([("match".to_owned(), json!([pattern]))]);
    whole.extend(entry);
    whole.insert("reason".to_owned(), json!(reason));
    Some(Value::Object(whole))
}
