//! /proc/PID/mountinfo, parsed (proc_pid_mountinfo(5)).

use std::collections::HashSet;

/// The mounts of a container, as its first process has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Id of the mount at `/`.
    pub root_id: u64,
    /// Type of its file system.
    pub file_system: String,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Every other place where something is mounted.
    points: HashSet<Vec<u8>>,
    /// The directories above these places. A runtime makes those that an image lacks.
    above: HashSet<Vec<u8>>,
}

/// Maximum number of mounts that are looked at; the kernel allows 100,000.
const MAX_MOUNTS: usize = 4096;

impl Mounts {
    /// Parses mountinfo. `None` if nothing is mounted at `/`, as for a process in a chroot.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut mounts = Self::default();
        let mut has_root = false;
        for line in text.split(|byte| *byte == b'\n').take(MAX_MOUNTS) {
            let mut fields = line.split(|byte| *byte == b' ');
            let (Some(id), Some(point), Some(options)) =
                (fields.next(), fields.nth(3).map(unescaped), fields.next())
            else {
                continue;
            };
            // Of several mounts at `/` the last one is seen.
            if point == b"/" {
                has_root = true;
                mounts.root_id = text_of(id).parse().unwrap_or_default();
                mounts.file_system = file_system(fields);
                mounts.read_only = options.split(|byte| *byte == b',').any(|it| it == b"ro");
                continue;
            }
            let ends = point.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'/');
            mounts.above.extend(ends.filter_map(|(at, _)| point.get(..at).map(<[u8]>::to_vec)));
            mounts.above.insert(b"/".to_vec());
            mounts.points.insert(point);
        }
        has_root.then_some(mounts)
    }

    /// Whether something is mounted at this path.
    pub fn is_mount_point(&self, path: &[u8]) -> bool {
        self.points.contains(path)
    }

    /// Whether a mount lies below this directory. The runtime may have made an entry in it.
    pub fn leads_to_mount(&self, path: &[u8]) -> bool {
        self.above.contains(path)
    }
}

/// The type stands behind a field `-`, which comes after any number of optional fields.
fn file_system<'t>(mut fields: impl Iterator<Item = &'t [u8]>) -> String {
    let _dash = fields.find(|field| *field == b"-");
    fields.next().map(text_of).unwrap_or_default()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Blank, tab, newline and backslash are written as three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| *first == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod's container under containerd 2.4.
    const CONTAINER: &[u8] = b"\
912 700 0:92 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
913 912 0:96 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
914 912 0:97 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
920 912 254:0 /pods/x/etc-hosts /etc/hosts rw,relatime shared:1 master:2 - ext4 /dev/vda rw
921 912 0:88 / /run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs rw
922 912 254:0 /pods/x/v /data/a\\040b rw,relatime - ext4 /dev/vda rw
";

    #[test]
    fn mounts_of_a_container() {
        let mounts = Mounts::parse(CONTAINER).unwrap();
        assert_eq!((mounts.root_id, mounts.file_system.as_str()), (912, "overlay"));
        assert!(!mounts.read_only);
        for point in ["/proc", "/etc/hosts", "/data/a b"] {
            assert!(mounts.is_mount_point(point.as_bytes()), "{point}");
        }
        assert!(!mounts.is_mount_point(b"/"));
        for above in ["/", "/run", "/run/secrets", "/run/secrets/kubernetes.io", "/etc", "/data"] {
            assert!(mounts.leads_to_mount(above.as_bytes()), "{above}");
        }
        assert!(!mounts.leads_to_mount(b"/var"));
        assert!(!mounts.leads_to_mount(b"/run/secrets/kubernetes.io/serviceaccount"));
    }

    #[test]
    fn a_read_only_root() {
        let mounts = Mounts::parse(b"1 0 0:1 / / ro,relatime shared:7 - overlay o rw\n").unwrap();
        assert!(mounts.read_only);
        assert_eq!(mounts.file_system, "overlay");
    }

    #[test]
    fn a_chroot_has_no_root_mount() {
        assert_eq!(Mounts::parse(b"913 912 0:96 / /proc rw - proc proc rw\n"), None);
        assert_eq!(Mounts::parse(b""), None);
        assert_eq!(Mounts::parse(b"\n \n1 2\n"), None);
    }
}
