//! The table: one entry a kind of message. `ironhull explain`, `ironhull watch` and the index in
//! `docs/troubleshooting.md` come from it.
//!
//! The first entry that fits counts, so the particular comes before the general.

mod files;
mod users;

use super::fix::Cure;
use super::symptom::{BLANK, Symptom};
use crate::foresight::risk::Cause;
use crate::rule::RuleName::{ReadOnlyRootFilesystem, RunAsNonRoot, RunAsUser};

/// All entries: those for the kubelet's messages, and those for programs'.
pub fn entries() -> impl Iterator<Item = &'static Symptom> {
    OF_CLUSTER.iter().chain(NOT_OURS).chain(users::ENTRIES).chain(files::ENTRIES)
}

/// Messages of the kubelet and of the API server.
const OF_CLUSTER: &[Symptom] = &[
    Symptom {
        name: "image-is-root",
        says: &[&["container has runasnonroot and image will run as root"]],
        cause: Cause::ImageIsRoot,
        why: "the pod relies on the image's user, which is root",
        rules: &[RunAsNonRoot],
        cures: &[Cure::AnyUser],
        section: "container-has-runasnonroot-and-image-will-run-as-root",
        ..BLANK
    },
    Symptom {
        name: "user-by-name",
        says: &[&["image has non-numeric user"]],
        cause: Cause::UnknownUser,
        why: "the image gives its user by name, and the kubelet cannot verify that it is not root",
        rules: &[RunAsNonRoot],
        cures: &[Cure::NamedUser, Cure::ImageUser],
        section: "container-has-runasnonroot-and-image-has-non-numeric-user-name-cannot-verify-user-is-non-root",
        ..BLANK
    },
    Symptom {
        name: "uid-zero",
        says: &[&["breaks non-root policy"]],
        cause: Cause::AsksForRoot,
        why: "the pod has `runAsNonRoot: true`, and this container has uid 0",
        rules: &[RunAsNonRoot],
        cures: &[Cure::Words("remove the uid 0, or exempt the container from `runAsNonRoot`")],
        section: "containers-runasuser-breaks-non-root-policy",
        ..BLANK
    },
    Symptom {
        name: "no-webhook",
        says: &[&["failed calling webhook", "ironhull.dev"]],
        cause: Cause::Refused,
        why: "no replica of ironhull answered in time, and the pod must not start unhardened",
        cures: &[Cure::Words(
            "check the pods in ironhull's own namespace; in an emergency, see docs/breakglass.md",
        )],
        section: "failed-calling-webhook-enforceask-cluster-adminsironhulldev",
        ..BLANK
    },
    Symptom {
        name: "unreadable",
        says: &[&["ironhull cannot read the object"]],
        cause: Cause::Refused,
        why: "the pod has a value of the wrong type",
        cures: &[Cure::Words("`ironhull explain -f FILE` says where")],
        section: "ironhull-cannot-read-the-object",
        ..BLANK
    },
    Symptom {
        name: "pod-security",
        says: &[&["violates podsecurity"]],
        cause: Cause::Refused,
        why: "Pod Security refuses a field that no rule fixes, or that an exemption keeps",
        cures: &[Cure::Words("change the field, or move the pod to a namespace at `baseline`")],
        section: "violates-podsecurity-restrictedlatest",
        ..BLANK
    },
    Symptom {
        name: "unmapped-uid",
        says: &[&["unmapped uid"]],
        cause: Cause::OtherUser,
        why: "the uid does not exist in the pod's user namespace, which has 65,536 uids",
        rules: &[RunAsUser],
        cures: &[Cure::Words("give the container a smaller uid")],
        section: "odds-and-ends",
        ..BLANK
    },
    Symptom {
        name: "directory-full",
        says: &[&["exceeds the limit", "emptydir"]],
        cause: Cause::Full,
        why: "an emptyDir is full: the policy's `sizeLimit`, or the container's limit",
        rules: &[ReadOnlyRootFilesystem],
        cures: &[Cure::Words("raise the limit, or write less")],
        section: "odds-and-ends",
        ..BLANK
    },
    // What `ironhull seed` says: src/seed/error.rs.
    Symptom {
        name: "not-seeded",
        says: &[
            &["the image has no directory", "writable-paths"],
            &["is not a directory of the image"],
            &["cannot read the directory", "of the image"],
            &["the sizelimit of its emptydir"],
            &["its emptydir is full"],
        ],
        cause: Cause::Full,
        why: "a directory that the pod asks to be filled with its image's content cannot be copied",
        rules: &[ReadOnlyRootFilesystem],
        cures: &[Cure::Words(
            "do what the message says: correct the path in `writable-paths`, or have the policy's `sizeLimit` raised",
        )],
        section: "a-directory-cannot-be-seeded",
        ..BLANK
    },
];

/// Messages that look like hardening's doing, and are not: no container may do these things
/// unless it is privileged, or the program refuses root.
const NOT_OURS: &[Symptom] = &[
    Symptom {
        name: "kernel-setting",
        says: &[
            &["sysctl", "read-only file system"],
            &["sysctl", "permission denied"],
            &["/proc/sys/", "read-only file system"],
            &["/sys/", "read-only file system"],
            &["cannot modify limit"],
            &["setrlimit", "not permitted"],
            &["rlimit", "not permitted"],
        ],
        why: "it changes a setting of the kernel or raises a limit, which no ordinary container may",
        cures: &[Cure::Words("set it for the pod or on the node; hardening does not prevent it")],
        section: "odds-and-ends",
        ..BLANK
    },
    Symptom {
        name: "remote-refusal",
        says: &[
            &["permission denied for "],
            &["permission denied (publickey"],
            &["code = permissiondenied"],
            &["access denied for user"],
            &["is forbidden: user"],
        ],
        why: "another server refuses what it asks for",
        cures: &[Cure::Words("give it the rights there; hardening does not prevent it")],
        section: "odds-and-ends",
        ..BLANK
    },
    Symptom {
        name: "refuses-root",
        says: &[
            &["execution of the postgresql server is not permitted"],
            &["cannot be run as root"],
            &["can not run elasticsearch as root"],
            &["how to run mysqld as root"],
            &["must not be run as root"],
            &["refusing to run as root"],
        ],
        why: "it refuses to run as root",
        cures: &[Cure::Words("set `runAsUser` to a uid above 0, and no exemption")],
        section: "odds-and-ends",
        ..BLANK
    },
];
