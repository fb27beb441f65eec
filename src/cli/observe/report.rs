//! What `ironhull observe` reports.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Pod};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Outcome;
use crate::date::today;
use crate::observe::session::Seen;
use crate::observe::snapshot::{self, Cost, Port, Snapshot};
use crate::observe::suggest::{Described, Needs, Observed, merge, needs, patch, policy};
use crate::observe::targets::{NotObserved, Target, lasting};
use crate::text::clean;

/// What was observed, and what follows from it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The namespace.
    pub namespace: String,
    /// Kind of the object that a change belongs to; `Pod` if nothing made the pod.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Number of further pods that run and were not observed.
    pub pods_left_out: usize,
    /// The containers, each in all of its pods.
    pub containers: Vec<ObservedContainer>,
    /// Containers that could not be observed.
    pub not_observed: Vec<NotObserved>,
    /// A strategic merge patch of the object; null if nothing is needed.
    pub patch: Option<Value>,
    /// A part of a policy's `spec` instead, for every workload with these images; null if nothing is needed.
    pub policy: Option<Value>,
}

/// A container, and what it was seen to do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedContainer {
    /// Its name.
    pub container: String,
    /// Its image, as the pods name it.
    pub image: String,
    /// Where it was observed, and how long.
    pub pods: Vec<ObservedPod>,
    /// The root file system.
    pub root: Root,
    /// Directories written to outside of mounts, topmost only.
    pub writes: Vec<Write>,
    /// Processes, by name and credentials.
    pub processes: Vec<Process>,
    /// Sockets that listen below 1024.
    pub ports: Vec<Port>,
    /// What the container needs.
    pub needs: Needs,
    /// What the agent itself took, at most, in one pod.
    pub cost: Cost,
}

/// One pod of a container.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObservedPod {
    /// Its name.
    pub pod: String,
    /// Seconds that it was observed.
    pub seconds: u64,
    /// Seconds that the container had run before.
    pub seconds_missed: u64,
    /// What happened to it meanwhile; null if nothing did.
    pub ended: Option<String>,
}

/// A root file system, as far as it was seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Whether it could be seen in every pod.
    pub seen: bool,
    /// Its file system's type.
    pub file_system: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Number of its files and directories.
    pub entries: u64,
    /// Whether it was too large to be seen whole.
    pub cut_short: bool,
}

/// A directory that was written to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// Its path.
    pub path: String,
    /// Whether entries came, went or were renamed directly in it.
    pub entries_changed: bool,
    /// Number of the image's files directly in it that were written, or opened for it.
    pub changed_in_place: u64,
    /// Number of the image's files and directories below it.
    pub of_image: u64,
    /// Uids that own what was written.
    pub owners: Vec<u32>,
    /// Some of what was written, below the path.
    pub examples: Vec<String>,
}

/// Processes with the same name and credentials.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its name.
    pub name: String,
    /// Whether the container's first process is among them.
    pub first: bool,
    /// Whether they were there at the end.
    pub current: bool,
    /// Maximum number of them at one time, in one pod.
    pub count: u32,
    /// Effective uid.
    pub uid: u32,
    /// Real uid, another one for a setuid program.
    pub real_uid: u32,
    /// Effective gid.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Name of the uid in the image's /etc/passwd; null if it has none.
    pub user: Option<String>,
    /// Effective capabilities, as a number in hexadecimal.
    pub capabilities: String,
    /// Whether `no_new_privs` is set.
    pub no_new_privs: bool,
    /// Whether a seccomp filter is in force.
    pub seccomp: bool,
}

impl Report {
    /// Puts together what was seen.
    pub(super) fn new(namespace: &str, outcome: &Outcome) -> Self {
        let Outcome { workload, seen, not_observed } = outcome;
        let mut names: Vec<&str> = Vec::new();
        for (target, _) in seen {
            if !names.contains(&target.container.as_str()) {
                names.push(&target.container);
            }
        }
        let merged: Vec<Merged<'_>> =
            names.into_iter().map(|name| Merged::new(name, seen)).collect();
        let containers: Vec<ObservedContainer> = merged
            .iter()
            .map(|one| {
                let others = merged.iter().filter(|it| it.name != one.name).map(|it| &it.whole);
                let described = describe(workload.pods.first(), one, others);
                container(one, needs(&one.whole, &described))
            })
            .collect();
        let (patch, policy) = to_paste(workload.pods.first(), &workload.kind, &containers);
        Self {
            namespace: namespace.to_owned(),
            kind: workload.kind.clone(),
            name: workload.name.clone(),
            pods_left_out: workload.left_out,
            containers,
            not_observed: not_observed.clone(),
            patch,
            policy,
        }
    }
}

/// One container in all of its pods.
struct Merged<'s> {
    name: &'s str,
    of: Vec<&'s (Target, Seen)>,
    whole: Snapshot,
}

impl<'s> Merged<'s> {
    fn new(name: &'s str, seen: &'s [(Target, Seen)]) -> Self {
        let of: Vec<_> = seen.iter().filter(|(target, _)| target.container == name).collect();
        let snapshots: Vec<&Snapshot> = of.iter().map(|(_, seen)| &seen.snapshot).collect();
        let whole = merge(&snapshots);
        Self { name, of, whole }
    }
}

fn to_paste(
    pod: Option<&Pod>,
    kind: &str,
    containers: &[ObservedContainer],
) -> (Option<Value>, Option<Value>) {
    let spec = pod.and_then(|pod| pod.spec.as_ref());
    let init = || spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let all = spec.map_or(0, |spec| spec.containers.len()) + init().count();
    let observed: Vec<Observed<'_>> = containers
        .iter()
        .map(|it| Observed {
            container: &it.container,
            image: &it.image,
            sidecar: init().any(|init| init.name == it.container),
            only: all == 1,
            needs: &it.needs,
        })
        .collect();
    let longest = containers.iter().flat_map(|it| &it.pods).map(|it| it.seconds).max();
    let reason = format!("observed for {} s on {}", longest.unwrap_or_default(), today());
    (patch(kind, &observed), policy(&observed, &reason))
}

/// What a pod says of a container, and what is known of the others in it.
fn describe<'s>(
    pod: Option<&Pod>,
    one: &Merged<'_>,
    others: impl Iterator<Item = &'s Snapshot>,
) -> Described {
    let Some(spec) = pod.and_then(|pod| pod.spec.as_ref()) else { return Described::default() };
    let all: Vec<&Container> = lasting(spec).collect();
    let own = all.iter().find(|it| it.name == one.name);
    let of_pod = spec.security_context.as_ref();
    let ports = own.into_iter().flat_map(|own| own.ports.iter().flatten());
    Described {
        alone: all.len() == 1,
        host_network: spec.host_network == Some(true),
        ports: ports
            .filter_map(|port| {
                let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
                Some((protocol, u16::try_from(port.container_port).ok()?))
            })
            .collect(),
        no_files: one.of.iter().find_map(|(_, seen)| seen.no_files.clone()),
        ports_of_others: others
            .flat_map(|other| &other.ports)
            .filter(|port| port.held)
            .map(|port| (port.protocol.clone(), port.port))
            .collect(),
        uid: own
            .and_then(|own| own.security_context.as_ref()?.run_as_user)
            .or_else(|| of_pod?.run_as_user),
        started_as_root: one.of.iter().any(|(target, _)| target.user.is_some_and(|it| it.0 == 0)),
    }
}

fn container(merged: &Merged<'_>, needs: Needs) -> ObservedContainer {
    let Merged { name, of, whole } = merged;
    let Snapshot { root, directories, processes, ports, cost, .. } = whole;
    ObservedContainer {
        container: (*name).to_owned(),
        image: of.first().map(|(target, _)| target.image.clone()).unwrap_or_default(),
        pods: of
            .iter()
            .map(|(target, seen)| ObservedPod {
                pod: target.pod.clone(),
                seconds: seen.snapshot.millis / 1000,
                seconds_missed: seen.snapshot.missed_millis / 1000,
                ended: seen.ended.clone(),
            })
            .collect(),
        root: Root {
            seen: root.open,
            file_system: clean(&root.file_system).into_owned(),
            read_only: root.read_only,
            entries: root.entries,
            cut_short: root.cut_short,
        },
        writes: directories.iter().map(write).collect(),
        processes: processes.iter().map(|group| process(group, whole)).collect(),
        ports: ports.clone(),
        needs,
        cost: *cost,
    }
}

fn write(directory: &snapshot::Directory) -> Write {
    Write {
        path: directory.path.clone(),
        entries_changed: directory.entries_changed,
        changed_in_place: directory.changed_in_place,
        of_image: directory.of_image,
        owners: directory.owners.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(),
        examples: directory.examples.clone(),
    }
}

fn process(group: &snapshot::ProcessGroup, whole: &Snapshot) -> Process {
    let ([real_uid, uid, ..], [_, gid, ..]) = (group.uids, group.gids);
    let user = whole.users.iter().find(|user| user.uid == uid);
    Process {
        name: group.name.clone(),
        first: group.first,
        current: group.current,
        count: group.count,
        uid,
        real_uid,
        gid,
        groups: group.groups.clone(),
        user: user.map(|user| clean(&user.name).into_owned()),
        capabilities: format!("{:016x}", group.effective),
        no_new_privs: group.no_new_privs,
        seccomp: group.seccomp != 0,
    }
}
