//! Copies a directory as an ordinary user.
//!
//! Every path is opened relative to its directory, without following links, so that nothing outside
//! of the two directories is read or written. Files and directories become the user's own, with
//! the modes and modification times of the originals. What the user might do with the original as
//! one of a group or as anybody, it may do with the copy as its owner.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, Statx, StatxFlags, Timespec, Timestamps,
    UTIME_OMIT, fchmod, fstat, futimens, linkat, mkdirat, openat, readlinkat, renameat, statx,
    symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{getegid, getgroups, getuid};

use super::{CopyError, Tally, Why};

/// Maximum depth of directories. Three files are open for each; a process may have 1,024.
pub(super) const DEEPEST: usize = 256;

/// Number of files whose further names are remembered. What has more becomes files of their own.
const MOST_LINKED: usize = 65_536;

/// What a file takes on disk is a multiple of this, on the file systems that nodes have. It is what
/// the kubelet measures an emptyDir by.
const BLOCK: u64 = 4096;

/// The bits of a mode that the copy has as well. Setuid bits would make a program run as this user,
/// not as the one who owned it.
const PERMISSIONS: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);

/// Mode of a directory that is not copied yet: no program makes one so.
const UNFINISHED: Mode = Mode::RWXU.union(Mode::SVTX);
const UNFINISHED_BITS: Mode = PERMISSIONS.union(Mode::SVTX);

/// To open a directory of the image, or of the copy.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Copies what is in the directory `from` into the directory `to`, which exists and stays as it is.
/// What `to` has already stays. `limit` is the size that `to` may reach, in bytes.
///
/// # Errors
/// When `from` is not a directory that can be read, or `to` cannot be written. What the user may not
/// read below `from` is no error: it is left out.
pub fn copy(from: &Path, to: &Path, limit: Option<u64>) -> Result<Tally, CopyError> {
    let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
    let source = openat(CWD, from, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT => CopyError::Missing(from.to_owned()),
        Errno::NOTDIR => CopyError::NotADirectory(from.to_owned()),
        Errno::ACCESS | Errno::PERM => unreadable(from),
        other => CopyError::at(from.to_owned(), other),
    })?;
    let target = openat(CWD, to, DIRECTORY, Mode::empty())
        .map_err(|error| CopyError::at(to.to_owned(), error))?;
    let mount = stat(source.as_fd(), c"").map_err(|error| CopyError::at(from.to_owned(), error))?;
    let mut copier = Copier {
        from,
        target: target.as_fd(),
        unfinished: unfinished(source.as_fd(), target.as_fd()),
        mount: mount_of(&mount),
        limit,
        started_before: Dir::read_from(&target).is_ok_and(|mut it| {
            it.any(|entry| entry.is_ok_and(|it| it.file_name() != c"." && it.file_name() != c".."))
        }),
        on_disk: 0,
        linked: HashMap::new(),
        tally: Tally::default(),
        user: Ids::own(),
    };
    // What a start before this one was killed with.
    let _may_be_missing = unlinkat(copier.target, &copier.unfinished, AtFlags::empty());
    copier.entries(source.as_fd(), target.as_fd(), Path::new(""), 0)?;
    Ok(copier.tally)
}

fn unreadable(path: &Path) -> CopyError {
    CopyError::Unreadable { path: path.to_owned(), uid: getuid().as_raw() }
}

/// A name for a file that is being written, which the image's directory does not have, and which is
/// no directory in the copy.
fn unfinished(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> CString {
    let names = (0..).filter_map(|count: u32| CString::new(format!(".ironhull-seed-{count}")).ok());
    let is_directory = |name: &CString| {
        let mode = stat(target, name).map(|stat| RawMode::from(stat.stx_mode));
        mode.is_ok_and(|mode| FileType::from_raw_mode(mode) == FileType::Directory)
    };
    let free = |name: &CString| stat(source, name).is_err() && !is_directory(name);
    names.into_iter().find(free).unwrap_or_default()
}

struct Copier<'c> {
    from: &'c Path,
    /// The directory that everything is copied into.
    target: BorrowedFd<'c>,
    /// Name in `target` of the file that is being written.
    unfinished: CString,
    /// The mount that the image's directory is on, where the kernel tells.
    mount: Option<u64>,
    limit: Option<u64>,
    /// Whether an earlier start has copied something.
    started_before: bool,
    /// Bytes that the copy takes on disk.
    on_disk: u64,
    /// Path below `target` of what was copied, by the original's device and inode, if it has several
    /// names.
    linked: HashMap<(u32, u32, u64), PathBuf>,
    tally: Tally,
    user: Ids,
}

/// Who copies.
struct Ids {
    uid: u32,
    gids: Vec<u32>,
}

impl Ids {
    fn own() -> Self {
        let mut gids: Vec<u32> =
            getgroups().unwrap_or_default().into_iter().map(|gid| gid.as_raw()).collect();
        gids.push(getegid().as_raw());
        Self { uid: getuid().as_raw(), gids }
    }

    /// Permissions of the copy: the original's, and for its owner what this user had there.
    fn permissions(&self, mode: Mode, uid: u32, gid: u32) -> Mode {
        let had = match (self.uid == uid, self.gids.contains(&gid)) {
            (true, _) => Mode::empty(),
            (false, true) => Mode::from_raw_mode((mode & Mode::RWXG).as_raw_mode() << 3),
            (false, false) => Mode::from_raw_mode((mode & Mode::RWXO).as_raw_mode() << 6),
        };
        mode & PERMISSIONS | had
    }
}

/// An entry of a directory.
struct Entry<'e> {
    source: BorrowedFd<'e>,
    target: BorrowedFd<'e>,
    name: &'e std::ffi::CStr,
    /// Its path below the directory that is copied.
    path: PathBuf,
    stat: Statx,
}

impl Copier<'_> {
    /// Copies all entries of a directory.
    fn entries(
        &mut self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        path: &Path,
        depth: usize,
    ) -> Result<(), CopyError> {
        if depth > DEEPEST {
            return Err(CopyError::TooDeep(self.from.join(path)));
        }
        // Reading it by its own name would need the right to search it.
        let listed = source.try_clone_to_owned().and_then(|source| Ok(Dir::new(source)?));
        let directory = listed.map_err(|error| CopyError::of(self.from.join(path), error))?;
        for entry in directory {
            let entry = entry.map_err(|error| CopyError::at(self.from.join(path), error))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let path = path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
            match stat(source, name) {
                Ok(stat) => self.entry(&Entry { source, target, name, path, stat }, depth)?,
                Err(error) => self.not_read(path, error)?,
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>, depth: usize) -> Result<(), CopyError> {
        if mount_of(&entry.stat) != self.mount {
            self.tally.leave_out(self.from.join(&entry.path), Why::Mount);
            return Ok(());
        }
        match FileType::from_raw_mode(RawMode::from(entry.stat.stx_mode)) {
            FileType::Directory => self.directory(entry, depth),
            FileType::RegularFile => self.file(entry),
            FileType::Symlink => self.link(entry),
            _ => {
                self.tally.leave_out(self.from.join(&entry.path), Why::Special);
                Ok(())
            }
        }
    }

    fn directory(&mut self, entry: &Entry<'_>, depth: usize) -> Result<(), CopyError> {
        let Entry { source, target, name, path, stat } = entry;
        let inner = match openat(source, *name, DIRECTORY, Mode::empty()) {
            Ok(inner) => inner,
            Err(error) => return self.not_read(path.clone(), error),
        };
        let failed = |error| CopyError::at(self.from.join(path), error);
        let new = match mkdirat(target, *name, UNFINISHED) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return self.not_written(path, error),
        };
        let copy = match openat(target, *name, DIRECTORY, Mode::empty()) {
            Ok(copy) => copy,
            // The application has put something else in its place, or closed it, before the pod
            // started again.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                self.tally.kept += 1;
                return Ok(());
            }
            Err(error) => return self.not_written(path, error),
        };
        let there = fstat(&copy).map_err(failed)?;
        let unfinished = Mode::from_raw_mode(there.st_mode) & UNFINISHED_BITS == UNFINISHED
            && there.st_uid == getuid().as_raw();
        self.takes(BLOCK)?;
        self.entries(inner.as_fd(), copy.as_fd(), path, depth + 1)?;
        if !new && !unfinished {
            self.tally.kept += 1;
            return Ok(());
        }
        // The group of what is made in it, if the emptyDir belongs to an fsGroup.
        let failed = |error| CopyError::at(self.from.join(path), error);
        let inherited = Mode::from_raw_mode(fstat(&copy).map_err(failed)?.st_mode) & Mode::SGID;
        let own = self.permissions(stat) | mode(stat) & Mode::SVTX;
        fchmod(&copy, own | inherited).map_err(failed)?;
        futimens(&copy, &times(stat)).map_err(failed)?;
        self.tally.directories += 1;
        Ok(())
    }

    fn file(&mut self, entry: &Entry<'_>) -> Result<(), CopyError> {
        let Entry { source, target, name, path, stat } = entry;
        let key = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        if let Some(first) = self.linked.get(&key) {
            match linkat(self.target, first, target, *name, AtFlags::empty()) {
                Ok(()) => self.tally.files += 1,
                Err(Errno::EXIST) => self.tally.kept += 1,
                Err(error) => return self.not_written(path, error),
            }
            return Ok(());
        }
        if self::stat(*target, name).is_ok() {
            self.tally.kept += 1;
            self.remember(key, entry);
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let original = match openat(source, *name, flags, Mode::empty()) {
            Ok(original) => original,
            Err(error) => return self.not_read(path.clone(), error),
        };
        self.takes(stat.stx_size.next_multiple_of(BLOCK))?;
        let bytes = self
            .content(original, stat)
            .map_err(|error| CopyError::of(self.from.join(path), error))?;
        if let Err(error) = renameat(self.target, &self.unfinished, target, *name) {
            let _was_just_written = unlinkat(self.target, &self.unfinished, AtFlags::empty());
            return self.not_written(path, error);
        }
        self.tally.files += 1;
        self.tally.bytes += bytes;
        self.tally.setuid += u64::from(mode(stat).intersects(Mode::SUID | Mode::SGID));
        self.remember(key, entry);
        Ok(())
    }

    /// Writes a file's content, mode and time under the name of what is unfinished. A file that has
    /// its own name is whole, whenever the container is killed.
    fn content(&self, original: OwnedFd, stat: &Statx) -> io::Result<u64> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let copy = openat(self.target, &self.unfinished, flags, Mode::RUSR | Mode::WUSR)?;
        let (mut original, mut copy) = (File::from(original), File::from(copy));
        let bytes = io::copy(&mut original, &mut copy)?;
        fchmod(&copy, self.permissions(stat))?;
        futimens(&copy, &times(stat))?;
        Ok(bytes)
    }

    fn permissions(&self, stat: &Statx) -> Mode {
        self.user.permissions(mode(stat), stat.stx_uid, stat.stx_gid)
    }

    fn link(&mut self, entry: &Entry<'_>) -> Result<(), CopyError> {
        let Entry { source, target, name, path, stat } = entry;
        let failed = |error| CopyError::at(self.from.join(path), error);
        let to = readlinkat(source, *name, Vec::new()).map_err(failed)?;
        match symlinkat(&to, target, *name) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                self.tally.kept += 1;
                return Ok(());
            }
            Err(error) => return self.not_written(path, error),
        }
        utimensat(target, *name, &times(stat), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        self.tally.links += 1;
        Ok(())
    }

    /// Remembers a file that has further names.
    fn remember(&mut self, key: (u32, u32, u64), entry: &Entry<'_>) {
        if entry.stat.stx_nlink > 1 && self.linked.len() < MOST_LINKED {
            self.linked.insert(key, entry.path.clone());
        }
    }

    /// Leaves out what the application has closed since an earlier start filled the directory; any
    /// other error is one.
    fn not_written(&mut self, path: &Path, error: Errno) -> Result<(), CopyError> {
        match error {
            Errno::ACCESS | Errno::PERM if self.started_before => {
                self.tally.kept += 1;
                Ok(())
            }
            other => Err(CopyError::at(self.from.join(path), other)),
        }
    }

    /// Leaves out what the user may not read; any other error is one.
    fn not_read(&mut self, path: PathBuf, error: Errno) -> Result<(), CopyError> {
        let path = self.from.join(path);
        match error {
            Errno::ACCESS | Errno::PERM => {
                self.tally.leave_out(path, Why::Unreadable);
                Ok(())
            }
            other => Err(CopyError::at(path, other)),
        }
    }

    /// Counts what is about to be written.
    fn takes(&mut self, bytes: u64) -> Result<(), CopyError> {
        self.on_disk = self.on_disk.saturating_add(bytes);
        match self.limit.filter(|limit| self.on_disk > *limit) {
            Some(limit) => Err(CopyError::TooLarge { path: self.from.to_owned(), limit }),
            None => Ok(()),
        }
    }
}

/// What an entry is; the directory itself without a name.
fn stat(directory: BorrowedFd<'_>, name: &std::ffi::CStr) -> rustix::io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    statx(directory, name, flags, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// The mount it is on; `None` before Linux 5.8.
fn mount_of(stat: &Statx) -> Option<u64> {
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::MNT_ID);
    known.then_some(stat.stx_mnt_id)
}

fn mode(stat: &Statx) -> Mode {
    Mode::from_raw_mode(RawMode::from(stat.stx_mode))
}

/// The time of its last change. Nobody asks when it was read.
fn times(stat: &Statx) -> Timestamps {
    let modified = &stat.stx_mtime;
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified.tv_sec, tv_nsec: modified.tv_nsec.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_owner_may_do_what_it_could() {
        let user = Ids { uid: 1000, gids: vec![1000, 33] };
        for (mode, uid, gid, copy) in [
            (0o644, 0, 0, 0o644),
            (0o600, 0, 0, 0o600),
            (0o004, 0, 0, 0o404),
            (0o045, 0, 33, 0o445),
            (0o005, 0, 1000, 0o005),
            (0o007, 1000, 33, 0o007),
            (0o4755, 0, 0, 0o755),
        ] {
            let found = user.permissions(Mode::from_raw_mode(mode), uid, gid);
            assert_eq!(found, Mode::from_raw_mode(copy), "{mode:o} of {uid}:{gid}");
        }
    }
}
