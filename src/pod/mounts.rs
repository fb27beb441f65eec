//! Which mount covers a path.

use std::borrow::Cow;

use super::{Container, Mount};

impl Container<'_> {
    /// The mount that decides whether `path` can be written: the one at the path or
    /// the deepest above it. `/` is no mount point: the runtime refuses it.
    pub fn covering_mount(&self, path: &str) -> Option<(&Mount<'_>, bool)> {
        let mut best: Option<(usize, &Mount<'_>, bool)> = None;
        for mount in &self.volume_mounts {
            let at = normalise_path(&mount.mount_path);
            let rest = match path.strip_prefix(&*at) {
                Some(rest) if at.len() > 1 => rest,
                _ => continue,
            };
            let exact = rest.is_empty();
            // Of two mounts at one place the later hides the earlier.
            if (exact || rest.starts_with('/')) && best.is_none_or(|(depth, ..)| at.len() >= depth)
            {
                best = Some((at.len(), mount, exact));
            }
        }
        best.map(|(_, mount, exact)| (mount, exact))
    }
}

/// A path without empty and `.` parts and without a trailing `/`; a relative one is
/// taken from `/`, as container runtimes do; `..` goes up and never above `/`.
pub fn normalise_path(path: &str) -> Cow<'_, str> {
    // One that has no `//`, no `/.` and no `/` at its end is as it should be.
    let mut after_slash = false;
    let mut odd = !path.starts_with('/');
    for byte in path.bytes() {
        odd |= after_slash && matches!(byte, b'/' | b'.');
        after_slash = byte == b'/';
    }
    if !odd && !after_slash {
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
