//! The target among the processes that the agent sees, and the way to its root file system.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::time::{ClockId, clock_gettime};

use super::{TRY_COMMAND, Task};
use crate::observe::mounts::Mounts;
use crate::observe::process::{Status, times};
use crate::observe::walk::{Since, Time};

/// Maximum size of a file of /proc that is read.
const MAX_FILE: u64 = 1 << 20;
/// CAP_SETGID and CAP_SETUID.
const SET_IDS: u64 = 1 << 6 | 1 << 7;

/// Reads a file of /proc, up to a limit.
pub(super) fn read(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(path: &str) -> Option<String> {
    read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The status of a process, if it is still there.
pub(super) fn status(pid: u32) -> Option<Status> {
    Status::parse(&text(&format!("/proc/{pid}/status"))?)
}

/// What a process is called while runc starts it, and the name of a door, which is called by a link.
const RUNTIME: &str = "runc:[";
const LINK: &str = "exe";

/// Whether a process is no doing of the target's: one that the runtime is about to start, or
/// [`super::DOOR_COMMAND`], which runs the agent's own program.
pub(super) fn is_ours(pid: u32, name: &str) -> bool {
    let program = |pid: &str| {
        let stat = rustix::fs::stat(format!("/proc/{pid}/exe").as_str()).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    name.starts_with(RUNTIME)
        || name == LINK && program(&pid.to_string()).is_some_and(|it| Some(it) == program("self"))
}

/// Processes of the target. Which those are does not change, so each is looked up once.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// The target's, as of the last look.
    pub(super) pids: BTreeSet<u32>,
    /// Others, as of the last look.
    others: BTreeSet<u32>,
    /// Whether the container id was ever found. Where it is not, all but the agent count, unless others
    /// are there, too.
    by_id: bool,
}

impl Processes {
    /// Looks again.
    pub(super) fn look(&mut self, task: &Task) {
        let own = std::process::id();
        let all: BTreeSet<u32> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != own)
            .collect();
        let is_target = |pid: &u32| {
            text(&format!("/proc/{pid}/cgroup"))
                .is_some_and(|cgroup| cgroup.contains(&task.container))
        };
        let new: Vec<u32> = all.difference(&self.others).copied().collect();
        let (mut ours, mut others) = (BTreeSet::new(), &all & &self.others);
        for pid in new {
            match self.pids.contains(&pid) || is_target(&pid) {
                true => ours.insert(pid),
                false => others.insert(pid),
            };
        }
        self.by_id |= !ours.is_empty() && !task.container.is_empty();
        if self.by_id || task.shared {
            (self.pids, self.others) = (ours, others);
        } else {
            // A runtime that names control groups otherwise. In a process namespace of its own, a
            // container's processes are those that are not the agent's.
            (self.pids, self.others) = (all, BTreeSet::new());
        }
    }

    /// The container's first process: process 1, or where a pod shares its processes the one whose
    /// parent is not in the container, and the oldest of those.
    pub(super) fn first(&self) -> Option<u32> {
        if self.pids.contains(&1) {
            return Some(1);
        }
        let outermost = self
            .pids
            .iter()
            .filter(|pid| status(**pid).is_some_and(|status| !self.pids.contains(&status.parent)));
        outermost.min_by_key(|pid| started(**pid).unwrap_or(u64::MAX)).copied()
    }
}

/// When a process was made, in clock ticks since boot.
fn started(pid: u32) -> Option<u64> {
    Some(times(&text(&format!("/proc/{pid}/stat"))?)?.started)
}

/// When the container was made and ready, on the clock of file systems.
pub(super) fn since(first: u32, task: &Task) -> Since {
    const NANOS: i64 = 1_000_000_000;
    let ticks = i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100).max(1);
    let (now, up) = (clock_gettime(ClockId::Realtime), clock_gettime(ClockId::Boottime));
    let boot = (now.tv_sec - up.tv_sec) * NANOS + now.tv_nsec - up.tv_nsec;
    let made = started(first).and_then(|started| i64::try_from(started).ok());
    let made = made.map_or(task.started * NANOS, |started| boot + started * (NANOS / ticks));
    let time = |nanos: i64| -> Time { (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS)) };
    // The runtime's time has no fraction: it may have been almost a second later.
    let prepared = ((task.started + 1) * NANOS).max(made);
    Since { made: time(made), prepared: time(prepared) }
}

/// The target's root file system. The descriptor outlives the process that it was found by.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) directory: OwnedFd,
    pub(super) mounts: Mounts,
}

/// Opens the root of the target, by whichever of its processes lets this user: one that has given
/// up privileges lets nobody.
pub(super) fn open_root(first: u32, pids: &BTreeSet<u32>) -> Option<Root> {
    /// A target of thousands that let nobody must not cost thousands of attempts each time.
    const ATTEMPTS: usize = 64;
    let others = pids.iter().rev().copied().filter(|pid| *pid != first).take(ATTEMPTS);
    std::iter::once(first).chain(others).find_map(root_of)
}

fn root_of(pid: u32) -> Option<Root> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, format!("/proc/{pid}/root").as_str(), flags, Mode::empty()).ok()?;
    // In a chroot nothing is mounted at `/`, and most of the file system is out of sight.
    let mounts = Mounts::parse(&read(&format!("/proc/{pid}/mountinfo"))?)?;
    let (there, here) = (fstat(&directory).ok()?, rustix::fs::stat("/").ok()?);
    let own = (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino);
    (!own).then_some(Root { directory, mounts })
}

/// Whether this user may look at the root file system of a process.
pub(super) fn opens(pid: u32) -> bool {
    root_of(pid).is_some()
}

/// Becomes the user of the target's first process, if that gave up root in favour of another, as
/// gosu and su-exec do: the kernel lets nobody but this user look at it. A process that gave up root
/// and went on as the same program lets nobody at all; then root has better chances. Takes a right
/// that the target has, too.
pub(super) fn become_user_of_target(task: &Task) {
    let mut processes = Processes::default();
    processes.look(task);
    let Some(first) = processes.first() else { return };
    let (Some(own), Some(theirs)) = (status(std::process::id()), status(first)) else { return };
    let ([uid, ..], [gid, ..]) = (theirs.uids, theirs.gids);
    let one_user = theirs.uids == [uid; 4] && theirs.gids == [gid; 4];
    if !one_user || own.effective & SET_IDS != SET_IDS || opens(first) {
        return;
    }
    let as_them = || {
        let mut command = Command::new("/proc/self/exe");
        command.uid(uid).gid(gid);
        command
    };
    let tried = as_them().args([TRY_COMMAND, &first.to_string()]).stdin(Stdio::null()).status();
    if tried.is_ok_and(|status| status.success()) {
        // Does not come back, unless it fails; then the agent goes on as it is.
        let _failed = as_them().args(task.arguments()).exec();
    }
}
