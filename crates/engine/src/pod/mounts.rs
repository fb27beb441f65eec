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
            // Of two mounts at one path the later hides the earlier.
            if best.is_none_or(|(deepest, ..)| depth >= deepest) {
                best = Some((depth, mount, depth == length(path)));
            }
        }
        best.map(|(_, mount, exact)| (mount, exact))
    }
}

/// Directories that have a second name in nearly every image. The first is a symbolic link to
/// the second (Debian, Ubuntu, Alpine, Fedora and what is made of them: FHS 3.0, 3.15 and
/// 5.13).
const LINKS: [(&str, &str); 2] = [("/var/run", "/run"), ("/var/lock", "/run/lock")];

/// A normalised path with the links of `LINKS` resolved.
pub fn real(path: &str) -> Cow<'_, str> {
    match parts(path) {
        ("", path) | (path, "") => Cow::Borrowed(path),
        (target, rest) => Cow::Owned(format!("{target}{rest}")),
    }
}

/// The same in two parts, without copying: nearly every container mounts its token below
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

/// Whether a path has a `/..`; such a path may lead anywhere.
fn goes_up(path: &str) -> bool {
    let path = path.as_bytes();
    memchr::memchr_iter(b'.', path).any(|at| {
        at.checked_sub(1)
            .and_then(|slash| path.get(slash..))
            .is_some_and(|it| it.starts_with(b"/.."))
    })
}

/// Whether one of two paths without `..` may lie below the other, judged by their first letters
/// alone. Most have nothing to do with each other.
fn begin_alike(one: &str, other: &str) -> bool {
    let letter = |path: &str| match path.as_bytes() {
        // `/run` has another name below `/var`.
        [b'/', b'r', ..] => Some(b'v'),
        // The root and paths that are not normalised cannot be judged.
        [b'/', letter, ..] if !matches!(letter, b'/' | b'.') => Some(*letter),
        _ => None,
    };
    letter(one).zip(letter(other)).is_none_or(|(one, other)| one == other)
}

/// Whether a path is `directory` or lies below it, under either name of each. Both are
/// normalised.
pub fn within(path: &str, directory: &str) -> bool {
    let below = |path: &str, directory: &str| {
        path.strip_prefix(directory.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !begin_alike(path, directory) {
        return false;
    }
    // A volume at `/var` replaces the image's links: `/var/run` lies in the volume.
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

/// Normalises a path: no empty parts, no `.` and no trailing `/`. A relative path is taken
/// from `/`, as in container runtimes. `..` goes up, and never above `/`.
pub fn normalise_path(path: &str) -> Cow<'_, str> {
    // A path without `//`, `/.` or a trailing `/` is normalised already.
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
