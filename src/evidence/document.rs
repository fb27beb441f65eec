//! The report as data. JSON is this, written; every other format is made of it.
//!
//! Its size grows with workloads and not with pods: containers of one workload that are alike in
//! everything are one [`ContainerEvidence`] with a number of pods.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::changes::Changes;
use super::check::{Check, Standard};
use super::controls::FrameworkResult;

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
    /// The owner is of a kind that ironhull does not read, or could not be read.
    Unreadable,
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
    /// A cell for each check, in the order of [`Document::checks`].
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

/// A check of a container.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The check.
    pub check: Check,
    /// The result.
    pub state: State,
    /// The value in the live pod: what is effective, of both levels; null where nothing is set.
    pub value: Value,
    /// Where the value is known from.
    pub source: Source,
    /// Who set it.
    pub set_by: SetBy,
    /// What the template says, if that is something else; null otherwise, and without a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateCell>,
    /// `id` of the exemption for which it is `exempt`, or would be if that were in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption: Option<String>,
    /// Why, in words; may be empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub why: Cow<'static, str>,
}

/// A check of a container in a template: what a scanner of templates sees.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateCell {
    /// The result.
    pub state: State,
    /// The value; null where nothing is set.
    pub value: Value,
}

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is as it should be, and that is known.
    Pass,
    /// It is not, or it is set so that it need not be.
    Fail,
    /// It is not, and an exemption in force allows that.
    Exempt,
    /// It means nothing for this container, such as a uid on Windows.
    NotApplicable,
    /// It cannot be told from what can be read.
    Unknown,
}

/// Where a value is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The kubelet reports it of the running container (`status.…user.linux`).
    Kubelet,
    /// The pod's own spec, as the API server has stored it. The kubelet starts no container
    /// otherwise.
    PodSpec,
    /// Facts read from the image.
    ImageFacts,
    /// Nothing is set, so the API server's or the runtime's documented default holds.
    Default,
    /// It is not known.
    None,
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SetBy {
    /// Whoever wrote the template: it has the same.
    Author,
    /// ironhull, by its note: the template has something else, and the pod is as the note says. The
    /// policy and revision are those of the container's `note`.
    Ironhull,
    /// Another webhook, an admission policy or somebody by hand: the template has something else,
    /// and the note does not claim it.
    Other,
    /// Nobody: a default holds.
    Default,
    /// The image or the runtime.
    Image,
    /// It cannot be told, since there is no template to compare with.
    Unknown,
}

/// An exemption that a pod declares or a policy grants.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionEvidence {
    /// What cells refer to it by. It is made of what is exempt, and the same in every report.
    pub id: String,
    /// The workload's namespace.
    pub namespace: String,
    /// The workload's kind.
    pub kind: String,
    /// The workload's name.
    pub name: String,
    /// The container; null for the whole pod.
    pub container: Option<String>,
    /// The rules; empty if it is void in a way that leaves them unknown.
    pub rules: Vec<&'static str>,
    /// Whether it is in force.
    pub standing: Standing,
    /// Why it is not in force; empty if it is.
    pub why: String,
    /// Who grants it.
    pub by: Grantor,
    /// The annotation's key, if that can be told, or the name of the policy.
    pub granted_by: String,
    /// Whether the template has the annotation: `false` if it was put on the pod itself; null for a
    /// policy's grant, and without a template.
    pub in_template: Option<bool>,
    /// The reason it gives; for one that is void, all of its text. May be empty.
    pub reason: String,
    /// The ticket it names; or null.
    pub ticket: Option<String>,
    /// The last day on which it holds (YYYY-MM-DD); or null.
    pub until: Option<String>,
    /// Days left, counting its last; null without an end.
    pub days_left: Option<i64>,
    /// Number of pods that have it.
    pub pods: u32,
}

/// Whether an exemption is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// The policy in force allows or grants it today.
    InForce,
    /// Its last day is over.
    Ended,
    /// It exempts nothing: misspelt, without a reason that is required, or not allowed.
    Void,
    /// Its namespace has not opted in, so nothing is enforced that it could be exempt from.
    NotOptedIn,
    /// The policies in force could not be read.
    Unconfirmed,
}

/// Who grants an exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Grantor {
    /// An annotation on the pod.
    Annotation,
    /// The policy.
    Policy,
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
