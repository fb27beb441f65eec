//! A root file system, searched for what changed since its container started.
//!
//! A change of a file shows in its ctime, which nobody can set back, and opening a file of the image
//! for writing makes overlayfs copy it, with a new ctime. Directories go by their mtime: overlayfs
//! copies the directories above a file that it copies, and these copies have a new ctime, too. A file
//! that came and went has left its directory a new mtime.
//!
//! The tree is an attacker's. Nothing but directories is opened, each by one name below its parent's
//! descriptor, without following links and without leaving the file system of the root (openat2(2)).
//! Memory is bounded by the depth and by [`MAX_DIRECTORIES`], time by [`Limits`].

mod record;

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{
    self as files, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, makedev,
};

use super::mounts::Mounts;
use super::snapshot::{Directory, MAX_OWNERS};
pub use record::Found;

/// Bounds of one search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of entries. Images of several gigabytes have some 200,000.
    pub entries: u64,
    /// Maximum depth: one descriptor and one buffer each.
    pub depth: usize,
    /// Maximum time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1_000_000, depth: 64, time: Duration::from_secs(20) }
    }
}

/// A point in time as file systems have it: seconds and nanoseconds since the epoch.
pub type Time = (i64, i64);

/// When the container started.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    /// When its first process was made. What is older is the image's.
    pub made: Time,
    /// When the runtime had certainly mounted everything. Until then it may itself have made
    /// directories to mount on.
    pub prepared: Time,
}

/// Searches below `root`, which is the container's `/`.
///
/// # Errors
/// When `root` itself cannot be read.
pub fn walk(root: &OwnedFd, mounts: &Mounts, since: Since, limits: Limits) -> io::Result<Found> {
    let search = Search { mounts, since, device: files::fstat(root)?.st_dev };
    let mut found = Found::default();
    let deadline = Instant::now() + limits.time;
    let first = open(root, c".")?;
    let mut path = b"/".to_vec();
    let mut stack = vec![search.level(first, 1)?];
    while let Some(level) = stack.last_mut() {
        let Some(entry) = level.dir.read() else {
            let Some(level) = stack.pop() else { break };
            search.leave(level, stack.last_mut(), &mut path, &mut found);
            continue;
        };
        // An entry that cannot be read ends its directory, and no more.
        let Ok(entry) = entry else {
            found.unreadable += 1;
            continue;
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        found.entries += 1;
        if found.entries > limits.entries || Instant::now() > deadline {
            found.cut_short = true;
            break;
        }
        let length = path.len();
        push(&mut path, name);
        if search.mounts.is_mount_point(&path) {
            path.truncate(length);
            continue;
        }
        match search.look(level, name, &path, &mut found) {
            Some(_) if stack.len() >= limits.depth => found.cut_short = true,
            Some(below) => match search.level(below, path.len()) {
                Ok(below) => {
                    stack.push(below);
                    continue;
                }
                Err(_) => found.unreadable += 1,
            },
            None => {}
        }
        path.truncate(length);
    }
    // What was begun counts as far as it was seen.
    while let Some(level) = stack.pop() {
        search.leave(level, stack.last_mut(), &mut path, &mut found);
    }
    found.settle();
    Ok(found)
}

/// Opens one directory below another.
fn open(parent: impl std::os::fd::AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    files::openat2(parent, name, flags, Mode::empty(), resolve)
}

fn push(path: &mut Vec<u8>, name: &CStr) {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name.to_bytes());
}

struct Search<'s> {
    mounts: &'s Mounts,
    since: Since,
    device: u64,
}

/// A directory that is being read.
struct Level {
    dir: Dir,
    /// Length of its path.
    path: usize,
    stat: Stat,
    seen: Seen,
}

/// What was seen in a directory.
#[derive(Default)]
struct Seen {
    /// Entries of the image, here and below.
    of_image: u64,
    /// Files written since, here.
    written: u64,
    /// Files with a new ctime and an old mtime, here: opened for writing, handed over, back-dated.
    touched: u64,
    /// Owners and examples of them.
    told: Directory,
}

impl Search<'_> {
    fn level(&self, directory: OwnedFd, path: usize) -> io::Result<Level> {
        let stat = files::fstat(&directory)?;
        Ok(Level { dir: Dir::new(directory)?, path, stat, seen: Seen::default() })
    }

    /// Looks at one entry; gives a directory that has to be searched in its turn.
    fn look(
        &self,
        level: &mut Level,
        name: &CStr,
        path: &[u8],
        found: &mut Found,
    ) -> Option<OwnedFd> {
        let parent = level.dir.fd().ok()?;
        // Gone meanwhile, or not to be looked at.
        let stat = files::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            if stat.st_dev != self.device {
                return None;
            }
            found.restrict(path, &stat, true, self.is_new(&stat));
            let below = open(parent, name);
            if below.is_err() {
                found.unreadable += 1;
                level.seen.of_image += u64::from(!self.is_new(&stat));
            }
            return below.ok();
        }
        if !self.is_new(&stat) {
            level.seen.of_image += 1;
            found.restrict(path, &stat, false, false);
            return None;
        }
        // A whiteout is not seen through an overlay; in any other tree it is no device.
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        if is_device && stat.st_rdev != makedev(0, 0) {
            found.device(path);
        }
        let seen = &mut level.seen;
        match modified(&stat) >= self.since.made {
            true => seen.written += 1,
            false => {
                seen.touched += 1;
                seen.of_image += 1;
            }
        }
        if seen.told.owners.len() < MAX_OWNERS {
            seen.told.owners.insert(stat.st_uid);
        }
        seen.told.add_example(name.to_string_lossy().into_owned());
        None
    }

    /// Whether it was written, made or handed over since the container started.
    fn is_new(&self, stat: &Stat) -> bool {
        (stat.st_ctime, stat.st_ctime_nsec as i64) >= self.since.made
    }

    /// Whether entries of the directory came or went since the container started.
    fn entries_changed(&self, stat: &Stat, path: &[u8], seen: &Seen) -> bool {
        let since = match self.mounts.leads_to_mount(path) && seen.written == 0 {
            true => self.since.prepared,
            false => self.since.made,
        };
        modified(stat) >= since
    }

    /// Judges a directory that is read to its end, and goes back to the one above it.
    fn leave(
        &self,
        level: Level,
        above: Option<&mut Level>,
        path: &mut Vec<u8>,
        found: &mut Found,
    ) {
        let Level { path: length, stat, mut seen, .. } = level;
        path.truncate(length);
        let changed = self.entries_changed(&stat, path, &seen);
        let in_place = if changed { seen.touched } else { seen.touched + seen.written };
        if !changed {
            // Where no entry came, what was written was there before.
            seen.of_image += seen.written;
        }
        let of_image = seen.of_image;
        if changed || in_place > 0 {
            found.record(path, changed, in_place, seen);
        }
        if let Some(above) = above {
            // A new directory in one where entries came is not the image's, unless something in it is.
            let above_changed = modified(&above.stat) >= self.since.made;
            let is_new = above_changed
                && of_image == 0
                && modified(&stat) >= self.since.made
                && self.is_new(&stat);
            above.seen.of_image += of_image + u64::from(!is_new);
            let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
            path.truncate(parent.max(1));
        }
    }
}

/// Nanoseconds are signed on some platforms, and unsigned on others.
fn modified(stat: &Stat) -> Time {
    (stat.st_mtime, stat.st_mtime_nsec as i64)
}

#[cfg(test)]
mod tests;
