//! The engine's conclusions about a pod.
//!
//! The outcome is data: a patch, and for each rule and container a result with the previous
//! value and the reason. Its wording for people is in [`say`].

mod note;
mod obstacle;
mod result;
pub mod say;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;

use crate::exemption::{Exemption, Void};
use crate::patch::Patch;
use crate::pod::ContainerKind;
use crate::rule::RuleName;

pub use note::Note;
pub use obstacle::{Obstacle, PRIVILEGED};
pub use result::{RuleResult, Skip};

/// The conclusion: what to change, and everything to report.
#[derive(Clone, Debug, Default)]
pub struct Outcome<'p> {
    /// The RFC 6902 operations; empty if nothing changes.
    pub patch: Patch,
    /// The examined containers. A [`Subject::Container`] is an index into this list.
    pub containers: Vec<Looked<'p>>,
    /// One finding per rule that is not `off` and per subject it examined, ordered by rule and
    /// then by container.
    pub findings: Vec<Finding<'p>>,
    /// The exemptions in force.
    pub exemptions: Vec<Exemption<'p>>,
    /// Declarations that exempt nothing.
    pub void: Vec<Void<'p>>,
    /// The reason why the whole pod was left alone.
    pub left_alone: Option<Skip>,
    /// Remarks that belong to no rule.
    pub remarks: Vec<Remark<'p>>,
}

/// An examined container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked<'p> {
    /// Its name.
    pub name: &'p str,
    /// Its kind.
    pub kind: ContainerKind,
    /// The `reason` in the policy's entry for its image.
    pub entry_reason: Option<&'p str>,
}

/// One rule's conclusion about one container, or about the pod.
#[derive(Clone, Debug)]
pub struct Finding<'p> {
    /// The rule.
    pub rule: RuleName,
    /// The examined pod or container.
    pub subject: Subject,
    /// The conclusion.
    pub result: RuleResult,
    /// The effective value before.
    pub was: Option<Value<'p>>,
    /// The effective value after, where ironhull set or replaced it.
    pub now: Option<Value<'p>>,
    /// The level that holds the new value.
    pub level: Option<Level>,
    /// The reason, where the result alone does not tell.
    pub note: Option<Note<'p>>,
}

impl<'p> Finding<'p> {
    /// A finding without value and note.
    #[inline]
    pub fn new(rule: RuleName, subject: Subject, result: RuleResult) -> Self {
        Self { rule, subject, result, was: None, now: None, level: None, note: None }
    }

    /// Adds the value before.
    #[inline]
    #[must_use]
    pub fn was(mut self, was: Option<Value<'p>>) -> Self {
        self.was = was;
        self
    }

    /// Adds the value after and the level that holds it.
    #[inline]
    #[must_use]
    pub fn now(mut self, now: Value<'p>, level: Level) -> Self {
        self.now = Some(now);
        self.level = Some(level);
        self
    }

    /// Adds a note.
    #[inline]
    #[must_use]
    pub fn note(mut self, note: Option<Note<'p>>) -> Self {
        self.note = note;
        self
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The pod level by itself.
    Pod,
    /// The container with this index in [`Outcome::containers`].
    Container(usize),
}

/// The level of a field that exists at both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// `spec.securityContext`
    Pod,
    /// The container's own `securityContext`.
    Container,
}

/// A field's value, as findings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'p> {
    /// `true`, `false`
    Bool(bool),
    /// A uid, a gid, a mode.
    Id(i64),
    /// A word.
    Text(Cow<'p, str>),
    /// A list of words.
    List(Vec<Cow<'p, str>>),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Id(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    f.write_str(value)?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => value.serialize(serializer),
            Self::Id(value) => value.serialize(serializer),
            Self::Text(value) => value.serialize(serializer),
            Self::List(values) => values.serialize(serializer),
        }
    }
}

/// Something to report that is no rule's finding. [`Remark::is_warning`] tells which remarks
/// the requester should see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark<'p> {
    /// One of ironhull's annotations was left out: all annotations together may hold 256 KiB.
    AnnotationsFull,
    /// Names of the fields that Pod Security *restricted* refuses and no rule fixes.
    Remains(Vec<&'p str>),
    /// `windowsOptions` in a pod that may run on Linux nodes, where nothing reads them.
    WindowsOptions,
    /// A volume holds a script that its new user cannot execute.
    NotExecutable {
        /// The container.
        container: &'p str,
        /// The volume.
        volume: &'p str,
        /// The mode of the file.
        mode: i64,
    },
    /// The new fsGroup changes files on storage that is mounted by a container which keeps its
    /// user.
    StorageWidened {
        /// The container.
        container: &'p str,
        /// The volume.
        volume: &'p str,
    },
    /// The new fsGroup makes files group-readable that only a root container could read.
    FilesWidened {
        /// The container.
        container: &'p str,
        /// The volume.
        volume: &'p str,
    },
    /// A container with a new user mounts storage, and there is no fsGroup.
    NotHandedOver {
        /// The container.
        container: &'p str,
        /// The volume.
        volume: &'p str,
        /// Its new uid.
        uid: i64,
    },
    /// A container with a new user mounts files that others may not use, and there is no
    /// fsGroup.
    NotReadable {
        /// The container.
        container: &'p str,
        /// The volume.
        volume: &'p str,
        /// Its new uid.
        uid: i64,
    },
    /// A container with a new user has a block device.
    Device {
        /// The container.
        container: &'p str,
        /// Path of the device in the container.
        path: &'p str,
        /// Its new uid.
        uid: i64,
    },
    /// Two containers share their processes and run as different users.
    NoSignals {
        /// The one with a new user.
        container: &'p str,
        /// The one with another user.
        other: &'p str,
    },
    /// An emptyDir hides what the image has at these paths.
    Hides {
        /// The container.
        container: &'p str,
        /// The paths.
        paths: Vec<&'p str>,
    },
    /// The container will run as its image's own user, who may write to these directories; they have
    /// content, so that no emptyDir can stand in for them.
    WritesItsImage {
        /// The container.
        container: &'p str,
        /// The directories.
        paths: Vec<&'p str>,
    },
    /// The image's `/etc/group` puts the container's user into groups that the pod does not name.
    ImageGroups {
        /// The container.
        container: &'p str,
        /// The groups, ascending.
        gids: Vec<i64>,
    },
    /// A path that was asked for with the image's content gets no emptyDir.
    NotSeeded {
        /// The container.
        container: &'p str,
        /// The path.
        path: Cow<'p, str>,
        /// Why.
        why: NotSeeded,
    },
    /// The container lacks what its image's entry requires.
    Requires {
        /// The container.
        container: &'p str,
        /// What to do.
        say: &'p str,
        /// Whether it is known to lack it; else the manifest does not tell.
        known: bool,
    },
}

/// Why a path is not seeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSeeded {
    /// Nobody has said what ironhull's own image is.
    UnknownImage,
    /// The container names no image, as in the template of something that sets it later.
    NoImage,
    /// A mount of the author's covers the path.
    Mounted,
    /// The container may run as root, and the copy would have to be made as root.
    Root,
    /// ironhull's own mounts stand there.
    OwnPath,
    /// The pod is for Windows.
    Windows,
}

impl Remark<'_> {
    /// Whether the remark is certain enough for a warning.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Requires { known, .. } => *known,
            // Others than root's are an image's own matter.
            Self::ImageGroups { gids, .. } => gids.contains(&0),
            _ => true,
        }
    }
}

impl<'p> Outcome<'p> {
    /// Whether the pod is changed.
    pub fn changes(&self) -> bool {
        !self.patch.is_empty()
    }

    /// The name of a finding's subject: `pod`, or the container's.
    pub fn subject_name(&self, subject: Subject) -> &'p str {
        match subject {
            Subject::Pod => "pod",
            Subject::Container(index) => {
                self.containers.get(index).map_or("", |looked| looked.name)
            }
        }
    }
}
