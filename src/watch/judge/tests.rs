//! What is kept of a pod.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use jiff::civil::date;
use serde_json::{Value, json};

use super::*;
use crate::harden::Context;

fn judged(pod: &Value) -> PodCounts {
    let text = pod.to_string();
    let live: Live<'_> = serde_json::from_str(&text).unwrap();
    judge(
        &text,
        &live.status,
        Policy::restricted(),
        Environment { date: date(2027, 1, 1), user_namespaces: false, seed_image: None },
    )
}

/// A pod with one container that was started as `uid`.
fn pod(security: &Value, uid: Option<i64>) -> Value {
    let user = uid.map_or(Value::Null, |uid| json!({"linux": {"uid": uid, "gid": uid}}));
    json!({
        "metadata": {"name": "web", "annotations": {}},
        "spec": {"containers": [{"name": "web", "image": "web", "securityContext": security}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "web", "state": {"running": {"startedAt": "2027-01-01T00:00:00Z"}}, "user": user},
        ]},
    })
}

fn would_change(facts: &PodCounts, rule: RuleName) -> u8 {
    facts.rules[rule as usize][0]
}

#[test]
fn the_status_says_who_runs_and_else_the_spec() {
    for (security, uid, root, unknown) in [
        (json!({}), Some(0), 1, 0),
        (json!({}), Some(1000), 0, 0),
        (json!({"runAsUser": 1000}), Some(0), 1, 0),
        (json!({"runAsUser": 0}), None, 1, 0),
        (json!({"runAsUser": 7}), None, 0, 0),
        (json!({}), None, 0, 1),
        (json!({"runAsNonRoot": true}), None, 0, 0),
    ] {
        let facts = judged(&pod(&security, uid));
        assert_eq!((facts.root, facts.unknown_user), ([root, 0, 0], unknown), "{security} {uid:?}");
    }
}

#[test]
fn what_does_not_run_is_not_counted() {
    let mut pod = pod(&json!({"runAsUser": 0}), Some(0));
    pod["status"]["containerStatuses"][0]["state"] = json!({"terminated": {"exitCode": 0}});
    let facts = judged(&pod);
    assert_eq!((facts.root, facts.rules), ([0; 3], [[0; 4]; RULES]));
    assert_eq!(facts.standing, Standing::Unhardened);
}

#[test]
fn exempt_root_is_counted_apart_until_its_last_day_is_over() {
    let mut pod = pod(&json!({"runAsUser": 0}), Some(0));
    let key = "exempt.ironhull.dev/runAsNonRoot";
    pod["metadata"]["annotations"][key] = json!("until=2027-01-01 owns the volume");
    pod["metadata"]["annotations"]["exempt.ironhull.dev/fsGroup"] = json!("no volume");
    let facts = judged(&pod);
    assert_eq!((facts.root, facts.exempt, facts.ends), ([0, 1, 0], true, 1_798_848_000));
    assert_eq!(facts.rules[RuleName::RunAsNonRoot as usize], [0, 0, 1, 0]);
    pod["metadata"]["annotations"][key] = json!("until=2026-12-31 owns the volume");
    let facts = judged(&pod);
    assert_eq!((facts.root, facts.exempt, facts.ends), ([1, 0, 0], true, 0));
}

#[test]
fn root_in_a_user_namespace_is_counted_apart() {
    let mut pod = pod(&json!({"runAsUser": 0}), Some(0));
    pod["spec"]["hostUsers"] = json!(false);
    assert_eq!(judged(&pod).root, [0, 0, 1]);
}

/// The engine has nothing left to change in a pod that it has made.
#[test]
fn a_hardened_pod_is_seen_to_be_one() {
    let mut object = pod(&json!({}), Some(1000));
    object["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    object["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "data", "mountPath": "/data"}]);
    let facts = judged(&object);
    assert_eq!(facts.standing, Standing::Unhardened);
    assert_eq!(would_change(&facts, RuleName::Capabilities), 1);
    assert_eq!(would_change(&facts, RuleName::FsGroup), 1);
    let text = object.to_string();
    let before = Pod::from_json(&text).unwrap();
    let context = Context {
        date: date(2027, 1, 1),
        scope: Scope::Create,
        user_namespaces: false,
        provenance: true,
        root: "",
        reserved_volumes: &[],
        seed_image: None,
    };
    let outcome = harden(&before, Policy::restricted(), &context);
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json()).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    let facts = judged(&object);
    assert_eq!((facts.standing, facts.rules), (Standing::Hardened, [[0; 4]; RULES]));
}

#[test]
fn a_debug_container_counts() {
    let mut pod = pod(&json!({"runAsUser": 1000}), Some(1000));
    pod["spec"]["ephemeralContainers"] =
        json!([{"name": "debug", "image": "x", "securityContext": {"runAsUser": 0}}]);
    pod["status"]["ephemeralContainerStatuses"] =
        json!([{"name": "debug", "state": {"running": {}}}]);
    let facts = judged(&pod);
    assert_eq!(facts.root, [1, 0, 0]);
    assert_eq!(would_change(&facts, RuleName::Capabilities), 2);
}

/// A pod is not hardened merely because nothing would be changed in it.
#[test]
fn what_stays_root_or_privileged_is_not_said_to_be_hardened() {
    let exempt = |rule: &str, context: Value, uid: Option<i64>| {
        let mut pod = pod(&context, uid);
        pod["metadata"]["annotations"][format!("exempt.ironhull.dev/{rule}")] = json!("a reason");
        judged(&pod).standing
    };
    assert_eq!(exempt("all", json!({"runAsUser": 0}), Some(0)), Standing::Partly);
    assert_eq!(exempt("all", json!({}), None), Standing::Partly, "its image may say root");
    assert_eq!(exempt("all", json!({}), Some(33)), Standing::Hardened, "the kubelet says no");
    assert_eq!(exempt("all", json!({"privileged": true}), Some(0)), Standing::Partly);
}

/// A pod for which the kubelet reports a uid is no Windows pod, whatever it claims to be.
#[test]
fn the_kubelet_knows_better_than_the_pod_what_it_is() {
    let mut pod = pod(&json!({"runAsUser": 0}), Some(0));
    pod["spec"]["os"] = json!({"name": "windows"});
    let facts = judged(&pod);
    assert_eq!((facts.standing, facts.root), (Standing::LeftAlone, [1, 0, 0]));
    pod["status"]["containerStatuses"][0]["user"] = Value::Null;
    let facts = judged(&pod);
    assert_eq!((facts.root, facts.unknown_user), ([0; 3], 0));
}

#[test]
fn a_debug_container_that_is_over_is_nobodys_concern() {
    let mut pod = pod(&json!({}), Some(1000));
    pod["metadata"]["annotations"]["exempt.ironhull.dev/all"] = json!("a reason");
    pod["spec"]["ephemeralContainers"] =
        json!([{"name": "debug", "image": "x", "securityContext": {"runAsUser": 0}}]);
    pod["status"]["ephemeralContainerStatuses"] =
        json!([{"name": "debug", "state": {"running": {}}}]);
    assert_eq!(judged(&pod).standing, Standing::Partly);
    pod["status"]["ephemeralContainerStatuses"][0]["state"] =
        json!({"terminated": {"exitCode": 0}});
    assert_eq!(judged(&pod).standing, Standing::Hardened);
}

#[test]
fn what_the_engine_cannot_read_is_said_to_be_so() {
    let mut pod = pod(&json!({}), Some(0));
    pod["spec"]["containers"][0]["ports"] = json!("none");
    let facts = judged(&pod);
    assert_eq!((facts.standing, facts.root), (Standing::Unreadable, [1, 0, 0]));
}

#[test]
fn words_are_as_many_as_what_they_are_for() {
    assert_eq!(Standing::Unreadable as usize + 1, Standing::WORDS.len());
    assert_eq!(Allowed::UserNamespace as usize + 1, Allowed::WORDS.len());
    // A byte a count, and the rest in two words: 50,000 pods are kept.
    let counts = size_of_val(&PodCounts::default().rules);
    assert!(size_of::<PodCounts>() <= counts + 16, "{}", size_of::<PodCounts>());
}
