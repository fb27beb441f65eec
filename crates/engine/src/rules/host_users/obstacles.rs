//! What in a pod does not work, or may not work, in a user namespace of its own.

use std::borrow::Cow;

use super::Settings;
use crate::outcome::{Obstacle, PRIVILEGED};
use crate::pass::{Examined, Pass, names_in};
use crate::pod::IdMapping;
use crate::remains::SAFE_SYSCTLS;
use crate::user::USER_NAMESPACE_IDS;

/// Capabilities that count for what belongs to the pod: its files, processes and network. The
/// kernel asks for every other one in the node's user namespace (`capable()`, not `ns_capable()`),
/// at least for what a container adds it for: SYS_ADMIN mounts no disk, MKNOD makes no device,
/// IPC_LOCK and SYS_RESOURCE lift no limit.
const IN_NAMESPACE: [&str; 16] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "IPC_OWNER",
    "KILL",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "SYS_PTRACE",
];

/// Safe sysctls that the root of another user namespace cannot write: a range of groups which
/// mostly do not exist there (containerd leaves its own out too), and one of the IPC
/// namespace, which belongs to the node's root in the oldest kernels that are supported.
const NOT_IN_NAMESPACE: [&str; 2] = ["net.ipv4.ping_group_range", "kernel.shm_rmid_forced"];

/// Makes devices, which nobody does in a user namespace (`vfs_mknod` in the kernel).
const MKNOD: &str = "mknod";

/// Programs that take ids.
const TAKES_IDS: [&str; 11] = [
    "chown",
    "chgrp",
    "useradd",
    "usermod",
    "groupadd",
    "adduser",
    "addgroup",
    "gosu",
    "su-exec",
    "setpriv",
    "setuidgid",
];

/// The first obstacle, certain ones before those that nobody knows of.
pub(super) fn first<'p>(pass: &Pass<'p>, settings: &Settings) -> Option<Obstacle<'p>> {
    of_containers(pass)
        .or_else(|| of_pod(pass))
        .or_else(|| id(pass).map(Obstacle::Id))
        .or_else(|| volume(pass, settings))
}

fn of_pod<'p>(pass: &Pass<'p>) -> Option<Obstacle<'p>> {
    let spec = &pass.pod.spec;
    let fields = [
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
        ("resourceClaims", !spec.resource_claims.is_empty()),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, stands)| *stands) {
        return Some(Obstacle::Field(field));
    }
    // Devices, as containerd and CRI-O read them (cncf-tags/container-device-interface).
    let mut annotations = pass.pod.metadata.annotations.iter();
    if annotations.any(|(key, _)| key.starts_with("cdi.k8s.io/")) {
        return Some(Obstacle::Field("a cdi.k8s.io annotation"));
    }
    if !spec.runtime_class_name.is_empty() {
        return Some(Obstacle::RuntimeClass(&spec.runtime_class_name));
    }
    let works = |name: &str| SAFE_SYSCTLS.contains(&name) && !NOT_IN_NAMESPACE.contains(&name);
    let mut sysctls = spec.security_context.sysctls.iter().map(|sysctl| &*sysctl.name);
    sysctls.find(|name| !works(&name.replace('/', "."))).map(Obstacle::Sysctl)
}

fn of_containers<'p>(pass: &Pass<'p>) -> Option<Obstacle<'p>> {
    let plans = pass.containers.iter().zip(&pass.plan.containers);
    for (examined, plan) in plans {
        let container = examined.placed.container;
        let name = &*container.name;
        let has = |field| Some(Obstacle::OfContainer { container: name, field });
        if examined.privileged {
            return has(PRIVILEGED);
        }
        if !container.volume_devices.is_empty() {
            return has("volumeDevices");
        }
        // Unmasked is valid beside `hostUsers: false` alone.
        let unset = pass.pod.spec.host_users != Some(false);
        if unset && !matches!(&*container.security_context.proc_mount, "" | "Default") {
            return has("procMount");
        }
        if let Some(resource) = container.extended_resource() {
            return Some(Obstacle::Device { container: name, resource });
        }
        let makes_devices = |word: &str| names_in(word).any(|name| name == MKNOD).then_some(());
        if examined.find_word(makes_devices).is_some() {
            return Some(Obstacle::Program { container: name, program: MKNOD });
        }
        let own = || container.security_context.capabilities.add.iter();
        let added: Vec<Cow<'p, str>> = match &plan.capabilities.rewrite_add {
            Some(whole) => whole.clone(),
            None => own().map(|name| Cow::Borrowed(&**name)).collect(),
        };
        let given_back = plan.capabilities.append_add.iter().map(|name| Cow::Borrowed(*name));
        let works = |name: &str| IN_NAMESPACE.contains(&name.strip_prefix("CAP_").unwrap_or(name));
        if let Some(capability) = added.into_iter().chain(given_back).find(|name| !works(name)) {
            return Some(Obstacle::Capability { container: name, name: capability });
        }
    }
    None
}

/// An id of the pod as it will be that does not exist in a user namespace, or one that the policy
/// would give to a container that another webhook adds.
fn id(pass: &Pass<'_>) -> Option<i64> {
    let outer = &pass.pod.spec.security_context;
    let rules = &pass.policy.rules;
    let of_pod = [outer.run_as_user, outer.run_as_group, pass.fs_group()];
    let of_policy = [
        (rules.run_as_user.action, rules.run_as_user.value.get()),
        (rules.run_as_group.action, rules.run_as_group.value.get()),
        (rules.fs_group.action, rules.fs_group.value.get()),
    ];
    let of_policy = of_policy.into_iter().filter(|(action, _)| action.acts()).map(|(_, id)| id);
    let of_containers = pass.containers.iter().flat_map(|examined| {
        let gid = examined.user.gid.set.or(examined.user.author.gid);
        [examined.uid(), gid].into_iter().flatten()
    });
    let groups = outer.supplemental_groups.iter().copied();
    let mut all = of_pod.into_iter().flatten().chain(groups).chain(of_containers).chain(of_policy);
    let beyond = |id: &i64| *id >= USER_NAMESPACE_IDS;
    all.find(beyond).or_else(|| pass.containers.iter().find_map(|it| asked_for(it).filter(beyond)))
}

/// The largest id that a container asks for by itself: a number among its words, where one of them is a
/// program that takes ids, or the value of a variable that is called after one.
fn asked_for(examined: &Examined<'_>) -> Option<i64> {
    let number = |text: &str| text.parse::<i64>().ok();
    let (mut takes_ids, mut largest) = (false, None);
    examined.find_word(|word| {
        takes_ids |= names_in(word).any(|name| TAKES_IDS.contains(&name));
        largest = names_in(word).filter_map(number).chain(largest).max();
        None::<()>
    });
    let largest = largest.filter(|_| takes_ids);
    let variables = examined.placed.container.variables();
    let ids = variables.iter().filter(|variable| {
        let name = variable.name.to_ascii_uppercase();
        ["UID", "GID", "USER_ID", "GROUP_ID"].iter().any(|end| name.ends_with(end))
    });
    ids.filter_map(|variable| number(&variable.value)).chain(largest).max()
}

/// The first mounted volume that cannot be used there, or else of which nobody knows. A volume that
/// no container mounts has no mount whose ids could be mapped.
fn volume<'p>(pass: &Pass<'p>, settings: &Settings) -> Option<Obstacle<'p>> {
    let mut unknown = None;
    for name in pass.containers.iter().flat_map(|examined| examined.mounted()) {
        let (kind, mapping) = pass.volumes.id_mapping(name);
        match mapping {
            IdMapping::Possible => {}
            IdMapping::Impossible => return Some(Obstacle::Volume { name, kind }),
            IdMapping::ByClass(class)
                if settings.storage_classes.iter().any(|it| it.covers(class)) => {}
            IdMapping::ByClass(_) | IdMapping::Unknown => {
                unknown = unknown.or(Some(Obstacle::UnknownVolume { name, kind }));
            }
        }
    }
    unknown
}
