//! A tree of files: of one layer, or of an image, where layers are merged as overlayfs does it.

mod rows;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::path;
pub(super) use rows::Row;

/// Maximum number of symbolic links on the way to a file: containerd's.
pub(super) const LINKS: usize = 255;

/// Owner and permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Permissions, with setuid, setgid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Attributes {
    /// Those of a directory that no layer states.
    const IMPLIED: Self = Self { mode: 0o755, uid: 0, gid: 0 };
}

/// What is under a name, unless it is a file of which only the name counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory(Directory),
    File(File),
    /// A symbolic link, with its target.
    Symlink(String),
    /// In a layer: what the layers below have here is removed.
    Whiteout,
}

/// A directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    /// `None` where the layer only has something below it.
    pub(super) attributes: Option<Attributes>,
    /// In a layer: what the layers below have in it is removed.
    pub(super) opaque: bool,
    pub(super) nodes: BTreeMap<String, Node>,
    /// Files of which only the name counts, and whether they can be executed: [`mark`].
    pub(super) plain: HashSet<u32>,
}

/// A regular file that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) attributes: Attributes,
    /// Capabilities without which `execve` of it fails.
    pub(super) capabilities: Vec<String>,
    pub(super) content: Content,
}

/// Content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Kept(Arc<str>),
    /// Not kept. If the layer is read again, it is found at this path.
    At(String),
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'t> {
    Directory(&'t Directory),
    File(&'t File),
    Symlink(&'t str),
    /// A file of which only the name is known, and whether it can be executed. It may be a device.
    Plain {
        executable: bool,
    },
}

impl Directory {
    /// Owner and permissions.
    pub(super) fn attributes(&self) -> Attributes {
        self.attributes.unwrap_or(Attributes::IMPLIED)
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.plain.is_empty()
    }

    /// What is at a path. Symbolic links are not followed.
    pub(super) fn get(&self, path: &str) -> Option<Found<'_>> {
        let Some((parent, name)) = path::split(path) else { return Some(Found::Directory(self)) };
        let mut directory = self;
        for part in parent.split('/').filter(|part| !part.is_empty()) {
            directory = match directory.nodes.get(part) {
                Some(Node::Directory(below)) => below,
                _ => return None,
            };
        }
        directory.child(name)
    }

    fn child(&self, name: &str) -> Option<Found<'_>> {
        match self.nodes.get(name) {
            Some(Node::Directory(directory)) => Some(Found::Directory(directory)),
            Some(Node::File(file)) => Some(Found::File(file)),
            Some(Node::Symlink(target)) => Some(Found::Symlink(target)),
            Some(Node::Whiteout) => None,
            None => [false, true]
                .into_iter()
                .find(|executable| self.plain.contains(&mark(name, *executable)))
                .map(|executable| Found::Plain { executable }),
        }
    }

    /// The path without symbolic links: none of its parents is one, nor its last name where `last`.
    /// What does not exist counts as no link. `None` if there are too many links.
    pub(super) fn resolve(&self, path: &str, last: bool) -> Option<String> {
        let mut names: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let mut done: Vec<(String, Option<&Self>)> = Vec::new();
        let mut links = 0;
        while let Some(name) = names.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => {}
            }
            let directory = done.last().map_or(Some(self), |(_, directory)| *directory);
            let node = directory.and_then(|directory| directory.nodes.get(&name));
            match node {
                Some(Node::Symlink(target)) if last || !names.is_empty() => {
                    links += 1;
                    if links > LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        done.clear();
                    }
                    names.extend(target.rsplit('/').map(str::to_owned));
                }
                Some(Node::Directory(directory)) => done.push((name, Some(directory))),
                _ => done.push((name, None)),
            }
        }
        let names: Vec<String> = done.into_iter().map(|(name, _)| name).collect();
        Some(names.join("/"))
    }

    /// What is at a path, with all symbolic links followed, and its path without them.
    pub(super) fn find(&self, path: &str) -> Option<(String, Found<'_>)> {
        let path = self.resolve(path, true)?;
        let found = self.get(&path)?;
        Some((path, found))
    }

    /// The directory at a path, made with all its parents where they are not there. `None` if one
    /// of them is something else.
    pub(super) fn make(&mut self, path: &str) -> Option<&mut Self> {
        let mut directory = self;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if !directory.nodes.contains_key(part) {
                if directory.child(part).is_some() {
                    return None;
                }
                directory.nodes.insert(part.to_owned(), Node::Directory(Self::default()));
            }
            directory = match directory.nodes.get_mut(part) {
                Some(Node::Directory(below)) => below,
                _ => return None,
            };
        }
        Some(directory)
    }

    /// Adds a file of which only the name counts, in place of what has this name.
    pub(super) fn put_plain(&mut self, name: &str, executable: bool) {
        self.remove(name);
        self.plain.insert(mark(name, executable));
    }

    /// Adds a node, in place of what has this name.
    pub(super) fn put(&mut self, name: &str, node: Node) {
        self.remove(name);
        self.nodes.insert(name.to_owned(), node);
    }

    fn remove(&mut self, name: &str) {
        self.nodes.remove(name);
        self.plain.remove(&mark(name, false));
        self.plain.remove(&mark(name, true));
    }

    /// Puts a layer on top of this tree, as overlayfs does: it merges the roots of all layers,
    /// whatever they say.
    pub(super) fn overlay(&mut self, mut layer: Self) {
        layer.opaque = false;
        layer.inherit("", self);
        self.merge(layer);
    }

    /// A directory that a layer does not state gets what the one below has. A symbolic link below is
    /// followed for that, and replaced all the same (containerd's `mkparent`).
    fn inherit(&mut self, at: &str, below: &Self) {
        if self.attributes.is_none()
            && let Some((_, Found::Directory(directory))) = below.find(at)
        {
            self.attributes = directory.attributes;
        }
        for (name, node) in &mut self.nodes {
            if let Node::Directory(directory) = node {
                directory.inherit(&path::join(at, name), below);
            }
        }
    }

    fn merge(&mut self, layer: Self) {
        let Self { attributes, opaque, nodes, plain } = layer;
        if opaque {
            self.nodes.clear();
            self.plain.clear();
        }
        self.attributes = attributes;
        if !plain.is_empty() {
            let covered = |name: &str| {
                plain.contains(&mark(name, false)) || plain.contains(&mark(name, true))
            };
            self.nodes.retain(|name, _| !covered(name));
            // A file that is replaced may be executable no more.
            self.plain.retain(|mark| !plain.contains(&(mark ^ 1)));
            self.plain.extend(plain);
        }
        for (name, node) in nodes {
            match (self.nodes.get_mut(&name), node) {
                (Some(Node::Directory(below)), Node::Directory(above)) => below.merge(above),
                (_, Node::Directory(above)) => {
                    let mut directory = Self::default();
                    directory.merge(above);
                    self.put(&name, Node::Directory(directory));
                }
                (_, Node::Whiteout) => self.remove(&name),
                (_, node) => self.put(&name, node),
            }
        }
    }
}

/// A file's name as a number: FNV-1a, its last bit being whether the file can be executed. Two
/// names with one number make a directory count as one file fuller or emptier, and no more.
pub(super) fn mark(name: &str, executable: bool) -> u32 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash & !1) | u32::from(executable)
}
