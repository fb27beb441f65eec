//! Templates of Argo Workflows: a pod in other words.
//!
//! A template has the fields of a pod's `spec` beside each other with those of the workflow
//! engine, and one container by itself, as `container` or `script`. The controller makes a pod of
//! it (`createWorkflowPod` in `argo-workflows/workflow/controller/workflowpod.go`): the container
//! is called `main`, sidecars follow it, `spec.securityContext` of the workflow counts where the
//! template has none of its own, and the workflow's volumes are there as well. So that is what the
//! engine is shown. What it changes at the pod level is written into the template: a workflow that
//! refers to it from elsewhere would not get what is written beside it.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::part::{Part, PodIn};

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
            let mut container = plain(&Value::Object(container.clone()));
            if let Some(members) = container.as_object_mut() {
                members.insert("name".to_owned(), json!("main"));
            }
            parts.push(container_part(containers.len(), format!("{at}/{single}")));
            containers.push(container);
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
    parts.push(inherited(template, &at, "", "metadata", metadata.clone()));
    Some(PodIn {
        left: left(workflow, template),
        pod: Cow::Owned(json!({"metadata": metadata, "spec": spec})),
        at,
        parts,
    })
}

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

/// What the template is in: a workflow's `spec`, two tokens above it.
fn workflow_of<'o>(object: &'o Value, at: &str) -> &'o Value {
    let outer = at.rsplitn(3, '/').nth(2).unwrap_or_default();
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
