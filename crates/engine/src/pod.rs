//! A read-only view of a raw pod, borrowed from the bytes it was read from.
//!
//! The view covers what rules look at and skips the rest. A field that today's Kubernetes
//! does not know costs nothing and cannot be lost, because the view is never written back.
//! `null` counts as missing everywhere. Of a duplicate key the last one wins, as in
//! Kubernetes' own decoder.

use std::fmt;

use serde::de::{Deserializer, Visitor};

mod fill;
mod mounts;
mod raw;
mod text;
mod view;
mod volume;

pub use crate::view;
pub use fill::{Fill, Member};
pub use mounts::{normalise_path, real, within};
pub use raw::{EnvFrom, EnvVar, Raw, ValueFrom, Variable};
pub use text::{StringMap, Text};
pub use volume::{FsGroupUse, KeyToPath, Projection, Volume, VolumeSource, Volumes};

view! {
    /// A pod, or the template of one.
    pub struct Pod<'a> {
        kind: Text<'a> = "kind",
        metadata: Metadata<'a> = "metadata",
        spec: Spec<'a> = "spec",
    }
}

view! {
    /// `metadata`.
    pub struct Metadata<'a> {
        name: Text<'a> = "name",
        generate_name: Text<'a> = "generateName",
        namespace: Text<'a> = "namespace",
        annotations: StringMap<'a> = "annotations",
    }
}

view! {
    /// `spec`.
    pub struct Spec<'a> {
        os: Os<'a> = "os",
        node_selector: StringMap<'a> = "nodeSelector",
        affinity: Affinity<'a> = "affinity",
        security_context: PodSecurityContext<'a> = "securityContext",
        init_containers: Vec<Container<'a>> = "initContainers",
        containers: Vec<Container<'a>> = "containers",
        ephemeral_containers: Vec<Container<'a>> = "ephemeralContainers",
        volumes: Vec<Volume<'a>> = "volumes",
        host_network: bool = "hostNetwork",
        host_pid: bool = "hostPID",
        host_ipc: bool = "hostIPC",
        host_users: Option<bool> = "hostUsers",
        share_process_namespace: bool = "shareProcessNamespace",
    }
}

view! {
    /// `spec.os`.
    pub struct Os<'a> {
        name: Text<'a> = "name",
    }
}

view! {
    /// `spec.affinity`.
    pub struct Affinity<'a> {
        node_affinity: NodeAffinity<'a> = "nodeAffinity",
    }
}

view! {
    /// `spec.affinity.nodeAffinity`.
    pub struct NodeAffinity<'a> {
        required: NodeSelector<'a> = "requiredDuringSchedulingIgnoredDuringExecution",
    }
}

view! {
    /// A required node selector: its terms are alternatives.
    pub struct NodeSelector<'a> {
        terms: Vec<NodeSelectorTerm<'a>> = "nodeSelectorTerms",
    }
}

view! {
    /// One term: all its expressions must hold.
    pub struct NodeSelectorTerm<'a> {
        expressions: Vec<NodeSelectorRequirement<'a>> = "matchExpressions",
    }
}

view! {
    /// One expression over a node's label.
    pub struct NodeSelectorRequirement<'a> {
        key: Text<'a> = "key",
        operator: Text<'a> = "operator",
        values: Vec<Text<'a>> = "values",
    }
}

view! {
    /// `spec.securityContext`.
    pub struct PodSecurityContext<'a> {
        run_as_non_root: Option<bool> = "runAsNonRoot",
        run_as_user: Option<i64> = "runAsUser",
        run_as_group: Option<i64> = "runAsGroup",
        fs_group: Option<i64> = "fsGroup",
        fs_group_change_policy: Option<Text<'a>> = "fsGroupChangePolicy",
        seccomp_profile: SeccompProfile<'a> = "seccompProfile",
        sysctls: Vec<Sysctl<'a>> = "sysctls",
        se_linux_options: SeLinuxOptions<'a> = "seLinuxOptions",
        app_armor_profile: AppArmorProfile<'a> = "appArmorProfile",
        windows_options: WindowsOptions = "windowsOptions",
    }
}

view! {
    /// `securityContext` of a container.
    pub struct SecurityContext<'a> {
        privileged: bool = "privileged",
        run_as_non_root: Option<bool> = "runAsNonRoot",
        run_as_user: Option<i64> = "runAsUser",
        run_as_group: Option<i64> = "runAsGroup",
        allow_privilege_escalation: Option<bool> = "allowPrivilegeEscalation",
        read_only_root_filesystem: Option<bool> = "readOnlyRootFilesystem",
        capabilities: Capabilities<'a> = "capabilities",
        seccomp_profile: SeccompProfile<'a> = "seccompProfile",
        se_linux_options: SeLinuxOptions<'a> = "seLinuxOptions",
        app_armor_profile: AppArmorProfile<'a> = "appArmorProfile",
        proc_mount: Text<'a> = "procMount",
        windows_options: WindowsOptions = "windowsOptions",
    }
}

view! {
    /// `seLinuxOptions`, at either level.
    pub struct SeLinuxOptions<'a> {
        user: Text<'a> = "user",
        role: Text<'a> = "role",
        kind: Text<'a> = "type",
    }
}

view! {
    /// `appArmorProfile`, at either level.
    pub struct AppArmorProfile<'a> {
        kind: Text<'a> = "type",
    }
}

view! {
    /// `securityContext.capabilities`.
    pub struct Capabilities<'a> {
        add: Vec<Text<'a>> = "add",
        drop: Vec<Text<'a>> = "drop",
    }
}

view! {
    /// `seccompProfile`, at either level.
    pub struct SeccompProfile<'a> {
        kind: Option<Text<'a>> = "type",
        localhost_profile: Option<Text<'a>> = "localhostProfile",
    }
}

view! {
    /// One of `securityContext.sysctls`.
    pub struct Sysctl<'a> {
        name: Text<'a> = "name",
        value: Text<'a> = "value",
    }
}

view! {
    /// `windowsOptions`, at either level.
    pub struct WindowsOptions {
        host_process: bool = "hostProcess",
    }
}

view! {
    /// A container of any kind.
    pub struct Container<'a> {
        name: Text<'a> = "name",
        image: Text<'a> = "image",
        restart_policy: Text<'a> = "restartPolicy",
        target_container_name: Text<'a> = "targetContainerName",
        command: Raw<'a> = "command",
        args: Raw<'a> = "args",
        env: Raw<'a> = "env",
        env_from: Raw<'a> = "envFrom",
        security_context: SecurityContext<'a> = "securityContext",
        ports: Vec<Port> = "ports",
        volume_mounts: Vec<Mount<'a>> = "volumeMounts",
        volume_devices: Vec<Device<'a>> = "volumeDevices",
        liveness_probe: Option<Box<Handler<'a>>> = "livenessProbe",
        readiness_probe: Option<Box<Handler<'a>>> = "readinessProbe",
        startup_probe: Option<Box<Handler<'a>>> = "startupProbe",
        lifecycle: Option<Box<Lifecycle<'a>>> = "lifecycle",
    }
}

view! {
    /// A container's `lifecycle`.
    pub struct Lifecycle<'a> {
        post_start: Handler<'a> = "postStart",
        pre_stop: Handler<'a> = "preStop",
    }
}

view! {
    /// A probe or a hook.
    pub struct Handler<'a> {
        http_get: Target<'a> = "httpGet",
        tcp_socket: Target<'a> = "tcpSocket",
        grpc: Target<'a> = "grpc",
    }
}

view! {
    /// Where a probe or a hook connects to.
    pub struct Target<'a> {
        host: Text<'a> = "host",
        port: PortNumber = "port",
    }
}

/// A port number; 0 for a name, which is that of one of the container's `ports`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortNumber(pub i64);

impl<'de> Fill<'de> for PortNumber {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct NumberOrName;

        impl Visitor<'_> for NumberOrName {
            type Value = i64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port's number or name")
            }

            fn visit_i64<E>(self, number: i64) -> Result<i64, E> {
                Ok(number)
            }

            fn visit_u64<E>(self, number: u64) -> Result<i64, E> {
                Ok(i64::try_from(number).unwrap_or_default())
            }

            fn visit_str<E>(self, _: &str) -> Result<i64, E> {
                Ok(0)
            }
        }

        self.0 = deserializer.deserialize_any(NumberOrName)?;
        Ok(())
    }
}

view! {
    /// One of a container's `ports`.
    pub struct Port {
        container_port: i64 = "containerPort",
        host_port: i64 = "hostPort",
    }
}

view! {
    /// One of a container's `volumeMounts`.
    pub struct Mount<'a> {
        name: Text<'a> = "name",
        mount_path: Text<'a> = "mountPath",
        read_only: bool = "readOnly",
        sub_path: Text<'a> = "subPath",
        sub_path_expr: Text<'a> = "subPathExpr",
    }
}

view! {
    /// One of a container's `volumeDevices`.
    pub struct Device<'a> {
        device_path: Text<'a> = "devicePath",
    }
}

/// The four kinds of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerKind {
    /// Runs to its end before the pod's own containers start.
    Init,
    /// An init container with `restartPolicy: Always` (KEP-753).
    Sidecar,
    /// One of `spec.containers`.
    App,
    /// One of `spec.ephemeralContainers` (KEP-277).
    Ephemeral,
}

impl ContainerKind {
    /// Every kind, in the order of their lists in a pod.
    pub const ALL: [Self; 4] = [Self::Init, Self::Sidecar, Self::App, Self::Ephemeral];

    /// The kind as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Sidecar => "sidecar",
            Self::App => "app",
            Self::Ephemeral => "ephemeral",
        }
    }

    /// The field of the pod's spec that lists this kind.
    pub fn list(self) -> &'static str {
        match self {
            Self::Init | Self::Sidecar => "initContainers",
            Self::App => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

/// A container and its position in the pod.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'p, 'a> {
    /// Its kind.
    pub kind: ContainerKind,
    /// Its index in its list.
    pub index: usize,
    /// The container.
    pub container: &'p Container<'a>,
}

/// The annotation that marks the API server's mirror of a static pod.
pub const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

impl<'a> Pod<'a> {
    /// Reads a pod from JSON.
    ///
    /// # Errors
    /// When the text is not JSON or a field the rules look at has the wrong type.
    pub fn from_json(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Init containers and sidecars, then app containers, each with its index.
    pub fn containers<'p>(&'p self) -> impl Iterator<Item = Placed<'p, 'a>> {
        let init = self.spec.init_containers.iter().enumerate().map(|(index, container)| {
            let kind = if &*container.restart_policy == "Always" {
                ContainerKind::Sidecar
            } else {
                ContainerKind::Init
            };
            Placed { kind, index, container }
        });
        let app = self.spec.containers.iter().enumerate();
        init.chain(app.map(|(index, container)| Placed {
            kind: ContainerKind::App,
            index,
            container,
        }))
    }

    /// The ephemeral containers, each with its index.
    pub fn ephemeral_containers<'p>(&'p self) -> impl Iterator<Item = Placed<'p, 'a>> {
        self.spec.ephemeral_containers.iter().enumerate().map(|(index, container)| Placed {
            kind: ContainerKind::Ephemeral,
            index,
            container,
        })
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.get(key)
    }

    /// Whether this is the API server's mirror of a static pod.
    pub fn is_mirror(&self) -> bool {
        self.annotation(MIRROR_ANNOTATION).is_some()
    }

    /// Whether the pod says `spec.os.name: windows`.
    pub fn names_windows(&self) -> bool {
        &*self.spec.os.name == "windows"
    }

    /// Whether the pod can only run on Windows nodes: by its `os`, or else by its node selector
    /// or required node affinity.
    ///
    /// A kubelet refuses a pod whose `os` or selectors do not fit its node, even if the pod names
    /// the node itself (`predicateAdmitHandler` and `podOSSelectorAdmitHandler` in
    /// `pkg/kubelet/lifecycle`). None of these fields can be changed or loosened later.
    /// `windowsOptions` do not count: on Linux the kubelet ignores them.
    pub fn is_windows(&self) -> bool {
        match &*self.spec.os.name {
            "windows" => return true,
            "linux" => return false,
            _ => {}
        }
        let selected =
            OS_LABELS.iter().any(|key| self.spec.node_selector.get(key) == Some("windows"));
        let terms = &self.spec.affinity.node_affinity.required.terms;
        selected || (!terms.is_empty() && terms.iter().all(NodeSelectorTerm::wants_windows))
    }

    /// Whether the pod has `windowsOptions` at either level.
    pub fn has_windows_options(&self) -> bool {
        self.spec.security_context.windows_options.has_members
            || self
                .containers()
                .any(|placed| placed.container.security_context.windows_options.has_members)
    }

    /// Whether any part of a Windows pod is a HostProcess container.
    pub fn is_host_process(&self) -> bool {
        self.spec.security_context.windows_options.host_process
            || self
                .containers()
                .any(|placed| placed.container.security_context.windows_options.host_process)
    }

    /// Whether the pod asks for its own user namespace (KEP-127). It gets one only where the
    /// cluster honours the field, which the pod does not show.
    pub fn asks_for_user_namespace(&self) -> bool {
        self.spec.host_users == Some(false)
    }

    /// Whether root in the requested user namespace would be nobody on the node. False with a
    /// hostPath volume: the kubelet has the runtime map ids of mounts, so that this root is root
    /// to the node's files (KEP-127, "idmap mounts").
    pub fn asks_to_be_nobody(&self) -> bool {
        self.asks_for_user_namespace()
            && !self.spec.volumes.iter().any(|volume| &*volume.kind == "hostPath")
    }
}

/// Node labels for the operating system. The second is used by old manifests.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

impl NodeSelectorTerm<'_> {
    fn wants_windows(&self) -> bool {
        self.expressions.iter().any(|expression| {
            OS_LABELS.contains(&&*expression.key)
                && &*expression.operator == "In"
                && !expression.values.is_empty()
                && expression.values.iter().all(|value| &**value == "windows")
        })
    }
}

impl SeccompProfile<'_> {
    /// Whether a profile is named at all.
    pub fn is_set(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether the profile meets the standard: anything but `Unconfined`.
    pub fn is_compliant(&self) -> bool {
        matches!(self.kind.as_deref(), Some("RuntimeDefault" | "Localhost"))
    }
}

impl Container<'_> {
    /// The container's probes and hooks.
    pub fn handlers(&self) -> impl Iterator<Item = &Handler<'_>> {
        let Container { liveness_probe, readiness_probe, startup_probe, lifecycle, .. } = self;
        let probes = [liveness_probe, readiness_probe, startup_probe].into_iter().flatten();
        let hooks = lifecycle.iter().flat_map(|hooks| [&hooks.post_start, &hooks.pre_stop]);
        probes.map(|probe| &**probe).chain(hooks)
    }

    /// Calls `take` with each port in the manifest: declared ports, and ports that probes and
    /// hooks connect to. A target with a `host` of its own is skipped: it is not the container.
    pub fn each_port(&self, mut take: impl FnMut(i64)) {
        for port in &self.ports {
            take(port.container_port);
        }
        for handler in self.handlers() {
            for target in [&handler.http_get, &handler.tcp_socket, &handler.grpc] {
                if target.has_members && target.host.is_empty() {
                    take(target.port.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
