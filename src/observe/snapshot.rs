//! What the agent reports: everything seen since it began, in each line anew, so that a reader who
//! comes late misses nothing.
//!
//! The pod is untrusted, and so is all that it shows: lists are bounded where they are made
//! ([`MAX_DIRECTORIES`] and the like), and names are text that whoever prints has to clean.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the format. A reader takes no other.
pub const VERSION: u32 = 1;
/// Maximum number of written directories. A program with more needs a volume.
pub const MAX_DIRECTORIES: usize = 128;
/// Maximum length of a path, in bytes. What is written below a longer one counts for its ancestor.
pub const MAX_PATH: usize = 512;
/// Maximum number of examples of each kind.
pub const MAX_EXAMPLES: usize = 3;
/// Maximum number of different owners that are kept for a directory.
pub const MAX_OWNERS: usize = 8;
/// Maximum number of different processes, by name and credentials.
pub const MAX_PROCESSES: usize = 64;
/// Maximum number of places that only some users may read.
pub const MAX_RESTRICTED: usize = 32;
/// Maximum number of listening sockets on low ports.
pub const MAX_PORTS: usize = 32;
/// Maximum number of users of the image's /etc/passwd that are reported.
pub const MAX_USERS: usize = 64;

/// Everything seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// [`VERSION`].
    pub version: u32,
    /// Milliseconds since the agent began.
    pub millis: u64,
    /// Milliseconds that the container had run before.
    pub missed_millis: u64,
    /// Whether it is the last one.
    pub last: bool,
    /// The agent's own process id, in the process namespace of its target.
    pub agent: u32,
    /// The root file system.
    pub root: Root,
    /// Directories that were written to, topmost only.
    pub directories: Vec<Directory>,
    /// Whether there were more than [`MAX_DIRECTORIES`].
    pub more_directories: bool,
    /// Device files that were made.
    pub devices: Vec<String>,
    /// What only some users of the image may read.
    pub restricted: Vec<Restricted>,
    /// Processes, by name and credentials.
    pub processes: Vec<ProcessGroup>,
    /// Whether there were more than [`MAX_PROCESSES`] different ones.
    pub more_processes: bool,
    /// Sockets that listen below 1024.
    pub ports: Vec<Port>,
    /// Users of the image's /etc/passwd.
    pub users: Vec<User>,
    /// `HOME` of the first process.
    pub home: Option<String>,
    /// Processes whose descriptors cannot be read, since they gave up privileges.
    pub closed_processes: u32,
    /// What the agent itself used.
    pub cost: Cost,
}

/// The root file system, and how much of it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Root {
    /// Whether it could be opened.
    pub open: bool,
    /// Its file system's type, such as `overlay`.
    pub file_system: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Files and directories seen in the last complete search.
    pub entries: u64,
    /// Number of complete searches.
    pub searches: u32,
    /// Whether the last search ended before it had seen everything.
    pub cut_short: bool,
    /// Directories that could not be read.
    pub unreadable: u64,
}

/// A directory in which something was written, outside of mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Directory {
    /// Absolute path in the container.
    pub path: String,
    /// Whether files came, went or were renamed directly in it.
    pub entries_changed: bool,
    /// Files of the image, directly in it, that were written or opened for writing.
    pub changed_in_place: u64,
    /// Files and directories below it that were there before the container started.
    pub of_image: u64,
    /// Owners of what was written there.
    pub owners: BTreeSet<u32>,
    /// Names of what was written there.
    pub examples: Vec<String>,
}

/// Files of the image that not everybody may read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Restricted {
    /// Their directory, or the directory that is closed itself.
    pub path: String,
    /// Their owner.
    pub uid: u32,
    /// Their group.
    pub gid: u32,
    /// Whether the group may read them.
    pub group_reads: bool,
    /// How many there are.
    pub count: u64,
}

/// Processes that have name and credentials in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessGroup {
    /// `Name:` in /proc/PID/status.
    pub name: String,
    /// Real, effective, saved and file-system uid.
    pub uids: [u32; 4],
    /// The same of gids.
    pub gids: [u32; 4],
    /// Supplementary groups; at most 32.
    pub groups: Vec<u32>,
    /// Effective capabilities, a bit each.
    pub effective: u64,
    /// `no_new_privs`.
    pub no_new_privs: bool,
    /// Seccomp mode: 0 none, 1 strict, 2 filter.
    pub seccomp: u8,
    /// Whether the container's first process is one of them.
    pub first: bool,
    /// Maximum number of them at one time.
    pub count: u32,
    /// Number of samples they were seen in.
    pub samples: u32,
    /// Whether they were there in the last sample.
    pub current: bool,
}

/// A listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// `TCP` or `UDP`; empty for a raw socket.
    pub protocol: String,
    /// Its port.
    pub port: u16,
    /// Uid it was opened by.
    pub uid: u32,
    /// Whether a process of this container was seen to hold it.
    // Containers of a pod share ports, and not every process shows its descriptors.
    pub held: bool,
}

/// A line of the image's /etc/passwd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// Its uid.
    pub uid: u32,
    /// Its gid.
    pub gid: u32,
    /// Its home directory.
    pub home: String,
}

/// What the agent took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Processor time, in milliseconds.
    pub processor_millis: u64,
    /// Peak of its resident memory in KiB, most of which is the program's own file.
    pub peak_kib: u64,
    /// Memory that is no file, in KiB.
    pub anonymous_kib: u64,
}

impl Directory {
    /// Whether what is told of `path` belongs to this directory. The root covers nothing but itself:
    /// nothing can be mounted there, and what is below has to be told.
    pub fn covers(&self, path: &str) -> bool {
        match self.path.as_str() {
            "/" => path == "/",
            above => is_below(path, above),
        }
    }

    /// Takes over what is told of the same directory, or of one below.
    pub fn cover(&mut self, below: Self) {
        if below.path == self.path {
            self.entries_changed |= below.entries_changed;
            self.changed_in_place = self.changed_in_place.max(below.changed_in_place);
            self.of_image = self.of_image.max(below.of_image);
        }
        for owner in below.owners {
            if self.owners.len() < MAX_OWNERS {
                self.owners.insert(owner);
            }
        }
        let within = below.path.strip_prefix(self.path.trim_end_matches('/'));
        let within = within.unwrap_or_default().trim_start_matches('/').to_owned();
        for example in below.examples {
            let example = if within.is_empty() { example } else { format!("{within}/{example}") };
            self.add_example(example);
        }
    }

    /// Adds an example, as long as there are few. One of anything else takes the place of a module that
    /// Python has compiled: those say the least.
    pub fn add_example(&mut self, example: String) {
        if self.examples.contains(&example) || example.len() >= MAX_PATH {
            return;
        }
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(example);
        } else if !is_bytecode(&example)
            && let Some(least) = self.examples.iter_mut().find(|it| is_bytecode(it))
        {
            *least = example;
        }
    }

    /// Whether all that is known to be written there are modules that Python has compiled. It does
    /// so where it may, and does without where it may not.
    pub fn is_bytecode_only(&self) -> bool {
        let all = !self.examples.is_empty() && self.examples.iter().all(|it| is_bytecode(it));
        all || self.path.ends_with("/__pycache__")
    }
}

/// Whether `path` is `directory` or below it.
pub fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is that of a module that Python has compiled.
fn is_bytecode(path: &str) -> bool {
    path.ends_with(".pyc") || path.ends_with("__pycache__") || path.contains("__pycache__/")
}

impl Snapshot {
    /// Whether it reports more than `before`, beside time and cost.
    pub fn differs(&self, before: &Self) -> bool {
        let bare = |it: &Self| Self {
            millis: 0,
            missed_millis: 0,
            cost: Cost::default(),
            root: Root { entries: 0, searches: it.root.searches.min(1), ..it.root.clone() },
            processes: it
                .processes
                .iter()
                .map(|group| ProcessGroup { samples: 0, ..group.clone() })
                .collect(),
            ..it.clone()
        };
        bare(self) != bare(before)
    }
}
