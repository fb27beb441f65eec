//! What was seen since the agent began.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::Task;
use super::target::{Processes, Root, is_ours, open_root, read, since, status};
use crate::observe::net::{Kind, Listening, TABLES, listening, socket};
use crate::observe::process::{Status, descriptor, times};
use crate::observe::snapshot::{
    Cost, Directory, MAX_DIRECTORIES, MAX_EXAMPLES, MAX_PORTS, MAX_PROCESSES, MAX_USERS, Port,
    ProcessGroup, Snapshot, User, VERSION,
};
use crate::observe::walk::{Found, Limits, Since, walk};
use crate::text::printable;

/// The first port that is nobody's privilege.
const UNPRIVILEGED: u16 = 1024;
/// Maximum number of descriptors that are looked at in one round.
const MAX_DESCRIPTORS: usize = 20_000;
/// Maximum number of lines of a table of sockets.
const MAX_SOCKETS: usize = 100_000;
/// Maximum size of /etc/passwd.
const MAX_PASSWD: u64 = 256 << 10;
/// Maximum length of a name of a process or a user, and of a home directory.
const MAX_NAME: usize = 64;

/// Collects samples.
pub(super) struct Sampler<'t> {
    task: &'t Task,
    limits: Limits,
    began: Instant,
    processes: Processes,
    first: Option<u32>,
    since: Option<Since>,
    root: Option<Root>,
    groups: BTreeMap<Key, ProcessGroup>,
    found: Found,
    /// Files that are open for writing, by their directory.
    open_for_writing: BTreeMap<String, Directory>,
    ports: BTreeMap<(&'static str, u16, u32), Port>,
    seen: Snapshot,
}

/// What processes have in common.
type Key = (String, [u32; 4], [u32; 4], Vec<u32>, u64, bool, u8);

impl<'t> Sampler<'t> {
    pub(super) fn new(task: &'t Task, limits: Limits) -> Self {
        Self {
            task,
            limits,
            began: Instant::now(),
            processes: Processes::default(),
            first: None,
            since: None,
            root: None,
            groups: BTreeMap::new(),
            found: Found::default(),
            open_for_writing: BTreeMap::new(),
            ports: BTreeMap::new(),
            seen: Snapshot { version: VERSION, agent: std::process::id(), ..Snapshot::default() },
        }
    }

    /// Looks at the processes and their users.
    pub(super) fn processes(&mut self) {
        self.processes.look(self.task);
        if self.first.is_none_or(|first| !self.processes.pids.contains(&first)) {
            self.first = self.processes.first().or(self.first);
        }
        let mut counts: BTreeMap<Key, u32> = BTreeMap::new();
        for pid in &self.processes.pids {
            let Some(status) = status(*pid).filter(|it| !is_ours(*pid, &it.name)) else { continue };
            let is_first = self.first == Some(*pid);
            let key = key(status);
            if !self.groups.contains_key(&key) && self.groups.len() >= MAX_PROCESSES {
                self.seen.more_processes = true;
                continue;
            }
            let count = counts.entry(key.clone()).or_default();
            *count += 1;
            let group = self.groups.entry(key).or_insert_with_key(group);
            group.first |= is_first;
            group.count = group.count.max(*count);
        }
        // A target that is gone was last seen as it was.
        if !self.is_gone() {
            for (key, group) in &mut self.groups {
                group.current = counts.contains_key(key);
                group.samples = group.samples.saturating_add(u32::from(group.current));
            }
        }
        self.enter();
    }

    /// Whether the root file system could be opened.
    pub(super) const fn sees_files(&self) -> bool {
        self.root.is_some()
    }

    /// Whether the target has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.first.is_some() && self.processes.pids.is_empty()
    }

    /// Finds the way into the target's root file system, and reads what needs reading once.
    fn enter(&mut self) {
        let Some(first) = self.first else { return };
        if self.since.is_none() {
            let since = since(first, self.task);
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
            let missed = now.tv_sec.saturating_sub(since.made.0).saturating_mul(1000);
            let began = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
            self.seen.missed_millis = u64::try_from(missed - began).unwrap_or_default();
            self.since = Some(since);
        }
        if self.seen.home.is_none() {
            self.seen.home = home(first);
        }
        if self.root.is_none() {
            let Some(root) = open_root(first, &self.processes.pids) else { return };
            self.seen.users = users(&root);
            self.seen.root.open = true;
            self.seen.root.file_system = printable(&root.mounts.file_system, MAX_NAME).into_owned();
            self.seen.root.read_only = root.mounts.read_only;
            self.root = Some(root);
        }
    }

    /// Looks at descriptors and at sockets that listen on low ports.
    pub(super) fn descriptors(&mut self) {
        let mut sockets = BTreeSet::new();
        let mut closed = 0;
        let mut left = MAX_DESCRIPTORS;
        for pid in &self.processes.pids {
            let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
                closed += 1;
                continue;
            };
            for entry in entries.filter_map(Result::ok).take(left) {
                left -= 1;
                let Ok(link) = fs::read_link(entry.path()) else { continue };
                let link = link.as_os_str().as_bytes();
                match socket(link) {
                    Some(inode) => _ = sockets.insert(inode),
                    None if link.starts_with(b"/") => {
                        let number = entry.file_name();
                        let Some(number) = number.to_str() else { continue };
                        let at = format!("/proc/{pid}/fdinfo/{number}");
                        note_open_file(&self.root, &mut self.open_for_writing, link, &at);
                    }
                    None => {}
                }
            }
        }
        self.seen.closed_processes = self.seen.closed_processes.max(closed);
        self.ports(&sockets);
    }

    fn ports(&mut self, held: &BTreeSet<u64>) {
        for (table, kind) in TABLES {
            // The agent is in the pod's network, and its own table is the pod's.
            let Ok(file) = fs::File::open(format!("/proc/self/net/{table}")) else { continue };
            let lines = BufReader::new(file).lines().map_while(Result::ok).take(MAX_SOCKETS);
            for line in lines {
                let Some(found) = listening(&line, kind) else { continue };
                let Listening { port, uid, inode, .. } = found;
                // Connections of UDP clients have no peer either, but no low port.
                if port >= UNPRIVILEGED && kind != Kind::Raw {
                    continue;
                }
                let key = (kind.protocol(), port, uid);
                if self.ports.len() < MAX_PORTS || self.ports.contains_key(&key) {
                    let entry = self.ports.entry(key).or_insert_with(|| Port {
                        protocol: kind.protocol().to_owned(),
                        port,
                        uid,
                        held: false,
                    });
                    entry.held |= held.contains(&inode);
                }
            }
        }
    }

    /// Searches the root file system.
    pub(super) fn search(&mut self) {
        let (Some(root), Some(since)) = (&self.root, self.since) else { return };
        let Ok(found) = walk(&root.directory, &root.mounts, since, self.limits) else { return };
        let seen = &mut self.seen.root;
        seen.entries = found.entries;
        seen.unreadable = found.unreadable;
        seen.cut_short = found.cut_short;
        seen.searches += u32::from(!found.cut_short);
        // A directory that was removed was written to all the same.
        let gone = std::mem::take(&mut self.found);
        self.found = found;
        self.found.more_directories |= gone.more_directories;
        for device in gone.devices {
            if self.found.devices.len() < MAX_EXAMPLES && !self.found.devices.contains(&device) {
                self.found.devices.push(device);
            }
        }
        for directory in gone.directories {
            keep(&mut self.found.directories, directory, &mut self.found.more_directories);
        }
    }

    /// Everything seen so far.
    pub(super) fn snapshot(&self, last: bool) -> Snapshot {
        let mut directories = self.found.directories.clone();
        let mut more = self.found.more_directories;
        for directory in self.open_for_writing.values() {
            keep(&mut directories, directory.clone(), &mut more);
        }
        Snapshot {
            millis: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            last,
            directories,
            more_directories: more,
            devices: self.found.devices.clone(),
            restricted: self.found.restricted.clone(),
            processes: self.groups.values().cloned().collect(),
            ports: self.ports.values().cloned().collect(),
            cost: cost(),
            ..self.seen.clone()
        }
    }
}

/// Keeps a directory beside others, unless one of them covers it.
fn keep(directories: &mut Vec<Directory>, one: Directory, more: &mut bool) {
    if let Some(above) = directories.iter_mut().find(|it| it.covers(&one.path)) {
        above.cover(one);
    } else if directories.len() < MAX_DIRECTORIES {
        directories.push(one);
    } else {
        *more = true;
    }
}

fn key(status: Status) -> Key {
    let Status { name, uids, gids, groups, effective, no_new_privs, seccomp, .. } = status;
    let name = printable(&name, MAX_NAME).into_owned();
    (name, uids, gids, groups, effective, no_new_privs, seccomp)
}

fn group(key: &Key) -> ProcessGroup {
    let (name, uids, gids, groups, effective, no_new_privs, seccomp) = key.clone();
    ProcessGroup {
        name,
        uids,
        gids,
        groups,
        effective,
        no_new_privs,
        seccomp,
        ..ProcessGroup::default()
    }
}

/// Notes the directory of a file of the root mount that is open for writing. Where the root is no
/// overlay, that leaves no trace until something is written.
fn note_open_file(
    root: &Option<Root>,
    open: &mut BTreeMap<String, Directory>,
    link: &[u8],
    fdinfo: &str,
) {
    let Some(root) = root else { return };
    let Some(info) = read(fdinfo) else { return };
    let info = descriptor(&String::from_utf8_lossy(&info));
    if !info.writable || info.mount != root.mounts.root_id {
        return;
    }
    let link = link.strip_suffix(b" (deleted)").unwrap_or(link);
    let Ok(path) = std::str::from_utf8(link) else { return };
    let Some((directory, name)) = path.rsplit_once('/') else { return };
    let directory = if directory.is_empty() { "/" } else { directory };
    if open.len() < MAX_DIRECTORIES || open.contains_key(directory) {
        let entry = open.entry(directory.to_owned()).or_insert_with(|| Directory {
            path: directory.to_owned(),
            changed_in_place: 1,
            // Whether it is the image's cannot be seen here; a search tells.
            ..Directory::default()
        });
        entry.add_example(name.to_owned());
    }
}

/// `HOME` in the environment that a process was started with. Nothing else of it is kept.
fn home(pid: u32) -> Option<String> {
    let environment = read(&format!("/proc/{pid}/environ"))?;
    let mut variables = environment.split(|byte| *byte == 0);
    let home = variables.find_map(|variable| variable.strip_prefix(b"HOME="))?;
    Some(printable(&String::from_utf8_lossy(home), 4 * MAX_NAME).into_owned())
}

/// The users of the image's /etc/passwd, if that is a regular file.
fn users(root: &Root) -> Vec<User> {
    use std::io::Read as _;
    // A FIFO does not block, and is then no regular file.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let file = openat2(&root.directory, c"etc/passwd", flags, Mode::empty(), resolve);
    let Ok(file) = file.map(fs::File::from) else { return Vec::new() };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    let _cut = file.take(MAX_PASSWD).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(user).take(MAX_USERS).collect()
}

fn user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (_comment, home) = (fields.next()?, fields.next()?);
    let short = |text: &str| printable(text, MAX_NAME).into_owned();
    Some(User { name: short(name), uid, gid, home: short(home) })
}

fn cost() -> Cost {
    let own = std::process::id();
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let stat = read("/proc/self/stat").unwrap_or_default();
    let used = times(&String::from_utf8_lossy(&stat)).unwrap_or_default().used;
    let status = status(own).unwrap_or_default();
    Cost {
        processor_millis: used * 1000 / ticks,
        peak_kib: status.peak_kib,
        anonymous_kib: status.anonymous_kib,
    }
}
