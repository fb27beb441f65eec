//! Every row of the table "What excuses a container" in SECURITY.md, brought about by a user with the
//! role `edit`: without ironhull, with it, and with Pod Security behind it.

use std::fs;

use serde_json::{Value, json};

use super::attacks::{debug, editor, editor_sends, give_role, may_debug, opted_in};
use crate::pods::{BUSYBOX, NAMED_USER, container, pod};
use crate::world::{Inside, Space, World, project, say};

/// One attempt.
struct Attempt {
    /// The row that it is about.
    excuse: &'static str,
    /// The namespace's name, which chooses its policy (`e2e/suite/values.yaml`).
    space: &'static str,
    /// A policy chosen by label.
    policy: Option<&'static str>,
    pod: fn() -> Value,
    /// In a namespace that did not opt in; on `enforce`; on `enforce` with *restricted* behind.
    ends: [End; 3],
}

/// What becomes of a pod.
#[derive(Clone, Copy)]
enum End {
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
const HARDENED: &str = "1000 none 1 2 ro";
const POD_SECURITY: End = End::Refused("violates PodSecurity");

/// What other scenarios bring about.
const ELSEWHERE: [(&str, &str); 4] = [
    ("injectedAfter", "another_webhook::after_ironhull"),
    ("tooLarge", "attacks::a_pod_too_large_is_refused"),
    ("grant", "attacks::an_exempt_image_is_not_exchanged"),
    ("noAnswer", "disturbances::both_replicas_are_gone"),
];

/// A user with `edit` is not who brings these about.
const OF_THE_PLATFORM: [&str; 3] = ["off", "warn", "fill"];

/// The body never gets so far: the API server reads it first.
const NOT_BY_A_POD: &str = "unreadable";

const fn attempt(excuse: &'static str, pod: fn() -> Value, ends: [End; 3]) -> Attempt {
    Attempt { excuse, space: "excuse", policy: None, pod, ends }
}

const ATTEMPTS: &[Attempt] = &[
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
const USER_NAMESPACES: [Attempt; 2] = [
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

/// Each row is tried, or another scenario tries it.
pub fn every_row_is_tried() -> Vec<&'static str> {
    let rows = rows();
    let mut tried: Vec<&str> = ATTEMPTS.iter().map(|attempt| attempt.excuse).collect();
    tried.extend(ELSEWHERE.map(|(excuse, _)| excuse));
    tried.extend(OF_THE_PLATFORM);
    tried.extend([NOT_BY_A_POD, USER_NAMESPACES[0].excuse]);
    tried.sort_unstable();
    tried.dedup();
    assert_eq!(rows, tried, "SECURITY.md's rows, and those that are tried");
    tried
}

/// What each excuse gets its author where nobody opted in.
pub fn before(world: &'static World) {
    try_all(world, 0);
}

/// On `enforce`.
pub fn on_enforce(world: &'static World) {
    let tried = every_row_is_tried();
    say(format!("{} rows", tried.len()));
    for (_, scenario) in ELSEWHERE {
        assert!(super::is_there(scenario), "{scenario}");
    }
    try_all(world, 1);
    let space = opted_in(world, "excuse");
    // What the platform does: the namespace's labels choose the policy.
    for label in
        ["ironhull.dev/policy=warn-only", "ironhull.dev/harden-", "ironhull.dev/harden=off"]
    {
        let arguments = ["label", "--overwrite", "namespace", &space.name, label];
        let refused = editor(&space, &arguments, &Value::Null).unwrap_err();
        assert!(refused.contains("cannot patch resource"), "{refused}");
    }
    // A root that is writable for the sake of an image is not the next image's.
    let writable = opted_in(world, "writable");
    editor(&writable, &["create"], &root()).unwrap();
    let image = format!("app={NAMED_USER}");
    let refused = editor(&writable, &["set", "image", "pod/app", &image], &Value::Null);
    let refused = refused.unwrap_err();
    assert!(refused.contains("runs without readOnlyRootFilesystem"), "{refused}");
    // A body that says two things: what is stored was reviewed.
    let path = format!("/api/v1/namespaces/{}/pods", space.name);
    let first = r#""spec":{"securityContext":{"runAsNonRoot":true,"runAsUser":7},"#;
    let twice = root().to_string().replacen(r#""spec":{"#, first, 1);
    editor_sends(&space, &["create", "--raw", &path], &twice).unwrap();
    space.ready("app");
    assert_eq!(shown(&space, "app"), HARDENED);
}

/// On `enforce`, with Pod Security *restricted* behind.
pub fn with_pod_security(world: &'static World) {
    try_all(world, 2);
}

fn try_all(world: &'static World, level: usize) {
    let trusts = world.kubectl(&[
        "--namespace=ironhull-system",
        "get",
        "deployment",
        "ironhull",
        "--output=jsonpath={.spec.template.spec.containers[0].args}",
    ]);
    let mut attempts: Vec<&Attempt> = ATTEMPTS.iter().collect();
    if trusts.contains("--user-namespaces=true") && world.has_user_namespaces() {
        attempts.extend(&USER_NAMESPACES);
    }
    for attempt in attempts {
        let space = space(world, attempt, level);
        become_of(world, &space, attempt, attempt.ends[level]);
    }
}

fn become_of(world: &'static World, space: &Space, attempt: &Attempt, end: End) {
    let mut pod = (attempt.pod)();
    if !pod["spec"]["nodeName"].is_null() {
        let first = "--output=jsonpath={.items[0].metadata.name}";
        pod["spec"]["nodeName"] = json!(world.kubectl(&["get", "nodes", first]).trim());
    }
    let answer = editor(space, &["create"], &pod);
    match end {
        End::Refused(why) => {
            let said = answer.expect_err(attempt.excuse);
            assert!(said.contains(why), "{}: {said}", attempt.excuse);
        }
        End::NeverStarts => {
            answer.unwrap();
            never_starts(world, space);
        }
        End::Runs(containers) => {
            answer.unwrap();
            space.ready("app");
            for (name, like) in containers {
                if *name == "debug" {
                    debug(world, space, "app", name);
                }
                assert_eq!(shown(space, name), *like, "{} in {}", attempt.excuse, space.name);
            }
        }
    }
}

/// The kubelet has seen the pod, and none of its containers is started in the next seconds.
fn never_starts(world: &'static World, space: &Space) {
    let why = world.eventually(&format!("{}/app ends or is refused", space.name), || {
        let pod = space.get("app");
        if pod.is_null() {
            return Some("deleted".to_owned());
        }
        let status = &pod["status"];
        let waiting = &status["containerStatuses"][0]["state"]["waiting"];
        let refused = waiting["reason"] == "CreateContainerConfigError";
        let mirror = !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null();
        let scheduled = !pod["spec"]["nodeName"].is_null();
        (status["phase"] == "Failed" || refused || mirror && scheduled).then(|| {
            status["reason"].as_str().or(waiting["reason"].as_str()).unwrap_or("nothing").to_owned()
        })
    });
    std::thread::sleep(std::time::Duration::from_secs(3));
    let pod = space.get("app");
    say(format!("{}/app: {why}", space.name));
    let statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let ran = statuses.iter().any(|status| {
        let state = &status["state"];
        state["running"].is_object() || !state["terminated"]["startedAt"].is_null()
    });
    assert!(!ran, "{pod}");
}

fn space(world: &'static World, attempt: &Attempt, level: usize) -> Space {
    let mut labels = Vec::new();
    if level > 0 {
        labels.push(("ironhull.dev/harden", "enforce"));
        labels.extend(attempt.policy.map(|policy| ("ironhull.dev/policy", policy)));
    }
    if level > 1 {
        labels.push(("pod-security.kubernetes.io/enforce", "restricted"));
    }
    let space = world.namespace(attempt.space, &labels);
    give_role(&space);
    may_debug(world, &space);
    let key = ["create", "secret", "generic", "key", "--from-literal=key=secret"];
    editor(&space, &key, &Value::Null).unwrap();
    space
}

fn shown(space: &Space, container: &str) -> String {
    let inside = space.look("app", container);
    // Whoever is not root could not write to it in any case.
    let mounts = space.exec("app", container, &["grep", " / ", "/proc/mounts"]);
    let root = if mounts.contains(" rw,") { "rw" } else { "ro" };
    let capabilities = match inside.cap_eff.as_str() {
        "0000000000000000" => "none",
        "00000000a80425fb" => "default",
        crate::world::ROOT_KEEPS => "keeps",
        // What the node has to give may be less than all 41.
        other if u64::from_str_radix(other, 16).unwrap().count_ones() > 30 => "all",
        other => other,
    };
    let Inside { uid, no_new_privs, seccomp, .. } = inside;
    format!("{uid} {capabilities} {no_new_privs} {seccomp} {root}")
}

fn rows() -> Vec<&'static str> {
    let text = fs::read_to_string(project("SECURITY.md")).unwrap().leak();
    let section = text.split("### What excuses a container").nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let mut rows: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    rows.sort_unstable();
    rows
}

fn root() -> Value {
    let mut pod = pod("app", &[container("app", BUSYBOX)]);
    pod["spec"]["securityContext"] = json!({"runAsUser": 0});
    pod
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
