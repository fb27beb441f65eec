//! Messages of programs about files that they may not write, read or run.

use super::users::{ROOT, ROOT_AGAIN, USER};
use crate::foresight::advice::fix::Cure;
use crate::foresight::advice::mounts::Place;
use crate::foresight::advice::symptom::{BLANK, Needs, Symptom};
use crate::foresight::risk::Cause;
use crate::rule::RuleName::{
    Capabilities, FsGroup, ReadOnlyRootFilesystem, RunAsUser, ServiceAccountToken,
};

/// What the kernel says where a file system is read-only, in the spellings of libraries.
macro_rules! read_only {
    ($($word:literal),*) => {
        &[
            &[$($word,)* "read-only file system"],
            &[$($word,)* "read only file system"],
            &[$($word,)* "readonly file system"],
            &[$($word,)* "readonlyfilesystem"],
            &[$($word,)* "erofs"],
            &[$($word,)* "errno 30"],
            &[$($word,)* "errcode: 30"],
        ]
    };
}

const WRITABLE_ROOT: Cure = Cure::Exempt(&[ReadOnlyRootFilesystem]);
const READ_ONLY: &str = "read-only-file-system";
const OF_IMAGE: &str = "permission-denied-on-a-file-of-the-image";

/// The entries.
pub(super) const ENTRIES: &[Symptom] = &[
    Symptom {
        name: "no-token",
        says: &[
            &["secrets/kubernetes.io/serviceaccount", "no such file"],
            &["secrets/kubernetes.io/serviceaccount", "nosuchfile"],
            &["secrets/kubernetes.io/serviceaccount", "enoent"],
            &["service token file does not exist"],
            &["localhost:8080", "did you specify the right host or port"],
        ],
        cause: Cause::NeedsToken,
        why: "it calls the Kubernetes API, and its pod has no token for it",
        rules: &[ServiceAccountToken],
        cures: &[
            Cure::Exempt(&[ServiceAccountToken]),
            Cure::Words("give the pod a ServiceAccount of its own, with the rights that it needs"),
        ],
        section: "no-such-file-or-directory-for-the-token-of-the-kubernetes-api",
        ..BLANK
    },
    Symptom {
        name: "redis-data",
        says: &[
            &["misconf", "rdb"],
            &["append-only", "read-only file system"],
            &["rdb file", "read-only file system"],
            &["append only file", "read-only file system"],
        ],
        cause: Cause::ReadOnly,
        why: "Redis cannot save its data: its root file system is read-only",
        rules: &[ReadOnlyRootFilesystem],
        cures: &[Cure::Writable, Cure::WritableAt("/data"), WRITABLE_ROOT],
        section: READ_ONLY,
        ..BLANK
    },
    Symptom {
        name: "read-only-volume",
        says: read_only!(),
        needs: Needs::In(&[
            Place::Projected,
            Place::HostPath,
            Place::EmptyDir,
            Place::Hiding,
            Place::Storage,
            Place::ReadOnly,
        ]),
        why: "it writes to a volume that is read-only, as its author or its kind has it",
        cures: &[Cure::Words("mount a writable volume there")],
        section: READ_ONLY,
        ..BLANK
    },
    Symptom {
        name: "read-only",
        says: read_only!(),
        cause: Cause::ReadOnly,
        why: "its root file system is read-only, and it writes outside the writable paths",
        rules: &[ReadOnlyRootFilesystem],
        cures: &[
            Cure::Writable,
            Cure::IfUnnamed(
                "make the directory writable with `ironhull.dev/writable-paths`, or give the image an entry",
            ),
            WRITABLE_ROOT,
        ],
        section: READ_ONLY,
        ..BLANK
    },
    Symptom {
        name: "read-only-database",
        says: &[&["attempt to write a readonly database"], &["readonly database"]],
        cause: Cause::ReadOnly,
        why: "its database is on the root file system, which is read-only",
        rules: &[ReadOnlyRootFilesystem, RunAsUser],
        cures: &[
            Cure::Words(
                "make the database's directory writable with `ironhull.dev/writable-paths`",
            ),
            WRITABLE_ROOT,
        ],
        section: READ_ONLY,
        ..BLANK
    },
    Symptom {
        name: "hidden",
        says: &[
            &["no such file or directory"],
            &["enoent"],
            &["errno 2]"],
            &["nosuchfileexception"],
            &["filenotfoundexception"],
            &["could not find file"],
            &["cannot find module"],
            &["unable to access jarfile"],
            &["no such file to load"],
            &["cannot load such file"],
            &["could not open input file"],
            &[": not found"],
        ],
        needs: Needs::Hidden,
        cause: Cause::Hidden,
        why: "an emptyDir hides what the image has in this directory",
        rules: &[ReadOnlyRootFilesystem],
        cures: &[
            Cure::Seed,
            Cure::Words("take the path out of the writable paths, if it does not have to be one"),
        ],
        section: "no-such-file-or-directory-in-a-directory-that-became-writable",
        ..BLANK
    },
    Symptom {
        name: "not-sticky",
        says: &[
            &["not sticky"],
            &["temporary path is world-writable"],
            &["could not find a temporary directory"],
        ],
        cause: Cause::NotSticky,
        why: "an emptyDir has mode 0777 without the sticky bit",
        rules: &[ReadOnlyRootFilesystem],
        cures: &[Cure::Words(
            "use `medium: Memory` for it, in the policy or in a volume of your own",
        )],
        section: "tmp-is-world-writable-not-sticky",
        ..BLANK
    },
    Symptom {
        name: "postgresql-mount",
        says: &[&["could not change permissions of directory", "not permitted"]],
        cause: Cause::NotOwner,
        why: "its data directory is the mount itself, which belongs to root",
        rules: USER,
        cures: &[Cure::EnvBelow("PGDATA", "db"), Cure::User("postgres")],
        section: "servers-whose-image-ironhull-does-not-know",
        ..BLANK
    },
    Symptom {
        name: "postgresql-owner",
        says: &[&["data directory", "has wrong ownership"]],
        cause: Cause::NotOwner,
        why: "its data belongs to the user it ran as before",
        rules: USER,
        cures: &[Cure::User("postgres"), ROOT_AGAIN],
        section: "servers-whose-image-ironhull-does-not-know",
        ..BLANK
    },
    Symptom {
        name: "owner",
        says: &[
            &["chown", "not permitted"],
            &["chgrp", "not permitted"],
            &["chmod", "not permitted"],
            &["changing ownership", "not permitted"],
            &["changing permissions", "not permitted"],
            &["change ownership", "not permitted"],
            &["change mode", "not permitted"],
            &["change owner", "not permitted"],
            &["set permissions", "not permitted"],
            &["lacking the privileges to fix it"],
        ],
        traced: &[&["not permitted", "os.chown("], &["not permitted", "os.chmod("]],
        cause: Cause::NotOwner,
        why: "it changes the owner of files, which only root may do",
        rules: ROOT,
        cures: &[
            ROOT_AGAIN,
            Cure::Words("with an fsGroup, chown is often not needed: leave it out"),
        ],
        section: "chown-operation-not-permitted",
        ..BLANK
    },
    Symptom {
        name: "group-access",
        says: &[
            &["invalid permissions"],
            &["owner only"],
            &["bad permissions"],
            &["unprotected private key"],
            &["are too open"],
            &["has group or world access"],
        ],
        cause: Cause::Widened,
        why: "it refuses files that a group can access, and the pod's fsGroup gives a group access",
        rules: &[FsGroup],
        cures: &[
            Cure::Exempt(&[FsGroup]),
            Cure::Words("give all containers of the pod a `runAsUser`"),
        ],
        section: "invalid-permissions-accessible-by-owner-only-bad-permissions",
        ..BLANK
    },
    Symptom {
        name: "block-device",
        says: &[
            &["block device", "permission denied"],
            &["/dev/sd", "permission denied"],
            &["/dev/vd", "permission denied"],
            &["/dev/xvd", "permission denied"],
            &["/dev/loop", "permission denied"],
            &["/dev/nvme", "permission denied"],
        ],
        cause: Cause::Device,
        why: "the device belongs to root, and the container runtime does not change its owner",
        rules: ROOT,
        cures: &[
            ROOT_AGAIN,
            Cure::Words("set `device_ownership_from_security_context` in the container runtime"),
        ],
        section: "permission-denied-on-a-block-device",
        ..BLANK
    },
    Symptom {
        name: "file-capability",
        says: &[&["exec", "operation not permitted"]],
        cause: Cause::NeedsCapability,
        why: "the binary has a file capability that the container has dropped",
        rules: &[Capabilities],
        cures: &[
            Cure::AddCapability("NET_BIND_SERVICE"),
            Cure::Words(
                "give the image an entry with `addCapabilities`, or ask for the capability in `add`",
            ),
        ],
        section: "exec--operation-not-permitted",
        ..BLANK
    },
    Symptom {
        name: "not-executable",
        says: &[
            &["exec", "permission denied"],
            &["exec", "eacces"],
            &["not executable"],
            &[".sh: permission denied"],
            &[".py: permission denied"],
            &["spawn ", "eacces"],
        ],
        cause: Cause::NotExecutable,
        why: "only the file's owner, root, may execute it",
        rules: ROOT,
        cures: &[
            Cure::DefaultMode(0o555),
            Cure::Words("run it with its interpreter, or give it mode 0755 in the image"),
        ],
        section: "permission-denied-on-executing-a-mounted-script",
        ..BLANK
    },
    Symptom {
        name: "host-path",
        says: DENIED,
        needs: Needs::In(&[Place::HostPath]),
        cause: Cause::HostPath,
        why: "the directory of the node belongs to another user, most likely root",
        rules: ROOT,
        cures: &[
            ROOT_AGAIN,
            Cure::Words("change the directory's owner on the node to the container's uid"),
        ],
        section: "permission-denied-on-a-volume",
        ..BLANK
    },
    Symptom { says: DENIED, needs: Needs::In(&[Place::Projected]), ..NARROW_FILE },
    Symptom {
        needs: Needs::Path(&[
            "/run/secrets/",
            "/var/run/secrets/",
            "/etc/ssl/private/",
            "/secrets/",
            "/etc/secrets/",
            "/certs/",
        ]),
        says: DENIED,
        ..NARROW_FILE
    },
    Symptom {
        says: &[
            &["secret", "permission denied"],
            &["certs", "permission denied"],
            &["tls.key", "permission denied"],
            &["tls.key", "eacces"],
            &["private key", "permission denied"],
        ],
        needs: Needs::OnRoot,
        vague: true,
        ..NARROW_FILE
    },
    Symptom {
        name: "image-file",
        says: DENIED,
        needs: Needs::Path(&[
            "/etc/", "/usr/", "/var/", "/opt/", "/app/", "/srv/", "/home/", "/lib/", "/root",
        ]),
        cause: Cause::NotOwner,
        why: "the file belongs to another user of the image",
        rules: ROOT,
        cures: &[Cure::ImageUser, ROOT_AGAIN],
        section: OF_IMAGE,
        ..BLANK
    },
    Symptom {
        name: "volume-file",
        says: &[
            &["permission denied"],
            &["not permitted"],
            &["eacces"],
            &["errno 13"],
            &["errcode: 13"],
            &["accessdeniedexception"],
            &["access to the path", "is denied"],
            &["kind: permissiondenied"],
        ],
        cause: Cause::NotOwner,
        why: "the files belong to the user it ran as before, most likely root",
        rules: ROOT,
        vague: true,
        cures: &[
            Cure::FsGroup,
            Cure::Words("change the files' owner, or give the container the uid that owns them"),
        ],
        section: "permission-denied-on-a-volume",
        ..BLANK
    },
];

/// What is said where a file may not be read or written.
const DENIED: &[&[&str]] = &[
    &["permission denied"],
    &["eacces"],
    &["errno 13"],
    &["errcode: 13"],
    &["accessdeniedexception"],
    &["access to the path", "is denied"],
];

const NARROW_FILE: Symptom = Symptom {
    name: "mounted-file",
    cause: Cause::NarrowFile,
    why: "the mode of the mounted file lets only root read it",
    rules: ROOT,
    cures: &[Cure::FsGroup, Cure::DefaultMode(0o444)],
    section: "permission-denied-on-a-secrets-or-configmaps-file",
    ..BLANK
};
