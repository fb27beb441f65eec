//! Who containers run as.

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, auditor, container, pod, workload};
use crate::world::{Inside, ROOT_KEEPS, Space, World, say};

pub fn the_auditors_pod(world: &'static World) {
    let labels =
        [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "restricted")];
    let space = world.namespace("auditor", &labels);
    let said = world.kubectl_with(&auditor("auditor"), &["create", "--namespace", &space.name]);
    say(&said);
    assert!(said.contains("Warning: ironhull: pod: runAsUser 0 replaced by 1000"), "{said}");
    assert!(said.contains("Warning: ironhull: pod: runAsGroup 0 replaced by 1000"), "{said}");
    space.ready("auditor");
    assert_eq!(space.look("auditor", "app"), Inside::hardened(1000, 1000));
    // It mounts nothing that an fsGroup would hand over.
    assert!(space.get("auditor")["spec"]["securityContext"]["fsGroup"].is_null());
    let note = space.get("auditor")["metadata"]["annotations"]["ironhull.dev/hardened"].clone();
    say(&note);
    let note: Value = serde_json::from_str(note.as_str().unwrap()).unwrap();
    assert_eq!(note["was"]["pod"], json!({"runAsUser": 0, "runAsGroup": 0}));
}

/// On a volume that ignores `fsGroup`.
pub fn on_a_host_path(world: &'static World) {
    root_init_container(
        world,
        "host-path",
        |directory| json!({"hostPath": {"path": directory, "type": "Directory"}}),
    );
}

/// On a volume that honours it.
pub fn on_a_local_volume(world: &'static World) {
    root_init_container(world, "local", |directory| json!({"local": {"path": directory}}));
}

/// A root init container that hands a volume over, beside a main container that is not
/// root, below a pod-level `runAsNonRoot: true`, as authors write it: it cannot start as
/// written, and is made to by the exemption.
fn root_init_container(world: &'static World, kind: &str, source: fn(&str) -> Value) {
    let database = database();
    let reason = json!({
        "fix-permissions.exempt.ironhull.dev/runAsNonRoot":
            "ticket=E2E-1 hands the data directory over"
    });
    let mut exempt = database.clone();
    exempt["spec"]["template"]["metadata"]["annotations"] = reason;

    // As its author wrote it, where nobody asked for anything.
    let space = world.namespace(&format!("{kind}-plain"), &[]);
    volume(world, &space, source);
    space.create(&database).unwrap();
    let message = space.refused_by_kubelet("database-0");
    say(format!("without ironhull: {message}"));
    assert!(message.contains("breaks non-root policy"), "{message}");

    let labels =
        [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "baseline")];
    // With the exemption: root hands the volume over, and the main container owns it.
    let space = world.namespace(&format!("{kind}-exempt"), &labels);
    volume(world, &space, source);
    space.create(&exempt).unwrap();
    let name = space.pod_of("app=database");
    space.ready(&name);
    let inside = space.look(&name, "main");
    assert_eq!((inside.uid, inside.cap_eff.as_str()), (1000, "0000000000000000"));
    let look = "stat -c %u:%g:%a /data/db && touch /data/db/written && echo ok";
    let owner = space.exec(&name, "main", &["sh", "-c", look]);
    say(format!("/data/db: {}", owner.replace('\n', " ")));
    assert_eq!(owner, "1000:1000:700\nok\n");
    let init = space.log(&name, "fix-permissions");
    say(format!("the init container: {}", init.replace('\n', " ")));
    assert_eq!(init, format!("uid 0\nCapEff: {ROOT_KEEPS}\n"));

    // Without it the init container is hardened, and who applies the set is told.
    let space = world.namespace(&format!("{kind}-hardened"), &labels);
    volume(world, &space, source);
    let said = world.kubectl_with(&database, &["create", "--namespace", &space.name]);
    say(&said);
    assert!(said.contains("fix-permissions: runAsUser 0"), "{said}");
    let name = space.pod_of("app=database");
    let init = &space.get(&name)["spec"]["initContainers"][0];
    assert_eq!(init["securityContext"]["runAsUser"], 1000);
}

fn database() -> Value {
    let mut main = container("main", BUSYBOX);
    main["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    main["securityContext"] = json!({"runAsUser": 1000});
    let mut init = container("fix-permissions", BUSYBOX);
    let script = "echo uid $(id -u) && grep CapEff /proc/self/status | tr -s '\\t' ' ' && \
                  mkdir -p /data/db && chown 1000:1000 /data/db && chmod 700 /data/db";
    init["command"] = json!(["sh", "-c", script]);
    init["volumeMounts"] = main["volumeMounts"].clone();
    init["securityContext"] = json!({"runAsUser": 0});
    let mut database = pod("database", &[main]);
    database["spec"]["securityContext"] = json!({"runAsNonRoot": true});
    database["spec"]["initContainers"] = json!([init]);

    let mut set = workload("apps/v1", "StatefulSet", &database);
    set["spec"]["serviceName"] = json!("database");
    set["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "volumeName": "",
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }]);
    set
}

/// A PersistentVolume for the set in this namespace: a directory of the node, which root
/// owns and only root may write to.
fn volume(world: &'static World, space: &Space, source: fn(&str) -> Value) {
    let root = std::env::var("CLUSTER_VOLUMES").expect("a scenario that says it needs it");
    let directory = format!("{root}/{}", space.name);
    // Made by a pod, where there are such pods.
    let helper = world.namespace("volumes", &[]);
    let mut make = container("make", BUSYBOX);
    make["command"] = json!(["sh", "-c", format!("mkdir -p -m 755 /volumes/{}", space.name)]);
    make["volumeMounts"] = json!([{"name": "volumes", "mountPath": "/volumes"}]);
    let mut maker = pod("maker", &[make]);
    maker["spec"]["restartPolicy"] = json!("Never");
    maker["spec"]["volumes"] = json!([{
        "name": "volumes", "hostPath": {"path": root, "type": "DirectoryOrCreate"},
    }]);
    helper.pod(&maker);
    helper.succeeded("maker");

    let mut volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": space.name},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": space.name, "name": "data-database-0"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
            ]}]}},
        },
    });
    for (key, value) in source(&directory).as_object().unwrap() {
        volume["spec"][key] = value.clone();
    }
    space.create_beside(&volume);
}
