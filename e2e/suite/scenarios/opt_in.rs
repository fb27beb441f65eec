//! Only namespaces that asked for it are touched, in the mode that they asked for.

use serde_json::json;

use crate::pods::auditor;
use crate::world::{Inside, World};

pub fn only_labelled_namespaces_are_touched(world: &'static World) {
    let space = world.namespace("plain", &[]);
    let before = space.pod(&auditor("before"));
    space.ready(&before);
    let inside = space.look(&before, "app");
    assert_eq!((inside.uid, inside.cap_eff.as_str()), (0, "00000000a80425fb"));
    assert!(inside.root_writable);

    space.label(&json!({"ironhull.dev/harden": "enforced"}));
    let unknown = space.pod(&auditor("unknown-value"));
    assert_eq!(
        space.get(&unknown)["spec"]["securityContext"],
        json!({"runAsUser": 0, "runAsGroup": 0})
    );

    space.label(&json!({"ironhull.dev/harden": "enforce"}));
    let hardened = space.pod(&auditor("hardened"));
    space.ready(&hardened);
    assert_eq!(space.look(&hardened, "app"), Inside::hardened(1000, 1000));

    space.label(&json!({"ironhull.dev/harden": null}));
    let after = space.pod(&auditor("after"));
    assert_eq!(
        space.get(&after)["spec"]["securityContext"],
        json!({"runAsUser": 0, "runAsGroup": 0})
    );
}

pub fn audit_warns_and_records(world: &'static World) {
    let space = world.namespace("audit", &[("ironhull.dev/harden", "audit")]);
    let output = world.kubectl_with(&auditor("audited"), &["create", "--namespace", &space.name]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{said}");
    assert!(said.contains("Warning: ironhull: would replace runAsUser 0 by 1000 on pod"), "{said}");
    assert!(said.contains("Warning: ironhull: would set capabilities on app"), "{said}");
    let pod = space.get("audited");
    assert_eq!(pod["spec"]["securityContext"], json!({"runAsUser": 0, "runAsGroup": 0}));
    assert!(pod["metadata"]["annotations"]["ironhull.dev/hardened"].is_null());
}
