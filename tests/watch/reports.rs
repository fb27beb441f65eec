//! `ironhull watch --reports`: what is written, how often, and what is left alone.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::{Api, Crowd};
use super::breakage::crashed;
use super::objects::{annotated, namespace, one_of_many, opted_in, pod};
use super::process::Process;

const REPORTS: [&str; 1] = ["--reports"];
const KEPT: &str = "ironhull_watch_reports";
const WAITING: &str = "ironhull_watch_reports_waiting";
const FAILING: &str = "ironhull_watch_reports_failing";

fn writes(result: &str) -> String {
    format!(r#"ironhull_watch_report_writes_total{{result="{result}"}}"#)
}

/// A pod of the Deployment `web` that runs as this user.
fn of_web(number: usize, uid: i64) -> Value {
    let mut pod = crashed("shop", "web", number);
    pod["status"] = super::objects::pod("shop", "any", uid)["status"].clone();
    pod["metadata"]["annotations"] = Value::Null;
    pod
}

/// The report about an object.
fn report(api: &Api, kind: &str, name: &str) -> Option<Value> {
    let is_it = |it: &Value| it["scope"]["kind"] == kind && it["scope"]["name"] == name;
    api.reports().into_iter().find(is_it)
}

fn result(report: &Value, rule: &str) -> Value {
    let results = report["results"].as_array().unwrap();
    let found: Vec<&Value> = results.iter().filter(|it| it["rule"] == rule).collect();
    assert_eq!(found.len(), 1, "{rule}: {found:?}");
    found[0].clone()
}

#[test]
fn a_report_follows_its_workload() {
    let api = Api::start(None);
    api.put("namespaces", opted_in("shop"));
    (0..3).for_each(|number| api.put("pods", of_web(number, 0)));
    let exempt = annotated(
        pod("shop", "old", 0),
        "exempt.ironhull.dev/runAsNonRoot",
        "until=2099-12-31 ticket=SEC-1 it owns the place",
    );
    api.put("pods", exempt.clone());
    api.put("namespaces", namespace("other", &[]));
    api.put("pods", pod("other", "unseen", 0));
    let watch = Process::start(api.address, &REPORTS);
    let second = Process::start(api.address, &REPORTS);
    watch.reaches(KEPT, 2);
    second.reaches(KEPT, 2);
    let web = report(&api, "Deployment", "web").unwrap();
    assert_eq!(web["metadata"]["namespace"], "shop");
    assert_eq!(
        web["metadata"]["ownerReferences"],
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-of-web"}])
    );
    assert_eq!(web["scope"]["uid"], "uid-of-web");
    let root = result(&web, "runAsNonRoot");
    assert_eq!((&root["result"], &root["properties"]["value"]), (&json!("fail"), &json!("0")));
    assert_eq!(root["properties"].get("pods"), None);
    let old = report(&api, "Pod", "old").unwrap();
    let root = result(&old, "runAsNonRoot");
    assert_eq!((&root["result"], &root["properties"]["ticket"]), (&json!("skip"), &json!("SEC-1")));
    // Both have the same to say, and whoever comes second may have begun before the first was done.
    thread::sleep(Duration::from_secs(3));
    assert!((2..=4).contains(&api.writes().applied.len()), "{:?}", api.writes());
    drop(second);
    // Replaced one by one, they are one change.
    let before = api.writes().applied.len();
    for number in 0..3 {
        api.delete("pods", of_web(number, 0));
        api.put("pods", of_web(10 + number, 1000));
    }
    watch.eventually("it follows", || {
        let web = report(&api, "Deployment", "web").unwrap();
        result(&web, "runAsNonRoot")["result"] == "pass"
    });
    // More of the same are no change.
    (20..40).for_each(|number| api.put("pods", of_web(number, 1000)));
    watch.reaches("ironhull_watch_pods_kept", 25);
    thread::sleep(Duration::from_secs(7));
    assert_eq!(api.writes().applied.len(), before + 1);
    // A namespace that opts out has none.
    assert_eq!(api.writes().deleted, 0);
    api.put("namespaces", namespace("shop", &[]));
    watch.eventually("they go", || api.reports().is_empty());
    watch.reaches(&writes("deleted"), 2);
    assert_eq!(watch.metric(&writes("failed")), Some(0));
}

#[test]
fn reports_of_others_are_left_alone() {
    let api = Api::start(None);
    api.put("namespaces", opted_in("shop"));
    api.put("pods", pod("shop", "a", 0));
    let watch = Process::start(api.address, &REPORTS);
    watch.reaches(KEPT, 1);
    let name = api.reports()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    drop(watch);
    // Somebody has taken the name meanwhile, and another report is about the same pod.
    let theirs = |label: &str| json!({"metadata": {"name": "x", "uid": "theirs", "labels": {"app.kubernetes.io/managed-by": label}}});
    api.put_report("shop", &name, theirs("kyverno"));
    api.put_report("gone", "of-a-policy", theirs("kyverno"));
    let before = api.reports();
    let watch = Process::start(api.address, &REPORTS);
    watch.reaches(&writes("taken"), 1);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(api.reports(), before);
    assert!(watch.log().contains("somebody else has a report of this name"));
    // What `ironhull report` has made is ours, and made anew.
    api.put_report("shop", &name, theirs("ironhull"));
    api.put("pods", pod("shop", "a", 1000));
    watch.reaches(&writes("written"), 1);
    let of_a = report(&api, "Pod", "a").unwrap();
    assert_eq!(of_a["metadata"]["labels"]["app.kubernetes.io/managed-by"], "ironhull-watch");
}

#[test]
fn what_is_missing_is_said_once_and_waited_for() {
    let api = Api::start(None);
    api.put("namespaces", opted_in("shop"));
    api.put("pods", pod("shop", "a", 0));
    api.refuse_reports(Some((404, "the server could not find the requested resource")));
    let watch = Process::start(api.address, &REPORTS);
    watch.ready();
    watch.reaches(FAILING, 1);
    let (status, report) = watch.get("/readyz");
    assert_eq!(status, 200, "what it counts is right");
    assert!(report.contains("install their CRD"), "{report}");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(watch.log().matches("install their CRD").count(), 1, "{}", watch.log());
    let denied = "reports.openreports.io is forbidden: User \"a\" cannot list resource \"reports\"";
    api.refuse_reports(Some((403, denied)));
    watch.eventually("the right is named", || {
        watch.get("/readyz").1.contains("it needs `list` on reports.openreports.io")
    });
    api.refuse_reports(None);
    watch.reaches(KEPT, 1);
    watch.reaches(FAILING, 0);
    assert!(watch.log().contains("reports are kept again"));
}

fn workloads() -> usize {
    std::env::var("WATCH_WORKLOADS").map_or(100, |text| text.parse().unwrap())
}

/// One of 50,000 pods of so many StatefulSets.
fn one_of_a_workload(number: usize) -> String {
    let (of, space) = (number % workloads(), number % workloads() % 50);
    let pod = one_of_many(number);
    let old = format!(r#""namespace":"crowd-{}""#, number % 50);
    let owner = format!(
        r#""namespace":"crowd-{space}","ownerReferences":[{{"apiVersion":"apps/v1","kind":"StatefulSet","name":"db-{of}","uid":"uid-db-{of}","controller":true}}]"#
    );
    pod.replacen(&old, &owner, 1)
}

/// The chart's limit is 64 MiB. `WATCH_WORKLOADS` has them be of another number of workloads, and
/// `IRONHULL_BINARY` names another binary.
#[test]
fn reports_of_fifty_thousand_pods_need_little() {
    const PODS: usize = 50_000;
    let workloads = workloads();
    let api = Api::start(Some(Crowd { count: PODS, pod: one_of_a_workload }));
    (0..50).for_each(|number| api.put("namespaces", opted_in(&format!("crowd-{number}"))));
    let until = |watch: &Process| {
        let end = Instant::now()
            + Duration::from_secs(120)
            + Duration::from_millis(250) * u32::try_from(workloads).unwrap();
        let wanted = [
            format!("{KEPT} {workloads}"),
            format!("{WAITING} 0"),
            format!("ironhull_watch_pods_kept {PODS}"),
        ];
        // Seldom, for the sums of 50,000 pods take processor time too.
        let done = || {
            let text = watch.get("/metrics").1;
            wanted.iter().all(|wanted| text.lines().any(|line| line == wanted))
        };
        while !done() {
            assert!(Instant::now() < end, "{}\n{}", watch.get("/metrics").1, watch.log());
            thread::sleep(Duration::from_secs(2));
        }
    };
    let tell = |when: &str, watch: &Process| {
        let (peak, file) = watch.peak();
        println!(
            "{when}: {PODS} pods of {workloads} workloads: peak resident memory {peak} KiB, {file} KiB of it the \
             program's file, {:.1} s of processor time",
            watch.seconds(),
        );
        assert!(peak - file < 24 << 10, "{peak} KiB, {file} KiB of it the program's file");
    };
    let watch = Process::start(api.address, &REPORTS);
    until(&watch);
    let written = api.writes();
    let took = written.applied.last().unwrap().duration_since(written.applied[0]).as_secs_f64();
    println!(
        "{} Reports written in {took:.1} s, {:.1} a second, {} bytes each",
        written.applied.len(),
        written.applied.len() as f64 / took,
        written.bytes / written.applied.len(),
    );
    assert_eq!(written.applied.len(), workloads);
    // A burst of ten, then five a second.
    let slowest = (workloads as f64 - 11.0) / 5.0;
    assert!(took > slowest - 1.0, "{took} s");
    tell("at first", &watch);
    drop(watch);
    let watch = Process::start(api.address, &REPORTS);
    until(&watch);
    thread::sleep(Duration::from_secs(6));
    tell("after a restart", &watch);
    let after = api.writes();
    println!("after a restart: {} writes", after.applied.len() - written.applied.len());
    assert_eq!((after.applied.len(), after.deleted), (written.applied.len(), 0));
    assert_eq!(watch.metric(&writes("written")), Some(0));
}
