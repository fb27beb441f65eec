//! The checks: what is looked at in every container, and what it takes to pass.
//!
//! Sources: the checks of `k8s.io/pod-security-admission/policy`; those of `other` are fields that
//! hardening guides ask for beyond it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::rule::RuleName;

/// A check of one container. Most are named after the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// Its user is not root.
    RunAsNonRoot,
    /// Its group is not root's.
    RunAsGroup,
    /// None of its supplementary groups is root's.
    SupplementalGroups,
    /// It is not privileged.
    Privileged,
    /// It cannot gain privileges.
    AllowPrivilegeEscalation,
    /// It drops all capabilities.
    DropCapabilities,
    /// It adds no capabilities.
    AddCapabilities,
    /// It cannot open raw sockets.
    NetRaw,
    /// Its system calls are filtered.
    SeccompProfile,
    /// Its root file system is read-only.
    ReadOnlyRootFilesystem,
    /// It does not use the node's network.
    HostNetwork,
    /// It does not see the node's processes.
    HostPid,
    /// It does not share the node's IPC.
    HostIpc,
    /// Its pod has a user namespace of its own.
    UserNamespace,
    /// Its pod mounts no paths of the node.
    HostPath,
    /// Its pod has only volumes of the kinds that *restricted* allows.
    VolumeTypes,
    /// It opens no ports of the node.
    HostPorts,
    /// Its `/proc` is masked.
    ProcMount,
    /// SELinux is not loosened.
    SeLinuxOptions,
    /// AppArmor is not switched off.
    AppArmorProfile,
    /// Its pod sets only safe sysctls.
    Sysctls,
    /// It is no HostProcess container of Windows.
    HostProcess,
    /// Its probes and hooks name no other host.
    ProbeHosts,
    /// It mounts no token of its service account.
    ServiceAccountToken,
    /// Its image is named by digest.
    ImageDigest,
    /// It is not in the namespace `default`.
    DefaultNamespace,
}

/// What a check is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standard {
    /// Pod Security *baseline*, and so of *restricted*.
    Baseline,
    /// Pod Security *restricted*.
    Restricted,
    /// Neither.
    Other,
}

/// What there is to say of a check.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The check's name in documents.
    pub name: &'static str,
    /// What it looks at, in a few words.
    pub title: &'static str,
    /// When a cell passes.
    pub passes: &'static str,
    /// How the value is obtained, and what it cannot tell.
    pub obtained: &'static str,
    /// The rule that sets it.
    pub rule: Option<RuleName>,
    /// What it is a part of.
    pub standard: Standard,
}

impl Check {
    /// Every check, in the order of reports.
    pub const ALL: [Self; 26] = [
        Self::RunAsNonRoot,
        Self::RunAsGroup,
        Self::SupplementalGroups,
        Self::Privileged,
        Self::AllowPrivilegeEscalation,
        Self::DropCapabilities,
        Self::AddCapabilities,
        Self::NetRaw,
        Self::SeccompProfile,
        Self::ReadOnlyRootFilesystem,
        Self::HostNetwork,
        Self::HostPid,
        Self::HostIpc,
        Self::UserNamespace,
        Self::HostPath,
        Self::VolumeTypes,
        Self::HostPorts,
        Self::ProcMount,
        Self::SeLinuxOptions,
        Self::AppArmorProfile,
        Self::Sysctls,
        Self::HostProcess,
        Self::ProbeHosts,
        Self::ServiceAccountToken,
        Self::ImageDigest,
        Self::DefaultNamespace,
    ];

    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        self.about().name
    }

    /// What there is to say of it.
    pub fn about(self) -> About {
        use RuleName as R;
        use Standard::{Baseline, Other, Restricted};
        const SPEC: &str = "from the pod's spec, which nobody can change later";
        let about = |name, title, passes, obtained, rule, standard| About {
            name,
            title,
            passes,
            obtained,
            rule,
            standard,
        };
        match self {
            Self::RunAsNonRoot => about(
                "runAsNonRoot",
                "runs as a user other than root",
                "the uid is known and is not 0, or runAsNonRoot is true and the container has started",
                "the kubelet's report of the running container, else runAsUser, else what the kubelet \
                 checks for runAsNonRoot, else facts of the image",
                Some(R::RunAsNonRoot),
                Restricted,
            ),
            Self::RunAsGroup => about(
                "runAsGroup",
                "runs with a group other than root's",
                "the gid is known and is not 0",
                "the kubelet's report, else runAsGroup; without both the image decides",
                Some(R::RunAsGroup),
                Other,
            ),
            Self::SupplementalGroups => about(
                "supplementalGroups",
                "has no supplementary group 0",
                "all groups are known, and none is 0",
                "the kubelet's report, else fsGroup and supplementalGroups where the image can add none",
                Some(R::RunAsGroup),
                Other,
            ),
            Self::Privileged => about(
                "privileged",
                "is not privileged",
                "privileged is false or unset",
                SPEC,
                Some(R::Privileged),
                Baseline,
            ),
            Self::AllowPrivilegeEscalation => about(
                "allowPrivilegeEscalation",
                "cannot gain privileges",
                "allowPrivilegeEscalation is false",
                SPEC,
                Some(R::AllowPrivilegeEscalation),
                Restricted,
            ),
            Self::DropCapabilities => about(
                "dropCapabilities",
                "drops all capabilities",
                "capabilities.drop has ALL, capabilities.add has not, and the container is not privileged",
                "from the pod's spec; what is left without ALL depends on the runtime",
                Some(R::Capabilities),
                Restricted,
            ),
            Self::AddCapabilities => about(
                "addCapabilities",
                "adds no capabilities",
                "capabilities.add has nothing but NET_BIND_SERVICE, and the container is not privileged",
                SPEC,
                Some(R::Capabilities),
                Restricted,
            ),
            Self::NetRaw => about(
                "netRaw",
                "has no NET_RAW",
                "ALL or NET_RAW is dropped, neither is added, and the container is not privileged",
                SPEC,
                Some(R::Capabilities),
                Restricted,
            ),
            Self::SeccompProfile => about(
                "seccompProfile",
                "filters system calls",
                "the profile is RuntimeDefault or Localhost, and the container is not privileged",
                "from the pod's spec; the profile itself is the node's, and was not looked at",
                Some(R::SeccompProfile),
                Restricted,
            ),
            Self::ReadOnlyRootFilesystem => about(
                "readOnlyRootFilesystem",
                "has a read-only root file system",
                "readOnlyRootFilesystem is true",
                "from the pod's spec; mounted volumes may be writable",
                Some(R::ReadOnlyRootFilesystem),
                Other,
            ),
            Self::HostNetwork => about(
                "hostNetwork",
                "does not use the node's network",
                "hostNetwork is false or unset",
                SPEC,
                None,
                Baseline,
            ),
            Self::HostPid => about(
                "hostPid",
                "does not see the node's processes",
                "hostPID is false or unset",
                SPEC,
                None,
                Baseline,
            ),
            Self::HostIpc => about(
                "hostIpc",
                "does not share the node's IPC",
                "hostIPC is false or unset",
                SPEC,
                None,
                Baseline,
            ),
            Self::UserNamespace => about(
                "userNamespace",
                "has a user namespace of its own",
                "hostUsers is false, in a cluster in which every kubelet honours that",
                "from the pod's spec and the API server's version; the mapping is the node's, and was \
                 not looked at",
                Some(R::HostUsers),
                Other,
            ),
            Self::HostPath => about(
                "hostPath",
                "mounts no paths of the node",
                "no volume of the pod is a hostPath",
                "from the pod's spec; what is behind a claim was not looked at",
                None,
                Baseline,
            ),
            Self::VolumeTypes => about(
                "volumeTypes",
                "has only volumes of safe kinds",
                "every volume of the pod is of a kind that Pod Security restricted allows",
                SPEC,
                None,
                Restricted,
            ),
            Self::HostPorts => about(
                "hostPorts",
                "opens no ports of the node",
                "no port of the container has a hostPort",
                "from the pod's spec; on the node's network a program can open any port",
                None,
                Baseline,
            ),
            Self::ProcMount => about(
                "procMount",
                "has a masked /proc",
                "procMount is Default or unset, and the container is not privileged",
                SPEC,
                None,
                Baseline,
            ),
            Self::SeLinuxOptions => about(
                "seLinuxOptions",
                "does not loosen SELinux",
                "no user or role is set, and the type is unset or one for containers",
                "from the pod's spec; whether the node has SELinux was not looked at",
                None,
                Baseline,
            ),
            Self::AppArmorProfile => about(
                "appArmorProfile",
                "does not switch AppArmor off",
                "the profile is unset, RuntimeDefault or Localhost",
                "from the pod's spec; whether the node has AppArmor was not looked at",
                None,
                Baseline,
            ),
            Self::Sysctls => about(
                "sysctls",
                "sets only safe sysctls",
                "every sysctl of the pod is one that Pod Security allows",
                SPEC,
                None,
                Baseline,
            ),
            Self::HostProcess => about(
                "hostProcess",
                "is no HostProcess container",
                "windowsOptions.hostProcess is false or unset",
                SPEC,
                None,
                Baseline,
            ),
            Self::ProbeHosts => about(
                "probeHosts",
                "lets the kubelet probe no other host",
                "no probe and no hook of the container names a host",
                SPEC,
                None,
                Baseline,
            ),
            Self::ServiceAccountToken => about(
                "serviceAccountToken",
                "mounts no token of its service account",
                "no volume it mounts projects a service account's token",
                "from the pod's spec; whether a Secret it mounts holds one was not looked at",
                Some(RuleName::ServiceAccountToken),
                Other,
            ),
            Self::ImageDigest => about(
                "imageDigest",
                "names its image by digest",
                "the image has @sha256:",
                "from the pod's spec; imageId is what runs, as the runtime names it",
                None,
                Other,
            ),
            Self::DefaultNamespace => about(
                "defaultNamespace",
                "is not in the namespace default",
                "the namespace is another one",
                "from the pod's metadata",
                None,
                Other,
            ),
        }
    }
}
