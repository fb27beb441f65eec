//! Which mount covers a path.

use std::borrow::Cow;

use super::{Container, Mount};

impl Container<'_> {
    /// The mount that decides whether `path` can be written: the one at the path or
    /// the deepest above it. `/` is no mount point: the runtime refuses it.
    pub fn covering_mount(&self, path: &str) -> Option<(&Mount<'_>, bool)> {
        let mut best: Option<(usize, &Mount<'_>, bool)> = None;
        for mount in &self.volume_mounts {
            if !begin_alike(path, &mount.mount_path) && !goes_up(&mount.mount_path) {
                continue;
            }
            let at = normalise_path(&mount.mount_path);
            if at.len() == 1 || !within(path, &at) {
                continue;
            }
            let length = |path| {
                let (start, rest) = parts(path);
                start.len() + rest.len()
            };
            let depth = length(&at);
            // Of two mounts at one place the later hides the earlier.
            if best.is_none_or(|(deepest, ..)| depth >= deepest) {
                best = Some((depth, mount, depth == length(path)));
            }
        }
        best.map(|(_, mount, exact)| (mount, exact))
    }
}

/// Directories that nearly every image has under a second name, by a symbolic link from the
/// first to the second (Debian, Ubuntu, Alpine, Fedora and what is made of them: FHS 3.0,
/// 3.15 and 5.13).
const LINKS: [(&str, &str); 2] = [("/var/run", "/run"), ("/var/lock", "/run/lock")];

/// A normalised path by the name that is no link.
pub fn real(path: &str) -> Cow<'_, str> {
    match parts(path) {
        ("", path) | (path, "") => Cow::Borrowed(path),
        (target, rest) => Cow::Owned(format!("{target}{rest}")),
    }
}

/// The same in two parts, of which nothing is copied: nearly every container mounts its token below
/// `/var/run`.
fn parts(path: &str) -> (&'static str, &str) {
    for (link, target) in LINKS {
        match path.strip_prefix(link) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => return (target, rest),
            _ => {}
        }
    }
    ("", path)
}

/// Whether a path has a `/..`: it may come to anything.
fn goes_up(path: &str) -> bool {
    let path = path.as_bytes();
    memchr::memchr_iter(b'.', path).any(|at| {
        at.checked_sub(1)
            .and_then(|slash| path.get(slash..))
            .is_some_and(|it| it.starts_with(b"/.."))
    })
}

/// Whether one of two paths that do not go up may lie below the other, by their first letters alone: most have
/// nothing to do with each other.
fn begin_alike(one: &str, other: &str) -> bool {
    let letter = |path: &str| match path.as_bytes() {
        // `/run` has its other name below `/var`.
        [b'/', b'r', ..] => Some(b'v'),
        // Neither the root nor what is not normalised says anything.
        [b'/', letter, ..] if !matches!(letter, b'/' | b'.') => Some(*letter),
        _ => None,
    };
    letter(one).zip(letter(other)).is_none_or(|(one, other)| one == other)
}

/// Whether a path is a directory or lies below it, whichever of its two names either goes by.
/// Both are normalised.
pub fn within(path: &str, directory: &str) -> bool {
    let below = |path: &str, directory: &str| {
        path.strip_prefix(directory.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !begin_alike(path, directory) {
        return false;
    }
    // A volume at `/var` has what is below it, and no link.
    if below(path, directory) {
        return true;
    }
    let ((start, rest), (above, name)) = (parts(path), parts(directory));
    if start.is_empty() && above.is_empty() {
        return false;
    }
    let mut path = start.bytes().chain(rest.bytes());
    let mut directory = above.bytes().chain(name.trim_end_matches('/').bytes());
    directory.all(|byte| path.next() == Some(byte)) && matches!(path.next(), None | Some(b'/'))
}

/// A path without empty and `.` parts and without a trailing `/`; a relative one is
/// taken from `/`, as container runtimes do; `..` goes up and never above `/`.
pub fn normalise_path(path: &str) -> Cow<'_, str> {
    // One that has no `//`, no `/.` and no `/` at its end is as it should be.
    let mut parts = path.as_bytes().split(|byte| *byte == b'/').skip(1);
    let is_odd = |part: &[u8]| matches!(part.first(), None | Some(b'.'));
    if path.starts_with('/') && !parts.any(is_odd) {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    Cow::Owned(format!("/{}", parts.join("/")))
}
