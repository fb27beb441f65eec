//! The binary: flags, environment, signals, exit codes, log.

use std::fs;
use std::io::Read;
use std::time::Duration;

use ironhull::serve::certs::PemPair;
use rustix::process::Signal;

use crate::client::post;
use crate::fixture::{self, certificate, eventually, ready};
use crate::process::{command, line, start, wait};

#[test]
fn sigterm_answers_what_is_in_flight_and_exits_with_success() {
    let mut process = start(&["--shutdown-delay", "1s"]);
    let mut in_flight = process.trust.connect(process.webhook).unwrap();
    let request = post("/enforce", &[b' '; 1000]);
    in_flight.send(&request[..500]).unwrap();
    let in_flight_bytes = || fixture::metric(process.ops, "ironhull_body_bytes_in_flight");
    eventually("it is in flight", || in_flight_bytes() == 1000);
    process.signal(Signal::TERM);
    eventually("it is not ready", || ready(process.ops).0 == 503);
    let answer = process.trust.connect(process.webhook).unwrap().post("/enforce", b"{}").unwrap();
    assert_eq!(answer.status, 400, "still serving, and `{{}}` is no review");
    std::thread::sleep(Duration::from_millis(1500));
    in_flight.send(&request[500..]).unwrap();
    let answer = in_flight.answer().unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.closes());
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut process = start(&["--shutdown-delay", "600s"]);
    process.signal(Signal::TERM);
    eventually("it is not ready", || ready(process.ops).0 == 503);
    process.signal(Signal::INT);
    assert_eq!(process.wait().code(), Some(2));
}

#[test]
fn the_log_has_one_line_a_request_and_nothing_of_its_body() {
    let mut process = start(&[]);
    let effective =
        process.started.iter().find(|line| line["message"] == "effective configuration");
    let effective = effective.unwrap()["config"].as_str().unwrap();
    assert!(effective.contains("max_connections: 512"), "{effective}");
    let review = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
        "uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},
        "resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop",
        "operation":"CREATE","object":{"kind":"Pod","metadata":{"generateName":"web-"},"spec":{
        "containers":[{"name":"web","image":"web","env":[{"name":"A","value":"hush"}]}]}}}}"#;
    let mut client = process.trust.connect(process.webhook).unwrap();
    assert_eq!(client.post("/enforce", review).unwrap().status, 200);
    assert_eq!(client.post("/enforce", b"hush").unwrap().status, 400);
    let mut log = process.log.take().unwrap();
    let reviewed = line(&mut log);
    assert_eq!(reviewed["message"], "reviewed");
    for (key, value) in [
        ("uid", "u-1"),
        ("namespace", "shop"),
        ("name", "web-*"),
        ("mode", "enforce"),
        ("policy", "restricted"),
        ("outcome", "patched"),
    ] {
        assert_eq!(reviewed[key], value, "{reviewed}");
    }
    assert!(reviewed["duration_us"].as_u64().unwrap() > 0);
    let refused = line(&mut log);
    assert_eq!((&refused["message"], &refused["status"]), (&"refused".into(), &400.into()));
    process.signal(Signal::TERM);
    process.signal(Signal::TERM);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    for text in [reviewed.to_string(), refused.to_string(), rest] {
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn a_closed_log_stops_nobody() {
    let mut process = start(&["--log-format", "json"]);
    drop(process.log.take());
    let mut client = process.trust.connect(process.webhook).unwrap();
    for _ in 0..200 {
        assert_eq!(client.post("/enforce", b"{}").unwrap().status, 400);
    }
    eventually("lost lines are counted", || {
        fixture::metric(process.ops, "ironhull_log_lines_dropped") > 0
    });
    assert_eq!(ready(process.ops).0, 200);
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let process = start(&[]);
    let mut client = process.trust.connect(process.webhook).unwrap();
    // More than the pipe and the lines that may wait hold.
    for _ in 0..6000 {
        assert_eq!(client.post("/enforce", b"{}").unwrap().status, 400);
    }
    assert!(fixture::metric(process.ops, "ironhull_log_lines_dropped") > 0);
}

#[test]
fn a_bad_start_is_fatal_and_says_why() {
    let pair = certificate();
    let policies = tempfile::tempdir().unwrap();
    let bad = "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: x}\n\
               spec: {namespaces: [x], rules: {runAsRoot: enforce, runAsUser: {value: 0}}}\n";
    fs::write(policies.path().join("x.yaml"), bad).unwrap();
    let policies = policies.path().to_str().unwrap();
    let other = PemPair { key: certificate().key, ..pair.clone() };
    for (pair, arguments, parts) in [
        (&other, [].as_slice(), ["certificate", "the key does not belong to the certificate"]),
        (&pair, &["--policy", policies], ["`runAsRoot`", "x.yaml"]),
        (&pair, &["--policy", policies], ["cannot start without good policies", "0"]),
        (&pair, &["--policy", "/nowhere"], ["policies", "`/nowhere`"]),
        (&pair, &["--workers", "0"], ["workers", "at least 1"]),
        (&pair, &["--max-body", "30Mi"], ["budget", "at least a third larger"]),
        (&pair, &["--poll-interval", "5"], ["not a duration", "`5s`"]),
    ] {
        let (mut command, _files) = command(pair);
        let mut child = command.args(arguments).spawn().unwrap();
        let status = wait(&mut child);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(2), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}
