//! What is kept of an object beside its template.

use std::collections::HashSet;

use super::{ClusterKind, FoundWorkload};
use crate::admission::Mode;
use crate::cluster::namespaces::NamespaceSettings;
use crate::foresight::observed::Observed;
use crate::harden::Scope;

/// What was read of a kind.
#[derive(Default)]
pub(super) struct Read {
    /// The objects that wait for a pod.
    pub(super) later: Vec<Later>,
    /// Uids of the objects that were seen.
    pub(super) seen: HashSet<String>,
}

/// An object, without its template. It may wait for one of its pods to be read, because its pods
/// have added containers.
pub(super) struct Later {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) managed_by: Option<String>,
    /// The pod that it waits for, else empty.
    pub(super) pod: String,
    pub(super) annotations_at: String,
    pub(super) reserved_volumes: Vec<String>,
    pub(super) failed: Option<String>,
    pub(super) min_ready: Option<i32>,
    pub(super) mode: Option<Mode>,
}

impl Later {
    /// The workload, judged by `json`: its template, or the pod that it waited for.
    pub(super) fn workload<'f>(
        &'f self,
        kind: &'f ClusterKind,
        namespace: &'f NamespaceSettings,
        template: Option<&'f str>,
        json: &'f str,
        facts: &'f Observed,
    ) -> FoundWorkload<'f> {
        FoundWorkload {
            file: None,
            namespace,
            kind: &kind.kind,
            word: (!kind.is_built_in()).then(|| kind.word()),
            name: &self.name,
            template,
            managed_by: self.managed_by.clone(),
            pod: Some(self.pod.as_str()).filter(|pod| !pod.is_empty()),
            annotations_at: &self.annotations_at,
            json,
            reserved_volumes: &self.reserved_volumes,
            scope: match self.pod.is_empty() {
                true => Scope::Template { complete: kind.is_built_in() },
                false => Scope::Create,
            },
            failed: self.failed.as_deref(),
            min_ready: self.min_ready,
            mode: self.mode,
            facts,
        }
    }
}
