//! What a user with the role `edit` sends, and what becomes of it.

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod};
use crate::scenarios::attacks;

/// One attempt.
pub(super) struct Attempt {
    /// The row that it is about.
    pub(super) excuse: &'static str,
    /// The namespace's name, which chooses its policy (`e2e/suite/values.yaml`).
    pub(super) space: &'static str,
    /// A policy chosen by label.
    pub(super) policy: Option<&'static str>,
    pub(super) pod: fn() -> Value,
    /// In a namespace that did not opt in; on `enforce`; on `enforce` with *restricted* behind.
    pub(super) ends: [End; 3],
}

/// What becomes of a pod.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// The API server answers with this.
    Refused(&'static str),
    /// The kubelet starts none of its containers.
    NeverStarts,
    /// What each container, and then the debug container where there is one, has in the end: uid,
    /// capabilities, `NoNewPrivs`, `Seccomp`, how `/` is mounted.
    Runs(&'static [(&'static str, &'static str)]),
}

/// As a runtime starts what nobody hardens.
const AS_WRITTEN: &str = "0 default 0 0 rw";
pub(super) const HARDENED: &str = "1000 none 1 2 ro";
const POD_SECURITY: End = End::Refused("violates PodSecurity");

const fn attempt(excuse: &'static str, pod: fn() -> Value, ends: [End; 3]) -> Attempt {
    Attempt { excuse, space: "excuse", policy: None, pod, ends }
}

pub(super) const ATTEMPTS: &[Attempt] = &[
    attempt(
        "mirror",
        || {
            let mut pod = annotated("kubernetes.io/config.mirror", "x");
            pod["spec"]["nodeName"] = json!("the first one");
            pod
        },
        [End::NeverStarts, End::NeverStarts, POD_SECURITY],
    ),
    attempt(
        "windows",
        || {
            let mut pod = pod("app", &[container("app", BUSYBOX)]);
            pod["spec"]["os"] = json!({"name": "windows"});
            pod
        },
        [End::NeverStarts; 3],
    ),
    attempt(
        "windows",
        || {
            let mut pod = root();
            pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
            pod["spec"]["nodeName"] = json!("the first one");
            pod
        },
        [End::NeverStarts, End::NeverStarts, POD_SECURITY],
    ),
    attempt(
        "privileged",
        || with(root(), &json!({"privileged": true})),
        [
            End::Runs(&[("app", "0 all 0 0 rw")]),
            End::Runs(&[("app", "0 all 0 0 rw")]),
            POD_SECURITY,
        ],
    ),
    Attempt {
        space: "unprivileged",
        ..attempt(
            "privileged",
            || with(root(), &json!({"privileged": true})),
            [
                End::Runs(&[("app", "0 all 0 0 rw")]),
                End::Runs(&[("app", HARDENED)]),
                End::Runs(&[("app", HARDENED)]),
            ],
        )
    },
    attempt(
        "exempt",
        || {
            let mut pod = annotated("tool.exempt.ironhull.dev/runAsNonRoot", "it has to be root");
            pod["spec"]["containers"].as_array_mut().unwrap().push(container("tool", BUSYBOX));
            pod
        },
        [
            End::Runs(&[("app", AS_WRITTEN), ("tool", AS_WRITTEN)]),
            End::Runs(&[("app", HARDENED), ("tool", "0 keeps 1 2 ro")]),
            POD_SECURITY,
        ],
    ),
    attempt(
        "ephemeral",
        root,
        [
            End::Runs(&[("app", AS_WRITTEN), ("debug", AS_WRITTEN)]),
            End::Runs(&[("app", HARDENED), ("debug", "1000 none 1 2 rw")]),
            End::Runs(&[("app", HARDENED), ("debug", "1000 none 1 2 rw")]),
        ],
    ),
    attempt(
        "imageUser",
        || with(pod("app", &[container("app", BUSYBOX)]), &json!({"runAsNonRoot": true})),
        [End::NeverStarts; 3],
    ),
    attempt(
        "narrowMode",
        || {
            let mut pod = annotated("tool.exempt.ironhull.dev/runAsNonRoot", "it reads its key");
            pod["spec"]["volumes"] =
                json!([{"name": "key", "secret": {"secretName": "key", "defaultMode": 0o400}}]);
            let mut tool = container("tool", BUSYBOX);
            for container in [&mut tool, &mut pod["spec"]["containers"][0]] {
                container["volumeMounts"] = json!([{"name": "key", "mountPath": "/key"}]);
            }
            pod["spec"]["containers"].as_array_mut().unwrap().push(tool);
            pod
        },
        [
            End::Runs(&[("app", AS_WRITTEN), ("tool", AS_WRITTEN)]),
            End::Runs(&[("app", HARDENED), ("tool", "0 keeps 1 2 ro")]),
            POD_SECURITY,
        ],
    ),
    attempt(
        "capSysAdmin",
        || {
            let pod = annotated("exempt.ironhull.dev/capabilities", "it mounts");
            let context = json!({
                "capabilities": {"add": ["CAP_SYS_ADMIN"]},
                "allowPrivilegeEscalation": true,
            });
            with(pod, &context)
        },
        [End::Runs(&[("app", AS_WRITTEN)]), End::Runs(&[("app", HARDENED)]), POD_SECURITY],
    ),
    Attempt {
        policy: Some("fill-only"),
        ..attempt(
            "capSysAdmin",
            || {
                with(
                    pod("app", &[container("app", BUSYBOX)]),
                    &json!({"capabilities": {"add": ["CAP_SYS_ADMIN"]}}),
                )
            },
            [
                End::Runs(&[("app", AS_WRITTEN)]),
                End::Runs(&[("app", "1000 none 0 2 ro")]),
                POD_SECURITY,
            ],
        )
    },
    Attempt {
        policy: Some("fill-only"),
        ..attempt(
            "addAll",
            || with(root(), &json!({"capabilities": {"add": ["ALL"]}})),
            [
                End::Runs(&[("app", "0 all 0 0 rw")]),
                End::Runs(&[("app", "0 all 1 2 ro")]),
                POD_SECURITY,
            ],
        )
    },
    attempt(
        "addAll",
        || with(root(), &json!({"capabilities": {"add": ["ALL"]}})),
        [
            End::Runs(&[("app", "0 all 0 0 rw")]),
            End::Runs(&[("app", HARDENED)]),
            End::Runs(&[("app", HARDENED)]),
        ],
    ),
    attempt(
        "pathUnavailable",
        || {
            let mut pod = annotated("ironhull.dev/writable-paths", "/key/cache");
            pod["spec"]["volumes"] = json!([{"name": "key", "secret": {"secretName": "key"}}]);
            pod["spec"]["containers"][0]["volumeMounts"] =
                json!([{"name": "key", "mountPath": "/key", "readOnly": true}]);
            pod
        },
        [
            End::Runs(&[("app", AS_WRITTEN)]),
            End::Runs(&[("app", "1000 none 1 2 rw")]),
            End::Runs(&[("app", "1000 none 1 2 rw")]),
        ],
    ),
    Attempt {
        space: "writable",
        ..attempt(
            "imageNeedsWritableRoot",
            root,
            [
                End::Runs(&[("app", AS_WRITTEN)]),
                End::Runs(&[("app", "1000 none 1 2 rw")]),
                End::Runs(&[("app", "1000 none 1 2 rw")]),
            ],
        )
    },
    attempt(
        "annotation",
        || annotated("exempt.ironhull.dev/all", "everything"),
        [End::Runs(&[("app", AS_WRITTEN)]), End::Runs(&[("app", AS_WRITTEN)]), POD_SECURITY],
    ),
    Attempt {
        space: "unprivileged",
        ..attempt(
            "annotation",
            || annotated("exempt.ironhull.dev/all", "everything"),
            [
                End::Runs(&[("app", AS_WRITTEN)]),
                End::Runs(&[("app", HARDENED)]),
                End::Runs(&[("app", HARDENED)]),
            ],
        )
    },
];

/// Root in a user namespace, where the cluster has them: with files of the node it is root to these.
pub(super) const USER_NAMESPACES: [Attempt; 2] = [
    attempt(
        "userNamespace",
        || {
            let mut pod = root();
            pod["spec"]["hostUsers"] = json!(false);
            pod
        },
        [End::Runs(&[("app", AS_WRITTEN)]), End::Runs(&[("app", "0 keeps 1 2 ro")]), POD_SECURITY],
    ),
    attempt(
        "userNamespace",
        || {
            let mut pod = root();
            pod["spec"]["hostUsers"] = json!(false);
            pod["spec"]["volumes"] = json!([{"name": "etc", "hostPath": {"path": "/etc"}}]);
            pod
        },
        [End::Runs(&[("app", AS_WRITTEN)]), End::Runs(&[("app", HARDENED)]), POD_SECURITY],
    ),
];

fn root() -> Value {
    attacks::root("app")
}

/// Root, with an annotation.
fn annotated(key: &str, value: &str) -> Value {
    let mut pod = root();
    pod["metadata"]["annotations"] = json!({key: value});
    pod
}

/// With this `securityContext` on its container.
fn with(mut pod: Value, context: &Value) -> Value {
    pod["spec"]["containers"][0]["securityContext"] = context.clone();
    pod
}
