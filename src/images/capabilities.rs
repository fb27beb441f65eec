//! File capabilities: the value of the extended attribute `security.capability`, as the kernel
//! reads it (`include/uapi/linux/capability.h`).

/// The bit of the first word that makes permitted capabilities effective at once.
const EFFECTIVE: u32 = 1;

/// Names by number, from CAP_CHOWN, 0, to CAP_CHECKPOINT_RESTORE, 40.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The capabilities without which `execve` of a file with this attribute fails, by name. Empty if
/// it has none, or none that are effective: then the program starts without them.
///
/// The value is a word with revision and flags, then words of permitted and inheritable
/// capabilities: one pair in revision 1, two in 2 and 3. Revision 3 ends in the uid of the
/// namespace's root.
pub(super) fn effective(value: &[u8]) -> Vec<String> {
    let word = |index: usize| {
        let bytes = value.get(index * 4..index * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let Some(magic) = word(0) else { return Vec::new() };
    let permitted = match (magic >> 24, value.len()) {
        (1, 12) => word(1).map(u64::from),
        (2, 20) | (3, 24) => {
            word(1).zip(word(3)).map(|(low, high)| u64::from(low) | u64::from(high) << 32)
        }
        _ => None,
    };
    let permitted = permitted.filter(|_| magic & EFFECTIVE != 0).unwrap_or_default();
    let names = NAMES.iter().enumerate().filter(|(bit, _)| permitted >> bit & 1 != 0);
    names.map(|(_, name)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(magic: u32, words: &[u32]) -> Vec<u8> {
        std::iter::once(&magic).chain(words).flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn of_each_revision() {
        let bind = ["NET_BIND_SERVICE"];
        assert_eq!(effective(&value(0x0100_0001, &[1 << 10, 0])), bind);
        assert_eq!(effective(&value(0x0200_0001, &[1 << 10, 0, 0, 0])), bind);
        assert_eq!(effective(&value(0x0300_0001, &[1 << 10, 0, 0, 0, 0])), bind);
        let two = value(0x0200_0001, &[1 << 12 | 1 << 13, 0, 1 << 7, 0]);
        assert_eq!(effective(&two), ["NET_ADMIN", "NET_RAW", "BPF"]);
    }

    #[test]
    fn without_the_flag_the_program_starts() {
        assert!(effective(&value(0x0200_0000, &[1 << 10, 0, 0, 0])).is_empty());
        // Inheritable alone.
        assert!(effective(&value(0x0200_0001, &[0, 1 << 10, 0, 0])).is_empty());
    }

    #[test]
    fn what_the_kernel_does_not_know_is_nothing() {
        for value in [
            value(0x0200_0001, &[1 << 10, 0]),
            value(0x0400_0001, &[1 << 10, 0, 0, 0]),
            Vec::new(),
            vec![1],
        ] {
            assert!(effective(&value).is_empty(), "{value:?}");
        }
    }
}
