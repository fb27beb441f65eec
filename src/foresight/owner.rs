//! The object that a pod's template is in: what has to be changed for the pods to come.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::workloads::{ClusterKind, annotations_at, annotations_in, controller};
use crate::cluster::{Reader, Resource};
use crate::workload::{Change, Kinds};

/// The object that a pod is made from: a workload, or the pod itself.
pub struct Owner {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where it is in the API; `None` if nothing in it can be changed for a pod: it is a kind that
    /// only its operator knows, or its template is fixed.
    pub resource: Option<Resource>,
    /// Path in it at which annotations of its pods belong.
    pub annotations_at: String,
    /// Its template, or the pod.
    pub template: Value,
    /// What becomes of its pods when the template changes.
    pub change: Change,
    /// What kubectl knows its kind by.
    pub word: String,
    /// What keeps it as it is somewhere else, and would undo a change.
    pub kept_by: Option<String>,
}

/// The owner of a pod.
///
/// # Errors
/// When an owner cannot be read.
pub async fn of(
    reader: &Reader,
    kinds: &Kinds,
    namespace: &str,
    pod: &Pod,
) -> anyhow::Result<Owner> {
    let pod_itself = serde_json::to_value(pod).context("the pod cannot be read")?;
    let mut owner = Owner {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: pod.metadata.name.clone().unwrap_or_default(),
        namespace: namespace.to_owned(),
        resource: None,
        annotations_at: annotations_at("Pod"),
        kept_by: kept_by(&pod_itself),
        template: pod_itself,
        change: Change::Fixed,
        word: "pod".to_owned(),
    };
    let mut above = controller(pod.metadata.owner_references.as_ref()).cloned();
    while let Some(reference) = above.take() {
        let known = ClusterKind::of(kinds, &reference.api_version, &reference.kind);
        // One with several templates does not tell which of them the pod is made from.
        let known = known.and_then(|known| Some((known.template()?, known)));
        let object = match &known {
            Some((_, known)) => {
                let read = reader.get(&known.resource, Some(namespace), &reference.name).await;
                match read {
                    // The right to read these is often missing.
                    Err(_) if !known.is_built_in() => None,
                    read => read?,
                }
            }
            None => None,
        };
        let (Some((names, known)), Some(object)) = (known, object) else {
            // An operator's own kind, above what it makes: it undoes what is changed below. A
            // ReplicaSet or a Job is but its means, as a Deployment's or a CronJob's is.
            let means = matches!(&*owner.kind, "Pod" | "ReplicaSet" | "Job");
            if means {
                owner.annotations_at = annotations_at(&reference.kind);
                owner.word = reference.kind.to_lowercase();
                owner.change = Change::Recreated;
                owner.kind = reference.kind;
                owner.name = reference.name;
                owner.api_version = reference.api_version;
                owner.resource = None;
            } else {
                let title = format!("{}/{}", reference.kind, reference.name);
                owner.kept_by.get_or_insert(title);
            }
            break;
        };
        let object: Value = serde_json::from_str(&object).context("an owner cannot be read")?;
        let template = object.pointer(&format!("/{}", names.join("/"))).cloned();
        let on_delete = object.pointer("/spec/updateStrategy/type") == Some(&json!("OnDelete"));
        let kind = reference.kind;
        owner = Owner {
            api_version: known.resource.version().to_owned(),
            name: reference.name,
            namespace: owner.namespace,
            // The template of a Job, for example, cannot be changed.
            change: match known.change() {
                Change::Rolls if on_delete => Change::Recreated,
                change => change,
            },
            word: known.word(),
            resource: (known.change() != Change::Fixed).then_some(known.resource),
            kind,
            annotations_at: annotations_in(&names),
            template: template.unwrap_or_default(),
            kept_by: kept_by(&object),
        };
        let owners = object.pointer("/metadata/ownerReferences");
        let owners = owners.and_then(|owners| serde_json::from_value(owners.clone()).ok());
        above = controller(owners.as_ref()).cloned();
    }
    Ok(owner)
}

/// Labels and annotations by which tools mark what they apply, and undo changes of.
const TOOLS: [(&str, &str, &str); 6] = [
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("annotations", "meta.helm.sh/release-name", "Helm"),
    ("labels", "olm.owner", "the Operator Lifecycle Manager"),
];

fn kept_by(object: &Value) -> Option<String> {
    let has = |(place, key, _): &&(&str, &str, &str)| {
        object.pointer(&format!("/metadata/{place}")).is_some_and(|all| all.get(*key).is_some())
    };
    TOOLS.iter().find(has).map(|(.., tool)| (*tool).to_owned())
}
