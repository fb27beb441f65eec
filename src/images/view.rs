//! What containerd finds in an image before a container of it starts.
//!
//! containerd looks for users without mounting the layers: path by path, from the uppermost layer
//! down (`internal/fsview/overlay.go` and `resolveInRootFS`, as of containerd 2.4). What it finds is
//! not always what the container has, which is the merged tree:
//!
//! - in a directory that a layer removed and a later one made again, it finds what was removed;
//! - within a layer it follows the layer's own relative links, even where a layer above has a
//!   directory in place of the link;
//! - below a layer whose root is opaque, it finds nothing;
//! - in the target of a link, `a/..` is nothing, even where `a` is a link to somewhere else.

use std::sync::Arc;

use super::layer::Layer;
use super::path;
use super::tree::{Directory, Found, LINKS, Node};

/// Maximum number of links on the second way that containerd tries.
const LINKS_OF_LINUX: usize = 40;

/// The layers of an image, uppermost first.
pub(super) struct View<'l>(Vec<&'l Directory>);

/// A file that containerd refuses to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// What a path is in one layer.
enum Inside<'l> {
    Nothing,
    Whiteout,
    /// Its path without links, and what is there.
    Found(String, Found<'l>),
}

impl<'l> View<'l> {
    /// A view of these layers, the lowest of which comes first.
    pub(super) fn new(layers: &'l [Arc<Layer>]) -> Self {
        Self(layers.iter().rev().map(|layer| &layer.root).collect())
    }

    /// What is at a path, with all links followed, and its path in the layer that has it. `None` if
    /// containerd goes on without it.
    ///
    /// # Errors
    /// When containerd refuses to start a container: links go in a circle, or lead below a file.
    pub(super) fn open(&self, path: &str) -> Result<Option<(String, Found<'l>)>, Refused> {
        match self.follow(path) {
            Some(found) => Ok(Some(found)),
            None => Ok(self.resolve(path)?.and_then(|path| self.follow(&path))),
        }
    }

    /// Follows links by their text. Whatever fails is tried again by [`Self::resolve`].
    fn follow(&self, path: &str) -> Option<(String, Found<'l>)> {
        let mut path = path.to_owned();
        for _ in 0..=LINKS {
            let mut at = String::new();
            let mut last = (String::new(), Found::Directory(self.0.first()?));
            let mut parts = path.split('/').filter(|part| !part.is_empty());
            let mut link = None;
            while let Some(part) = parts.next() {
                if !matches!(last.1, Found::Directory(_)) {
                    return None;
                }
                let above = at.clone();
                at = path::join(&at, part);
                last = self.find(&at)?;
                if let Found::Symlink(target) = last.1 {
                    let rest: Vec<&str> = parts.collect();
                    link = Some(joined(&above, target, &rest.join("/"))?);
                    break;
                }
            }
            let Some(target) = link else { return Some(last) };
            path = target;
        }
        None
    }

    /// The path without links, followed as Linux does. `None` if it leads nowhere.
    fn resolve(&self, path: &str) -> Result<Option<String>, Refused> {
        let mut names: Vec<&str> = path.rsplit('/').collect();
        let mut done: Vec<&str> = Vec::new();
        let mut links = 0;
        while let Some(name) = names.pop() {
            match name {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(name),
            }
            match self.find(&done.join("/")) {
                None => return Ok(None),
                Some((_, Found::Directory(_))) => {}
                Some((_, Found::Symlink(target))) => {
                    links += 1;
                    if links > LINKS_OF_LINUX {
                        return Err(Refused);
                    }
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    names.extend(target.rsplit('/'));
                }
                Some(_) if names.is_empty() => {}
                Some(_) => return Err(Refused),
            }
        }
        Ok(Some(done.join("/")))
    }

    /// What the uppermost layer that has the path has there. None of its parents is a link.
    fn find(&self, path: &str) -> Option<(String, Found<'l>)> {
        for layer in &self.0 {
            match inside(layer, path, false) {
                Inside::Found(place, found) => return Some((place, found)),
                Inside::Whiteout => return None,
                Inside::Nothing if is_hidden_below(layer, path) => return None,
                Inside::Nothing => {}
            }
        }
        None
    }
}

/// The target of a link in a directory, with what follows the link. `None` if it leads above the
/// root.
fn joined(directory: &str, target: &str, rest: &str) -> Option<String> {
    let from = match target.strip_prefix('/') {
        // containerd takes one slash away.
        Some(target) if target.starts_with('/') => return None,
        Some(target) => format!("{target}/{rest}"),
        None => format!("{directory}/{target}/{rest}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether layers below this one are not looked at for a path: one of its parents is opaque.
fn is_hidden_below(layer: &Directory, path: &str) -> bool {
    let mut path = path;
    while let Some((parent, _)) = path::split(path) {
        if let Inside::Found(_, Found::Directory(directory)) = inside(layer, parent, true)
            && directory.opaque
        {
            return true;
        }
        path = parent;
    }
    false
}

/// What is at a path of one layer, as Go's `os.Root` finds it: no link may be absolute or lead above
/// the root. The last name is followed where `last`.
fn inside<'l>(layer: &'l Directory, path: &str, last: bool) -> Inside<'l> {
    let mut names: Vec<&str> = path.rsplit('/').collect();
    let mut done: Vec<(&str, &'l Directory)> = Vec::new();
    let mut links = 0;
    let place = |done: &[(&str, &Directory)]| -> String {
        done.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("/")
    };
    while let Some(name) = names.pop() {
        match name {
            "" | "." => continue,
            ".." if done.pop().is_some() => continue,
            ".." => return Inside::Nothing,
            _ => {}
        }
        let directory = done.last().map_or(layer, |(_, directory)| *directory);
        match directory.nodes.get(name) {
            Some(Node::Directory(below)) => done.push((name, below)),
            Some(Node::Symlink(target)) if last || !names.is_empty() => {
                links += 1;
                if links > LINKS || target.starts_with('/') {
                    return Inside::Nothing;
                }
                names.extend(target.rsplit('/'));
            }
            _ if !names.is_empty() => return Inside::Nothing,
            Some(Node::Whiteout) => return Inside::Whiteout,
            _ => {
                let found = directory.get(name);
                let place = path::join(&place(&done), name);
                return found.map_or(Inside::Nothing, |found| Inside::Found(place, found));
            }
        }
    }
    let directory = done.last().map_or(layer, |(_, directory)| *directory);
    Inside::Found(place(&done), Found::Directory(directory))
}

#[cfg(test)]
mod tests;
