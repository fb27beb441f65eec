//! /proc/PID/status, /proc/PID/stat and /proc/PID/fdinfo/FD, parsed (proc_pid_status(5) and so on).

/// What a process is, by its /proc/PID/status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its name: at most 15 bytes, which it may choose itself.
    pub name: String,
    /// Process id of its parent; 0 if that is in another process namespace.
    pub parent: u32,
    /// Real, effective, saved and file-system uid.
    pub uids: [u32; 4],
    /// The same of gids.
    pub gids: [u32; 4],
    /// Supplementary groups, at most [`MAX_GROUPS`].
    pub groups: Vec<u32>,
    /// Effective capabilities.
    pub effective: u64,
    /// `no_new_privs`.
    pub no_new_privs: bool,
    /// Seccomp mode.
    pub seccomp: u8,
    /// Resident memory that is no file, in KiB.
    pub anonymous_kib: u64,
    /// Peak of resident memory, in KiB.
    pub peak_kib: u64,
}

/// The kernel allows 65,536; nobody looks at so many.
const MAX_GROUPS: usize = 32;

impl Status {
    /// Parses /proc/PID/status; `None` if it has no ids, as that of a process that is gone.
    pub fn parse(text: &str) -> Option<Self> {
        let mut status = Self::default();
        let (mut uids, mut gids) = (None, None);
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match key {
                "Name" => status.name = value.to_owned(),
                "PPid" => status.parent = value.parse().unwrap_or_default(),
                "Uid" => uids = four(value),
                "Gid" => gids = four(value),
                "Groups" => {
                    let groups = value.split_whitespace().filter_map(|id| id.parse().ok());
                    status.groups = groups.take(MAX_GROUPS).collect();
                }
                "CapEff" => status.effective = hexadecimal(value),
                "NoNewPrivs" => status.no_new_privs = value == "1",
                "Seccomp" => status.seccomp = value.parse().unwrap_or_default(),
                "RssAnon" => status.anonymous_kib = kib(value),
                "VmHWM" => status.peak_kib = kib(value),
                _ => {}
            }
        }
        (status.uids, status.gids) = (uids?, gids?);
        Some(status)
    }

    /// Whether it runs a program that gave it another user: a setuid program.
    pub fn is_set_uid(&self) -> bool {
        let [real, effective, ..] = self.uids;
        real != effective
    }
}

fn four(text: &str) -> Option<[u32; 4]> {
    let mut ids = text.split_whitespace().map(|id| id.parse().ok());
    Some([ids.next()??, ids.next()??, ids.next()??, ids.next()??])
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or_default()
}

fn kib(text: &str) -> u64 {
    text.trim_end_matches(" kB").trim().parse().unwrap_or_default()
}

/// What /proc/PID/stat tells of time, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Since boot, when the process was made.
    pub started: u64,
    /// Processor time, in user and kernel mode.
    pub used: u64,
}

/// Parses /proc/PID/stat. The name in it may hold blanks and brackets: what comes after the last one
/// counts.
pub fn times(stat: &str) -> Option<Times> {
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    // The state is the third field of the text, and the first one here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Times { started: field(22)?, used: field(14)? + field(15)? })
}

/// The open flags and the mount of a descriptor, from /proc/PID/fdinfo/FD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Whether it can be written through.
    pub writable: bool,
    /// Id of the mount that it was opened on.
    pub mount: u64,
}

/// Parses /proc/PID/fdinfo/FD.
pub fn descriptor(text: &str) -> Descriptor {
    const ACCESS_MODE: u32 = 0o3;
    let value = |key| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.map(str::trim).unwrap_or_default()
    };
    let flags = u32::from_str_radix(value("flags:"), 8).unwrap_or_default();
    Descriptor {
        writable: flags & ACCESS_MODE != 0,
        mount: value("mnt_id:").parse().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker of nginx in a container, Linux 6.18.
    const WORKER: &str = "Name:\tnginx\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t29\nNgid:\t0\n\
        Pid:\t29\nPPid:\t1\nTracerPid:\t0\nUid:\t33\t33\t33\t33\nGid:\t33\t33\t33\t33\n\
        FDSize:\t64\nGroups:\t33 \nNStgid:\t29\nVmHWM:\t    4312 kB\nRssAnon:\t    1804 kB\n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
        CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n";

    #[test]
    fn a_status_is_read() {
        let status = Status::parse(WORKER).unwrap();
        assert_eq!((status.name.as_str(), status.parent), ("nginx", 1));
        assert_eq!((status.uids, status.gids), ([33; 4], [33; 4]));
        assert_eq!((status.groups.as_slice(), status.effective), (&[33][..], 0));
        assert_eq!((status.seccomp, status.no_new_privs), (2, false));
        assert_eq!((status.anonymous_kib, status.peak_kib), (1804, 4312));
        assert!(!status.is_set_uid());
        assert_eq!(Status::parse(""), None);
        assert_eq!(Status::parse("Name:\tx\nUid:\t1\t2\n"), None);
    }

    #[test]
    fn a_name_is_not_taken_for_a_field() {
        // A newline in a name is written as `\n` by the kernel.
        let status = Status::parse("Name:\tUid: 0 0 0 0\nUid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\n");
        assert_eq!(status.unwrap().uids, [7; 4]);
    }

    #[test]
    fn a_setuid_program_is_seen() {
        let status = Status::parse("Uid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t7\n").unwrap();
        assert!(status.is_set_uid());
    }

    #[test]
    fn the_start_comes_after_a_name_of_any_kind() {
        let fields = "S 1 29 29 0 -1 4194624 150 0 0 0 3 4 0 0 20 0 1 0 8841 62 1 2";
        for name in ["nginx", "a b", ") 1 2 (", "(("] {
            let times = times(&format!("29 ({name}) {fields}")).unwrap();
            assert_eq!(times, Times { started: 8841, used: 7 }, "{name}");
        }
        assert_eq!(times("29 (gone"), None);
        assert_eq!(times("29 (short) S 1"), None);
    }

    #[test]
    fn a_descriptor_is_writable_by_its_flags() {
        let of = |flags: &str| descriptor(&format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t812\n"));
        assert_eq!(of("0100000"), Descriptor { writable: false, mount: 812 });
        assert_eq!(of("0102001"), Descriptor { writable: true, mount: 812 });
        assert_eq!(of("0102002"), Descriptor { writable: true, mount: 812 });
        assert_eq!(descriptor(""), Descriptor::default());
    }
}
