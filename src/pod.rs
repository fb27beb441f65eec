//! A read-only view of a raw pod, borrowed from the bytes it was read from.
//!
//! It knows what the rules look at and skips the rest: a field that today's
//! Kubernetes does not know costs nothing and cannot be lost, because nothing here
//! is ever written back. `null` counts as missing everywhere, and of a duplicate
//! key the last one wins, as Kubernetes' own decoder has it.

pub(crate) mod view;
mod volume;

use std::borrow::Cow;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

pub(crate) use view::view;
pub use volume::{KeyToPath, Projection, Source, Volume};

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
        security_context: SecurityContext<'a> = "securityContext",
        ports: Vec<Port> = "ports",
        volume_mounts: Vec<Mount<'a>> = "volumeMounts",
        liveness_probe: Handler<'a> = "livenessProbe",
        readiness_probe: Handler<'a> = "readinessProbe",
        startup_probe: Handler<'a> = "startupProbe",
        lifecycle: Lifecycle<'a> = "lifecycle",
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
        http_get: HandlerHost<'a> = "httpGet",
        tcp_socket: HandlerHost<'a> = "tcpSocket",
    }
}

view! {
    /// Where a probe or a hook connects to.
    pub struct HandlerHost<'a> {
        host: Text<'a> = "host",
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

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Sidecar => "sidecar",
            Self::App => "app",
            Self::Ephemeral => "ephemeral",
        }
    }

    /// The list of the pod's spec that holds this kind.
    pub fn list(self) -> &'static str {
        match self {
            Self::Init | Self::Sidecar => "initContainers",
            Self::App => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

/// A container in its place.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'p, 'a> {
    /// What kind it is.
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
    /// When the text is not JSON or a field the rules look at has another type.
    pub fn from_json(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
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

    /// Whether the pod is one for Windows nodes: by its `os`, its node selector, its
    /// required node affinity, or any `windowsOptions`.
    pub fn is_windows(&self) -> bool {
        match &*self.spec.os.name {
            "windows" => return true,
            "linux" => return false,
            _ => {}
        }
        let selected =
            OS_LABELS.iter().any(|key| self.spec.node_selector.get(key) == Some("windows"));
        let terms = &self.spec.affinity.node_affinity.required.terms;
        selected
            || (!terms.is_empty() && terms.iter().all(NodeSelectorTerm::wants_windows))
            || self.spec.security_context.windows_options.has_members
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

    /// Whether the pod has a user namespace of its own (KEP-127).
    pub fn has_user_namespace(&self) -> bool {
        self.spec.host_users == Some(false)
    }

    /// The volume of that name.
    pub fn volume(&self, name: &str) -> Option<&Volume<'a>> {
        self.spec.volumes.iter().find(|volume| &*volume.name == name)
    }
}

/// The node labels that tell the operating system, the second one of old manifests.
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
    /// The lowest declared port below 1024.
    pub fn privileged_port(&self) -> Option<i64> {
        self.ports
            .iter()
            .map(|port| port.container_port)
            .filter(|port| (1..1024).contains(port))
            .min()
    }

    /// The mount that decides whether `path` can be written: the one at the path or
    /// the deepest above it. `/` is no mount point: the runtime refuses it.
    pub fn covering_mount(&self, path: &str) -> Option<(&Mount<'_>, bool)> {
        let mut best: Option<(usize, &Mount<'_>, bool)> = None;
        for mount in &self.volume_mounts {
            let at = normalise_path(&mount.mount_path);
            let rest = match path.strip_prefix(&*at) {
                Some(rest) if at.len() > 1 => rest,
                _ => continue,
            };
            let exact = rest.is_empty();
            // Of two mounts at one place the later hides the earlier.
            if (exact || rest.starts_with('/')) && best.is_none_or(|(depth, ..)| at.len() >= depth)
            {
                best = Some((at.len(), mount, exact));
            }
        }
        best.map(|(_, mount, exact)| (mount, exact))
    }
}

/// A path without empty and `.` parts and without a trailing `/`; a relative one is
/// taken from `/`, as container runtimes do; `..` goes up and never above `/`.
pub fn normalise_path(path: &str) -> Cow<'_, str> {
    let clean = path.starts_with('/')
        && path.len() > 1
        && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if clean {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    Cow::Owned(format!("/{}", parts.join("/")))
}

/// A string, borrowed from the input where it holds no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text))
            }
        }

        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

/// A map of strings in the order of the input: annotations, a node selector.
#[derive(Clone, Debug, Default)]
pub struct StringMap<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'a> StringMap<'a> {
    /// The value of `key`; of a duplicate key the last one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }

    /// Keys and values, in the order of the input.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for StringMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;

        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Vec<(Text<'de>, Text<'de>)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                // Kubernetes decodes a null value as the empty string.
                while let Some((key, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    entries.push((key, value.unwrap_or_default()));
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(MapVisitor).map(Self)
    }
}

#[cfg(test)]
mod tests;
