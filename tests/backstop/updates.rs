//! Updates: what can change is judged, and what cannot is let through.

use serde_json::{Value, json};

use crate::ask::{ask, backstop, created, only, policies, policy};
use crate::judge;

fn hard(name: &str) -> Value {
    json!({"name": name, "image": "registry.example/app:1", "securityContext": {
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"}}})
}

fn pod(annotations: Value, containers: Value) -> Value {
    json!({"metadata": {"name": "web", "creationTimestamp": "2026-06-01T00:00:00Z",
        "annotations": annotations}, "spec": {"containers": containers}})
}

/// An update of the pod or of one of its subresources.
fn updated(old: &Value, new: &Value, subresource: &str) -> Value {
    json!({"pod": new, "oldPod": old, "subresource": subresource, "now": "2026-11-30T12:00:00Z"})
}

fn debugged(pod: &Value, container: Value) -> Value {
    let mut debugged = pod.clone();
    debugged["spec"]["ephemeralContainers"] = json!([container]);
    debugged
}

#[test]
fn a_pod_that_nobody_changes_stays_as_it_is() {
    let Some(binary) = judge::binary() else { return };
    let old = pod(json!({}), json!([{"name": "web", "image": "nginx:1"}]));
    let mut annotated = old.clone();
    annotated["metadata"]["annotations"] = json!({"exempt.ironhull.dev/all": "let me"});
    annotated["metadata"]["labels"] = json!({"a": "b"});
    let mut other_image = old.clone();
    other_image["spec"]["containers"][0]["image"] = json!("nginx:2");
    let requests = [updated(&old, &annotated, ""), updated(&old, &other_image, ""), created(&old)];
    let decided = ask(&binary, &policies(""), &requests);
    assert!(!only(&decided[0]).matched, "an annotation alone is not looked at");
    assert!(!only(&decided[1]).allowed, "as for Pod Security: {decided:?}");
    assert!(!only(&decided[2]).allowed);
}

#[test]
fn a_debug_container_is_judged_by_itself() {
    let Some(binary) = judge::binary() else { return };
    let old = pod(json!({}), json!([hard("web")]));
    let root =
        json!({"name": "debug", "image": "busybox", "securityContext": {"privileged": true}});
    let exempt =
        |reason: &str| pod(json!({"debug.exempt.ironhull.dev/all": reason}), json!([hard("web")]));
    let requests = [
        updated(&old, &debugged(&old, hard("debug")), "ephemeralcontainers"),
        updated(&old, &debugged(&old, root.clone()), "ephemeralcontainers"),
        updated(&exempt("why"), &debugged(&exempt("why"), root.clone()), "ephemeralcontainers"),
        // Nothing tells the day of an update but the day on which the backstop was made.
        updated(
            &old,
            &debugged(&exempt("until=2026-11-29 why"), root.clone()),
            "ephemeralcontainers",
        ),
        updated(&old, &debugged(&exempt("until=2026-11-30 why"), root), "ephemeralcontainers"),
    ];
    let allowed: Vec<_> = ask(&binary, &policies(""), &requests)
        .iter()
        .map(|decisions| only(decisions).allowed)
        .collect();
    assert_eq!(allowed, [true, false, true, false, true]);
}

/// A grant hangs on the image: whoever replaces the image has no grant.
#[test]
fn a_granted_image_cannot_be_replaced() {
    let Some(binary) = judge::binary() else { return };
    let set = policy(json!({"exempt": [{"images": ["registry.example/mesh:*"],
        "rules": ["runAsNonRoot"], "reason": "sets up the network"}]}));
    let root = |image: &str| {
        let mut container = hard("mesh");
        container["image"] = json!(image);
        container["securityContext"]["runAsNonRoot"] = json!(false);
        pod(json!({}), json!([container]))
    };
    let (one, two, other) =
        (root("registry.example/mesh:1"), root("registry.example/mesh:2"), root("evil:1"));
    let decided =
        ask(&binary, &set, &[created(&one), updated(&one, &two, ""), updated(&one, &other, "")]);
    let allowed: Vec<_> = decided.iter().map(|decisions| only(decisions).allowed).collect();
    assert_eq!(allowed, [true, true, false]);
}

/// The kubelet's images of static pods are let through; the annotation alone is anybody's word.
#[test]
fn mirror_pods_are_the_kubelets() {
    let Some(binary) = judge::binary() else { return };
    let mirror = pod(
        json!({"kubernetes.io/config.mirror": "abc"}),
        json!([{"name": "etcd", "image": "etcd"}]),
    );
    let mut kubelet = created(&mirror);
    kubelet["groups"] = json!(["system:nodes", "system:authenticated"]);
    let decided = ask(&binary, &policies(""), &[kubelet, created(&mirror)]);
    assert!(!only(&decided[0]).matched);
    assert!(only(&decided[1]).matched && !only(&decided[1]).allowed);
}

#[test]
fn the_objects_are_pods_policies_alone() {
    let objects = backstop(&policies(""));
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    let binding = "ValidatingAdmissionPolicyBinding";
    assert_eq!(kinds, ["ValidatingAdmissionPolicy", binding, binding]);
    let spec = &objects[0]["spec"];
    assert_eq!(spec["failurePolicy"], "Fail");
    let rules = spec["matchConstraints"]["resourceRules"].as_array().unwrap();
    let of = |rule: &Value| (rule["operations"].clone(), rule["resources"].clone());
    assert_eq!(
        rules.iter().map(of).collect::<Vec<_>>(),
        [
            (json!(["CREATE", "UPDATE"]), json!(["pods"])),
            (json!(["UPDATE"]), json!(["pods/ephemeralcontainers"]))
        ]
    );
    for (object, mode) in [(&objects[1], "enforce"), (&objects[2], "audit")] {
        let matched = &object["spec"]["matchResources"];
        let expressions = &matched["namespaceSelector"]["matchExpressions"];
        assert_eq!(expressions[0]["values"], json!([mode]));
        assert_eq!(
            expressions[1]["values"],
            json!(["ironhull-system", "kube-node-lease", "kube-public", "kube-system"])
        );
        let labelled = matched["objectSelector"]["matchLabels"].clone();
        let wanted = json!({"ironhull.dev/harden": "enforce"});
        assert_eq!(labelled, if mode == "audit" { wanted } else { Value::Null });
    }
}
