//! Objects with a template, parsed as far as needed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cluster::namespaces::OPT_IN;

/// An object with a template. Only the needed parts of its text are decoded.
#[derive(Deserialize)]
pub(super) struct Object<'o> {
    pub(super) metadata: Metadata,
    #[serde(borrow, default)]
    pub(super) spec: Spec<'o>,
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
pub(super) struct Spec<'o> {
    #[serde(borrow)]
    template: Option<&'o RawValue>,
    #[serde(borrow)]
    job_template: Option<JobTemplate<'o>>,
    pub(super) volume_claim_templates: Option<Vec<Claim>>,
    min_ready_seconds: Option<i32>,
    update_strategy: Option<Strategy>,
}

#[derive(Deserialize)]
struct Strategy {
    #[serde(default)]
    r#type: String,
}

#[derive(Deserialize)]
struct JobTemplate<'o> {
    #[serde(borrow)]
    spec: JobSpec<'o>,
}

#[derive(Deserialize)]
struct JobSpec<'o> {
    #[serde(borrow)]
    template: &'o RawValue,
}

#[derive(Deserialize)]
pub(super) struct Claim {
    pub(super) metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Option<Vec<Condition>>,
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

/// The owner of an object that makes it and deletes it.
pub fn controller(owners: Option<&Vec<OwnerReference>>) -> Option<&OwnerReference> {
    owners.into_iter().flatten().find(|owner| owner.controller == Some(true))
}

impl Metadata {
    pub(super) fn controller(&self) -> Option<&OwnerReference> {
        controller(self.owner_references.as_ref())
    }
}

impl Object<'_> {
    /// Template that its pods are made from. `None` if the template is seen elsewhere, or nothing
    /// is made of it any more.
    pub(super) fn template(&self, kind: &str) -> Option<&str> {
        // A Deployment's, a CronJob's or an operator's objects are seen at their owner.
        if self.metadata.controller().is_some() && matches!(kind, "ReplicaSet" | "Job") {
            return None;
        }
        if kind == "Job" && self.condition("Complete").is_some() {
            return None;
        }
        match &self.spec.job_template {
            Some(job) => Some(job.spec.template.get()),
            None => self.spec.template.map(RawValue::get),
        }
    }

    fn condition(&self, name: &str) -> Option<&Condition> {
        let mut conditions = self.status.conditions.iter().flatten();
        conditions.find(|condition| condition.r#type == name && condition.status == "True")
    }

    /// `minReadySeconds` of a kind that replaces its pods step by step; `None` for any other, and
    /// for one that leaves that to whoever deletes them.
    pub(super) fn min_ready(&self, kind: &str) -> Option<i32> {
        let left = self.spec.update_strategy.as_ref().is_some_and(|it| it.r#type == "OnDelete");
        let rolls = matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") && !left;
        rolls.then(|| self.spec.min_ready_seconds.unwrap_or_default())
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
