//! The workload of a pod, as far as the pod itself says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::foresight::workloads::{Maker, controller};
use crate::watch::key::{Key, key};

/// What a pod belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Key of the workload. A Deployment's pods have one, whichever ReplicaSet they are of.
    pub key: Key,
    /// The pod's controller; `None` for a pod by itself.
    pub controller: Option<Maker>,
}

impl Workload {
    /// The workload of a pod; `None` if the pod has no name.
    pub fn of(pod: &ObjectMeta) -> Option<Self> {
        let namespace = pod.namespace.as_deref().unwrap_or_default();
        let Some(owner) = controller(pod.owner_references.as_ref()) else {
            let name = pod.name.as_deref()?;
            return Some(Self { key: key(&[namespace, "Pod", name]), controller: None });
        };
        let hash = pod.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
        let of_deployment = hash
            .filter(|_| owner.kind == "ReplicaSet")
            .and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
        let key = match of_deployment {
            Some(deployment) => key(&[namespace, "Deployment", deployment]),
            None => key(&[namespace, &owner.kind, &owner.name]),
        };
        Some(Self { key, controller: Some(owner.into()) })
    }
}
