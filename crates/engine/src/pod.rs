//! A read-only view of a raw pod, borrowed from the bytes it was read from.
//!
//! The view covers what rules look at and skips the rest. A field that today's Kubernetes
//! does not know costs nothing and cannot be lost, because the view is never written back.
//! `null` counts as missing everywhere. Of a duplicate key the last one wins, as in
//! Kubernetes' own decoder.

mod fill;
mod id_mapping;
mod mounts;
mod raw;
pub mod seeding;
mod spec;
mod text;
pub mod token;
mod view;
mod volume;

pub use crate::view;
pub use fill::{Fill, Member};
pub use id_mapping::IdMapping;
pub use mounts::{normalise_path, real, within};
pub use raw::{EnvFrom, EnvVar, Raw, Resources, ValueFrom, Variable};
pub use spec::{
    Affinity, AppArmorProfile, Capabilities, Container, Device, Exec, Handler, Lifecycle, Metadata,
    Mount, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Os, Pod,
    PodSecurityContext, Port, PortNumber, ResourceClaim, SAFE_SELINUX_TYPES, SeLinuxOptions,
    SeccompProfile, SecurityContext, Spec, Sysctl, Target, WindowsOptions,
};
pub use text::{StringMap, Text};
pub use volume::{
    ClaimSpec, ClaimTemplate, FieldRef, FsGroupUse, HostPath, Items, KeyToPath, Projection,
    TokenProjection, Volume, VolumeSource, Volumes,
};

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

/// The largest uid and gid that the API server accepts.
pub const MAX_ID: i64 = 2_147_483_647;

/// Tells the cluster autoscaler which local volumes hold nothing worth keeping a node for. ironhull adds to it.
pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

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

    /// Init containers and sidecars, then app containers, each with its index: those of the pod's
    /// author, without ironhull's own that seed.
    pub fn containers<'p>(&'p self) -> impl Iterator<Item = Placed<'p, 'a>> {
        self.all_containers().filter(|placed| {
            placed.kind != ContainerKind::Init || placed.container.seeding().is_none()
        })
    }

    /// The same, with ironhull's own.
    pub fn all_containers<'p>(&'p self) -> impl Iterator<Item = Placed<'p, 'a>> {
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
            spec::OS_LABELS.iter().any(|key| self.spec.node_selector.get(key) == Some("windows"));
        let terms = &self.spec.affinity.node_affinity.required.terms;
        selected || (!terms.is_empty() && terms.iter().all(NodeSelectorTerm::wants_windows))
    }

    /// Whether the pod has `windowsOptions` at either level.
    pub fn has_windows_options(&self) -> bool {
        self.spec.security_context.windows_options.has_members
            || self
                .all_containers()
                .any(|placed| placed.container.security_context.windows_options.has_members)
    }

    /// Whether any part of a Windows pod is a HostProcess container.
    pub fn is_host_process(&self) -> bool {
        self.spec.security_context.windows_options.host_process
            || self
                .all_containers()
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

#[cfg(test)]
mod tests;
