//! What a hardened container can write, read and own.

use k8s_openapi::api::core::v1::{
    Container, HTTPGetAction, PodSpec, TCPSocketAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Where a path leads.
pub(super) enum Place<'c> {
    /// Into the image's file system.
    Image,
    /// To something that every container can write.
    Open,
    /// Into a mounted volume.
    Mount(&'c VolumeMount, Option<&'c Volume>),
}

/// Paths that anybody may write in any container, even with a read-only root file system.
const OPEN: [&str; 7] =
    ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/shm", "/dev/fd", "/proc/self/fd"];

/// Place that a path leads to in a container.
pub(super) fn place<'c>(spec: &'c PodSpec, container: &'c Container, path: &str) -> Place<'c> {
    let mounts = container.volume_mounts.iter().flatten();
    let mount = mounts
        .filter(|mount| within(path, &mount.mount_path))
        .max_by_key(|mount| mount.mount_path.trim_end_matches('/').len());
    match mount {
        Some(mount) => {
            let mut volumes = spec.volumes.iter().flatten();
            Place::Mount(mount, volumes.find(|volume| volume.name == mount.name))
        }
        None if path == "/dev/termination-log" || OPEN.iter().any(|open| within(path, open)) => {
            Place::Open
        }
        None => Place::Image,
    }
}

/// Whether `path` is `directory` or below it.
pub(super) fn within(path: &str, directory: &str) -> bool {
    crate::pod::within(path, &crate::pod::normalise_path(directory))
}

/// What only root may read in most images.
const ROOTS: [&str; 5] = ["/root", "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/var/log/btmp"];

/// Whether a path is root's alone in most images.
pub(crate) fn is_roots(path: &str) -> bool {
    ROOTS.iter().any(|at| within(path, at))
}

/// What can be in a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// Made for the pod, and open to all in it.
    Scratch,
    /// Storage that an fsGroup hands over.
    Storage,
    /// The node's own files.
    Host,
    /// Files from the API, which no container can write.
    Api,
    /// Anything else.
    Other,
}

pub(super) fn contents(volume: Option<&Volume>) -> Contents {
    let Some(volume) = volume else { return Contents::Other };
    if volume.empty_dir.is_some() {
        Contents::Scratch
    } else if volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some() {
        Contents::Storage
    } else if volume.host_path.is_some() {
        Contents::Host
    } else if volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some()
        || volume.image.is_some()
    {
        Contents::Api
    } else {
        Contents::Other
    }
}

/// Whether only the owner, who is root, can read a file of the volume, by the mode of a Secret,
/// ConfigMap, projected or downward API volume.
pub(super) fn is_narrow(volume: &Volume) -> bool {
    let narrow = |mode: Option<i32>| mode.is_some_and(|mode| mode & 0o004 == 0);
    let items = |items: &Option<Vec<k8s_openapi::api::core::v1::KeyToPath>>| {
        items.iter().flatten().any(|item| narrow(item.mode))
    };
    let secret = volume.secret.as_ref();
    let config_map = volume.config_map.as_ref();
    let downward = volume.downward_api.as_ref();
    let projected = volume.projected.as_ref();
    secret.is_some_and(|secret| narrow(secret.default_mode) || items(&secret.items))
        || config_map.is_some_and(|map| narrow(map.default_mode) || items(&map.items))
        || downward.is_some_and(|downward| narrow(downward.default_mode))
        || projected.is_some_and(|projected| narrow(projected.default_mode))
}

/// Files of the node that programs read without being root.
const PUBLIC: [&str; 9] = [
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/os-release",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share",
    "/lib/modules",
    "/sys",
];

/// How a mount of the node's files fares under a user other than root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// Anybody may read them.
    Public,
    /// A socket, which belongs to root.
    Socket,
    /// They can be written.
    Written,
    /// They are only read.
    Read,
}

pub(super) fn host(mount: &VolumeMount, volume: &Volume) -> Host {
    let path = volume.host_path.as_ref().map(|host| host.path.as_str()).unwrap_or_default();
    let kind = volume.host_path.as_ref().and_then(|host| host.type_.as_deref());
    if kind == Some("Socket") || path.ends_with(".sock") {
        Host::Socket
    } else if PUBLIC.iter().any(|public| within(path, public)) {
        Host::Public
    } else if mount.read_only == Some(true) {
        Host::Read
    } else {
        Host::Written
    }
}

/// Ports that a container declares, and those of its own that its probes and hooks connect to. A
/// port given by name is among the declared ones.
pub(super) fn ports(container: &Container) -> Vec<i64> {
    fn number(port: &IntOrString) -> Option<i64> {
        match port {
            IntOrString::Int(port) => Some(i64::from(*port)),
            IntOrString::String(_) => None,
        }
    }
    let own = |host: &Option<String>| host.as_deref().is_none_or(str::is_empty);
    let http = |get: &Option<HTTPGetAction>| {
        get.as_ref().filter(|get| own(&get.host)).and_then(|get| number(&get.port))
    };
    let tcp = |to: &Option<TCPSocketAction>| {
        to.as_ref().filter(|to| own(&to.host)).and_then(|to| number(&to.port))
    };
    let declared = container.ports.iter().flatten().map(|port| i64::from(port.container_port));
    let mut ports: Vec<i64> = declared.collect();
    let probes = [&container.liveness_probe, &container.readiness_probe, &container.startup_probe];
    for probe in probes.into_iter().flatten() {
        ports.extend(http(&probe.http_get));
        ports.extend(tcp(&probe.tcp_socket));
        ports.extend(probe.grpc.as_ref().map(|grpc| i64::from(grpc.port)));
    }
    let hooks = container.lifecycle.iter().flat_map(|hooks| [&hooks.post_start, &hooks.pre_stop]);
    for hook in hooks.flatten() {
        ports.extend(http(&hook.http_get));
        ports.extend(tcp(&hook.tcp_socket));
    }
    ports
}
