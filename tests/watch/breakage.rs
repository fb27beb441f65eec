//! `ironhull watch --breakage`: what is told, how much is asked for it, and what never leaves.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::{Api, Crowd};
use super::objects::opted_in;
use super::process::Process;

const READ_ONLY: &str = "sh: can't create /var/log/app/x: Read-only file system";
const LOGS: [&str; 2] = ["--breakage", "--read-logs"];

fn broken(namespace: &str, cause: &str) -> String {
    format!(r#"ironhull_watch_broken_pods{{namespace="{namespace}",cause="{cause}"}}"#)
}

/// A hardened pod of a Deployment whose container has ended with an error, the first time.
pub fn crashed(namespace: &str, deployment: &str, number: usize) -> Value {
    let set = ["runAsUser", "runAsNonRoot", "capabilities", "readOnlyRootFilesystem"];
    let note = json!({"policy": "restricted@1", "set": {"web": set}}).to_string();
    let hash = "5d8f7c9b4";
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": format!("{deployment}-{hash}-{number}"), "namespace": namespace,
            "uid": format!("{namespace}-{deployment}-{number}"),
            "labels": {"pod-template-hash": hash},
            "annotations": {"ironhull.dev/hardened": note},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                "name": format!("{deployment}-{hash}"), "uid": format!("rs-{deployment}")}],
        },
        "spec": {"containers": [{"name": "web", "image": "web:1",
            "securityContext": {"runAsUser": 1000, "readOnlyRootFilesystem": true}}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "web", "ready": false, "restartCount": 0, "image": "web:1", "imageID": "",
            "state": {"terminated": {"exitCode": 1, "reason": "Error",
                "startedAt": "2026-11-30T08:00:00Z", "finishedAt": "2026-11-30T08:00:01Z"}},
        }]},
    })
}

/// The same pod, running.
fn running(mut pod: Value) -> Value {
    let status = &mut pod["status"]["containerStatuses"][0];
    status["ready"] = true.into();
    status["state"] = json!({"running": {"startedAt": "2026-11-30T08:00:00Z"}});
    pod
}

fn unhardened(mut pod: Value) -> Value {
    pod["metadata"]["annotations"] = Value::Null;
    let uid = format!("{}-before", pod["metadata"]["uid"].as_str().unwrap());
    pod["metadata"]["uid"] = uid.into();
    pod
}

fn shop() -> Api {
    let api = Api::start(None);
    api.put("namespaces", opted_in("shop"));
    api
}

#[test]
fn a_cause_is_told_once_on_the_pod_and_on_its_deployment() {
    let api = shop();
    for number in 0..3 {
        api.log(&format!("web-5d8f7c9b4-{number}"), READ_ONLY);
    }
    let watch = Process::start(api.address, &LOGS);
    let second = Process::start(api.address, &LOGS);
    watch.ready();
    second.ready();
    api.put("pods", crashed("shop", "web", 0));
    watch.reaches(&broken("shop", "readOnly"), 1);
    second.reaches(&broken("shop", "readOnly"), 1);
    watch.eventually("both Events", || api.events().len() == 2);
    let events = api.events();
    let about: Vec<_> = events.iter().map(|event| &event["regarding"]["kind"]).collect();
    assert_eq!(about, ["Pod", "Deployment"]);
    assert_eq!(events[1]["regarding"]["uid"], "uid-of-web", "describe asks by it");
    for event in &events {
        assert_eq!(
            event["note"],
            "hardening breaks container `web`: its root file system is read-only, and it writes outside the \
             writable paths; annotate the pod: `web.ironhull.dev/writable-paths: \"/var/log/app\"` \
             (docs/troubleshooting.md#read-only-file-system)"
        );
        assert_eq!(
            (&event["type"], &event["reason"]),
            (&json!("Warning"), &json!("BrokenByHardening"))
        );
    }
    // Its other pods fail for the same reason: counted, and nothing is said or read again.
    let calls = api.calls();
    for number in 1..3 {
        api.put("pods", crashed("shop", "web", number));
    }
    watch.reaches(&broken("shop", "readOnly"), 3);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(api.events().len(), 2);
    assert_eq!(api.calls().logs, calls.logs, "no log twice");
    // Gone, they count no longer.
    for number in 0..3 {
        api.delete("pods", crashed("shop", "web", number));
    }
    watch.eventually("none", || watch.metric(&broken("shop", "readOnly")).is_none());
    let told = r#"ironhull_watch_breakage_events_total{result="told"}"#;
    assert_eq!(watch.metric(told), Some(1));
}

#[test]
fn of_what_fails_anyway_nothing_is_said() {
    let api = shop();
    let watch = Process::start(api.address, &LOGS);
    watch.ready();
    // Without hardening it fails as well.
    api.put("pods", unhardened(crashed("shop", "ill", 0)));
    api.log("ill-5d8f7c9b4-1", READ_ONLY);
    api.put("pods", crashed("shop", "ill", 1));
    // Its log has nothing, or something else; it may not be read; it runs.
    api.log("bug-5d8f7c9b4-0", "KeyError: 'x'");
    api.put("pods", crashed("shop", "bug", 0));
    api.put("pods", crashed("shop", "unreadable", 0));
    api.put("pods", running(crashed("shop", "well", 0)));
    let mut waiting = crashed("shop", "image", 0);
    waiting["status"]["containerStatuses"][0]["state"] =
        json!({"waiting": {"reason": "ImagePullBackOff", "message": "permission denied"}});
    api.put("pods", waiting);
    watch.reaches(&broken("shop", "unknown"), 2);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(api.events(), [Value::Null; 0]);
    assert_eq!(watch.metric(&broken("shop", "unknown")), Some(2));
    assert_eq!(watch.metric(&broken("shop", "readOnly")), None);
}

#[test]
fn without_the_right_to_logs_none_is_asked_for() {
    let api = shop();
    api.log("web-5d8f7c9b4-0", READ_ONLY);
    let watch = Process::start(api.address, &["--breakage"]);
    watch.ready();
    api.put("pods", crashed("shop", "web", 0));
    watch.reaches(&broken("shop", "unknown"), 1);
    // What the program itself tells the kubelet is known all the same.
    let mut tells = crashed("shop", "tells", 0);
    tells["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = READ_ONLY.into();
    api.put("pods", tells);
    watch.reaches(&broken("shop", "readOnly"), 1);
    watch.eventually("both Events", || api.events().len() == 2);
    assert_eq!(api.calls().logs, 0);
}

#[test]
fn events_that_may_not_be_written_are_said_to_be_missing() {
    let api = shop();
    api.silence(true);
    api.log("web-5d8f7c9b4-0", READ_ONLY);
    let watch = Process::start(api.address, &LOGS);
    watch.ready();
    api.put("pods", crashed("shop", "web", 0));
    watch.reaches(r#"ironhull_watch_breakage_events_total{result="failed"}"#, 1);
    let report: Value = serde_json::from_str(&watch.get("/readyz").1).unwrap();
    assert_eq!(report["breakage"]["trouble"], "events is forbidden");
    assert_eq!(watch.metric(&broken("shop", "readOnly")), Some(1), "it counts all the same");
    api.silence(false);
    api.put("pods", crashed("shop", "web", 0));
    watch.eventually("with the next crash", || api.events().len() == 2);
    watch.eventually("all is well", || {
        let report: Value = serde_json::from_str(&watch.get("/readyz").1).unwrap();
        report["breakage"]["trouble"].is_null()
    });
}

/// Of a log with secrets in it, in the place of a path and beside it, nothing but the kind of the
/// message is seen anywhere: not in the log at its most talkative, not in Events, not in metrics.
#[test]
fn no_line_of_a_log_leaves_it() {
    let secret = "hunter2-ghp-16C7e42F292c6912E7710c838347Ae178B4a";
    let api = shop();
    let lines = [
        format!("connecting with password {secret}"),
        format!("mkdir: can't create directory '/data/{secret}/x': Read-only file system"),
        format!("postgres://app:{secret}@db/shop"),
    ];
    api.log("web-5d8f7c9b4-0", &lines.join("\n"));
    let arguments = [&LOGS[..], &["--log-level", "trace"]].concat();
    let watch = Process::start(api.address, &arguments);
    watch.ready();
    api.put("pods", crashed("shop", "web", 0));
    watch.reaches(&broken("shop", "readOnly"), 1);
    watch.eventually("both Events", || api.events().len() == 2);
    watch.eventually("the kind of message is logged", || watch.log().contains("read-only"));
    let events = serde_json::to_string(&api.events()).unwrap();
    let (log, metrics) = (watch.log(), watch.get("/metrics").1);
    for (what, text) in [("events", &events), ("log", &log), ("metrics", &metrics)] {
        for part in ["hunter2", "16C7e42F", "postgres://", "connecting"] {
            assert!(!text.contains(part), "{what}: {text}");
        }
    }
    println!("{}", api.events()[0]["note"]);
}

/// A pod of a Deployment of its own that crashes, in one of ten namespaces.
fn one_of_a_bad_day(number: usize) -> String {
    crashed(&format!("crowd-{}", number % 10), &format!("web-{number}"), 0).to_string()
}

/// 5,000 workloads fail at once, as after a bad policy: what is asked, written and kept is bounded.
#[test]
fn five_thousand_failing_pods_are_bounded() {
    let count = 5000;
    let api = Api::start(Some(Crowd { count, pod: one_of_a_bad_day }));
    for number in 0..10 {
        api.put("namespaces", opted_in(&format!("crowd-{number}")));
    }
    for number in 0..count {
        api.log(&format!("web-{number}-5d8f7c9b4-0"), READ_ONLY);
    }
    let began = Instant::now();
    let watch = Process::start(api.address, &LOGS);
    watch.ready();
    thread::sleep(Duration::from_secs(20));
    let (calls, events) = (api.calls(), api.events().len());
    let seconds = began.elapsed().as_secs();
    let text = watch.get("/metrics").1;
    let of = |cause: &str| -> i64 {
        let wanted = format!("cause=\"{cause}\"");
        let lines = text.lines().filter(|line| line.starts_with("ironhull_watch_broken_pods"));
        let lines = lines.filter(|line| line.contains(&wanted));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum()
    };
    let (known, unknown) = (of("readOnly"), of("unknown"));
    println!(
        "{count} failing workloads, {seconds} s: {events} Events, {calls:?}; {known} known, {unknown} not \
         yet; {} wait; {} KiB at most, {:.1} s of processor time",
        watch.metric("ironhull_watch_breakage_waiting").unwrap(),
        watch.peak().0,
        watch.seconds(),
    );
    assert_eq!(known + unknown, i64::try_from(count).unwrap(), "all are counted");
    // 120 at once, one a second from then on, each with a pod, a log, an owner and two Events.
    let most = 120 + usize::try_from(seconds).unwrap() + 10;
    assert!(events <= 2 * most && calls.logs <= most && calls.pods <= most, "{calls:?}");
    assert!(events >= 100, "{events}");
    assert!(watch.metric("ironhull_watch_breakage_waiting").unwrap() <= 2000);
    let (peak, file) = watch.peak();
    assert!(peak - file < 16 << 10, "{peak} KiB, {file} KiB of it the program's file");
}
