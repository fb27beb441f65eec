//! What is likely to break when a pod is hardened, and what would help.
//!
//! The engine decides by the pod and the policy alone. This module changes nothing, so it may look
//! further, at commands and at how the containers run today: it tells people beforehand. Where a
//! container runs something unknown, it says so and does not guess.

mod container;
pub mod needs;
pub(crate) mod reach;
pub mod remedy;
pub mod script;
mod shared;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use schemars::JsonSchema;
use serde::Serialize;

use crate::outcome::{Outcome, Remark, Value};
use crate::policy::Policy;
use crate::rule::RuleName;

/// Something that may stop a container from working once it is hardened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risk {
    /// The container.
    pub container: String,
    /// What may stop it.
    pub cause: Cause,
    /// Whether it will break, as far as anything of this kind is certain. If false, it may, and
    /// nothing in the cluster's API says whether.
    pub certain: bool,
    /// What and why, for people.
    pub why: String,
    /// What helps.
    pub remedy: Remedy,
}

/// The closed list of what may stop a hardened container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// It asks for root, and the policy does not allow it.
    AsksForRoot,
    /// One of its commands needs root.
    NeedsRoot,
    /// It needs a capability that it loses.
    NeedsCapability,
    /// It runs a setuid program, which no longer has any effect.
    Setuid,
    /// It relies on its image's user, which is root.
    ImageIsRoot,
    /// It runs as root today, and its program is unknown.
    RunsAsRoot,
    /// It runs as another user today, and its program is unknown.
    OtherUser,
    /// Its user today is unknown, and so is its program.
    UnknownUser,
    /// It writes to a path that becomes read-only, or to a path that cannot be determined.
    ReadOnly,
    /// It loses sight of files of its image, below a new emptyDir.
    Hidden,
    /// It uses files that belong to another user.
    NotOwner,
    /// It binds a port below 1024.
    LowPort,
    /// It uses a path of the node.
    HostPath,
    /// Its image needs a variable, an argument or a volume that it does not have.
    ImageRequires,
    /// It executes a mounted file that only root may execute.
    NotExecutable,
    /// It reads a mounted file that only root may read.
    NarrowFile,
    /// Its files become usable by a group, although it keeps its user.
    Widened,
    /// It opens a block device.
    Device,
    /// It signals a process of another user.
    Signals,
    /// Its user has no entry in the image's `/etc/passwd`, or no home directory to write to.
    NoHome,
    /// It wants a temporary directory with the sticky bit.
    NotSticky,
    /// It uses a system call that the seccomp profile refuses.
    SystemCall,
    /// It writes more than an emptyDir may hold.
    Full,
    /// It calls the Kubernetes API, for which it gets no token.
    NeedsToken,
    /// It does not run today either.
    FailsToday,
    /// Pod Security refuses it in its namespace.
    Refused,
}

impl Cause {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::AsksForRoot,
        Self::NeedsRoot,
        Self::NeedsCapability,
        Self::Setuid,
        Self::ImageIsRoot,
        Self::RunsAsRoot,
        Self::OtherUser,
        Self::UnknownUser,
        Self::ReadOnly,
        Self::Hidden,
        Self::NotOwner,
        Self::LowPort,
        Self::HostPath,
        Self::ImageRequires,
        Self::NotExecutable,
        Self::NarrowFile,
        Self::Widened,
        Self::Device,
        Self::Signals,
        Self::NoHome,
        Self::NotSticky,
        Self::SystemCall,
        Self::Full,
        Self::NeedsToken,
        Self::FailsToday,
        Self::Refused,
    ];

    /// The word for it, as outputs and metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsksForRoot => "asksForRoot",
            Self::NeedsRoot => "needsRoot",
            Self::NeedsCapability => "needsCapability",
            Self::Setuid => "setuid",
            Self::ImageIsRoot => "imageIsRoot",
            Self::RunsAsRoot => "runsAsRoot",
            Self::OtherUser => "otherUser",
            Self::UnknownUser => "unknownUser",
            Self::ReadOnly => "readOnly",
            Self::Hidden => "hidden",
            Self::NotOwner => "notOwner",
            Self::LowPort => "lowPort",
            Self::HostPath => "hostPath",
            Self::ImageRequires => "imageRequires",
            Self::NotExecutable => "notExecutable",
            Self::NarrowFile => "narrowFile",
            Self::Widened => "widened",
            Self::Device => "device",
            Self::Signals => "signals",
            Self::NoHome => "noHome",
            Self::NotSticky => "notSticky",
            Self::SystemCall => "systemCall",
            Self::Full => "full",
            Self::NeedsToken => "needsToken",
            Self::FailsToday => "failsToday",
            Self::Refused => "refused",
        }
    }
}

/// Remedy for a risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// An exemption from these rules.
    Exempt(&'static [RuleName]),
    /// More writable paths.
    Writable(String),
    /// A change of the manifest, in words.
    Manifest(String),
    /// Something to try, since nobody knows before; what to look at, in words.
    Try(String),
}

/// The verdict on a workload's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// No known risk.
    Starts,
    /// It has to be tried.
    Unknown,
    /// It needs a change or an exemption.
    Breaks,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::Unknown => "unknown",
            Self::Breaks => "breaks",
        }
    }

    /// Verdict on these risks.
    pub fn of(risks: &[Risk]) -> Self {
        match (risks.iter().any(|risk| risk.certain), risks.is_empty()) {
            (true, _) => Self::Breaks,
            (false, false) => Self::Unknown,
            (false, true) => Self::Starts,
        }
    }
}

/// What is known of a workload's pods as they run today, without hardening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Uid that each container's first process was started with
    /// (`status.containerStatuses[].user.linux.uid`, KEP-3619). Uids that differ between pods are
    /// left out.
    pub uids: BTreeMap<String, i64>,
    /// Why the uid of a running container is not known.
    pub unseen: BTreeMap<String, Unseen>,
}

impl Seen {
    /// Nothing at all: there is only a manifest.
    pub const NOTHING: &'static Self = &Self { uids: BTreeMap::new(), unseen: BTreeMap::new() };
}

/// Why the user of a running container is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Its pods differ.
    Differs,
    /// The kubelet does not say.
    Hidden,
    /// Its pods are hardened already.
    Hardened,
}

/// A pod before and after hardening.
#[derive(Clone, Copy)]
pub struct Case<'c> {
    /// The pod as its author, or the API server, has it.
    pub before: &'c PodSpec,
    /// The pod as it would be.
    pub after: &'c PodSpec,
    /// The engine's outcome for it.
    pub outcome: &'c Outcome<'c>,
    /// The policy it is judged by.
    pub policy: &'c Policy,
    /// What is known of how it runs.
    pub seen: &'c Seen,
}

/// Everything that may break.
pub fn assess(case: &Case<'_>) -> Vec<Risk> {
    if !case.outcome.changes() {
        return Vec::new();
    }
    let mut risks: Vec<Risk> =
        pairs(case).flat_map(|(before, after)| container::assess(case, before, after)).collect();
    let shared = case.outcome.remarks.iter().filter_map(shared::of);
    // What is sure of a container covers what is only feared. What its command tells says more than
    // what it mounts.
    let known = |new: &Risk| {
        risks.iter().any(|risk| {
            risk.container == new.container && (risk.certain || risk.cause == new.cause)
        })
    };
    let shared: Vec<Risk> = shared.filter(|risk| !known(risk)).collect();
    risks.extend(shared);
    risks.extend(token(case));
    risks
}

/// Risk for a pod that loses a token that its author asks for.
fn token(case: &Case<'_>) -> Option<Risk> {
    let rule = RuleName::ServiceAccountToken;
    let mut findings = case.outcome.findings.iter();
    let finding = findings.find(|it| it.rule == rule && it.result.changes())?;
    (finding.was == Some(Value::Bool(true))).then(|| Risk {
        container: "pod".to_owned(),
        cause: Cause::NeedsToken,
        certain: false,
        why: "it asks for a token, and would get none".to_owned(),
        remedy: Remedy::Exempt(&[RuleName::ServiceAccountToken]),
    })
}

/// Each container before and after. Afterwards, ironhull's own may stand before them.
fn pairs<'c>(case: &Case<'c>) -> impl Iterator<Item = (&'c Container, &'c Container)> {
    let lists = |spec: &'c PodSpec| [spec.init_containers.as_deref(), Some(&*spec.containers)];
    let lists = lists(case.before).into_iter().zip(lists(case.after));
    lists.flat_map(|(before, after)| {
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        before.iter().filter_map(|one| Some((one, after.iter().find(|it| it.name == one.name)?)))
    })
}

/// Requirements of the container's image that it does not meet, each with whether that is certain.
fn required<'o>(outcome: &'o Outcome<'_>, name: &str) -> impl Iterator<Item = (&'o str, bool)> {
    outcome.remarks.iter().filter_map(move |remark| match remark {
        Remark::Requires { container, say, known } if *container == name => Some((*say, *known)),
        _ => None,
    })
}

/// Volumes with a script that the container will not be able to execute.
fn not_executable<'o>(outcome: &'o Outcome<'_>, name: &str) -> impl Iterator<Item = &'o str> {
    outcome.remarks.iter().filter_map(move |remark| match remark {
        Remark::NotExecutable { container, volume, .. } if *container == name => Some(*volume),
        _ => None,
    })
}
