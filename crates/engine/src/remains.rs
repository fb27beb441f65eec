//! What Pod Security refuses and no rule fixes: the host's namespaces, paths and ports, and
//! the fields that only somebody who knows the application can change. And what no rule sets since
//! some nodes would refuse the pod.
//!
//! Source: the checks of `k8s.io/pod-security-admission/policy` that no rule of ironhull
//! covers; KEP-3619.

use crate::outcome::Remark;
use crate::pass::{Examined, Pass};
use crate::pod::{Container, Pod, SeccompProfile, SecurityContext};

/// Volume sources that *restricted* does not allow (`check_restrictedVolumes.go`).
const RESTRICTED_VOLUMES: [&str; 21] = [
    "hostPath",
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// Sysctls that *baseline* allows (`check_sysctls.go`), as of Kubernetes 1.37.
pub const SAFE_SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Prefix of the annotation that once held a container's AppArmor profile; the container's
/// name follows.
pub const APPARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Maximum length of the names in one remark. A warning has 120 characters, and needs the
/// others for itself.
const MAX_LINE: usize = 64;

/// Names of the fields that stand in the way, grouped into remarks: each holds as many as fit
/// in a warning.
///
/// `privileged` tells whether a container stays privileged.
pub fn lines<'p>(pod: &'p Pod<'_>, privileged: bool) -> Vec<Vec<&'p str>> {
    let mut lines: Vec<Vec<&str>> = Vec::new();
    let mut room = 0;
    for name in fields(pod).into_iter().filter(|name| privileged || *name != "privileged") {
        let wanted = name.len() + ", ".len();
        match lines.last_mut() {
            Some(line) if wanted <= room => line.push(name),
            _ => {
                room = MAX_LINE;
                lines.push(vec![name]);
            }
        }
        room = room.saturating_sub(wanted);
    }
    lines
}

/// Remarks about groups that images add to their own users, and the pod does not name.
///
/// A runtime looks into the image's `/etc/group` unless the pod has `supplementalGroupsPolicy:
/// Strict` (KEP-3619). No rule sets that: a kubelet whose runtime does not know it refuses the pod
/// (`rejectPodAdmissionBasedOnSupplementalGroupsPolicy` in `pkg/kubelet/lifecycle/predicate.go`),
/// and a webhook does not know the node.
pub(crate) fn groups<'p>(pass: &Pass<'p>) -> impl Iterator<Item = Remark<'p>> {
    let outer = &pass.pod.spec.security_context;
    let merges = &*outer.supplemental_groups_policy != "Strict";
    let all = pass.containers.iter().filter(move |it| merges && it.runs_as_own_user());
    let of_pod =
        move |gid: &i64| pass.fs_group() == Some(*gid) || outer.supplemental_groups.contains(gid);
    let added = move |examined: &Examined<'p>| {
        let own = examined.facts?.user.as_ref()?;
        let user = &examined.user;
        let primary = [user.gid.set.or(user.author.gid), own.gid];
        let gids = own.groups.iter().map(|gid| i64::from(*gid));
        let gids: Vec<i64> =
            gids.filter(|gid| !primary.contains(&Some(*gid)) && !of_pod(gid)).collect();
        let container = &*examined.placed.container.name;
        (!gids.is_empty()).then_some(Remark::ImageGroups { container, gids })
    };
    all.filter_map(added)
}

/// Names of the fields that stand in the way, each once, in a fixed order.
pub fn fields<'p>(pod: &'p Pod<'_>) -> Vec<&'p str> {
    let mut found = Vec::new();
    let spec = &pod.spec;
    let mut name = |name: &'p str, stands: bool| {
        if stands && !found.contains(&name) {
            found.push(name);
        }
    };
    name("hostNetwork", spec.host_network);
    name("hostPID", spec.host_pid);
    name("hostIPC", spec.host_ipc);
    for volume in &spec.volumes {
        name(&volume.kind, is_refused_volume(&volume.kind));
    }
    let any = Any::of(pod);
    name("hostProcess", pod.is_host_process());
    name("hostPort", any.host_port);
    name("privileged", any.privileged);
    name("procMount", any.unmasked);
    let outer = &spec.security_context;
    name("seLinuxOptions", !outer.se_linux_options.is_baseline() || any.se_linux);
    let annotated = pod.metadata.annotations.iter().any(|(key, value)| {
        let allowed =
            value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
        key.starts_with(APPARMOR_ANNOTATION) && !allowed
    });
    name("appArmorProfile", annotated || !outer.app_armor_profile.is_baseline() || any.unconfined);
    // The kubelet accepts names with slashes too, but none of those is allowed.
    name("sysctls", outer.sysctls.iter().any(|sysctl| !is_safe_sysctl(&sysctl.name)));
    name("host of a probe or hook", any.names_host);
    found
}

/// Fields of any container that stand in the way.
#[derive(Default)]
struct Any {
    host_port: bool,
    privileged: bool,
    unmasked: bool,
    se_linux: bool,
    unconfined: bool,
    names_host: bool,
}

impl Any {
    fn of(pod: &Pod<'_>) -> Self {
        let mut any = Self::default();
        for placed in pod.all_containers().chain(pod.ephemeral_containers()) {
            let container = placed.container;
            let context = &container.security_context;
            any.host_port |= container.ports.iter().any(|port| port.host_port != 0);
            any.privileged |= context.privileged;
            any.unmasked |= !matches!(&*context.proc_mount, "" | "Default");
            any.se_linux |= !context.se_linux_options.is_baseline();
            any.unconfined |= !context.app_armor_profile.is_baseline();
            any.names_host |= names_host(container);
        }
        any
    }
}

/// A level of the Pod Security Standards that refuses anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Refuses known ways out of a container.
    Baseline,
    /// Refuses what is not hardened.
    Restricted,
}

impl Level {
    /// The level of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

/// Capabilities that *baseline* lets a container add (`check_capabilities_baseline.go`).
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Names of all fields for which Pod Security refuses the pod as it is: those that no rule
/// fixes ([`fields`]), and those the rules are about.
///
/// Source: `check_runAsNonRoot.go`, `check_runAsUser.go`, `check_capabilities_restricted.go`,
/// `check_seccompProfile_restricted.go`, `check_allowPrivilegeEscalation.go`; for *baseline*
/// `check_capabilities_baseline.go`, `check_seccompProfile_baseline.go`.
pub fn refused<'p>(pod: &'p Pod<'_>, level: Level) -> Vec<&'p str> {
    match level {
        Level::Baseline => refused_by_baseline(pod),
        Level::Restricted => refused_by_restricted(pod),
    }
}

fn any(pod: &Pod<'_>, test: &dyn Fn(&SecurityContext<'_>) -> bool) -> bool {
    let mut containers = pod.all_containers().chain(pod.ephemeral_containers());
    containers.any(|placed| test(&placed.container.security_context))
}

fn refused_by_baseline<'p>(pod: &'p Pod<'_>) -> Vec<&'p str> {
    let mut found = Vec::new();
    let allowed = |name: &str| BASELINE_CAPABILITIES.contains(&name);
    if any(pod, &|own| !own.capabilities.add.iter().all(|name| allowed(name))) {
        found.push("capabilities");
    }
    let unconfined = |profile: &SeccompProfile<'_>| profile.is_set() && !profile.is_compliant();
    if unconfined(&pod.spec.security_context.seccomp_profile)
        || any(pod, &|own| unconfined(&own.seccomp_profile))
    {
        found.push("seccompProfile");
    }
    // Of volumes, baseline refuses only those of the node.
    let of_restricted = |name: &&str| *name != "hostPath" && RESTRICTED_VOLUMES.contains(name);
    // Which lets a pod in a user namespace of its own unmask /proc, from 1.35 on.
    let may_unmask = pod.asks_for_user_namespace();
    let allows = |name: &&str| of_restricted(name) || may_unmask && *name == "procMount";
    found.extend(fields(pod).into_iter().filter(|name| !allows(name)));
    found
}

fn refused_by_restricted<'p>(pod: &'p Pod<'_>) -> Vec<&'p str> {
    let outer = &pod.spec.security_context;
    let mut found = Vec::new();
    if !pod.asks_for_user_namespace() {
        let holds = outer.run_as_non_root == Some(true);
        if outer.run_as_non_root == Some(false)
            || any(pod, &|own| own.run_as_non_root.map_or(!holds, |own| !own))
        {
            found.push("runAsNonRoot");
        }
        if outer.run_as_user == Some(0) || any(pod, &|own| own.run_as_user == Some(0)) {
            found.push("runAsUser");
        }
    }
    if !pod.names_windows() {
        if any(pod, &|own| own.allow_privilege_escalation != Some(false)) {
            found.push("allowPrivilegeEscalation");
        }
        if any(pod, &|own| {
            !own.capabilities.drop.iter().any(|name| &**name == "ALL")
                || own.capabilities.add.iter().any(|name| &**name != "NET_BIND_SERVICE")
        }) {
            found.push("capabilities");
        }
        let outer = &outer.seccomp_profile;
        if outer.is_set() && !outer.is_compliant()
            || any(pod, &|own| match own.seccomp_profile.is_set() {
                true => !own.seccomp_profile.is_compliant(),
                false => !outer.is_compliant(),
            })
        {
            found.push("seccompProfile");
        }
    }
    found.extend(fields(pod));
    found
}

/// Whether *restricted* refuses volumes of this kind.
pub fn is_refused_volume(kind: &str) -> bool {
    RESTRICTED_VOLUMES.contains(&kind)
}

/// Whether *baseline* allows a sysctl of this name.
pub fn is_safe_sysctl(name: &str) -> bool {
    SAFE_SYSCTLS.contains(&name)
}

/// Whether a probe or hook of the container names a host.
pub fn names_host(container: &Container<'_>) -> bool {
    container
        .handlers()
        .any(|handler| !handler.http_get.host.is_empty() || !handler.tcp_socket.host.is_empty())
}
