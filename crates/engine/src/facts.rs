//! What an image is: who it runs as, what it may write, what it is started with.
//!
//! Facts are read from an image once and kept as documents of `kind: ImageFacts`, beside policies.
//! They inform rules and never make one stronger or weaker.

mod table;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use table::without_group;
pub use table::{By, FactTable, Found, Known, OwnUser, Program};

/// `kind` of a document of facts.
pub const KIND: &str = "ImageFacts";

/// The facts of one image, as an entry of an `ImageFacts` document. What is not known is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageFacts {
    /// The image's full name: registry, path and tag, or a digest if it is known by that alone.
    pub image: String,
    /// `sha256:` and 64 hexadecimal digits: what the name meant when the image was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The platforms these facts hold for, `os/architecture[/variant]`; left out if unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Where the facts are from; left out if from the whole image.
    #[serde(default, skip_serializing_if = "Origin::is_image")]
    pub from: Origin,
    /// The user in the image's configuration, verbatim; absent means root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The uid as a container runtime resolves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The gid as a container runtime resolves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// All groups of the user, ascending: its own, and those that list it in the image's
    /// `/etc/group`. It is left out if unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// Why a runtime cannot start the image as its own user, such as a name without an entry in
    /// `/etc/passwd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable_user: Option<String>,
    /// The user's home directory, by the image's `/etc/passwd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// `ENTRYPOINT`; left out if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// `CMD`; left out if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// `WORKDIR`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// `EXPOSE`: `3000/tcp`. It is left out if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// `VOLUME`; left out if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// The topmost directories outside volumes that a user other than root may write, 64 at most;
    /// left out if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<WritableDirectory>,
    /// Directories with content that an emptyDir at a customary writable path would hide; left out if
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
    /// Capabilities without which `execve` of a program fails, by its path: those of its file, where
    /// they are effective at once (capabilities(7)). A program whose file has them merely permitted
    /// starts without, and is not here. It is left out if there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub file_capabilities: BTreeMap<String, Vec<String>>,
    /// Programs that are setuid or setgid, whoever their owner. Under
    /// `allowPrivilegeEscalation: false` they run as their caller. It is left out if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setuid: Vec<String>,
    /// What the script behind the entrypoint asks for; left out if nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Whether `needs` is all that the image asks for when it is started as it is: every program that
    /// its entrypoint runs is known. It is left out if not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recognised: bool,
}

/// Where facts are from; what tells most comes first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The image's configuration and its layers: what is not stated is not so.
    #[default]
    Image,
    /// The image's configuration alone: nothing is known of files.
    Configuration,
    /// A running container's `status.containerStatuses[].user.linux`: only the user is known.
    Pod,
}

impl Origin {
    /// Whether the facts are from the whole image.
    pub fn is_image(&self) -> bool {
        *self == Self::Image
    }
}

/// A directory that the image's user may write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct WritableDirectory {
    /// Its path.
    pub path: String,
    /// Whether the image has nothing in it.
    pub empty: bool,
}

/// Something a script of the image does that a user other than root, or a read-only root file
/// system, may not allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The script's path.
    pub by: String,
    /// The path whose owner it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chown: Option<String>,
    /// The command with which it becomes another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setuid: Option<String>,
    /// The path it writes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    /// The port below 1024 it binds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether the script asks for it only where it runs as root; left out if not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub only_as_root: bool,
    /// Whether the script goes on without it; left out if not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}
