//! The judgement: a pod as JSON, its log and how it did before, and what is made of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{Before, Diagnosis, Evidence, Sign, ailments, judge, recovers};
use crate::exemption::HARDENED_ANNOTATION;
use crate::provenance::Incoming;

const START: &str = "2026-11-30T08:00:00Z";

fn at(seconds: i64) -> String {
    let start: Timestamp = START.parse().unwrap();
    (start + SignedDuration::from_secs(seconds)).to_string()
}

/// A pod hardened in all that matters, whose container has this status.
fn pod(status: &Value) -> Value {
    let note = json!({"policy": "restricted@1", "set": {"app": [
        "runAsNonRoot", "runAsUser", "runAsGroup", "capabilities", "allowPrivilegeEscalation",
        "seccompProfile", "readOnlyRootFilesystem"
    ]}});
    let mut status = status.clone();
    status["name"] = "app".into();
    json!({
        "metadata": {"annotations": {HARDENED_ANNOTATION: note.to_string()}},
        "spec": {"containers": [{
            "name": "app", "securityContext": {"runAsUser": 1000},
            "ports": [{"name": "web", "containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": "web"}},
        }]},
        "status": {"containerStatuses": [status]},
    })
}

/// A container that has ended three seconds after its start.
fn exited(code: i32) -> Value {
    json!({"ready": false, "state": {"terminated": {
        "exitCode": code, "reason": "Error", "startedAt": at(0), "finishedAt": at(3),
    }}})
}

fn refused(reason: &str, message: &str) -> Value {
    json!({"ready": false, "state": {"waiting": {"reason": reason, "message": message}}})
}

fn running() -> Value {
    json!({"ready": false, "state": {"running": {"startedAt": at(0)}}})
}

/// What is made of the pod a minute after its start: the kind of message, `other`, `unknown`, or
/// `well`.
fn found(pod: &Value, log: Option<&str>, before: Before) -> &'static str {
    let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
    let note = Incoming::read(&pod.metadata.annotations.unwrap()[HARDENED_ANNOTATION]).unwrap();
    let (spec, status) = (pod.spec.unwrap(), pod.status.unwrap());
    let all = ailments(&spec, &status, at(60).parse().unwrap());
    let Some(ailment) = all.first() else { return "well" };
    match judge(&Evidence { pod: &spec, note: &note, ailment, log, before }) {
        Diagnosis::Hardening(advice) => advice.symptom.name,
        Diagnosis::Other => "other",
        Diagnosis::Unknown => "unknown",
    }
}

fn seen(pod: &Value, log: Option<&str>) -> &'static str {
    found(pod, log, Before::Unseen)
}

const READ_ONLY: &str = "sh: can't create /var/log/app/x: Read-only file system";
const LOW_PORT: &str = "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)";

#[test]
fn what_the_kubelet_says() {
    for (reason, message, expected) in [
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root (pod: \"x\", container: app)",
            "image-is-root",
        ),
        ("CreateContainerConfigError", "secret \"x\" not found", "other"),
        ("CreateContainerConfigError", "couldn't find key a in ConfigMap shop/b", "other"),
        ("RunContainerError", "exec: \"/scripts/run.sh\": permission denied", "not-executable"),
        ("RunContainerError", "exec: \"nonsense\": executable file not found in $PATH", "other"),
        ("ImagePullBackOff", "Back-off pulling image: permission denied", "other"),
        ("ErrImagePull", "unauthorized", "other"),
        ("ContainerCreating", "", "well"),
    ] {
        assert_eq!(seen(&pod(&refused(reason, message)), None), expected, "{message}");
    }
}

#[test]
fn what_a_program_says() {
    assert_eq!(seen(&pod(&exited(1)), None), "unknown", "there is no log");
    assert_eq!(seen(&pod(&exited(1)), Some("")), "unknown");
    assert_eq!(seen(&pod(&exited(1)), Some(READ_ONLY)), "read-only");
    assert_eq!(seen(&pod(&exited(1)), Some(LOW_PORT)), "low-port");
    assert_eq!(seen(&pod(&exited(1)), Some("KeyError: 'x'")), "unknown");
    let mut told = exited(1);
    told["state"]["terminated"]["message"] = READ_ONLY.into();
    assert_eq!(seen(&pod(&told), None), "read-only", "a termination message");
    // Killed by a probe or by somebody, or out of memory: whatever it has complained of.
    assert_eq!(seen(&pod(&exited(137)), Some(READ_ONLY)), "other");
    assert_eq!(seen(&pod(&exited(143)), Some(READ_ONLY)), "other");
    let mut memory = exited(1);
    memory["state"]["terminated"]["reason"] = "OOMKilled".into();
    assert_eq!(seen(&pod(&memory), Some(READ_ONLY)), "other");
    // It goes on after the warning, and dies of something else.
    let log = format!("{READ_ONLY}\nTraceback (most recent call last):\n  x\nKeyError: 'x'\n");
    assert_eq!(seen(&pod(&exited(1)), Some(&log)), "unknown");
    assert_eq!(found(&pod(&exited(1)), Some(&log), Before::Well), "read-only");
    let log =
        "[Warning] cannot write /var/x: Read-only file system\n[ERROR] unknown option '--x'\n";
    assert_eq!(seen(&pod(&exited(1)), Some(log)), "unknown");
    // Words that may be about any server.
    assert_eq!(seen(&pod(&exited(1)), Some("upload failed: permission denied")), "unknown");
    assert_eq!(seen(&pod(&exited(1)), Some("ERROR: permission denied for table x")), "other");
}

#[test]
fn whatever_fails_without_hardening_too_is_not_hardenings_doing() {
    assert_eq!(found(&pod(&exited(1)), Some(READ_ONLY), Before::Ill), "other");
    let refused = refused(
        "CreateContainerConfigError",
        "container has runAsNonRoot and image will run as root",
    );
    assert_eq!(found(&pod(&refused), None, Before::Ill), "other");
}

/// Each rule that can be the cause, taken away: the same message is then the pod's own.
#[test]
fn only_what_ironhull_set_counts() {
    let cases = [
        (READ_ONLY, "read-only", &["readOnlyRootFilesystem"][..]),
        (LOW_PORT, "low-port", &["runAsUser"]),
        (
            "sudo: The \"no new privileges\" flag is set",
            "setuid-program",
            &["allowPrivilegeEscalation", "runAsUser"],
        ),
        ("cat: /etc/shadow: Permission denied", "image-file", &["runAsUser"]),
        ("exec /usr/bin/caddy: operation not permitted", "file-capability", &["capabilities"]),
        ("io_uring_queue_init: Operation not permitted", "system-call", &["seccompProfile"]),
    ];
    for (message, kind, rules) in cases {
        let mut pod = pod(&exited(1));
        assert_eq!(seen(&pod, Some(message)), kind, "{message}");
        let annotation = &mut pod["metadata"]["annotations"][HARDENED_ANNOTATION];
        let mut note: Value = serde_json::from_str(annotation.as_str().unwrap()).unwrap();
        let set = note["set"]["app"].as_array_mut().unwrap();
        set.retain(|rule| !rules.iter().any(|name| rule == name));
        *annotation = note.to_string().into();
        assert_eq!(seen(&pod, Some(message)), "other", "{message} without {rules:?}");
    }
}

#[test]
fn who_keeps_its_user_has_no_other() {
    let message = "cat: /etc/shadow: Permission denied";
    let with = |note: Value, uid: Option<i64>| {
        let mut pod = pod(&exited(1));
        pod["metadata"]["annotations"][HARDENED_ANNOTATION] = note.to_string().into();
        pod["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": uid});
        seen(&pod, Some(message))
    };
    let set = json!({"app": ["runAsUser"]});
    assert_eq!(with(json!({"set": set}), Some(1000)), "image-file");
    let facts = json!({"app": "the image's user is node (1000)"});
    assert_eq!(with(json!({"set": set, "facts": facts}), Some(1000)), "other");
    let facts = json!({"app": "its image is root, and runs as 1000 now"});
    assert_eq!(with(json!({"set": set, "facts": facts}), Some(1000)), "image-file");
    // At the pod level it counts for whoever says nothing itself.
    let set = json!({"pod": ["runAsUser"]});
    assert_eq!(with(json!({"set": set}), None), "image-file");
    assert_eq!(with(json!({"set": set}), Some(33)), "other");
    // Capabilities are root's.
    let set = json!({"app": ["capabilities"]});
    assert_eq!(with(json!({"set": set}), Some(0)), "image-file");
    assert_eq!(with(json!({"set": set}), Some(33)), "other");
}

/// A probe that fails says nothing of itself, nor does a warning.
#[test]
fn a_container_that_never_becomes_ready() {
    assert_eq!(seen(&pod(&running()), Some("ready soon")), "unknown");
    assert_eq!(seen(&pod(&running()), Some(READ_ONLY)), "unknown");
    assert_eq!(found(&pod(&running()), Some(READ_ONLY), Before::Well), "read-only");
    assert_eq!(seen(&pod(&running()), Some(LOW_PORT)), "low-port");
    let other = LOW_PORT.replace(":80", ":443");
    assert_eq!(seen(&pod(&running()), Some(&other)), "unknown", "another port than the probe's");
    let pod_of: Pod = serde_json::from_value(pod(&running())).unwrap();
    let all = ailments(&pod_of.spec.unwrap(), &pod_of.status.unwrap(), at(60).parse().unwrap());
    assert!(!all[0].previous, "its log is that of this run");
    let mut young = running();
    young["state"]["running"]["startedAt"] = at(40).into();
    assert_eq!(seen(&pod(&young), Some(LOW_PORT)), "well");
}

#[test]
fn a_crash_loop_is_one_until_it_has_run_longer_than_before() {
    let ended = |seconds: i64| json!({"terminated": {"exitCode": 1, "startedAt": at(0), "finishedAt": at(seconds)}});
    let again =
        json!({"ready": true, "lastState": ended(3), "state": {"running": {"startedAt": at(10)}}});
    assert_eq!(seen(&pod(&again), Some(READ_ONLY)), "read-only");
    let pod: Pod = serde_json::from_value(pod(&again)).unwrap();
    let (spec, status) = (pod.spec.unwrap(), pod.status.unwrap());
    let look = |seconds: i64| ailments(&spec, &status, at(seconds).parse().unwrap());
    assert!(look(60)[0].previous, "its log is that of the run before");
    assert_eq!(look(60)[0].sign, Sign::Exited);
    assert!(look(100).is_empty());
    assert_eq!(recovers(&status, at(60).parse().unwrap()), Some(false));
    assert_eq!(recovers(&status, at(100).parse().unwrap()), Some(true));
    // What has run for long and ends once may have any reason.
    let late = json!({"ready": false, "state": ended(3600)});
    assert_eq!(seen(&super::tests::pod(&late), Some(READ_ONLY)), "well");
    let mut looping = refused("CrashLoopBackOff", "back-off 5m0s");
    looping["lastState"] = ended(3600);
    assert_eq!(seen(&super::tests::pod(&looping), Some(READ_ONLY)), "read-only");
}

/// A full directory is hardening's doing where hardening made it.
#[test]
fn an_eviction() {
    let evicted = |volume: &str| {
        let mut pod = pod(&exited(137));
        pod["spec"]["containers"][0]["volumeMounts"] =
            json!([{"name": volume, "mountPath": "/tmp"}]);
        pod["status"]["reason"] = "Evicted".into();
        pod["status"]["message"] =
            format!("Usage of EmptyDir volume \"{volume}\" exceeds the limit \"64Mi\". ").into();
        pod
    };
    assert_eq!(seen(&evicted("ironhull-app-tmp"), None), "directory-full");
    assert_eq!(seen(&evicted("cache"), None), "other");
    let mut pressure = evicted("cache");
    pressure["status"]["message"] = "The node was low on resource: memory.".into();
    assert_eq!(seen(&pressure, None), "other");
}

/// Whoever may annotate pods may forge a note, or write one that is not what it should be.
#[test]
fn an_odd_note_claims_nothing() {
    for note in [
        json!({}),
        json!({"set": {"other": ["readOnlyRootFilesystem"]}}),
        json!({"set": {"app": ["nonsense"]}}),
    ] {
        let mut pod = pod(&exited(1));
        pod["metadata"]["annotations"][HARDENED_ANNOTATION] = note.to_string().into();
        assert_eq!(seen(&pod, Some(READ_ONLY)), "other", "{note}");
    }
    assert!(Incoming::read("[]").is_none_or(|note| note.set.is_empty()));
}
