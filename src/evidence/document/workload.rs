//! Workloads and their containers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::cell::{Cell, Source};

/// A workload: what its pods have, seen live, and what its template says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadEvidence {
    /// Its namespace.
    pub namespace: String,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind: that of the object people made, such as `Deployment`; `Pod` for one by itself.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid, for owner references; null if it could not be read.
    pub uid: Option<String>,
    /// Its owner (`KIND/NAME`), if it has one that ironhull does not read; or null.
    pub managed_by: Option<String>,
    /// Whether its pods are static: read by the kubelet from a file of the node.
    pub is_static: bool,
    /// Mode in which the webhook reviews its pods: `enforce` or `audit`; null for neither.
    pub mode: Option<&'static str>,
    /// What its template was compared by.
    pub template: TemplateStanding,
    /// Number of its pods that are not over.
    pub pods: u32,
    /// Its containers, alike ones of several pods together; those that run come first.
    pub containers: Vec<ContainerEvidence>,
}

/// Which template the pods of a workload are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TemplateStanding {
    /// That of the object which made the pods.
    Compared,
    /// The pod has no owner: it is what was sent, as admission changed it.
    None,
    /// The template was changed since the pods were made, and they are not replaced yet.
    Changed,
    /// The owner is of a kind that ironhull does not read, or could not be read.
    Unreadable,
}

impl TemplateStanding {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compared => "compared",
            Self::None => "none",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Containers of one name in pods of one workload that are alike in everything but their pod.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerEvidence {
    /// Its name.
    pub name: String,
    /// `init`, `sidecar`, `app` or `ephemeral`.
    pub kind: &'static str,
    /// Whether it runs.
    pub status: ContainerState,
    /// Whether the template names it: `false` for one that a webhook added, and for an ephemeral
    /// container; null if there is no template to compare with.
    pub in_template: Option<bool>,
    /// Number of pods.
    pub pods: u32,
    /// Names of the pods, in order, at most 10.
    pub pod_names: Vec<String>,
    /// Earliest start of a running one, as RFC 3339; null if none runs.
    pub running_since: Option<String>,
    /// The image, as the pod names it.
    pub image: String,
    /// The image that runs, as the runtime names it (`…@sha256:…`); null if it is not reported.
    pub image_id: Option<String>,
    /// The user it runs as.
    pub user: User,
    /// What the note on its pod says; null without a note. It is not evidence: whoever may change
    /// annotations can write one.
    pub note: Option<NoteEvidence>,
    /// What each rule of the policy in force says of it today: `compliant`, `set` or `replaced` (the
    /// rule would change it), `kept`, `exempt`, or `skipped: REASON`. Rules that are off are missing.
    pub rules: BTreeMap<&'static str, Cow<'static, str>>,
    /// A cell for each check, in the order of the document's `checks`.
    pub cells: Vec<Cell>,
}

/// Whether a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContainerState {
    /// It runs.
    Running,
    /// It has ended, as init containers do.
    Terminated,
    /// It has not started, or waits to start again.
    Waiting,
}

impl ContainerState {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Terminated => "terminated",
            Self::Waiting => "waiting",
        }
    }
}

/// Who a container runs as.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its uid inside the container; null if it is not known.
    pub uid: Option<i64>,
    /// Its gid; null if it is not known.
    pub gid: Option<i64>,
    /// Its supplementary groups; null if they are not known as a whole.
    pub groups: Option<Vec<i64>>,
    /// Where the uid is known from; `none` if it is not.
    pub source: Source,
    /// Whether it is known not to be root, by its uid or because the kubelet has checked it; null if
    /// neither is known.
    pub non_root: Option<bool>,
    /// Whether the pod asks for a user namespace of its own, in which uid 0 is not root of the node.
    pub user_namespace: bool,
    /// Why it is not known, or what else is to be said; may be empty.
    pub why: Cow<'static, str>,
}

/// What the note on a pod says, and whether the pod is so.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoteEvidence {
    /// The policy it names, as `NAME@REVISION`.
    pub policy: String,
    /// Whether that is the revision in force.
    pub current: bool,
    /// Whether the pod has what the note claims. If not, nothing is put down to ironhull.
    pub holds: bool,
}
