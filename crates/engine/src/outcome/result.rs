//! The results of a rule, and the reasons why one leaves something alone.

/// The six results of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleResult {
    /// It was unset and is set.
    Set,
    /// It was weaker and is replaced.
    Replaced,
    /// It is weaker, explicit, and respected; or the rule only warns.
    Kept,
    /// It is at least as strong as the rule wants.
    Compliant,
    /// An exemption is in force.
    Exempt,
    /// The rule would certainly break the container, or cannot reach it.
    Skipped(Skip),
}

impl RuleResult {
    /// Every word that [`RuleResult::as_str`] can return.
    pub const WORDS: [&str; 6] = ["set", "replaced", "kept", "compliant", "exempt", "skipped"];

    /// The result as a word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.get(self.index()).copied().unwrap_or_default()
    }

    /// Index of its word in [`RuleResult::WORDS`].
    pub fn index(self) -> usize {
        match self {
            Self::Set => 0,
            Self::Replaced => 1,
            Self::Kept => 2,
            Self::Compliant => 3,
            Self::Exempt => 4,
            Self::Skipped(_) => 5,
        }
    }

    /// Whether the result changes the pod.
    pub fn changes(self) -> bool {
        matches!(self, Self::Set | Self::Replaced)
    }
}

/// The closed list of reasons why a rule leaves something alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The API server's mirror of a static pod: changing it changes nothing.
    Mirror,
    /// A pod for Windows nodes.
    Windows,
    /// A privileged container: a uid or dropped capabilities would break what it was
    /// made privileged for.
    Privileged,
    /// An exemption reaches further than the rule it names.
    Exempt,
    /// An ephemeral container can have no mounts of its own and no read-only root.
    Ephemeral,
    /// The author relies on the image's user (`runAsNonRoot: true` without a uid).
    ImageUser,
    /// An fsGroup would widen the mode of a file that a container mounts which stays
    /// root or keeps its own uid.
    NarrowMode,
    /// Root in a user namespace is not root on the node, and not every uid exists there.
    UserNamespace,
    /// The API server refuses `allowPrivilegeEscalation: false` beside `CAP_SYS_ADMIN`.
    CapSysAdmin,
    /// Dropping ALL beside a kept `add: [ALL]` would leave nothing.
    AddAll,
    /// A writable path lies below a read-only mount.
    PathUnavailable,
    /// The image cannot run with a read-only root, by the policy's entry for it.
    ImageNeedsWritableRoot,
    /// The container was added after ironhull had set the pod-level user.
    InjectedAfter,
    /// Something in the pod does not work in a user namespace of its own.
    NeedsHostUsers,
    /// Nobody knows whether the ids of a volume's files can be mapped into a user namespace.
    UnknownVolume,
    /// The pod has a ServiceAccount of its own, which is a sign of use.
    OwnServiceAccount,
    /// The pod uses the Kubernetes API, or something in it does.
    UsesApi,
    /// The author mounts a token, or something in its place.
    OwnToken,
    /// The pod could not be read.
    Unreadable,
    /// The object exceeds what is reviewed.
    TooLarge,
}

impl Skip {
    /// Every reason.
    pub const ALL: [Self; 20] = [
        Self::Mirror,
        Self::Windows,
        Self::Privileged,
        Self::Exempt,
        Self::Ephemeral,
        Self::ImageUser,
        Self::NarrowMode,
        Self::UserNamespace,
        Self::CapSysAdmin,
        Self::AddAll,
        Self::PathUnavailable,
        Self::ImageNeedsWritableRoot,
        Self::InjectedAfter,
        Self::NeedsHostUsers,
        Self::UnknownVolume,
        Self::OwnServiceAccount,
        Self::UsesApi,
        Self::OwnToken,
        Self::Unreadable,
        Self::TooLarge,
    ];

    /// The name used in outcomes, metrics and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Windows => "windows",
            Self::Privileged => "privileged",
            Self::Exempt => "exempt",
            Self::Ephemeral => "ephemeral",
            Self::ImageUser => "imageUser",
            Self::NarrowMode => "narrowMode",
            Self::UserNamespace => "userNamespace",
            Self::CapSysAdmin => "capSysAdmin",
            Self::AddAll => "addAll",
            Self::PathUnavailable => "pathUnavailable",
            Self::ImageNeedsWritableRoot => "imageNeedsWritableRoot",
            Self::InjectedAfter => "injectedAfter",
            Self::NeedsHostUsers => "needsHostUsers",
            Self::UnknownVolume => "unknownVolume",
            Self::OwnServiceAccount => "ownServiceAccount",
            Self::UsesApi => "usesApi",
            Self::OwnToken => "ownToken",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "tooLarge",
        }
    }
}
