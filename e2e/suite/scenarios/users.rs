//! Who containers run as.

use serde_json::json;

use crate::pods::{BUSYBOX, auditor, container, pod, workload};
use crate::world::{Inside, World};

pub fn the_auditors_pod(world: &'static World) {
    let labels =
        [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "restricted")];
    let space = world.namespace("auditor", &labels);
    let output = world.kubectl_with(&auditor("auditor"), &["create", "--namespace", &space.name]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{said}");
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Warning: ironhull: pod: runAsUser 0 replaced by 1000"), "{said}");
    assert!(said.contains("Warning: ironhull: pod: runAsGroup 0 replaced by 1000"), "{said}");
    space.ready("auditor");
    assert_eq!(space.look("auditor", "app"), Inside::hardened(1000, 1000));
    let note = space.get("auditor")["metadata"]["annotations"]["ironhull.dev/hardened"].clone();
    println!("{note}");
    let note: serde_json::Value = serde_json::from_str(note.as_str().unwrap()).unwrap();
    assert_eq!(note["was"]["pod"], json!({"runAsUser": 0, "runAsGroup": 0}));
}

/// A root init container that hands a volume over, beside a main container that is not
/// root, below a pod-level `runAsNonRoot: true`: as written it cannot start.
pub fn exempt_init_container_changes_ownership(world: &'static World) {
    let labels =
        [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "baseline")];
    let space = world.namespace("statefulset", &labels);
    let mut main = container("main", BUSYBOX);
    main["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    main["securityContext"] = json!({"runAsUser": 1000});
    let mut init = container("fix-permissions", BUSYBOX);
    init["command"] =
        json!(["sh", "-c", "mkdir -p /data/db && chown 1000:1000 /data/db && chmod 700 /data/db"]);
    init["volumeMounts"] = main["volumeMounts"].clone();
    init["securityContext"] = json!({"runAsUser": 0});
    let mut database = pod("database", &[main]);
    database["spec"]["securityContext"] = json!({"runAsNonRoot": true});
    database["spec"]["initContainers"] = json!([init]);
    database["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);

    let mut set = workload("apps/v1", "StatefulSet", &database);
    set["spec"]["serviceName"] = json!("database");
    // As its author wrote it, in a namespace that did not ask for anything.
    let plain = world.namespace("statefulset-plain", &[]);
    plain.create(&set).unwrap();
    let message = plain.refused_by_kubelet("database-0");
    println!("  without ironhull: {message}");
    assert!(message.contains("breaks non-root policy"), "{message}");

    set["spec"]["template"]["metadata"]["annotations"] = json!({
        "fix-permissions.exempt.ironhull.dev/runAsNonRoot": "ticket=E2E-1 hands the data directory over"
    });
    space.create(&set).unwrap();
    let name = space.pod_of("app=database");
    space.ready(&name);
    let inside = space.look(&name, "main");
    assert_eq!((inside.uid, inside.cap_eff.as_str()), (1000, "0000000000000000"));
    let owner = space.exec(
        &name,
        "main",
        &["sh", "-c", "stat -c %u:%g:%a /data/db && touch /data/db/written && echo ok"],
    );
    println!("  /data/db: {}", owner.replace('\n', " "));
    assert_eq!(owner, "1000:1000:700\nok\n");
}
