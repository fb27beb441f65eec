//! What one search finds, bounded.

use std::collections::BTreeMap;

use rustix::fs::Stat;

use super::Seen;
use crate::observe::snapshot::{
    Directory, MAX_DIRECTORIES, MAX_EXAMPLES, MAX_PATH, MAX_RESTRICTED, Restricted, is_below,
};

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The topmost directories that were written to.
    pub directories: Vec<Directory>,
    /// Whether there were more than are kept.
    pub more_directories: bool,
    /// Device files that were made.
    pub devices: Vec<String>,
    /// What only some users of the image may read.
    pub restricted: Vec<Restricted>,
    /// Entries that were looked at.
    pub entries: u64,
    /// Directories that could not be read.
    pub unreadable: u64,
    /// Whether a limit ended it.
    pub cut_short: bool,
    /// [`Self::restricted`], by place.
    closed: BTreeMap<(String, u32, u32, bool), u64>,
}

/// Places below which the image's system keeps its own secrets and caches, which no server is
/// expected to read.
const OF_SYSTEM: &[&str] = &[
    "/etc/gshadow",
    "/etc/shadow",
    "/etc/security",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/root",
    "/usr",
    "/var/cache/apt",
    "/var/cache/debconf",
    "/var/cache/ldconfig",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/private",
    "/var/log/apt",
    "/var/log/btmp",
];

impl Found {
    /// Keeps a directory that was written to; those below it are covered by it then.
    pub(super) fn record(&mut self, path: &[u8], changed: bool, in_place: u64, seen: Seen) {
        let Seen { of_image, told, .. } = seen;
        let mut directory = Directory {
            path: shown(path),
            entries_changed: changed,
            changed_in_place: in_place,
            of_image,
            ..told
        };
        // A directory comes after all that is below it. The root covers nothing: nothing can be mounted
        // there, and what is below has to be told.
        if directory.path == "/" {
            self.directories.push(directory);
            return;
        }
        let below = self.directories.iter().rposition(|it| !is_below(&it.path, &directory.path));
        for covered in self.directories.drain(below.map_or(0, |at| at + 1)..) {
            directory.cover(covered);
        }
        if self.directories.len() < MAX_DIRECTORIES {
            self.directories.push(directory);
        } else {
            self.more_directories = true;
        }
    }

    /// Keeps a device file.
    pub(super) fn device(&mut self, path: &[u8]) {
        if self.devices.len() < MAX_EXAMPLES {
            self.devices.push(shown(path));
        }
    }

    /// Keeps a file or directory of the image that not everybody may read.
    pub(super) fn restrict(&mut self, path: &[u8], stat: &Stat, is_directory: bool, is_new: bool) {
        const READ: u32 = 0o4;
        const SEARCH: u32 = 0o1;
        let wanted = if is_directory { SEARCH } else { READ };
        if is_new || stat.st_mode & wanted != 0 {
            return;
        }
        let path = shown(path);
        if OF_SYSTEM.iter().any(|system| path.starts_with(system)) {
            return;
        }
        let place = match path.rsplit_once('/') {
            Some((parent, _)) if !is_directory && !parent.is_empty() => parent.to_owned(),
            _ => path,
        };
        let group_reads = stat.st_mode & (wanted << 3) != 0;
        let key = (place, stat.st_uid, stat.st_gid, group_reads);
        if self.closed.len() < MAX_RESTRICTED || self.closed.contains_key(&key) {
            *self.closed.entry(key).or_default() += 1;
        }
    }

    /// Makes lists of what was counted.
    pub(super) fn settle(&mut self) {
        self.directories.sort_by(|a, b| a.path.cmp(&b.path));
        let closed = std::mem::take(&mut self.closed);
        self.restricted = closed
            .into_iter()
            .map(|((path, uid, gid, group_reads), count)| Restricted {
                path,
                uid,
                gid,
                group_reads,
                count,
            })
            .collect();
    }
}

/// A path as text. What is too long, or no text, counts for the directory above it.
fn shown(path: &[u8]) -> String {
    let mut path = path;
    loop {
        let text = std::str::from_utf8(path).ok();
        let text = text.filter(|text| text.len() <= MAX_PATH);
        match (text, path.iter().rposition(|byte| *byte == b'/')) {
            (Some(text), _) => return text.to_owned(),
            (None, Some(at)) if at > 0 => path = path.get(..at).unwrap_or_default(),
            (None, _) => return "/".to_owned(),
        }
    }
}
