//! What a tree of files tells: what a user may write, what is in the way of mounts, which programs
//! have privileges.

use std::collections::{BTreeMap, BTreeSet};

use super::path;
use super::tree::{Attributes, Directory, Found, Node};
use super::users::User;
use crate::facts::WritableDirectory;
use crate::policy::Policy;
use crate::text::is_deceptive;

/// Maximum number of entries of each list. An image with more is not told apart by them.
const LONGEST: usize = 64;

/// Directories that a container runtime mounts something at, or that everybody may write.
const CUSTOMARY: [&str; 4] = ["tmp", "proc", "sys", "dev"];

/// The topmost directories outside of volumes that the user may write. Empty for root, who may
/// write everywhere.
pub(super) fn writable(
    tree: &Directory,
    user: &User,
    volumes: &BTreeSet<String>,
) -> Vec<WritableDirectory> {
    let mut found = Vec::new();
    if user.uid != 0 {
        below(tree, "", user, volumes, &mut found);
    }
    found.truncate(LONGEST);
    found
}

fn below(
    directory: &Directory,
    at: &str,
    user: &User,
    volumes: &BTreeSet<String>,
    found: &mut Vec<WritableDirectory>,
) {
    const WRITE_AND_SEARCH: u32 = 0o3;
    const SEARCH: u32 = 0o1;
    if !may(directory.attributes(), user, SEARCH) || found.len() > LONGEST {
        return;
    }
    for (name, node) in &directory.nodes {
        let Node::Directory(directory) = node else { continue };
        if is_untold(name) {
            continue;
        }
        let at = path::join(at, name);
        if CUSTOMARY.contains(&at.as_str()) || volumes.contains(&at) {
            continue;
        }
        if may(directory.attributes(), user, WRITE_AND_SEARCH) {
            let empty = directory.is_empty();
            found.push(WritableDirectory { path: path::absolute(&at), empty });
        } else {
            below(directory, &at, user, volumes, found);
        }
    }
}

/// Whether a name is not told of: what would break a line, or look like another one, is nobody's to
/// mount, and nobody starts it.
fn is_untold(name: &str) -> bool {
    name.chars().any(is_deceptive)
}

/// Whether the user has these of the permissions 4, 2 and 1. The owner's count for the owner alone,
/// even where the group has more.
fn may(attributes: Attributes, user: &User, wanted: u32) -> bool {
    let Attributes { mode, uid, gid } = attributes;
    let bits = if uid == user.uid {
        mode >> 6
    } else if gid == user.gid || user.groups.contains(&gid) {
        mode >> 3
    } else {
        mode
    };
    bits & wanted == wanted
}

/// Directories with content, among those that ironhull may mount an emptyDir at.
pub(super) fn hidden(tree: &Directory, volumes: &BTreeSet<String>) -> Vec<String> {
    let has_content = |at: &&String| {
        let at = path::clean(at);
        let found =
            tree.find(&at).filter(|(real, _)| !volumes.contains(&at) && !volumes.contains(real));
        matches!(found, Some((_, Found::Directory(directory))) if !directory.is_empty())
    };
    mount_points().iter().filter(has_content).cloned().collect()
}

/// Where ironhull mounts an emptyDir by its own policy or its list of known images, and where people
/// do.
fn mount_points() -> BTreeSet<String> {
    let policy = Policy::restricted();
    let own = policy.rules.read_only_root_filesystem.writable_paths.iter();
    let known = policy.images.known().into_iter().flat_map(|table| table.entries());
    let of_entries = policy.images.entries().iter().chain(known);
    let of_entries = of_entries.flat_map(|entry| entry.writable_paths.iter().flatten());
    let customary = ["/tmp", "/var/tmp", "/run", "/var/run", "/var/cache", "/var/log"];
    let customary = customary.into_iter().map(str::to_owned);
    own.chain(of_entries).map(|it| it.path.as_str().to_owned()).chain(customary).collect()
}

/// Programs with privileges of their own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Privileged {
    /// Capabilities without which `execve` fails, by path.
    pub(super) capabilities: BTreeMap<String, Vec<String>>,
    /// Programs that are setuid or setgid.
    pub(super) setuid: Vec<String>,
}

/// Finds the programs with privileges of their own.
pub(super) fn privileged(tree: &Directory) -> Privileged {
    let mut found = Privileged::default();
    collect(tree, "", &mut found);
    found
}

fn collect(directory: &Directory, at: &str, found: &mut Privileged) {
    for (name, node) in directory.nodes.iter().filter(|(name, _)| !is_untold(name)) {
        match node {
            Node::Directory(directory) => collect(directory, &path::join(at, name), found),
            Node::File(file) => {
                let at = path::absolute(&path::join(at, name));
                let mode = file.attributes.mode;
                // Without the right to execute, setgid once meant mandatory locking.
                let setuid = mode & 0o4000 != 0 && mode & 0o111 != 0;
                let setgid = mode & 0o2000 != 0 && mode & 0o010 != 0;
                if (setuid || setgid) && found.setuid.len() < LONGEST {
                    found.setuid.push(at.clone());
                }
                if !file.capabilities.is_empty() && found.capabilities.len() < LONGEST {
                    found.capabilities.insert(at, file.capabilities.clone());
                }
            }
            Node::Symlink(_) | Node::Whiteout => {}
        }
    }
}

#[cfg(test)]
mod tests;
