//! Programs whose needs are known.

/// Programs that need nothing that hardening takes, whatever their arguments.
pub(super) const HARMLESS: &str = "sleep tail true false : echo printf cat date env printenv id whoami pause \
    test [ [[ exit wait trap ls head grep egrep fgrep awk sort uniq wc cut tr seq hostname uname \
    which command type read export unset shift set local return break continue umask ulimit kill \
    pgrep ps free df du stat basename dirname readlink realpath sha256sum md5sum base64 nslookup \
    dig host getent jq yq pwd sync yes expr let mktemp uptime getconf nproc";

/// Programs that read the files they are given.
pub(super) const READERS: &str =
    "tail cat head grep egrep fgrep wc sort sha256sum md5sum base64 ls du stat";

/// Programs that run the one in their arguments.
pub(super) const WRAPPERS: &str = "exec nohup time timeout nice ionice env tini dumb-init catatonit stdbuf busybox setsid command";

/// Programs that only root with a capability can run, each with the capability.
pub(super) const PRIVILEGED: &[(&str, &str)] = &[
    ("gosu", "SETUID"),
    ("su-exec", "SETUID"),
    ("setpriv", "SETUID"),
    ("runuser", "SETUID"),
    ("chpst", "SETUID"),
    ("losetup", "SYS_ADMIN"),
    ("swapon", "SYS_ADMIN"),
    ("swapoff", "SYS_ADMIN"),
    ("unshare", "SYS_ADMIN"),
    ("nsenter", "SYS_ADMIN"),
    ("iptables", "NET_ADMIN"),
    ("ip6tables", "NET_ADMIN"),
    ("iptables-restore", "NET_ADMIN"),
    ("nft", "NET_ADMIN"),
    ("ipset", "NET_ADMIN"),
    ("tc", "NET_ADMIN"),
    ("brctl", "NET_ADMIN"),
    ("conntrack", "NET_ADMIN"),
    ("ipvsadm", "NET_ADMIN"),
    ("modprobe", "SYS_MODULE"),
    ("insmod", "SYS_MODULE"),
    ("rmmod", "SYS_MODULE"),
    ("mknod", "MKNOD"),
    ("chroot", "SYS_CHROOT"),
    // For confining what serves each connection.
    ("sshd", "SYS_CHROOT"),
    ("tcpdump", "NET_RAW"),
    ("arping", "NET_RAW"),
    ("hwclock", "SYS_TIME"),
    ("setcap", "SETFCAP"),
];

/// Programs that are setuid root in the usual images, each with the capability that it uses. They
/// turn another user into root, which `no_new_privs` prevents.
pub(super) const SETUID: &[(&str, &str)] = &[
    ("su", "SETUID"),
    ("sudo", "SETUID"),
    ("doas", "SETUID"),
    ("pkexec", "SETUID"),
    ("newgrp", "SETGID"),
    ("sg", "SETGID"),
    ("newuidmap", "SETUID"),
    ("newgidmap", "SETGID"),
    ("mount", "SYS_ADMIN"),
    ("umount", "SYS_ADMIN"),
    ("fusermount", "SYS_ADMIN"),
    ("fusermount3", "SYS_ADMIN"),
    ("chsh", "CHOWN"),
    ("chfn", "CHOWN"),
    ("gpasswd", "CHOWN"),
    ("crontab", "SETUID"),
];

/// Programs that change the image's users or packages, or serve many users. They need root, and
/// each has the path that it writes. Packages go all over the image, for which /usr stands.
pub(super) const KEEPERS: &[(&str, Option<&str>)] = &[
    ("useradd", Some("/etc/passwd")),
    ("adduser", Some("/etc/passwd")),
    ("usermod", Some("/etc/passwd")),
    ("deluser", Some("/etc/passwd")),
    ("userdel", Some("/etc/passwd")),
    ("passwd", Some("/etc/passwd")),
    ("chpasswd", Some("/etc/passwd")),
    ("groupadd", Some("/etc/group")),
    ("addgroup", Some("/etc/group")),
    ("apk", Some("/usr")),
    ("apt", Some("/usr")),
    ("apt-get", Some("/usr")),
    ("dpkg", Some("/usr")),
    ("yum", Some("/usr")),
    ("dnf", Some("/usr")),
    ("microdnf", Some("/usr")),
    ("zypper", Some("/usr")),
    ("rpm", Some("/usr")),
    ("update-ca-certificates", Some("/etc/ssl/certs")),
    ("crond", None),
    ("cron", None),
];
