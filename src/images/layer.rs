//! What a layer adds and removes: a tar archive read once, and kept as what facts are made of.
//!
//! A layer is unpacked into a directory of its own, as containerd does for overlayfs
//! (`pkg/archive/tar.go` with `OverlayConvertWhiteout`): symbolic links lead within the layer, and
//! other layers come in only when the trees are merged. Of most files only a hash of the name is
//! kept. That tells whether a directory is empty, and takes four bytes.

use std::collections::BTreeSet;
use std::io::Read;

use super::capabilities;
use super::error::ImageError;
use super::limits::Limits;
use super::path;
use super::tar::{Archive, Header, Kind};
use super::tree::{Attributes, Content, Directory, File, Found, Node};
use crate::text;

/// Beginning of a name that removes what the layers below have under the rest of it.
const WHITEOUT: &str = ".wh.";
/// The name that removes all that the layers below have in this directory.
const OPAQUE: &str = ".wh..wh..opq";
/// Maximum size of a script that is kept, in bytes: the official images' entrypoints have up to 20 KiB.
const SCRIPT: u64 = 64 << 10;
/// Maximum size of all scripts of a layer that are kept because they may be an entrypoint, in bytes.
const SCRIPTS: u64 = 4 << 20;
/// Maximum size of a file that is wanted, in bytes. containerd reads 10 MiB of a user database; none
/// has more than some KiB.
const WANTED: u64 = 1 << 20;
/// Maximum length of a path and of each name in it, in bytes: Linux', and containerd's own directory
/// stands before the path.
const PATH: usize = 4000;
const NAME: usize = 255;
/// Maximum depth of a tree. What goes through it calls itself.
const DEPTH: usize = 400;
/// Bytes that a node takes besides its names, about.
const NODE: usize = 128;
/// Bytes that a plain file takes, about.
const PLAIN: usize = 8;

/// Files whose content is always wanted.
pub(super) const PASSWD: &str = "etc/passwd";
pub(super) const GROUP: &str = "etc/group";

/// What is kept of a layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) root: Directory,
    /// Paths whose content was asked for when it was read.
    pub(super) asked: BTreeSet<String>,
    /// Bytes that it takes in memory, about.
    pub(super) weight: usize,
}

impl Layer {
    /// Whether reading the layer again would tell the content of one of these paths.
    pub(super) fn lacks(&self, wanted: &BTreeSet<String>) -> bool {
        wanted.difference(&self.asked).any(|path| match self.root.get(path) {
            Some(Found::Plain { .. }) => true,
            Some(Found::File(file)) => matches!(file.content, Content::At(_)),
            _ => false,
        })
    }
}

/// Reads a layer. `wanted` are paths whose content is kept, whatever they are.
///
/// # Errors
/// When the archive is damaged, has what no container runtime unpacks, or passes a limit.
pub(super) fn read(
    archive: impl Read,
    wanted: &BTreeSet<String>,
    limits: &Limits,
) -> Result<Layer, ImageError> {
    let mut archive = Archive::new(archive);
    let mut layer = Reading {
        root: Directory::default(),
        wanted,
        names: limits.names,
        entries: limits.entries,
        scripts: SCRIPTS,
    };
    while let Some(header) = archive.next()? {
        layer.add(&header, &mut archive).map_err(|error| error.at(text::quoted(&header.name)))?;
    }
    let plain = usize::try_from(limits.entries - layer.entries).unwrap_or(usize::MAX);
    let scripts = usize::try_from(SCRIPTS - layer.scripts).unwrap_or(usize::MAX);
    let weight = (limits.names - layer.names) + scripts + plain.saturating_mul(PLAIN);
    Ok(Layer { root: layer.root, asked: wanted.clone(), weight })
}

/// Whether an executable file at this path is looked at, since it may be an entrypoint.
pub(super) fn is_script_place(place: &str) -> bool {
    path::split(place).is_some_and(|(parent, name)| {
        parent.is_empty()
            || matches!(parent.rsplit('/').next(), Some("bin" | "sbin"))
            || name.ends_with(".sh")
            || name.contains("entrypoint")
    })
}

struct Reading<'w> {
    root: Directory,
    wanted: &'w BTreeSet<String>,
    /// Bytes of names that may still be kept.
    names: usize,
    /// Entries that may still come.
    entries: u64,
    /// Bytes of scripts that may still be kept.
    scripts: u64,
}

/// What an entry adds under its name.
enum New {
    Node(Node),
    /// The directory above becomes opaque.
    Opaque,
    /// What was here is gone, in this layer and those below.
    Removed,
    Plain {
        executable: bool,
    },
}

impl Reading<'_> {
    fn add<R: Read>(
        &mut self,
        header: &Header,
        archive: &mut Archive<R>,
    ) -> Result<(), ImageError> {
        let too_many = || ImageError::too_large("the layer has more entries than any image needs");
        self.entries = self.entries.checked_sub(1).ok_or_else(too_many)?;
        if header.kind == Kind::Global {
            return Ok(());
        }
        let cleaned = path::clean(&header.name);
        // The root's own entry is ignored, as containerd ignores it.
        let Some((parent, name)) = path::split(&cleaned) else { return Ok(()) };
        let parent = self.root.resolve(parent, true).ok_or_else(too_many_links)?;
        let place = path::join(&parent, name);
        let deep = place.bytes().filter(|byte| *byte == b'/').count() > DEPTH;
        if deep || place.len() > PATH || name.len() > NAME || header.link.len() > PATH {
            return Err(ImageError::bad("the path is longer than Linux allows"));
        }
        let new = self.new_node(header, &place, name, archive)?;
        let made = matches!(new, New::Plain { .. }) && self.root.get(&parent).is_some();
        if !made {
            let too_many =
                || ImageError::too_large("the layer has more names than any image needs");
            // Parents that no entry states are made with it, hence the whole path.
            let cost = NODE + place.len() + header.link.len();
            self.names = self.names.checked_sub(cost).ok_or_else(too_many)?;
        }
        let directory = self.root.make(&parent);
        let directory = directory.ok_or_else(|| ImageError::bad("it is below a file"))?;
        put(directory, name, new);
        Ok(())
    }

    fn new_node<R: Read>(
        &mut self,
        header: &Header,
        place: &str,
        name: &str,
        archive: &mut Archive<R>,
    ) -> Result<New, ImageError> {
        if name == OPAQUE {
            return Ok(New::Opaque);
        }
        if let Some(removed) = name.strip_prefix(WHITEOUT) {
            return match removed {
                "" | "." | ".." => Err(ImageError::bad("it removes what has no name")),
                _ => Ok(New::Node(Node::Whiteout)),
            };
        }
        let Header { mode, uid, gid, .. } = *header;
        let attributes = Attributes { mode, uid, gid };
        Ok(match header.kind {
            Kind::Directory => New::Node(Node::Directory(Directory {
                attributes: Some(attributes),
                ..Directory::default()
            })),
            Kind::Symlink => New::Node(Node::Symlink(header.link.clone())),
            Kind::File => self.file(header, attributes, place, archive)?,
            Kind::Link => self.link(header, attributes, place)?,
            Kind::Removed => New::Removed,
            Kind::Special | Kind::Global => New::Plain { executable: false },
        })
    }

    fn file<R: Read>(
        &mut self,
        header: &Header,
        attributes: Attributes,
        place: &str,
        archive: &mut Archive<R>,
    ) -> Result<New, ImageError> {
        let capabilities = header.capability.as_deref().map(capabilities::effective);
        let capabilities = capabilities.unwrap_or_default();
        let content = match self.limit(header, place) {
            Some(limit) if header.size <= limit && !header.sparse => {
                self.content(place, archive)?
            }
            _ => None,
        };
        if content.is_some() || self.counts(attributes, &capabilities, place) {
            let content = content.unwrap_or_else(|| Content::At(place.to_owned()));
            return Ok(New::Node(Node::File(File { attributes, capabilities, content })));
        }
        Ok(New::Plain { executable: attributes.mode & 0o111 != 0 })
    }

    /// Whether more of a file counts than its name.
    fn counts(&self, attributes: Attributes, capabilities: &[String], place: &str) -> bool {
        attributes.mode & 0o6000 != 0 || !capabilities.is_empty() || self.is_wanted(place)
    }

    fn is_wanted(&self, place: &str) -> bool {
        matches!(place, PASSWD | GROUP) || self.wanted.contains(place)
    }

    /// Maximum size at which the content of a file is looked at; `None` if it never is.
    fn limit(&self, header: &Header, place: &str) -> Option<u64> {
        if self.is_wanted(place) {
            return Some(WANTED);
        }
        let script = header.mode & 0o111 != 0 && is_script_place(place);
        script.then_some(SCRIPT.min(self.scripts))
    }

    /// The content of a file that is wanted, or of a script.
    fn content<R: Read>(
        &mut self,
        place: &str,
        archive: &mut Archive<R>,
    ) -> Result<Option<Content>, ImageError> {
        let wanted = self.is_wanted(place);
        let mut bytes = Vec::new();
        archive.read_content().take(2).read_to_end(&mut bytes)?;
        // A program is no text, wherever it is.
        if bytes == *b"\x7fE" || !wanted && bytes != *b"#!" {
            return Ok(None);
        }
        archive.read_content().read_to_end(&mut bytes)?;
        if !wanted {
            self.scripts = self.scripts.saturating_sub(bytes.len() as u64);
        }
        Ok(Some(Content::Kept(String::from_utf8_lossy(&bytes).into())))
    }

    /// A hard link. Its header states the owner and the mode of the file once more, and containerd
    /// applies them.
    fn link(
        &self,
        header: &Header,
        attributes: Attributes,
        place: &str,
    ) -> Result<New, ImageError> {
        let target = path::clean(&header.link);
        let target = self.root.resolve(&target, false).ok_or_else(too_many_links)?;
        Ok(match self.root.get(&target) {
            Some(Found::File(file)) => New::Node(Node::File(File { attributes, ..file.clone() })),
            Some(Found::Symlink(to)) => New::Node(Node::Symlink(to.to_owned())),
            Some(Found::Plain { .. }) if self.counts(attributes, &[], place) => {
                let content = Content::At(target);
                New::Node(Node::File(File { attributes, capabilities: Vec::new(), content }))
            }
            Some(Found::Plain { .. }) => New::Plain { executable: attributes.mode & 0o111 != 0 },
            Some(Found::Directory(_)) => {
                return Err(ImageError::bad("it is a hard link to a directory"));
            }
            None => {
                let target = text::quoted(&header.link);
                let why = format!("it is a hard link to {target}, which its layer does not have");
                return Err(ImageError::bad(why));
            }
        })
    }
}

fn too_many_links() -> ImageError {
    ImageError::bad("there are too many symbolic links on the way to it")
}

fn put(directory: &mut Directory, name: &str, new: New) {
    let removed = name.strip_prefix(WHITEOUT).unwrap_or(name);
    match new {
        New::Opaque => directory.opaque = true,
        New::Removed => directory.put(name, Node::Whiteout),
        New::Plain { executable } => directory.put_plain(name, executable),
        // What the layer itself has here already is not removed.
        New::Node(Node::Whiteout) if directory.get(removed).is_some() => {}
        New::Node(Node::Whiteout) => directory.put(removed, Node::Whiteout),
        New::Node(Node::Directory(new)) => match directory.nodes.get_mut(name) {
            Some(Node::Directory(old)) => old.attributes = new.attributes,
            _ => directory.put(name, Node::Directory(new)),
        },
        New::Node(node) => directory.put(name, node),
    }
}

#[cfg(test)]
mod tests;
