//! What keeps a pod's root in the node's user namespace.

use std::borrow::Cow;

use super::Skip;

/// The field of a container that stays privileged.
pub const PRIVILEGED: &str = "privileged";

/// What does not work, or may not work, in a user namespace of the pod's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle<'p> {
    /// A field of the pod's spec.
    Field(&'static str),
    /// The runtime behind this RuntimeClass.
    RuntimeClass(&'p str),
    /// A container's field.
    OfContainer {
        /// The container.
        container: &'p str,
        /// The field.
        field: &'static str,
    },
    /// A capability that a container adds.
    Capability {
        /// The container.
        container: &'p str,
        /// Its name.
        name: Cow<'p, str>,
    },
    /// A program in the container's words that works in the node's user namespace alone.
    Program {
        /// The container.
        container: &'p str,
        /// Its name.
        program: &'static str,
    },
    /// A device that a plugin of the node hands to a container.
    Device {
        /// The container.
        container: &'p str,
        /// Name of the resource.
        resource: String,
    },
    /// An id that does not exist there.
    Id(i64),
    /// A sysctl that cannot be written there.
    Sysctl(&'p str),
    /// A volume whose ids cannot be mapped.
    Volume {
        /// The volume.
        name: &'p str,
        /// Its kind.
        kind: &'p str,
    },
    /// A volume of which nobody knows whether its ids can be mapped.
    UnknownVolume {
        /// The volume.
        name: &'p str,
        /// Its kind.
        kind: &'p str,
    },
}

impl Obstacle<'_> {
    /// The reason for leaving the pod alone.
    pub fn skip(&self) -> Skip {
        match self {
            Self::UnknownVolume { .. } => Skip::UnknownVolume,
            Self::OfContainer { field: PRIVILEGED, .. } => Skip::Privileged,
            _ => Skip::NeedsHostUsers,
        }
    }
}
