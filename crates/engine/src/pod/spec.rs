//! The fields of a pod that rules look at.

use std::fmt;

use serde::de::{Deserializer, Visitor};

use super::{Fill, Raw, StringMap, Text, Volume};
use crate::view;

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
        labels: StringMap<'a> = "labels",
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
        runtime_class_name: Text<'a> = "runtimeClassName",
        resource_claims: Vec<ResourceClaim> = "resourceClaims",
        service_account_name: Text<'a> = "serviceAccountName",
        service_account: Text<'a> = "serviceAccount",
        automount_service_account_token: Option<bool> = "automountServiceAccountToken",
    }
}

view! {
    /// One of `spec.resourceClaims`.
    pub struct ResourceClaim {}
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
        supplemental_groups: Vec<i64> = "supplementalGroups",
        supplemental_groups_policy: Text<'a> = "supplementalGroupsPolicy",
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
        image_pull_policy: Text<'a> = "imagePullPolicy",
        restart_policy: Text<'a> = "restartPolicy",
        target_container_name: Text<'a> = "targetContainerName",
        command: Raw<'a> = "command",
        args: Raw<'a> = "args",
        env: Raw<'a> = "env",
        env_from: Raw<'a> = "envFrom",
        resources: Raw<'a> = "resources",
        security_context: SecurityContext<'a> = "securityContext",
        ports: Vec<Port> = "ports",
        volume_mounts: Vec<Mount<'a>> = "volumeMounts",
        volume_devices: Vec<Device<'a>> = "volumeDevices",
        liveness_probe: Option<Box<Handler<'a>>> = "livenessProbe",
        readiness_probe: Option<Box<Handler<'a>>> = "readinessProbe",
        startup_probe: Option<Box<Handler<'a>>> = "startupProbe",
        lifecycle: Option<Box<Lifecycle<'a>>> = "lifecycle",
        @seeding: Option<super::seeding::Seeding>,
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
        exec: Exec<'a> = "exec",
        http_get: Target<'a> = "httpGet",
        tcp_socket: Target<'a> = "tcpSocket",
        grpc: Target<'a> = "grpc",
    }
}

view! {
    /// What a probe or a hook runs in the container.
    pub struct Exec<'a> {
        command: Vec<Text<'a>> = "command",
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
/// Node labels for the operating system. The second is used by old manifests.
pub(super) const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

impl NodeSelectorTerm<'_> {
    pub(super) fn wants_windows(&self) -> bool {
        self.expressions.iter().any(|expression| {
            OS_LABELS.contains(&&*expression.key)
                && &*expression.operator == "In"
                && !expression.values.is_empty()
                && expression.values.iter().all(|value| &**value == "windows")
        })
    }
}

/// SELinux types that *baseline* allows (`check_seLinuxOptions.go`).
pub const SAFE_SELINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

impl SeLinuxOptions<'_> {
    /// Whether *baseline* allows the options.
    pub fn is_baseline(&self) -> bool {
        self.user.is_empty() && self.role.is_empty() && SAFE_SELINUX_TYPES.contains(&&*self.kind)
    }
}

impl AppArmorProfile<'_> {
    /// Whether *baseline* allows the profile (`check_appArmorProfile.go`).
    pub fn is_baseline(&self) -> bool {
        matches!(&*self.kind, "" | "RuntimeDefault" | "Localhost")
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
