//! The workloads of a cluster, each judged as it comes. Of an object, only what is reported of it
//! is kept.
//!
//! Pods come first, because they tell of the workloads they belong to. Then come the objects with
//! the templates that pods are made from.

pub mod kinds;
mod later;
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
use crate::harden::Scope;
use crate::pod::MIRROR_ANNOTATION;
use crate::terminal::progress::Progress;
use crate::text::printable;
use crate::workload::{Change, Kinds, dotted, group_of, reserved_volumes};
pub use kinds::ClusterKind;
use later::{Later, Read};
pub use object::{Maker, controller, opt_in};
use object::{Object, added};

/// Pods.
pub static PODS: Resource = Resource::built_in("/api/v1", "pods");
/// ReplicaSets.
pub static REPLICA_SETS: Resource = Resource::built_in("/apis/apps/v1", "replicasets");
/// Jobs.
pub static JOBS: Resource = Resource::built_in("/apis/batch/v1", "jobs");

/// Path in an object of a kind of Kubernetes' own at which annotations of its pods belong. An
/// unknown kind is taken for one with its template where most have it.
pub fn annotations_at(kind: &str) -> String {
    match kind {
        "Pod" => POD.to_owned(),
        kind => {
            let template = ClusterKind::built_in(kind).and_then(|kind| kind.template());
            template.map_or_else(|| TEMPLATE.to_owned(), |names| annotations_in(&names))
        }
    }
}

/// Path of the annotations in a template that is below these members.
pub fn annotations_in(names: &[String]) -> String {
    names.iter().map(String::as_str).chain([POD]).collect::<Vec<_>>().join(".")
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
    /// What kubectl knows its kind by, if that is not Kubernetes' own.
    pub word: Option<String>,
    /// Its name.
    pub name: &'f str,
    /// Path of the template in the object, if that has several.
    pub template: Option<&'f str>,
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
    /// Whether `json` is a template, or a pod that the API server has.
    pub scope: Scope<'static>,
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

/// Calls `take` with every workload in the namespaces: those of Kubernetes' own kinds, and of those
/// of `kinds` that are installed. Returns what could not be read of the latter, whose workloads are
/// then judged by one of their pods.
///
/// # Errors
/// When something else cannot be read from the cluster.
pub async fn workloads(
    reader: &Reader,
    namespaces: &SelectedNamespaces,
    kinds: &Kinds,
    hardened_by: &HardenedBy<'_>,
    mut take: impl FnMut(&FoundWorkload<'_>),
) -> anyhow::Result<Vec<String>> {
    let own = kinds::built_in();
    let installed = kinds::installed(reader, kinds).await;
    let mut unread = Vec::new();
    for namespace in namespaces.requests() {
        let mut gather = Gather { reader, namespaces, namespace, hardened_by, take: &mut take };
        gather.run(&own, &installed, &mut unread).await?;
    }
    Ok(unread)
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
    async fn run(
        &mut self,
        own: &[ClusterKind],
        installed: &[ClusterKind],
        unread: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let above = self.above().await?;
        let mut facts = ObservedByOwner::new();
        let mut strays = self.pods(own, &above, &mut facts).await?;
        for kind in own {
            let Read { later, .. } = self.templates(kind, &facts).await?;
            for other in later {
                self.with_pod(kind, other, &facts).await?;
            }
        }
        for kind in installed {
            // The right to read these is often missing, and nothing else depends on it.
            let Read { later, seen } = match self.templates(kind, &facts).await {
                Ok(read) => read,
                Err(error) => {
                    unread.push(format!("{error:#}; judged by one of their pods instead"));
                    continue;
                }
            };
            strays.retain(|uid, _| !seen.contains(uid));
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
                word: None,
                name: &owner.name,
                template: None,
                managed_by: None,
                pod: Some(&pod),
                annotations_at: POD,
                json: &json,
                reserved_volumes: &[],
                scope: Scope::Create,
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
        for kind in [&REPLICA_SETS, &JOBS] {
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
        own: &[ClusterKind],
        above: &Above,
        facts: &mut ObservedByOwner,
    ) -> anyhow::Result<BTreeMap<String, Stray>> {
        let (namespaces, hardened_by, take) = (self.namespaces, self.hardened_by, &mut *self.take);
        let mut strays = BTreeMap::new();
        let mut progress: Option<Progress> = None;
        let each = self.reader.each(&PODS, self.namespace, None, false, |item, remaining| {
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
                        word: None,
                        name,
                        template: None,
                        managed_by: None,
                        pod: None,
                        annotations_at: POD,
                        json: item.get(),
                        reserved_volumes: &[],
                        scope: Scope::Create,
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
            let group = group_of(&root.api_version);
            let known = own.iter().any(|it| it.kind == root.kind && it.group == group);
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

    /// Reads the objects of a kind.
    async fn templates(
        &mut self,
        kind: &ClusterKind,
        facts: &ObservedByOwner,
    ) -> anyhow::Result<Read> {
        let (namespaces, take) = (self.namespaces, &mut *self.take);
        let none = Observed::default();
        let mut read = Read::default();
        let mut progress = Progress::new(&kind.resource.resource, None);
        let each = self.reader.each(&kind.resource, self.namespace, None, false, |item, _| {
            progress.advance(1);
            let object = object(&kind.resource, item)?;
            let Some(namespace) = namespaces.get(&object.metadata.namespace) else {
                return Ok(());
            };
            if object.is_seen_elsewhere(&kind.kind) {
                return Ok(());
            }
            let whole: Value = serde_json::from_str(item.get())?;
            let pods = kind.pods(&whole);
            if !pods.is_empty() {
                read.seen.insert(object.metadata.uid.clone());
            }
            for pod in &pods {
                let which = (pods.len() > 1).then(|| dotted(&pod.at));
                let template = pod.pod.to_string();
                let metadata = &object.metadata;
                let facts = facts.get(&metadata.uid).unwrap_or(&none);
                let by = metadata.controller();
                let found = Later {
                    namespace: namespace.name.clone(),
                    name: metadata.name.clone(),
                    uid: metadata.uid.clone(),
                    managed_by: by.map(|owner| format!("{}/{}", owner.kind, owner.name)),
                    pod: String::new(),
                    annotations_at: dotted(&format!("{}/metadata/annotations", pod.at)),
                    reserved_volumes: reserved_volumes(&whole, &pod.at),
                    failed: object
                        .failed(&kind.kind)
                        .map(|it| printable(&it, MAX_FAILED).into_owned()),
                    min_ready: object.min_ready(kind.change() == Change::Rolls),
                    mode: namespace.mode_of(opt_in(&template).as_deref()),
                };
                match &facts.sample {
                    Some((pod, names)) if which.is_none() && added(&template, names) => {
                        read.later.push(Later { pod: pod.clone(), ..found });
                    }
                    _ => take(&found.workload(kind, namespace, which.as_deref(), &template, facts)),
                }
            }
            Ok(())
        });
        each.await?;
        Ok(read)
    }

    /// Reads a workload whose pods get containers that its template does not have.
    async fn with_pod(
        &mut self,
        kind: &ClusterKind,
        later: Later,
        facts: &ObservedByOwner,
    ) -> anyhow::Result<()> {
        let none = Observed::default();
        let json = self.reader.get(&PODS, Some(&later.namespace), &later.pod).await?;
        // If the pod went away meanwhile, its workload is changing anyway.
        let (Some(namespace), Some(json)) = (self.namespaces.get(&later.namespace), json) else {
            return Ok(());
        };
        let facts = facts.get(&later.uid).unwrap_or(&none);
        (self.take)(&later.workload(kind, namespace, None, &json, facts));
        Ok(())
    }
}

fn object(kind: &Resource, item: &RawValue) -> anyhow::Result<Object> {
    serde_json::from_str(item.get())
        .with_context(|| format!("one of the {} cannot be read", kind.resource))
}
