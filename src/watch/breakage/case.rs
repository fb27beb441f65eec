//! A pod that fails, its workload's key, and the verdict on it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::owner::Workload;
use crate::foresight::advice::Symptom;
use crate::foresight::risk::Cause;

/// Whether hardening breaks a pod.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// It does, and this is how.
    Hardening(&'static Symptom),
    /// Something else does.
    Other,
    /// It fails, and nothing says why.
    Unknown,
}

impl Verdict {
    /// The cause that pods are counted by; `None` for what is not counted.
    pub(super) fn cause(self) -> Option<Option<Cause>> {
        match self {
            Self::Hardening(symptom) => Some(Some(symptom.cause)),
            Self::Unknown => Some(None),
            Self::Other => None,
        }
    }
}

/// What becomes of a pod that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It fails, and waits.
    Fails,
    /// Its containers run again.
    Tries,
    /// It will never run again.
    Over,
}

/// A pod to be read.
#[derive(Clone, Debug)]
pub struct Case {
    /// `metadata.namespace`
    pub namespace: Box<str>,
    /// `metadata.name`
    pub name: Box<str>,
    /// `metadata.uid`
    pub uid: Box<str>,
    /// What it belongs to.
    pub workload: Workload,
}

impl Case {
    /// The case of a pod of this workload.
    pub fn of(pod: &ObjectMeta, workload: &Workload) -> Self {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        Self {
            namespace: text(&pod.namespace),
            name: text(&pod.name),
            uid: text(&pod.uid),
            workload: workload.clone(),
        }
    }

    /// Path of the pod in the API.
    pub(super) fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.name)
    }
}
