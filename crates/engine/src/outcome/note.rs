//! Why a rule found what it found.

use std::borrow::Cow;

use super::Obstacle;
use crate::facts::{By, Origin};

/// The reason for a finding, where the result alone does not tell. [`say`](super::say) has the wording
/// and decides which notes are warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note<'p> {
    /// The rule's action is `warn`.
    OnlyWarns,
    /// Explicit root, under `fill`.
    KeptRoot,
    /// `runAsNonRoot: false` beside a uid above 0.
    NonRootInFact,
    /// `runAsNonRoot: false` that makes nothing run as root, under `fill`.
    RefusedFalse,
    /// The image's user is known to be root, and the author relies on it.
    ImageIsRoot,
    /// The image's entry trusts the image's own user.
    EntryTrustsImage,
    /// The value comes from the entry of this image.
    FromEntry,
    /// The value is that of the image's own user.
    OwnUser {
        /// The user in the image's configuration.
        name: Option<&'p str>,
        /// Its uid.
        uid: i64,
        /// Where that is from.
        from: Origin,
        /// How the image was recognised.
        by: By,
    },
    /// The image's own user is root, and nobody knows a better one than the rule's, which is this.
    MadeForRoot(i64),
    /// The image's own user, which no runtime can resolve.
    UnusableUser(&'p str),
    /// The value is that of the app container of this name.
    FollowsContainer(&'p str),
    /// ironhull had set a pod-level value before this container was added.
    SetBeforeIt(i64),
    /// A weak pod-level value stays, because this container inherits it.
    InheritedBy(&'p str),
    /// The uid or gid does not exist in a user namespace, which has 65,536 of them.
    BeyondUserNamespace(i64),
    /// An exemption from runAsUser does not allow root.
    RootNeedsMore,
    /// The container mounts this volume, whose files it alone should read.
    NarrowFile {
        /// The container that stays root or keeps its own uid.
        container: &'p str,
        /// The volume.
        volume: &'p str,
    },
    /// The image's entry wants no fsGroup.
    EntryWantsNone,
    /// No container's user was set, so no volume needs another group.
    NotNeeded,
    /// No container whose user was set mounts a volume for which an fsGroup would help.
    NothingHandedOver,
    /// Kept adds that the policy does not allow.
    KeptAdds(Vec<&'p str>),
    /// The add that was removed: the API server refuses the value beside it.
    TakenOut(&'static str),
    /// These paths got an emptyDir.
    Mounted(Vec<Cow<'p, str>>),
    /// A read-only mount stands at this path.
    ReadOnlyAt(Cow<'p, str>),
    /// This path lies below a read-only mount.
    BelowReadOnly(Cow<'p, str>),
    /// The image's entry says that it cannot run with a read-only root.
    ImageNeedsWritableRoot,
    /// The instruction of the image's entry for a read-only root.
    ForReadOnlyRoot(&'p str),
    /// The sysctl cannot be set on the host's network.
    HostNetworkPort(i64),
    /// A Windows pod that does not say `spec.os.name`.
    NoOsName,
    /// An ephemeral container's uid is that of its target.
    FollowsTarget(&'p str),
    /// No container may run as root.
    NothingIsRoot,
    /// What keeps the pod's root in the node's user namespace.
    Obstacle(Obstacle<'p>),
    /// Nothing tells that the pod uses the token it has, or would have.
    NoSignOfUse,
    /// The ServiceAccount of the pod, which is not `default`.
    Account(&'p str),
    /// The operator that makes pods of the template chooses their ServiceAccount.
    OperatorsAccount,
    /// What tells that the pod uses the API.
    UsesApi(Cow<'p, str>),
    /// This volume is the author's.
    OwnVolume(&'p str),
}
