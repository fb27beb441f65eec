//! The wording of notes and remarks.

use std::fmt;

use super::{MAX_WARNING, MAX_WORD, skip_reason};
use crate::facts::{By, Origin, without_group};
use crate::outcome::{NotSeeded, Note, Obstacle, Remark, Skip};
use crate::rule::RuleName;
use crate::text::printable;

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |text: &str| printable(text, MAX_WORD).into_owned();
        match self {
            Self::OnlyWarns => f.write_str("the policy only warns"),
            Self::KeptRoot => f.write_str("root is set explicitly, and the policy only fills"),
            Self::NonRootInFact => f.write_str("its uid is above 0"),
            Self::RefusedFalse => {
                f.write_str("Pod Security restricted refuses it, and the policy only fills")
            }
            Self::ImageIsRoot => f.write_str(
                "the kubelet will refuse it (\"image will run as root\"): set runAsUser",
            ),
            Self::EntryTrustsImage => f.write_str("the policy trusts the image's own user"),
            Self::FromEntry => f.write_str("the policy knows the image"),
            Self::OwnUser { name, uid, from, by } => {
                let number = uid.to_string();
                match name {
                    Some(name) if without_group(name) != number => {
                        write!(f, "the image's user is {} ({uid})", word(name))?;
                    }
                    _ => write!(f, "the image's user is {uid}")?,
                }
                match (by, from) {
                    (By::Repository, _) => f.write_str(", as in other tags of it"),
                    (_, Origin::Pod) => f.write_str(", as a running pod shows"),
                    _ => Ok(()),
                }
            }
            Self::MadeForRoot(uid) => write!(f, "its image is root, and runs as {uid} now"),
            Self::UnusableUser(name) => {
                write!(f, "its image has no user {}: set runAsUser", word(name))
            }
            Self::FollowsContainer(name) => write!(f, "as container {}", word(name)),
            Self::FollowsTarget(name) => write!(f, "as its target {}", word(name)),
            Self::SetBeforeIt(uid) => {
                write!(f, "added after ironhull set the pod's uid {uid}: give it its own runAsUser")
            }
            Self::InheritedBy(name) => write!(f, "container {} inherits it", word(name)),
            Self::BeyondUserNamespace(id) => {
                write!(f, "id {id} does not exist in a user namespace (65536 ids)")
            }
            Self::RootNeedsMore => f.write_str("root needs an exemption from runAsNonRoot"),
            Self::NarrowFile { container, volume } => {
                write!(
                    f,
                    "{} keeps its user and mounts volume {}, which others cannot read",
                    word(container),
                    word(volume)
                )
            }
            Self::EntryWantsNone => f.write_str("the policy sets none for the image"),
            Self::NotNeeded => f.write_str("no container's uid is set"),
            Self::NothingHandedOver => {
                f.write_str("no container with a new uid needs it for a volume")
            }
            Self::TakenOut(name) => {
                write!(f, "{name} removed from add: write {}", name.trim_start_matches("CAP_"))
            }
            Self::KeptAdds(adds) => write!(f, "{} kept in add", word(&adds.join(", "))),
            Self::Mounted(paths) => write!(f, "emptyDir at {}", word(&paths.join(", "))),
            Self::ReadOnlyAt(path) => write!(f, "the mount at {} is read-only", word(path)),
            Self::BelowReadOnly(path) => write!(f, "{} is below a read-only mount", word(path)),
            Self::ImageNeedsWritableRoot => f.write_str(skip_reason(
                Skip::ImageNeedsWritableRoot,
                RuleName::ReadOnlyRootFilesystem,
            )),
            Self::ForReadOnlyRoot(say) => f.write_str(&printable(say, MAX_WARNING)),
            Self::HostNetworkPort(port) => {
                write!(f, "port {port} cannot be bound as non-root on the host's network")
            }
            Self::NothingIsRoot => f.write_str("no container starts as root"),
            Self::Obstacle(obstacle) => obstacle.fmt(f),
            Self::NoSignOfUse => f.write_str("no use seen: automountServiceAccountToken: false"),
            Self::Account(name) => f.write_str(&word(name)),
            Self::OperatorsAccount => f.write_str("its kind's operator may choose one"),
            Self::UsesApi(sign) => f.write_str(&word(sign)),
            Self::OwnVolume(name) => write!(f, "volume {}", word(name)),
            Self::NoOsName => f.write_str(
                "Windows without spec.os.name: windows, which Pod Security restricted requires",
            ),
        }
    }
}

impl fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |text: &str| printable(text, MAX_WORD).into_owned();
        match self {
            Self::Field(name) => write!(f, "the pod has {name}"),
            Self::RuntimeClass(name) => write!(f, "the pod has runtimeClassName {}", word(name)),
            Self::OfContainer { container, field } => {
                write!(f, "container {} has {field}", word(container))
            }
            Self::Capability { container, name } => {
                write!(f, "container {} adds {}", word(container), word(name))
            }
            Self::Program { container, program } => {
                write!(f, "container {} runs {program}", word(container))
            }
            Self::Device { container, resource } => {
                write!(f, "container {} has {}", word(container), word(resource))
            }
            Self::Id(id) => Note::BeyondUserNamespace(*id).fmt(f),
            Self::Sysctl(name) => write!(f, "the pod sets {}", word(name)),
            Self::Volume { name, kind } => {
                write!(f, "volume {} ({}) has no idmapped mounts", word(name), word(kind))
            }
            Self::UnknownVolume { name, kind } => {
                write!(f, "volume {} ({}) may have no idmapped mounts", word(name), word(kind))
            }
        }
    }
}

impl fmt::Display for Remark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |text: &str| printable(text, MAX_WORD).into_owned();
        match self {
            Self::AnnotationsFull => {
                f.write_str("an annotation was left out: the pod's annotations would exceed 256 KiB")
            }
            Self::Remains(fields) => {
                write!(f, "Pod Security restricted would still refuse: {}", fields.join(", "))
            }
            Self::WindowsOptions => f.write_str(
                "hardened as a Linux pod, despite windowsOptions: for Windows, set spec.os.name: windows",
            ),
            Self::Requires { container, say, known } => {
                let unless = if *known { "" } else { "unless already so: " };
                write!(f, "{}: {unless}{}", word(container), printable(say, MAX_WARNING))
            }
            Self::NotExecutable { container, volume, mode } => write!(
                f,
                "{}: files of mode {mode:04o} in volume {} cannot be executed by its user",
                word(container),
                word(volume)
            ),
            Self::StorageWidened { container, volume } => write!(
                f,
                "{}: keeps its user, and fsGroup makes all files of volume {} group-writable",
                word(container),
                word(volume)
            ),
            Self::FilesWidened { container, volume } => write!(
                f,
                "{}: fsGroup makes volume {} group-readable; ssh as root refuses such a key",
                word(container),
                word(volume)
            ),
            Self::NotHandedOver { container, volume, uid } => write!(
                f,
                "{}: uid {uid} may not write to volume {} without an fsGroup: set one if the volume is new",
                word(container),
                word(volume)
            ),
            Self::NotReadable { container, volume, uid } => write!(
                f,
                "{}: uid {uid} cannot use the files of volume {} without an fsGroup",
                word(container),
                word(volume)
            ),
            Self::Device { container, path, uid } => write!(
                f,
                "{}: uid {uid} may be unable to open {}: devices belong to root unless the runtime changes that",
                word(container),
                word(path)
            ),
            Self::Hides { container, paths } => write!(
                f,
                "{}: its emptyDir hides what the image has at {}",
                word(container),
                word(&paths.join(", "))
            ),
            Self::WritesItsImage { container, paths } => write!(
                f,
                "{}: its image lets it write to {}, which is read-only now",
                word(container),
                word(&paths.join(", "))
            ),
            Self::ImageGroups { container, gids } => {
                let groups = if gids.len() == 1 { "group" } else { "groups" };
                let gids: Vec<String> = gids.iter().map(i64::to_string).collect();
                write!(
                    f,
                    "{}: its image adds it to {groups} {}: supplementalGroupsPolicy: Strict would not",
                    word(container),
                    word(&gids.join(", "))
                )
            }
            Self::NotSeeded { container, path, why } => {
                write!(f, "{}: {} is not seeded: {why}", word(container), word(path))
            }
            Self::NoSignals { container, other } => write!(
                f,
                "{} and {} share processes as different users: signals between them fail",
                word(container),
                word(other)
            ),
        }
    }
}

impl fmt::Display for NotSeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownImage => "ironhull's image is not known (--seed-image)",
            Self::NoImage => "the container names no image",
            Self::Mounted => "a mount covers it",
            Self::Root => "the container may run as root",
            Self::OwnPath => "ironhull's own mounts stand there",
            Self::Windows => "the pod is for Windows",
        })
    }
}
