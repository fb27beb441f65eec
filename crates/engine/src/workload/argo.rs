//! Templates of Argo Workflows: a pod in other words.
//!
//! A template has the fields of a pod's `spec` beside each other with those of the workflow
//! engine, and one container by itself, as `container` or `script`. The controller makes a pod of
//! it (`createWorkflowPod` in `argo-workflows/workflow/controller/workflowpod.go`): the container
//! is called `main`, sidecars follow it, `spec.securityContext` of the workflow counts where the
//! template has none of its own, the workflow's volumes are there as well, and `main` has a mount for
//! each input artifact. So that is what the engine is shown. What it changes at the pod level is written
//! into the template: a workflow that refers to it from elsewhere would not get what is written beside it.

use std::borrow::Cow;

use kube_yaml::escape;
use serde_json::{Map, Value, json};

use super::part::{Part, PodIn};
use crate::pod::SAFE_TO_EVICT;

/// Members that change what the other members mean, in a workflow's `spec` or in a template.
const PATCH: &str = "podSpecPatch";
/// What a template may inherit from `templateDefaults`, as far as it matters here.
const DEFAULTS: [&str; 8] = [
    "container",
    "script",
    "containerSet",
    "initContainers",
    "sidecars",
    "volumes",
    "securityContext",
    PATCH,
];

const PATCHED: &str = "its `podSpecPatch` is laid over the pod afterwards, and may say anything";
const DEFAULTED: &str = "the workflow's `templateDefaults` are merged into it";
const MIRRORED: &str = "`mirrorVolumeMounts` gives a container the mounts of another one";
const SHARED: &str = "the mounts of its `containerSet` are all containers'";

/// The pod that a template at `at` is made into; `None` for one that has no containers of its own,
/// such as `steps`, `dag` or `suspend`.
pub(super) fn pod<'o>(object: &'o Value, at: String, template: &'o Value) -> Option<PodIn<'o>> {
    let workflow = workflow_of(object, &at);
    let mut spec = Map::new();
    let mut parts = Vec::new();
    let mut containers = Vec::new();
    for single in ["container", "script"] {
        if let Some(container) = template.get(single).and_then(Value::as_object) {
            let at = format!("{at}/{single}");
            let within = format!("/spec/containers/{}", containers.len());
            parts.push(container_part(containers.len(), at.clone()));
            let mut main = Value::Object(container.clone());
            parts.push(inherited(&main, &at, &within, "volumeMounts", json!([])));
            put_artifacts(&mut main, template);
            put_source(&mut main);
            let mut main = plain(&main);
            if let Some(members) = main.as_object_mut() {
                members.insert("name".to_owned(), json!(MAIN));
            }
            containers.push(main);
        }
    }
    for (list, of) in
        [("containerSet/containers", "/containerSet/containers"), ("sidecars", "/sidecars")]
    {
        for (index, container) in list_of(template, of).iter().enumerate() {
            parts.push(container_part(containers.len(), format!("{at}/{list}/{index}")));
            containers.push(plain(container));
        }
    }
    if containers.is_empty() {
        return None;
    }
    spec.insert("containers".to_owned(), Value::Array(containers));
    let init = list_of(template, "/initContainers");
    spec.insert("initContainers".to_owned(), Value::Array(init.iter().map(plain).collect()));
    parts.push(inherited(template, &at, "/spec", "initContainers", json!([])));

    let mut volumes = list_of(workflow, "/volumes").to_vec();
    volumes.extend_from_slice(list_of(template, "/volumes"));
    volumes.push(json!({"name": ARTIFACTS, "emptyDir": {}}));
    spec.insert("volumes".to_owned(), Value::Array(volumes));
    parts.push(inherited(template, &at, "/spec", "volumes", json!([])));

    let own = template.get("securityContext").filter(|own| !own.is_null());
    let outer = workflow.get("securityContext").filter(|outer| outer.is_object());
    if let Some(context) = own.or(outer) {
        spec.insert("securityContext".to_owned(), context.clone());
    }
    let outer = outer.cloned().unwrap_or_else(|| json!({}));
    parts.push(inherited(template, &at, "/spec", "securityContext", outer));
    for member in ["hostNetwork"] {
        if let Some(value) = workflow.get(member) {
            spec.insert(member.to_owned(), value.clone());
        }
    }
    let metadata = metadata(workflow, template);
    parts.extend(metadata_parts(workflow, template, &at));
    Some(PodIn {
        left: left(workflow, template),
        pod: Cow::Owned(json!({"metadata": metadata, "spec": spec})),
        at,
        parts,
    })
}

/// The one container that a template has by itself.
const MAIN: &str = "main";
/// The controller's volume for input artifacts.
const ARTIFACTS: &str = "input-artifacts";

/// What a container has here besides the fields of Kubernetes' own.
const OF_ARGO: [&str; 3] = ["source", "mirrorVolumeMounts", "dependencies"];

/// A container with Kubernetes' own fields alone.
fn plain(container: &Value) -> Value {
    let mut container = container.clone();
    if let Some(members) = container.as_object_mut() {
        members.retain(|name, _| !OF_ARGO.contains(&name.as_str()));
    }
    container
}

/// Gives `main` the mounts of its input artifacts (`addInputArtifactsVolumes`): not where a mount of its own
/// has the place already.
fn put_artifacts(main: &mut Value, template: &Value) {
    let own: Vec<String> = list_of(main, "/volumeMounts")
        .iter()
        .filter_map(|mount| mount.get("mountPath")?.as_str().map(str::to_owned))
        .collect();
    let is_free = |path: &&str| !own.iter().any(|own| std::path::Path::new(path).starts_with(own));
    let artifacts = list_of(template, "/inputs/artifacts").iter();
    let paths = artifacts.filter_map(|artifact| artifact.get("path")?.as_str()).filter(is_free);
    let mounts: Vec<Value> =
        paths.map(|path| json!({"name": ARTIFACTS, "mountPath": path})).collect();
    let Some(members) = main.as_object_mut().filter(|_| !mounts.is_empty()) else { return };
    let all = members.entry("volumeMounts").or_insert_with(|| json!([]));
    if all.is_null() {
        *all = json!([]);
    }
    if let Some(all) = all.as_array_mut() {
        all.extend(mounts);
    }
}

/// Gives a `script` its source as what its command runs. The controller puts it into a file that the
/// command gets as its last argument, which means the same to a shell.
fn put_source(main: &mut Value) {
    let Some(source) = main.get("source").and_then(Value::as_str).map(str::to_owned) else {
        return;
    };
    let command = main.get_mut("command").and_then(Value::as_array_mut);
    if let Some(command) = command.filter(|command| !command.is_empty()) {
        command.extend([json!("-c"), json!(source)]);
    }
}

/// What the template is in: a workflow's `spec`.
fn workflow_of<'o>(object: &'o Value, at: &str) -> &'o Value {
    let outer = at.split_once("/templates/").map_or("", |(outer, _)| outer);
    object.pointer(outer).unwrap_or(&Value::Null)
}

fn container_part(index: usize, at: String) -> Part {
    Part::new(&format!("/spec/containers/{index}"), at)
}

/// The part for a member of the template. `initial` is what it is where the template has none.
fn inherited(template: &Value, at: &str, within: &str, member: &str, initial: Value) -> Part {
    let own = template.get(member).is_some_and(|own| !own.is_null());
    Part {
        inherited: (!own).then_some(initial),
        ..Part::new(&format!("{within}/{member}"), format!("{at}/{member}"))
    }
}

fn list_of<'o>(value: &'o Value, pointer: &str) -> &'o [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Labels and annotations that the pod gets: the workflow's `podMetadata`, then the template's.
fn metadata(workflow: &Value, template: &Value) -> Value {
    let mut all = Map::new();
    if own_metadata(template).is_some() {
        // A patch that began with `metadata` itself would put it in place of the template's.
        all.insert("annotations".to_owned(), json!({}));
    }
    for of in [workflow.get("podMetadata"), template.get("metadata")].into_iter().flatten() {
        for member in ["labels", "annotations"] {
            let Some(new) = of.get(member).and_then(Value::as_object) else { continue };
            let into = all.entry(member).or_insert_with(|| json!({}));
            if let Some(into) = into.as_object_mut() {
                into.extend(new.clone());
            }
        }
    }
    Value::Object(all)
}

/// The template's `metadata`, unless it is empty.
fn own_metadata(template: &Value) -> Option<&Map<String, Value>> {
    template.get("metadata").and_then(Value::as_object).filter(|own| !own.is_empty())
}

/// The parts for the template's annotations. Those of `podMetadata` come to the pod by themselves: only one
/// that ironhull may change is written into the template, where it goes before the other.
fn metadata_parts(workflow: &Value, template: &Value, at: &str) -> Vec<Part> {
    let around = workflow.pointer("/podMetadata/annotations").and_then(Value::as_object);
    let own = template.pointer("/metadata/annotations").and_then(Value::as_object);
    let is_ours = |key: &str| key == SAFE_TO_EVICT || key.starts_with("ironhull.dev/");
    let ours = around.into_iter().flatten().filter(|(key, _)| is_ours(key));
    let Some(own) = own else {
        let ours: Map<String, Value> =
            ours.map(|(key, value)| (key.clone(), value.clone())).collect();
        let (part, initial) = match own_metadata(template) {
            Some(_) => ("/metadata/annotations", json!(ours)),
            None => ("/metadata", json!({"annotations": ours})),
        };
        let part = Part::new(part, format!("{at}{part}"));
        return vec![Part { inherited: Some(initial), ..part }];
    };
    let mut parts = vec![Part::new("/metadata/annotations", format!("{at}/metadata/annotations"))];
    for (key, value) in ours.filter(|(key, _)| !own.contains_key(*key)) {
        let key = format!("/metadata/annotations/{}", escape(key));
        let part = Part::new(&key, format!("{at}{key}"));
        parts.push(Part { inherited: Some(value.clone()), ..part });
    }
    parts
}

/// Why a template cannot be edited: something else decides what its pod will be.
fn left(workflow: &Value, template: &Value) -> Option<&'static str> {
    let is_set = |value: &Value, member: &str| value.get(member).is_some_and(|it| !it.is_null());
    if is_set(workflow, PATCH) || is_set(template, PATCH) {
        return Some(PATCHED);
    }
    let defaults = workflow.get("templateDefaults").unwrap_or(&Value::Null);
    if DEFAULTS.iter().any(|member| is_set(defaults, member)) {
        return Some(DEFAULTED);
    }
    let lists = ["/initContainers", "/sidecars"].into_iter();
    let mirrored = |container: &Value| container.get("mirrorVolumeMounts") == Some(&json!(true));
    if lists.flat_map(|list| list_of(template, list)).any(mirrored) {
        return Some(MIRRORED);
    }
    (!list_of(template, "/containerSet/volumeMounts").is_empty()).then_some(SHARED)
}
