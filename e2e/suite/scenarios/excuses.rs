//! Every row of the table "What excuses a container" in SECURITY.md, brought about by a user with the
//! role `edit`: without ironhull, with it, and with Pod Security behind it.

mod attempts;

use std::fs;

use serde_json::{Value, json};

use super::attacks::{debug, editor, editor_sends, give_role, may_debug, opted_in, root};
use crate::pods::NAMED_USER;
use crate::world::{Inside, Space, World, project, say};
use attempts::{ATTEMPTS, Attempt, End, HARDENED, USER_NAMESPACES};

/// What other scenarios bring about.
const ELSEWHERE: [(&str, &str); 9] = [
    ("injectedAfter", "another_webhook::after_ironhull"),
    ("needsHostUsers", "user_namespaces::not_by_the_rule"),
    ("unknownVolume", "user_namespaces::not_by_the_rule"),
    ("ownServiceAccount", "token::excuses_leave_it_and_nothing_more"),
    ("usesApi", "token::excuses_leave_it_and_nothing_more"),
    ("ownToken", "token::excuses_leave_it_and_nothing_more"),
    ("tooLarge", "attacks::a_pod_too_large_is_refused"),
    ("grant", "attacks::an_exempt_image_is_not_exchanged"),
    ("noAnswer", "disturbances::both_replicas_are_gone"),
];

/// A user with `edit` is not who brings these about.
const OF_THE_PLATFORM: [&str; 3] = ["off", "warn", "fill"];

/// The body never gets so far: the API server reads it first.
const NOT_BY_A_POD: &str = "unreadable";

/// Each row is tried, or another scenario tries it.
fn every_row_is_tried() -> Vec<&'static str> {
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
    editor(&writable, &["create"], &root("app")).unwrap();
    let image = format!("app={NAMED_USER}");
    let refused = editor(&writable, &["set", "image", "pod/app", &image], &Value::Null);
    let refused = refused.unwrap_err();
    assert!(refused.contains("runs without readOnlyRootFilesystem"), "{refused}");
    // A body that says two things: what is stored was reviewed.
    let path = format!("/api/v1/namespaces/{}/pods", space.name);
    let first = r#""spec":{"securityContext":{"runAsNonRoot":true,"runAsUser":7},"#;
    let twice = root("app").to_string().replacen(r#""spec":{"#, first, 1);
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
