//! Meaning of a message of the kubelet, of the API server or of a program after a pod was hardened,
//! and what to do: `docs/troubleshooting.md` in short, one entry a section.

/// Meaning of a message, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Why the message appears.
    pub cause: &'static str,
    /// What to do.
    pub remedy: String,
    /// Section of `docs/troubleshooting.md` that has more.
    pub section: &'static str,
}

struct Symptom {
    /// Word lists. The message has all words of one of them, in any case.
    words: &'static [&'static [&'static str]],
    cause: &'static str,
    remedy: &'static str,
    section: &'static str,
}

/// The first match counts, so the particular comes before the general.
const ENTRIES: &[Symptom] = &[
    Symptom {
        words: &[&["container has runasnonroot and image will run as root"]],
        cause: "the pod relies on the image's user, which is root",
        remedy: "set `runAsUser` to a uid above 0, or give the image an entry in the policy",
        section: "container-has-runasnonroot-and-image-will-run-as-root",
    },
    Symptom {
        words: &[&["image has non-numeric user"]],
        cause: "the image gives its user by name, and the kubelet cannot verify that it is not root",
        remedy: "set `runAsUser` to that user's uid; `id` in the image prints it",
        section: "container-has-runasnonroot-and-image-has-non-numeric-user-name-cannot-verify-user-is-non-root",
    },
    Symptom {
        words: &[&["breaks non-root policy"]],
        cause: "the pod has `runAsNonRoot: true`, and this container has uid 0",
        remedy: "remove the uid 0, or exempt the container from `runAsNonRoot`",
        section: "containers-runasuser-breaks-non-root-policy",
    },
    Symptom {
        words: &[&["failed calling webhook", "ironhull.dev"]],
        cause: "no replica of ironhull answered in time, and the namespace is on `enforce`",
        remedy: "check the pods in ironhull's own namespace; in an emergency, see docs/breakglass.md",
        section: "failed-calling-webhook-enforceask-cluster-adminsironhulldev",
    },
    Symptom {
        words: &[&["ironhull cannot read the object"]],
        cause: "the pod has a value of the wrong type",
        remedy: "`ironhull explain -f FILE` says where",
        section: "ironhull-cannot-read-the-object",
    },
    Symptom {
        words: &[&["violates podsecurity"]],
        cause: "Pod Security refuses a field that no rule fixes, or that an exemption keeps",
        remedy: "change the field, or move the pod to a namespace at `baseline`",
        section: "violates-podsecurity-restrictedlatest",
    },
    Symptom {
        words: &[&["no name!"], &["passwd"], &["user does not exist"], &["look up", "user"]],
        cause: "its uid is not in the image's /etc/passwd, and HOME is `/`",
        remedy: "set HOME and USER in `env`, or `runAsUser` to a uid that has an entry",
        section: "i-have-no-name-no-passwd-entry-home",
    },
    Symptom {
        words: &[&["read-only file system"], &["errno 30"], &["erofs"]],
        cause: "its root file system is read-only, and it writes outside the writable paths",
        remedy: "make the directory writable with `ironhull.dev/writable-paths`, or give the image an entry",
        section: "read-only-file-system",
    },
    Symptom {
        words: &[&["bind", "permission denied"], &["listen", "permission denied"]],
        cause: "it binds a port below 1024 that it does not declare",
        remedy: "declare the port in `ports`; ironhull then lets the pod bind it",
        section: "bind-permission-denied-on-a-port-below-1024",
    },
    Symptom {
        words: &[&["not sticky"]],
        cause: "an emptyDir has mode 0777 without the sticky bit",
        remedy: "use `medium: Memory` for it, in the policy or in a volume of your own",
        section: "tmp-is-world-writable-not-sticky",
    },
    Symptom {
        words: &[&["rtnetlink"], &["initialize", "iptables"], &["iptables", "permission denied"]],
        cause: "it changes the pod's network, which requires root with NET_ADMIN",
        remedy: "exempt that container from `runAsNonRoot` and `capabilities`",
        section: "rtnetlink-answers-operation-not-permitted-cant-initialize-iptables",
    },
    Symptom {
        words: &[
            &["ping", "operation not permitted"],
            &["socket: operation not permitted"],
            &["ping", "permission denied"],
            &["permission denied", "are you root"],
        ],
        cause: "NET_RAW is dropped with all other capabilities",
        remedy: "set the sysctl `net.ipv4.ping_group_range`",
        section: "ping-socket-operation-not-permitted",
    },
    Symptom {
        words: &[&["no new privileges"], &["setuid root"], &["must be suid"]],
        cause: "a setuid program has no effect where privilege escalation is not allowed",
        remedy: "do without the program, or exempt the container from `allowPrivilegeEscalation` and `capabilities`",
        section: "the-no-new-privileges-flag-is-set-must-be-suid",
    },
    Symptom {
        words: &[
            &["setgroups"],
            &["setuid"],
            &["setgid"],
            &["initgroups"],
            &["set groups"],
            &["supplementary groups"],
        ],
        cause: "it expects to start as root and to change its user itself, and is no longer root",
        remedy: "exempt it from `runAsNonRoot`, or use an image that needs no root",
        section: "cant-set-groups-operation-not-permitted-setgroups-setuid-initgroups-failed",
    },
    Symptom {
        words: &[&["chown", "not permitted"], &["chgrp", "not permitted"], &["changing ownership"]],
        cause: "it changes the owner of files, which only root may do",
        remedy: "exempt that container from `runAsNonRoot`; with an fsGroup, chown is often not needed",
        section: "chown-operation-not-permitted",
    },
    Symptom {
        words: &[&["kill", "not permitted"]],
        cause: "the process that it signals runs as another user",
        remedy: "give the containers that share their processes the same `runAsUser`",
        section: "kill-operation-not-permitted",
    },
    Symptom {
        words: &[&["invalid permissions"], &["owner only"], &["bad permissions"]],
        cause: "it refuses files that a group can access, and the pod's fsGroup gives a group access",
        remedy: "give all containers of the pod a `runAsUser`, or exempt the pod from `fsGroup`",
        section: "invalid-permissions-accessible-by-owner-only-bad-permissions",
    },
    Symptom {
        words: &[
            &["block device", "permission denied"],
            &["/dev/sd", "permission denied"],
            &["/dev/vd", "permission denied"],
            &["/dev/xvd", "permission denied"],
        ],
        cause: "the device belongs to root, and the container runtime does not change its owner",
        remedy: "exempt that container from `runAsNonRoot`, or set `device_ownership_from_security_context` in the container runtime",
        section: "permission-denied-on-a-block-device",
    },
    Symptom {
        words: &[&["exec", "operation not permitted"]],
        cause: "the binary has a file capability that the container has dropped",
        remedy: "declare its port below 1024 in `ports`, or give the image an entry with `addCapabilities`",
        section: "exec--operation-not-permitted",
    },
    Symptom {
        words: &[&["exec", "permission denied"], &["not executable"]],
        cause: "only the file's owner, root, may execute it",
        remedy: "set `defaultMode: 0555` on the volume, or run it with its interpreter",
        section: "permission-denied-on-executing-a-mounted-script",
    },
    Symptom {
        words: &[
            &["/etc/", "permission denied"],
            &["/usr/", "permission denied"],
            &["/var/", "permission denied"],
            &["/opt/", "permission denied"],
            &["/app/", "permission denied"],
        ],
        cause: "the file belongs to another user of the image",
        remedy: "set `runAsUser` to the image's own user, or give the image an entry",
        section: "permission-denied-on-a-file-of-the-image",
    },
    Symptom {
        words: &[
            &["secret", "permission denied"],
            &["certs", "permission denied"],
            &["tls.key", "permission denied"],
        ],
        cause: "the mode of the mounted file lets only root read it",
        remedy: "set `fsGroup` on the pod, or a wider `defaultMode` on the volume",
        section: "permission-denied-on-a-secrets-or-configmaps-file",
    },
    Symptom {
        words: &[&["permission denied"], &["not permitted"]],
        cause: "the files belong to the user it ran as before, most likely root",
        remedy: "set `fsGroup`, change the files' owner, or give the container the uid that owns them",
        section: "permission-denied-on-a-volume",
    },
    Symptom {
        words: &[&["exceeds the limit", "emptydir"]],
        cause: "an emptyDir is full: the policy's `sizeLimit`, or the container's limit",
        remedy: "raise the limit, or write less",
        section: "odds-and-ends",
    },
    Symptom {
        words: &[&["unmapped uid"]],
        cause: "the uid does not exist in the pod's user namespace, which has 65,536 uids",
        remedy: "give the container a smaller uid",
        section: "odds-and-ends",
    },
];

/// Advice on a message; `None` if it is not one of those that hardening causes.
pub fn advice(message: &str) -> Option<Advice> {
    let lower = message.to_lowercase();
    let fits = |entry: &&Symptom| {
        entry.words.iter().any(|words| words.iter().all(|word| lower.contains(word)))
    };
    let Symptom { cause, remedy, section, .. } = ENTRIES.iter().find(fits)?;
    Some(Advice { cause, remedy: (*remedy).to_owned(), section })
}

/// The path that a message names: its first absolute path that is not a program's.
pub fn path_in(message: &str) -> Option<&str> {
    let words = message.split([' ', '"', '\'', '`', '(', ')', ',', '\t', '‘', '’']);
    let paths = words.map(|word| word.trim_end_matches([':', '.', ';']));
    paths
        .into_iter()
        .find(|word| word.starts_with('/') && word.len() > 1 && !word.contains("/bin/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    #[test]
    fn messages_as_they_are_seen() {
        for (message, section) in [
            (
                "container has runAsNonRoot and image will run as root (pod: \"x\", container: app)",
                "container-has-runasnonroot-and-image-will-run-as-root",
            ),
            (
                "nginx: [emerg] mkdir() \"/var/lib/nginx/body\" failed (30: Read-only file system)",
                "read-only-file-system",
            ),
            (
                "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
                "bind-permission-denied-on-a-port-below-1024",
            ),
            ("httpd: bind: Permission denied", "bind-permission-denied-on-a-port-below-1024"),
            ("exec /usr/bin/caddy: operation not permitted", "exec--operation-not-permitted"),
            (
                "failed to create containerd task: exec: \"/scripts/run.sh\": permission denied",
                "permission-denied-on-executing-a-mounted-script",
            ),
            ("chown: /data: Operation not permitted", "chown-operation-not-permitted"),
            (
                "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.",
                "the-no-new-privileges-flag-is-set-must-be-suid",
            ),
            ("su: must be suid to work properly", "the-no-new-privileges-flag-is-set-must-be-suid"),
            (
                "su: can't set groups: Operation not permitted",
                "cant-set-groups-operation-not-permitted-setgroups-setuid-initgroups-failed",
            ),
            (
                "initdb: could not look up effective user ID 1000: user does not exist",
                "i-have-no-name-no-passwd-entry-home",
            ),
            (
                "RTNETLINK answers: Operation not permitted",
                "rtnetlink-answers-operation-not-permitted-cant-initialize-iptables",
            ),
            (
                "iptables v1.8.9: can't initialize iptables table `nat': Permission denied (you must be root)",
                "rtnetlink-answers-operation-not-permitted-cant-initialize-iptables",
            ),
            ("ping: permission denied (are you root?)", "ping-socket-operation-not-permitted"),
            ("sh: can't create /host/beat: Permission denied", "permission-denied-on-a-volume"),
        ] {
            assert_eq!(advice(message).unwrap().section, section, "{message}");
        }
        assert_eq!(advice("Back-off pulling image \"x\""), None);
    }

    #[test]
    fn the_path_in_a_message() {
        for (message, path) in [
            (
                "mkdir() \"/var/lib/nginx/body\" failed (30: Read-only file system)",
                Some("/var/lib/nginx/body"),
            ),
            ("sh: can't create /var/log/app/log: Read-only file system", Some("/var/log/app/log")),
            ("touch: /ready: Read-only file system", Some("/ready")),
            ("exec /usr/bin/caddy: operation not permitted", None),
            ("no path / here", None),
        ] {
            assert_eq!(path_in(message), path, "{message}");
        }
    }

    /// The page and this list have the same sections.
    #[test]
    fn every_section_is_in_the_page() {
        let page = include_str!("../../docs/troubleshooting.md");
        let headings: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .map(|line| line.trim_start_matches('#').trim())
            .collect();
        let anchor = |heading: &str| -> String {
            let kept =
                heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        };
        let anchors: Vec<String> = headings.iter().map(|heading| anchor(heading)).collect();
        for Symptom { section, .. } in ENTRIES {
            assert!(anchors.iter().any(|anchor| anchor == section), "no section #{section}");
        }
        let (_, messages) = page.split_once("## The kubelet's messages").unwrap();
        let (messages, _) = messages.split_once("## Servers whose image").unwrap();
        for heading in messages.lines().filter_map(|line| line.strip_prefix("### ")) {
            let anchor = anchor(heading);
            assert!(ENTRIES.iter().any(|entry| entry.section == anchor), "no entry for #{anchor}");
        }
    }
}
