//! The workloads of a cluster, each judged as it comes. Of an object, only what is reported of it
//! is kept.
//!
//! Pods come first, because they tell of the workloads they belong to. Then come the objects with
//! the templates that pods are made from.

mod object;

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::observed::{Observed, ObservedByOwner};
use crate::admission::Mode;
use crate::cluster::namespaces::{NamespaceSettings, SelectedNamespaces};
use crate::cluster::{PAGE, Reader, Resource};
use crate::pod::MIRROR_ANNOTATION;
use crate::terminal::progress::Progress;
use crate::text::printable;
use object::{Object, added};
pub use object::{controller, opt_in};

const CORE: &str = "/api/v1";
const APPS: &str = "/apis/apps/v1";
const BATCH: &str = "/apis/batch/v1";

/// Pods.
pub const PODS: Resource = Resource { api: CORE, resource: "pods" };
/// ReplicaSets.
pub const REPLICA_SETS: Resource = Resource { api: APPS, resource: "replicasets" };
/// Jobs.
pub const JOBS: Resource = Resource { api: BATCH, resource: "jobs" };

/// Kinds with a template, each with the path at which annotations of their pods belong.
const KINDS: [(Resource, &str, &str); 7] = [
    (Resource { api: APPS, resource: "deployments" }, "Deployment", TEMPLATE),
    (Resource { api: APPS, resource: "statefulsets" }, "StatefulSet", TEMPLATE),
    (Resource { api: APPS, resource: "daemonsets" }, "DaemonSet", TEMPLATE),
    (REPLICA_SETS, "ReplicaSet", TEMPLATE),
    (Resource { api: CORE, resource: "replicationcontrollers" }, "ReplicationController", TEMPLATE),
    (JOBS, "Job", TEMPLATE),
    (
        Resource { api: BATCH, resource: "cronjobs" },
        "CronJob",
        "spec.jobTemplate.spec.template.metadata.annotations",
    ),
];
/// A kind with a template: where its objects are, and the path in them at which annotations of
/// their pods belong. `None` for any other kind.
pub fn with_template(kind: &str) -> Option<(Resource, &'static str)> {
    let found = KINDS.iter().find(|(_, name, _)| *name == kind);
    found.map(|(resource, _, annotations_at)| (*resource, *annotations_at))
}

/// Path in an object of a kind at which annotations of its pods belong. An unknown kind is taken
/// for one with its template where most have it.
pub fn annotations_at(kind: &str) -> &'static str {
    match kind {
        "Pod" => POD,
        kind => with_template(kind).map_or(TEMPLATE, |(_, at)| at),
    }
}

/// Pointer (RFC 6901) to the template in an object whose pods' annotations belong at this path.
pub fn template_pointer(annotations_at: &str) -> String {
    names(annotations_at).map(|name| format!("/{name}")).collect()
}

/// Fields of a pod template as a part of the object whose pods' annotations belong at this path.
pub fn in_object(annotations_at: &str, template: Value) -> Value {
    let names: Vec<&str> = names(annotations_at).collect();
    names.into_iter().rev().fold(template, |inner, name| json!({name: inner}))
}

/// Names of the members from an object to its template; none for a pod.
fn names(annotations_at: &str) -> impl Iterator<Item = &str> {
    let at = annotations_at.strip_suffix(POD).unwrap_or(annotations_at);
    at.split('.').filter(|name| !name.is_empty())
}

const TEMPLATE: &str = "spec.template.metadata.annotations";
const POD: &str = "metadata.annotations";
/// Maximum length of a message that is shown.
const MAX_FAILED: usize = 160;

/// A workload that was found in a cluster or in manifests. It lives as long as it is looked at.
pub struct FoundWorkload<'f> {
    /// Its namespace.
    pub namespace: &'f NamespaceSettings,
    /// Its kind.
    pub kind: &'f str,
    /// Its name.
    pub name: &'f str,
    /// The file it is in; `None` for a cluster's.
    pub file: Option<&'f str>,
    /// Owner of the workload (`KIND/NAME`), if there is one. A lasting change has to be made there.
    pub managed_by: Option<String>,
    /// Name of the pod that `json` is, if it is not a template.
    pub pod: Option<&'f str>,
    /// Path at which an annotation of its pods belongs.
    pub annotations_at: &'f str,
    /// JSON of its template, or of one of its pods.
    pub json: &'f str,
    /// Names of volumes that its pods get besides.
    pub reserved_volumes: &'f [String],
    /// What it failed of for good, if it did.
    pub failed: Option<&'f str>,
    /// `minReadySeconds`, for a kind that replaces its pods step by step.
    pub min_ready: Option<i32>,
    /// Mode in which the webhook reviews its pods: the namespace's, unless its template has a label
    /// of its own.
    pub mode: Option<Mode>,
    /// What its pods tell.
    pub facts: &'f Observed,
}

/// Controllers between a pod and what a person made: for each uid, the owner above it.
type Above = HashMap<String, OwnerReference>;

/// An object that waits for one of its pods to be read, because its pods have added containers.
struct Later {
    namespace: String,
    name: String,
    uid: String,
    managed_by: Option<String>,
    pod: String,
    reserved_volumes: Vec<String>,
    failed: Option<String>,
    min_ready: Option<i32>,
    mode: Option<Mode>,
}

/// A workload of a kind that only its operator knows. All that can be seen of it is one of its
/// pods.
struct Stray {
    owner: OwnerReference,
    namespace: String,
    pod: String,
    json: String,
}

/// Whether a pod (its JSON) is as the policy (`NAME@REVISION`) named in its note would have it.
/// Anybody who may change annotations may write such a note.
pub type HardenedBy<'h> = dyn Fn(&NamespaceSettings, &str, &str) -> bool + 'h;

/// Calls `take` with every workload in the namespaces.
///
/// # Errors
/// When something cannot be read from the cluster.
pub async fn workloads(
    reader: &Reader,
    namespaces: &SelectedNamespaces,
    hardened_by: &HardenedBy<'_>,
    mut take: impl FnMut(&FoundWorkload<'_>),
) -> anyhow::Result<()> {
    for namespace in namespaces.requests() {
        let mut gather = Gather { reader, namespaces, namespace, hardened_by, take: &mut take };
        gather.run().await?;
    }
    Ok(())
}

struct Gather<'g, T> {
    reader: &'g Reader,
    namespaces: &'g SelectedNamespaces,
    /// Namespace of each request; `None` for all at once.
    namespace: Option<&'g str>,
    hardened_by: &'g HardenedBy<'g>,
    take: &'g mut T,
}

impl<T: FnMut(&FoundWorkload<'_>)> Gather<'_, T> {
    async fn run(&mut self) -> anyhow::Result<()> {
        let above = self.above().await?;
        let mut facts = ObservedByOwner::new();
        let strays = self.pods(&above, &mut facts).await?;
        for kind in KINDS {
            let later = self.templates(kind, &facts).await?;
            for other in later {
                self.with_pod(kind, other, &facts).await?;
            }
        }
        let none = Observed::default();
        for (uid, Stray { owner, namespace, pod, json }) in strays {
            let Some(namespace) = self.namespaces.get(&namespace) else { continue };
            (self.take)(&FoundWorkload {
                file: None,
                namespace,
                kind: &owner.kind,
                name: &owner.name,
                managed_by: None,
                pod: Some(&pod),
                annotations_at: POD,
                json: &json,
                reserved_volumes: &[],
                failed: None,
                min_ready: None,
                mode: namespace.mode_of(opt_in(&json).as_deref()),
                facts: facts.get(&uid).unwrap_or(&none),
            });
        }
        Ok(())
    }

    /// Controllers between pods and what people made.
    async fn above(&self) -> anyhow::Result<Above> {
        let mut above = Above::new();
        for kind in [REPLICA_SETS, JOBS] {
            let each = self.reader.each(kind, self.namespace, None, true, |item, _| {
                let object = object(kind, item)?;
                if let Some(owner) = object.metadata.controller() {
                    above.insert(object.metadata.uid.clone(), owner.clone());
                }
                Ok(())
            });
            each.await?;
        }
        Ok(above)
    }

    /// Reads the pods. Those by themselves are workloads, and the others tell of theirs.
    async fn pods(
        &mut self,
        above: &Above,
        facts: &mut ObservedByOwner,
    ) -> anyhow::Result<BTreeMap<String, Stray>> {
        let (namespaces, hardened_by, take) = (self.namespaces, self.hardened_by, &mut *self.take);
        let mut strays = BTreeMap::new();
        let mut progress: Option<Progress> = None;
        let each = self.reader.each(PODS, self.namespace, None, false, |item, remaining| {
            let total = || remaining.map(|remaining| remaining + u64::from(PAGE));
            progress.get_or_insert_with(|| Progress::new("pods", total())).advance(1);
            let pod: Pod = serde_json::from_str(item.get()).context("a pod cannot be read")?;
            let ObjectMeta { name, namespace, annotations, owner_references, .. } = &pod.metadata;
            let name = name.as_deref().unwrap_or_default();
            let namespace = namespace.as_deref().unwrap_or_default();
            let Some(namespace) = namespaces.get(namespace) else { return Ok(()) };
            let annotations = annotations.as_ref();
            let is_hardened = |by: &str| hardened_by(namespace, item.get(), by);
            // A static pod belongs to its node, and appears nowhere else.
            let mirror = annotations.is_some_and(|own| own.contains_key(MIRROR_ANNOTATION));
            let owner = controller(owner_references.as_ref()).filter(|_| !mirror);
            let Some(owner) = owner else {
                let status = pod.status.as_ref();
                let phase = status.and_then(|status| status.phase.as_deref());
                let failed = (phase == Some("Failed")).then(|| {
                    let said = status.and_then(|s| s.message.as_deref().or(s.reason.as_deref()));
                    printable(said.unwrap_or("no reason given"), MAX_FAILED).into_owned()
                });
                if phase != Some("Succeeded") {
                    let mut own = Observed::default();
                    own.take(&pod, is_hardened);
                    take(&FoundWorkload {
                        file: None,
                        namespace,
                        kind: "Pod",
                        name,
                        managed_by: None,
                        pod: None,
                        annotations_at: POD,
                        json: item.get(),
                        reserved_volumes: &[],
                        failed: failed.as_deref(),
                        min_ready: None,
                        mode: namespace.mode_of(opt_in(item.get()).as_deref()),
                        facts: &own,
                    });
                }
                return Ok(());
            };
            let root = above.get(&owner.uid).unwrap_or(owner);
            facts.entry(root.uid.clone()).or_default().take(&pod, is_hardened);
            let known = KINDS.iter().any(|(_, kind, _)| *kind == root.kind);
            if !known && !strays.contains_key(&root.uid) {
                let stray = Stray {
                    owner: root.clone(),
                    namespace: namespace.name.clone(),
                    pod: name.to_owned(),
                    json: item.get().to_owned(),
                };
                strays.insert(root.uid.clone(), stray);
            }
            Ok(())
        });
        each.await?;
        Ok(strays)
    }

    /// Reads the objects of a kind. Returns those that wait for a pod.
    async fn templates(
        &mut self,
        (kind, name, annotations_at): (Resource, &str, &'static str),
        facts: &ObservedByOwner,
    ) -> anyhow::Result<Vec<Later>> {
        let (namespaces, take) = (self.namespaces, &mut *self.take);
        let none = Observed::default();
        let mut later = Vec::new();
        let mut progress = Progress::new(kind.resource, None);
        let each = self.reader.each(kind, self.namespace, None, false, |item, _| {
            progress.advance(1);
            let object = object(kind, item)?;
            let Object { metadata, spec, .. } = &object;
            let Some(namespace) = namespaces.get(&metadata.namespace) else { return Ok(()) };
            let Some(template) = object.template(name) else { return Ok(()) };
            let claims = spec.volume_claim_templates.iter().flatten();
            let reserved: Vec<String> = claims.map(|claim| claim.metadata.name.clone()).collect();
            let facts = facts.get(&metadata.uid).unwrap_or(&none);
            let failed = object.failed(name).map(|it| printable(&it, MAX_FAILED).into_owned());
            let min_ready = object.min_ready(name);
            let mode = namespace.mode_of(opt_in(template).as_deref());
            let by = metadata.controller().map(|owner| format!("{}/{}", owner.kind, owner.name));
            match &facts.sample {
                Some((pod, names)) if added(template, names) => later.push(Later {
                    namespace: namespace.name.clone(),
                    name: metadata.name.clone(),
                    uid: metadata.uid.clone(),
                    managed_by: by,
                    pod: pod.clone(),
                    reserved_volumes: reserved,
                    failed,
                    min_ready,
                    mode,
                }),
                _ => take(&FoundWorkload {
                    file: None,
                    namespace,
                    kind: name,
                    name: &metadata.name,
                    managed_by: by,
                    pod: None,
                    annotations_at,
                    json: template,
                    reserved_volumes: &reserved,
                    failed: failed.as_deref(),
                    min_ready,
                    mode,
                    facts,
                }),
            }
            Ok(())
        });
        each.await?;
        Ok(later)
    }

    /// Reads a workload whose pods get containers that its template does not have.
    async fn with_pod(
        &mut self,
        (_, kind, annotations_at): (Resource, &str, &'static str),
        later: Later,
        facts: &ObservedByOwner,
    ) -> anyhow::Result<()> {
        let Later { uid, managed_by, reserved_volumes, failed, min_ready, mode, .. } = later;
        let Later { namespace, name, pod, .. } = later;
        let none = Observed::default();
        let json = self.reader.get(PODS, Some(&namespace), &pod).await?;
        // If the pod went away meanwhile, its workload is changing anyway.
        let (Some(namespace), Some(json)) = (self.namespaces.get(&namespace), json) else {
            return Ok(());
        };
        (self.take)(&FoundWorkload {
            file: None,
            namespace,
            kind,
            name: &name,
            managed_by,
            pod: Some(&pod),
            annotations_at,
            json: &json,
            reserved_volumes: &reserved_volumes,
            failed: failed.as_deref(),
            min_ready,
            mode,
            facts: facts.get(&uid).unwrap_or(&none),
        });
        Ok(())
    }
}

fn object(kind: Resource, item: &RawValue) -> anyhow::Result<Object<'_>> {
    serde_json::from_str(item.get())
        .with_context(|| format!("one of the {} cannot be read", kind.resource))
}
