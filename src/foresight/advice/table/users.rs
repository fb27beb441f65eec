//! Messages of programs about who they are, and about what only root may do.

use crate::foresight::advice::fix::Cure;
use crate::foresight::advice::symptom::{BLANK, Needs, Symptom};
use crate::foresight::risk::Cause;
use crate::rule::RuleName::{
    self, AllowPrivilegeEscalation, Capabilities, ReadOnlyRootFilesystem, RunAsGroup, RunAsNonRoot,
    RunAsUser, SeccompProfile,
};

/// What is due to the user's change.
pub(super) const USER: &[RuleName] = &[RunAsNonRoot, RunAsUser, RunAsGroup];
/// What is due to the user's change, or to capabilities that root would have.
pub(super) const ROOT: &[RuleName] = &[RunAsNonRoot, RunAsUser, Capabilities];
pub(super) const ROOT_AGAIN: Cure = Cure::Exempt(&[RunAsNonRoot]);
pub(super) const WITH_CAPABILITIES: Cure = Cure::Exempt(&[RunAsNonRoot, Capabilities]);

/// The entries.
pub(super) const ENTRIES: &[Symptom] = &[
    Symptom {
        name: "uid-without-name-postgresql",
        says: &[
            &["could not look up effective user id"],
            &["local user with id", "does not exist"],
        ],
        cause: Cause::NoHome,
        why: "its uid is not in the image's /etc/passwd",
        rules: USER,
        cures: &[Cure::User("postgres")],
        section: NO_NAME,
        ..BLANK
    },
    Symptom {
        name: "uid-without-name",
        says: &[
            &["no name!"],
            &["no passwd entry"],
            &["not in /etc/passwd"],
            &["user does not exist"],
            &["look up", "user"],
            &["cannot find name for user id"],
            &["no user exists for uid"],
            &["getpwuid"],
            &["uv_os_get_passwd"],
            &["unknown userid"],
            &["invalid null input: name"],
        ],
        cause: Cause::NoHome,
        why: "its uid is not in the image's /etc/passwd, and HOME is `/`",
        rules: USER,
        cures: &[
            Cure::Words("set `runAsUser` to a uid that has an entry, or HOME and USER in `env`"),
            Cure::ImageUser,
        ],
        section: NO_NAME,
        ..BLANK
    },
    Symptom {
        name: "no-home",
        says: &[
            &["read-only file system"],
            &["erofs"],
            &["permission denied"],
            &["eacces"],
            &["could not create"],
            &["cannot create"],
            &["unable to create"],
            &["not writable"],
            &["is denied"],
            &["accessdenied"],
            &["npm err"],
        ],
        needs: Needs::Path(&["/.", "/root/", "/nonexistent"]),
        cause: Cause::NoHome,
        why: "it writes to its home directory, which is `/` or root's",
        rules: &[RunAsUser, RunAsNonRoot, ReadOnlyRootFilesystem],
        cures: &[Cure::Env("HOME", "/tmp"), Cure::Writable],
        section: NO_NAME,
        ..BLANK
    },
    Symptom {
        name: "home-not-set",
        says: &[&["$home not set"], &["$home is not defined"], &["home is not set"]],
        cause: Cause::NoHome,
        why: "its uid is not in the image's /etc/passwd, and it has no HOME",
        rules: USER,
        cures: &[Cure::Env("HOME", "/tmp")],
        section: NO_NAME,
        ..BLANK
    },
    Symptom {
        name: "low-port",
        says: &[
            &["bind", "permission denied"],
            &["bind", "eacces"],
            &["listen", "permission denied"],
            &["listen", "eacces"],
            &["make_sock", "permission denied"],
            &["http server", "eacces"],
            &["acceptor", "permission denied"],
        ],
        traced: &[
            &["permission denied", ".bind("],
            &["permission denied", "bind0"],
            &["permission denied", "dobind"],
            &["permission denied", "server_bind"],
        ],
        needs: Needs::NoOtherPort,
        ..LOW_PORT
    },
    // gunicorn does not say why.
    Symptom { says: &[&["can't connect to ('"]], needs: Needs::LowPort, ..LOW_PORT },
    Symptom {
        name: "network-change",
        says: &[
            &["rtnetlink", "not permitted"],
            &["initialize", "iptables"],
            &["iptables", "permission denied"],
            &["nftables", "not permitted"],
            &["nft", "not permitted", "you must be root"],
            &["ioctl(tunsetiff)", "not permitted"],
        ],
        cause: Cause::NeedsCapability,
        why: "it changes the pod's network, which requires root with NET_ADMIN",
        rules: ROOT,
        cures: &[WITH_CAPABILITIES],
        section: "rtnetlink-answers-operation-not-permitted-cant-initialize-iptables",
        ..BLANK
    },
    Symptom {
        name: "ping",
        says: &[&["ping", "not permitted"], &["lacking privilege for icmp socket"]],
        cause: Cause::NeedsCapability,
        why: "NET_RAW is dropped with all other capabilities",
        rules: ROOT,
        cures: &[Cure::Sysctl("net.ipv4.ping_group_range", "0 2147483647"), WITH_CAPABILITIES],
        section: RAW,
        ..BLANK
    },
    Symptom {
        name: "raw-socket",
        says: &[
            // busybox: it knows raw sockets only, which the sysctl for ping does not open.
            &["permission denied", "are you root"],
            &["ping", "permission denied"],
            &["socket: operation not permitted"],
            &["raw socket", "not permitted"],
            &["permission to capture on that device"],
            &["permission to perform this capture"],
        ],
        traced: &[&["not permitted", "sock_raw"]],
        cause: Cause::NeedsCapability,
        why: "NET_RAW is dropped with all other capabilities",
        rules: ROOT,
        cures: &[WITH_CAPABILITIES],
        section: RAW,
        ..BLANK
    },
    Symptom {
        name: "setuid-program",
        says: &[
            &["no new privileges"],
            &["setuid root"],
            &["have the setuid bit set"],
            &["effective uid is not 0"],
            &["su: authentication failure"],
            &["su: must be run from a terminal"],
            &["gain root privileges", "fatal"],
        ],
        cause: Cause::Setuid,
        why: "a setuid program has no effect where privilege escalation is not allowed",
        rules: &[AllowPrivilegeEscalation, RunAsUser, RunAsNonRoot, Capabilities],
        cures: &[
            Cure::Exempt(&[AllowPrivilegeEscalation, Capabilities]),
            Cure::Words("start the program directly, as the user that it needs"),
        ],
        section: "the-no-new-privileges-flag-is-set-must-be-suid",
        ..BLANK
    },
    Symptom {
        // busybox' su, as a rule started as root, and not setuid.
        name: "su-without-root",
        says: &[&["must be suid"]],
        cause: Cause::NeedsRoot,
        why: "it expects to start as root and to change its user itself, and is no longer root",
        rules: ROOT,
        cures: &[ROOT_AGAIN, Cure::Exempt(&[AllowPrivilegeEscalation, Capabilities])],
        section: "the-no-new-privileges-flag-is-set-must-be-suid",
        ..BLANK
    },
    Symptom {
        name: "changes-user",
        says: &[
            &["setgroups"],
            &["initgroups"],
            &["setuid", "not permitted"],
            &["setgid", "not permitted"],
            &["setuid(", "failed"],
            &["setgid(", "failed"],
            &["setresuid", "not permitted"],
            &["setresgid", "not permitted"],
            &["set groups"],
            &["set uid", "not permitted"],
            &["set gid", "not permitted"],
            &["supplementary group"],
            &["supplemental group"],
            &["failed switching to"],
            &["drop privilege as nonroot"],
            &["may not be used by non-root"],
        ],
        traced: &[
            &["not permitted", "os.setuid("],
            &["not permitted", "os.setgid("],
            &["not permitted", "os.setgroups("],
            &["not permitted", "os.initgroups("],
        ],
        cause: Cause::NeedsRoot,
        why: "it expects to start as root and to change its user itself, and is no longer root",
        rules: ROOT,
        cures: &[Cure::NamedUser, ROOT_AGAIN],
        section: "cant-set-groups-operation-not-permitted-setgroups-setuid-initgroups-failed",
        ..BLANK
    },
    Symptom {
        name: "needs-root",
        says: &[
            &["must be run as root"],
            &["must be root"],
            &["requires root"],
            &["need to be root"],
            &["needs to be run as root"],
            &["not running as root"],
            &["run as root or"],
            &["only root can"],
            &["are you root"],
            &["must be superuser"],
            &["with root privileges"],
        ],
        cause: Cause::NeedsRoot,
        why: "it asks to be root, and is no longer",
        rules: USER,
        cures: &[ROOT_AGAIN],
        section: "it-says-that-it-must-be-root",
        ..BLANK
    },
    Symptom {
        name: "privileged-operation",
        says: &[
            &["mknod", "not permitted"],
            &["chroot", "not permitted"],
            &["change root directory", "not permitted"],
            &["unshare", "not permitted"],
            &["setns", "not permitted"],
            &["mount: ", "not permitted"],
            &["mount: ", "permission denied"],
            &["to mount", "not permitted"],
            &["settimeofday", "not permitted"],
            &["cannot set date", "not permitted"],
        ],
        traced: &[&["not permitted", "os.chroot("], &["not permitted", "os.mknod("]],
        cause: Cause::NeedsCapability,
        why: "it does what requires root with a capability",
        rules: ROOT,
        cures: &[WITH_CAPABILITIES],
        section: "it-says-that-it-must-be-root",
        ..BLANK
    },
    Symptom {
        name: "system-call",
        says: &[
            &["io_uring", "not permitted"],
            &["io_uring", "eperm"],
            &["bad system call"],
            &["clone3", "not permitted"],
        ],
        cause: Cause::SystemCall,
        why: "the seccomp profile refuses a system call that it uses",
        rules: &[SeccompProfile],
        cures: &[Cure::Exempt(&[SeccompProfile])],
        section: "bad-system-call-io_uring-operation-not-permitted",
        ..BLANK
    },
    Symptom {
        name: "signal",
        says: &[&["kill", "not permitted"]],
        cause: Cause::Signals,
        why: "the process that it signals runs as another user",
        rules: ROOT,
        cures: &[Cure::Words(
            "give the containers that share their processes the same `runAsUser`",
        )],
        section: "kill-operation-not-permitted",
        ..BLANK
    },
];

const NO_NAME: &str = "i-have-no-name-no-passwd-entry-home";
const RAW: &str = "ping-socket-operation-not-permitted";
const LOW_PORT: Symptom = Symptom {
    name: "low-port",
    cause: Cause::LowPort,
    why: "it binds a port below 1024 that it does not declare",
    rules: ROOT,
    cures: &[
        Cure::Port,
        Cure::IfUnnamed("declare the port in `ports`; ironhull then lets the pod bind it"),
    ],
    section: "bind-permission-denied-on-a-port-below-1024",
    ..BLANK
};
