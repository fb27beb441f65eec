//! Only namespaces that asked for it are touched, in the mode that they asked for.

use serde_json::json;

use crate::pods::auditor;
use crate::world::{Inside, World, say};

pub fn only_labelled_namespaces(world: &'static World) {
    let space = world.namespace("plain", &[]);
    let as_written = json!({"runAsUser": 0, "runAsGroup": 0});
    let before = space.pod(&auditor("before"));
    space.ready(&before);
    let inside = space.look(&before, "app");
    assert_eq!((inside.uid, inside.cap_eff.as_str()), (0, "00000000a80425fb"));
    assert!(inside.root_writable);

    space.label(&json!({"ironhull.dev/harden": "enforced"}));
    let unknown = space.pod(&auditor("unknown-value"));
    assert_eq!(space.get(&unknown)["spec"]["securityContext"], as_written);

    space.opt_in();
    let hardened = space.pod(&auditor("hardened"));
    space.ready(&hardened);
    assert_eq!(space.look(&hardened, "app"), Inside::hardened(1000, 1000));

    space.opt_out();
    let after = space.pod(&auditor("after"));
    assert_eq!(space.get(&after)["spec"]["securityContext"], as_written);
}

/// Who gives a namespace a label that does nothing is told so.
pub fn an_unknown_label_value_is_warned_of(world: &'static World) {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "e2e-misspelt", "labels": {"ironhull.dev/harden": "enforced"}},
    });
    let said = world.kubectl_with(&namespace, &["create", "--dry-run=server"]);
    say(&said);
    assert!(said.contains("ironhull knows the values `enforce` and `audit`"), "{said}");
}

pub fn audit_warns_and_records(world: &'static World) {
    let space = world.namespace("audit", &[("ironhull.dev/harden", "audit")]);
    let said = world.kubectl_with(&auditor("audited"), &["create", "--namespace", &space.name]);
    say(&said);
    assert!(said.contains("Warning: ironhull: would replace runAsUser 0 by 1000 on pod"), "{said}");
    assert!(said.contains("Warning: ironhull: would set capabilities on app"), "{said}");
    let pod = space.get("audited");
    assert_eq!(pod["spec"]["securityContext"], json!({"runAsUser": 0, "runAsGroup": 0}));
    assert!(pod["metadata"]["annotations"]["ironhull.dev/hardened"].is_null());
}

/// The audit log of the API server has what would have been set.
pub fn audit_is_in_the_audit_log(world: &'static World) {
    let space = world.namespace("audit-log", &[("ironhull.dev/harden", "audit")]);
    space.pod(&auditor("recorded"));
    let event = space.audit_event("recorded");
    let noted = event["annotations"].as_object().unwrap();
    let of = |key: &str| {
        let ours = noted.iter().find(|(name, _)| name.ends_with(&format!(".ironhull.dev/{key}")));
        let (name, value) = ours.unwrap_or_else(|| panic!("no {key} in {noted:?}"));
        say(format!("{name}: {value}"));
        value.as_str().unwrap()
    };
    assert!(of("policy").starts_with("restricted@"));
    assert!(of("would-set").contains("capabilities: app"));
}
