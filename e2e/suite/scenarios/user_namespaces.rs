//! Pods with `hostUsers: false`, whose root is nobody on the node.

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, auditor, container, pod};
use crate::world::{Inside, ROOT_KEEPS, Space, World, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");
const RESTRICTED: (&str, &str) = ("pod-security.kubernetes.io/enforce", "restricted");
const BASELINE: (&str, &str) = ("pod-security.kubernetes.io/enforce", "baseline");

const NONE: &str = "0000000000000000";

/// Explicit root stays root there, with little of what root can do elsewhere.
pub fn root_inside(world: &'static World) {
    let space = world.namespace("user-namespace", &[ENFORCE, BASELINE]);
    let said = world.kubectl_with(&root("root"), &["create", "--namespace", &space.name]);
    say(&said);
    // Nothing that anybody should act on.
    assert!(!said.contains("Warning"), "{said}");
    space.pod(&silent("silent"));
    space.pod(&auditor("beside"));

    space.ready("root");
    assert_eq!(space.look("root", "app"), root_with(ROOT_KEEPS));
    assert_ne!(first_uid_on_the_node(&space, "root"), 0);
    let hand_over = "touch /tmp/file && chown 1234 /tmp/file && stat -c %u /tmp/file";
    assert_eq!(space.exec("root", "app", &["sh", "-c", hand_over]), "1234\n");
    // Who says nothing needs no root there either.
    space.ready("silent");
    assert_eq!(space.look("silent", "app"), Inside::hardened(1000, 1000));
    assert_ne!(first_uid_on_the_node(&space, "silent"), 0);
    // Root of the node is not left.
    space.ready("beside");
    assert_eq!(space.look("beside", "app"), Inside::hardened(1000, 1000));
    assert_eq!(first_uid_on_the_node(&space, "beside"), 0);
}

/// From 1.35 on Pod Security asks such pods nothing about users, and still about
/// capabilities.
pub fn and_pod_security(world: &'static World) {
    let space = world.namespace("user-namespace-restricted", &[ENFORCE, RESTRICTED]);
    let refused = space.create(&root("keeps-some")).unwrap_err().to_string();
    say(&refused);
    assert!(refused.contains("must not include \"CHOWN\""), "{refused}");
    assert!(!refused.contains("runAsUser"), "{refused}");

    let mut without = root("keeps-none");
    without["spec"]["containers"][0]["securityContext"] =
        json!({"capabilities": {"drop": ["ALL"]}});
    space.pod(&without);
    space.ready("keeps-none");
    assert_eq!(space.look("keeps-none", "app"), root_with(NONE));
    assert_ne!(first_uid_on_the_node(&space, "keeps-none"), 0);
}

/// A uid that does not exist there is not given, since no container could have it.
pub fn a_uid_beyond(world: &'static World) {
    let plain = world.namespace("user-namespace-plain", &[]);
    let mut beyond = silent("beyond");
    beyond["spec"]["securityContext"] = json!({"runAsUser": 70000});
    plain.pod(&beyond);

    // The policy `beyond` has that uid.
    let space = world.namespace("beyond", &[ENFORCE, BASELINE]);
    let said = world.kubectl_with(&silent("silent"), &["create", "--namespace", &space.name]);
    say(&said);
    let warning = "app: runAsUser not set: uid 70000 does not exist in a user namespace";
    assert!(said.contains(warning), "{said}");
    space.pod(&auditor("beside"));
    space.ready("silent");
    assert_eq!(space.look("silent", "app"), root_with(ROOT_KEEPS));
    assert_ne!(first_uid_on_the_node(&space, "silent"), 0);
    space.ready("beside");
    assert_eq!(space.look("beside", "app").uid, 70000);

    let message = plain.no_sandbox("beyond");
    say(format!("with that uid: {message}"));
    assert!(message.contains("unmapped uid 70000 in user namespace"), "{message}");
}

fn silent(name: &str) -> Value {
    let mut pod = pod(name, &[container("app", BUSYBOX)]);
    pod["spec"]["hostUsers"] = json!(false);
    pod
}

fn root(name: &str) -> Value {
    let mut pod = silent(name);
    pod["spec"]["securityContext"] = json!({"runAsUser": 0});
    pod
}

pub(super) fn root_with(capabilities: &str) -> Inside {
    Inside { cap_eff: capabilities.to_owned(), ..Inside::hardened(0, 0) }
}

/// Who the container's uid 0 is outside of it.
pub(super) fn first_uid_on_the_node(space: &Space, name: &str) -> i64 {
    let map = space.exec(name, "app", &["head", "-n", "1", "/proc/self/uid_map"]);
    let map: Vec<i64> = map.split_whitespace().map(|word| word.parse().unwrap()).collect();
    say(format!("{}/{name}: uid_map {map:?}", space.name));
    assert_eq!(map[0], 0);
    map[1]
}
