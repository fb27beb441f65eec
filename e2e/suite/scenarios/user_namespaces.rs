//! Pods with `hostUsers: false`, whose root is nobody on the node.

use serde_json::{Value, json};

use super::volumes::claim;
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
    let warning = "app: runAsUser not set: id 70000 does not exist in a user namespace";
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

/// Root that an exemption leaves gets a user namespace by the rule. A claim on a `local` volume is
/// what it was: files of root and of uid 70 belong to them inside, and so they do on the node.
pub fn by_the_rule(world: &'static World) {
    let space = world.namespace("moved", &[ENFORCE, BASELINE]);
    let fill = "echo old > file && mkdir -m 700 db && chown -R 70:70 db";
    let volumes = claim(world, &space, "data", fill);
    let mut moved = exempt("moved");
    let app = &mut moved["spec"]["containers"][0];
    let script = "cat /data/file && echo new > /data/file && chown 71:71 /data/db && sleep 3600";
    app["command"] = json!(["sh", "-c", script]);
    app["ports"] = json!([{"containerPort": 80}]);
    app["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    moved["spec"]["volumes"] = volumes;
    let said = world.kubectl_with(&moved, &["create", "--namespace", &space.name]);
    say(&said);
    assert!(!said.contains("hostUsers"), "{said}");
    space.ready("moved");
    assert_eq!(space.get("moved")["spec"]["hostUsers"], json!(false));
    assert_eq!(space.look("moved", "app"), root_with(ROOT_KEEPS));
    assert_ne!(first_uid_on_the_node(&space, "moved"), 0);
    assert_eq!(space.log("moved", "app"), "old\n");
    let look = "cat /data/file && stat -c %u:%g:%a /data/file /data/db";
    let seen = || space.exec("moved", "app", &["sh", "-c", look]);
    world.eventually("it has written", || (seen() == "new\n0:0:644\n71:71:700\n").then_some(()));
    // Who has no user namespace sees the same ids.
    let helper = world.namespace("volumes", &[]);
    let mut node = pod("moved-on-the-node", &[container("app", BUSYBOX)]);
    node["spec"]["containers"][0]["command"] =
        json!(["stat", "-c", "%u:%g", "/volume/file", "/volume/db"]);
    node["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "volume", "mountPath": "/volume"}]);
    let root = std::env::var("CLUSTER_VOLUMES").expect("a scenario that says it needs it");
    let path = format!("{root}/{}-data", space.name);
    node["spec"]["volumes"] = json!([{"name": "volume", "hostPath": {"path": path}}]);
    node["spec"]["restartPolicy"] = json!("Never");
    helper.pod(&node);
    helper.succeeded("moved-on-the-node");
    assert_eq!(helper.log("moved-on-the-node", "app"), "0:0\n71:71\n");
}

/// What may not work there stays as it is, for a reason: a claim of which nobody says on what file
/// system it is, and NFS.
pub fn not_by_the_rule(world: &'static World) {
    let space = world.namespace("unmoved", &[ENFORCE, BASELINE]);
    let mount = json!([{"name": "data", "mountPath": "/data"}]);
    let mut claiming = exempt("claiming");
    claiming["spec"]["volumes"] = claim(world, &space, "data", "true");
    claiming["spec"]["containers"][0]["volumeMounts"] = mount.clone();
    let said = world.kubectl_with(&claiming, &["create", "--namespace", &space.name]);
    say(&said);
    assert!(
        said.contains("volume data (persistentVolumeClaim) may have no idmapped mounts"),
        "{said}"
    );
    space.ready("claiming");
    assert_eq!(first_uid_on_the_node(&space, "claiming"), 0);

    let mut files = exempt("files");
    files["spec"]["volumes"] =
        json!([{"name": "data", "nfs": {"server": "192.0.2.1", "path": "/data"}}]);
    files["spec"]["containers"][0]["volumeMounts"] = mount;
    let dry = ["create", "--dry-run=server", "-o", "json", "--namespace", &space.name];
    let said = world.kubectl_with(&files, &dry);
    assert!(said.contains("volume data (nfs) has no idmapped mounts"), "{said}");
    assert!(!said.contains("hostUsers\": false"), "{said}");
}

/// Exempt from `runAsNonRoot`, and of an image that is root.
fn exempt(name: &str) -> Value {
    let mut pod = pod(name, &[container("app", BUSYBOX)]);
    pod["metadata"]["annotations"] =
        json!({"exempt.ironhull.dev/runAsNonRoot": "hands the volume over"});
    pod
}

fn silent(name: &str) -> Value {
    let mut pod = pod(name, &[container("app", BUSYBOX)]);
    pod["spec"]["automountServiceAccountToken"] = json!(false);
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
