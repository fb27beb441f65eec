//! Objects with a template, parsed as far as needed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::namespaces::OPT_IN;

/// An object with a template. Only the needed parts of its text are decoded.
#[derive(Deserialize)]
pub(super) struct Object {
    pub(super) metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    min_ready_seconds: Option<i32>,
    update_strategy: Option<Strategy>,
}

#[derive(Deserialize)]
struct Strategy {
    #[serde(default)]
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Option<Vec<Condition>>,
    /// Of an Argo Workflow, or a pod-like object.
    phase: Option<Value>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// An object that makes pods, or a pod by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// `apiVersion`
    pub api_version: Box<str>,
    /// `kind`
    pub kind: Box<str>,
    /// `metadata.name`
    pub name: Box<str>,
    /// `metadata.uid`
    pub uid: Box<str>,
}

impl From<&OwnerReference> for Maker {
    fn from(owner: &OwnerReference) -> Self {
        Self {
            api_version: owner.api_version.as_str().into(),
            kind: owner.kind.as_str().into(),
            name: owner.name.as_str().into(),
            uid: owner.uid.as_str().into(),
        }
    }
}

/// The owner of an object that makes it and deletes it.
pub fn controller(owners: Option<&Vec<OwnerReference>>) -> Option<&OwnerReference> {
    owners.into_iter().flatten().find(|owner| owner.controller == Some(true))
}

impl Metadata {
    pub(super) fn controller(&self) -> Option<&OwnerReference> {
        controller(self.owner_references.as_ref())
    }
}

impl Object {
    /// Whether its template is seen elsewhere, or nothing is made of it any more.
    pub(super) fn is_seen_elsewhere(&self, kind: &str) -> bool {
        // A Deployment's, a CronJob's or an operator's objects are seen at their owner.
        let owned = self.metadata.controller().is_some();
        (owned && matches!(kind, "ReplicaSet" | "Job"))
            || (kind == "Job" && self.condition("Complete").is_some())
            || (kind == "Workflow" && self.has_ended())
    }

    /// Whether an Argo Workflow has run (`WorkflowPhase`).
    fn has_ended(&self) -> bool {
        let phase = self.status.phase.as_ref().and_then(Value::as_str);
        matches!(phase, Some("Succeeded" | "Failed" | "Error"))
    }

    fn condition(&self, name: &str) -> Option<&Condition> {
        let mut conditions = self.status.conditions.iter().flatten();
        conditions.find(|condition| condition.r#type == name && condition.status == "True")
    }

    /// `minReadySeconds` of a kind that replaces its pods step by step; `None` for any other, and
    /// for one that leaves that to whoever deletes them.
    pub(super) fn min_ready(&self, rolls: bool) -> Option<i32> {
        let left = self.spec.update_strategy.as_ref().is_some_and(|it| it.r#type == "OnDelete");
        (rolls && !left).then(|| self.spec.min_ready_seconds.unwrap_or_default())
    }

    /// Why a Job has failed for good; `None` if it has not.
    pub(super) fn failed(&self, kind: &str) -> Option<String> {
        let Condition { reason, message, .. } =
            self.condition("Failed").filter(|_| kind == "Job")?;
        let said = [reason, message].into_iter().flatten().filter(|text| !text.is_empty());
        let said: Vec<&str> = said.map(String::as_str).collect();
        Some(if said.is_empty() { "no reason given".to_owned() } else { said.join(": ") })
    }
}

/// Value of the label by which a pod opts in, of a pod or a pod template.
pub fn opt_in(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Labelled {
        #[serde(default)]
        labels: Option<BTreeMap<String, String>>,
    }
    #[derive(Deserialize)]
    struct Outer {
        #[serde(default)]
        metadata: Option<Labelled>,
    }
    let outer: Outer = serde_json::from_str(json).ok()?;
    outer.metadata?.labels?.remove(OPT_IN)
}

/// Whether a pod has containers that its template does not name.
pub(super) fn added(template: &str, names: &[String]) -> bool {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Containers {
        #[serde(default)]
        init_containers: Option<Vec<Named>>,
        containers: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Outer {
        spec: Containers,
    }
    let Ok(Outer { spec }) = serde_json::from_str(template) else { return false };
    let own = || spec.init_containers.iter().flatten().chain(&spec.containers);
    // A pod of an older template has other containers, but not these plus more.
    own().all(|own| names.contains(&own.name)) && names.len() > own().count()
}
