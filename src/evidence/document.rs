//! The report as data. JSON is this, written; every other format is made of it.
//!
//! Its size grows with workloads and not with pods: containers of one workload that are alike in
//! everything are one [`ContainerEvidence`] with a number of pods.

mod cell;
mod changes;
mod control;
mod exemption;
mod workload;

use schemars::JsonSchema;
use serde::Serialize;

use super::check::{Check, Standard};
pub use cell::{Cell, SetBy, Source, State, TemplateCell, value_text};
pub use changes::{CellRef, Changes, ContainerRef};
pub use control::{ControlResult, Decided, Extent, FrameworkResult, Unanswered};
pub use exemption::{ExemptionEvidence, Grantor, Standing};
pub use workload::{
    ContainerEvidence, ContainerState, NoteEvidence, TemplateStanding, User, WorkloadEvidence,
};

/// Version of the document's format. It changes when a member goes or changes its meaning.
pub const FORMAT: &str = "ironhull.dev/report/v1";

/// Evidence of how the containers of a cluster run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `ironhull.dev/report/v1`
    pub format: &'static str,
    /// When the cluster was looked at, by what, and from where.
    pub taken: Taken,
    /// The policies by which exemptions and rules are judged.
    pub policies: Policies,
    /// Totals.
    pub summary: Summary,
    /// Every check, with what it means and its totals.
    pub checks: Vec<CheckSummary>,
    /// The namespaces that were looked at, by name.
    pub namespaces: Vec<NamespaceEvidence>,
    /// The workloads with pods that are not over, by namespace, kind and name.
    pub workloads: Vec<WorkloadEvidence>,
    /// Exemptions that are declared or granted, in force or not. Cells refer to them by `id`.
    pub exemptions: Vec<ExemptionEvidence>,
    /// Workloads with pods that are over, which are no part of any total.
    pub finished: Vec<Finished>,
    /// Where the list of controls is from: a path, or `built in`.
    pub controls_from: String,
    /// Results by control of each standard.
    pub controls: Vec<FrameworkResult>,
    /// What could not be read, and what this report cannot know.
    pub limits: Vec<Limit>,
    /// What changed since an earlier report; null without `--compare`.
    pub changes: Option<Changes>,
}

/// When a cluster was looked at, by what, and from where.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Start of the look, as RFC 3339 in UTC. Every cell was seen between this and `until`.
    pub at: String,
    /// End of the look, as RFC 3339 in UTC.
    pub until: String,
    /// Date by which exemptions are judged (YYYY-MM-DD, UTC).
    pub date: String,
    /// Version of ironhull that wrote the report.
    pub ironhull: &'static str,
    /// Address of the API server.
    pub server: String,
    /// Version of the API server, such as `v1.36.1`; null if it could not be read.
    pub kubernetes: Option<String>,
    /// Which namespaces were looked at, in words.
    pub scope: String,
    /// Whether every namespace was looked at.
    pub all_namespaces: bool,
}

/// The policies by which exemptions and rules are judged.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// Where they are from: a path, `configmap NAMESPACE/NAME`, or `built in`.
    pub from: String,
    /// Whether they are those in force: read from the cluster, or named by the user. If not, no
    /// exemption can be confirmed, and none is `inForce`.
    pub known: bool,
    /// The policies of the namespaces looked at, by name.
    pub policies: Vec<PolicyEvidence>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEvidence {
    /// Its name.
    pub name: String,
    /// Hash of what it does.
    pub revision: String,
    /// Number of namespaces that were looked at and that it holds for.
    pub namespaces: u32,
}

/// Numbers of containers by the state of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// `pass`
    pub pass: u32,
    /// `fail`
    pub fail: u32,
    /// `exempt`
    pub exempt: u32,
    /// `notApplicable`
    pub not_applicable: u32,
    /// `unknown`
    pub unknown: u32,
}

/// Totals. A container is one container of one pod: a Deployment with three replicas has three.
/// Containers that are not running are in no total but `notRunning`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Namespaces.
    pub namespaces: u32,
    /// Workloads.
    pub workloads: u32,
    /// Pods that are not over.
    pub pods: u32,
    /// Running containers.
    pub containers: u32,
    /// Containers of these pods that wait or have ended, such as init containers.
    pub not_running: u32,
    /// Running containers that are known to be root (uid 0), inside a user namespace or not.
    pub root: u32,
    /// Those of `root` whose pod asks for a user namespace of its own and mounts no hostPath.
    pub root_in_user_namespace: u32,
    /// Running containers whose user is not known.
    pub unknown_user: u32,
    /// Running containers that are privileged.
    pub privileged: u32,
    /// Running containers that pass every check of Pod Security *baseline* and *restricted*.
    pub restricted: u32,
    /// Running containers in which at least one value was set by ironhull.
    pub hardened: u32,
    /// Exemptions in force.
    pub exemptions: u32,
    /// Exemptions in force that end within 30 days.
    pub ending: u32,
}

/// A check, and the running containers by the state of its cell.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckSummary {
    /// The check.
    pub check: Check,
    /// What it looks at, in a few words.
    pub title: &'static str,
    /// When a cell passes, in a sentence.
    pub passes: &'static str,
    /// How a cell's value is obtained, and what it cannot tell, in a sentence.
    pub obtained: &'static str,
    /// The rule of ironhull that sets it, and that an exemption from it names; null if none does.
    pub rule: Option<&'static str>,
    /// The level of the Pod Security Standards it is a part of, or `other`.
    pub standard: Standard,
    /// Running containers by state, in the live pods.
    pub pods: Tally,
    /// The same containers by what their templates say; `unknown` without a template.
    pub templates: Tally,
}

/// A namespace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceEvidence {
    /// Its name.
    pub name: String,
    /// The mode it opted in to: `enforce` or `audit`; null for neither.
    pub mode: Option<&'static str>,
    /// Whether it can opt in at all: Kubernetes' own namespaces never can.
    pub can_opt_in: bool,
    /// What is wrong with a label that was meant to opt it in; null if nothing is.
    pub slip: Option<String>,
    /// The policy that holds, or would hold, for it: `NAME@REVISION`.
    pub policy: String,
    /// The level that Pod Security enforces there, as its label has it; null without the label.
    pub pod_security: Option<String>,
    /// Its workloads.
    pub workloads: u32,
    /// Its running containers.
    pub containers: u32,
    /// Those that are known to be root.
    pub root: u32,
    /// Those that pass every check of Pod Security *baseline* and *restricted*.
    pub restricted: u32,
    /// The cells of its running containers by state, of all checks but those of `other`.
    pub cells: Tally,
}

impl NamespaceEvidence {
    /// Its mode in words.
    pub fn mode_in_words(&self) -> &'static str {
        match (self.mode, self.can_opt_in) {
            (Some(mode), _) => mode,
            (None, true) => "not opted in",
            (None, false) => "cannot opt in",
        }
    }
}

/// Pods of a workload that are over. They run nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    /// The workload's namespace.
    pub namespace: String,
    /// The workload's kind.
    pub kind: String,
    /// The workload's name.
    pub name: String,
    /// Pods that have succeeded.
    pub succeeded: u32,
    /// Pods that have failed.
    pub failed: u32,
}

/// Something that could not be read, or that no reading can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// What is not known.
    pub what: String,
    /// Why.
    pub why: String,
    /// What follows for the report.
    pub effect: String,
    /// Whether more rights would lift it. The others hold in every report.
    pub for_rights: bool,
}
