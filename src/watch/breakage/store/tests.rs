//! What is kept, what is due, and when.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::*;
use crate::foresight::advice::advice;

fn case(workload: &str, pod: &str) -> Case {
    let meta = json!({
        "namespace": "shop", "name": pod, "uid": pod,
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": workload,
            "uid": workload, "controller": true}],
    });
    let meta: ObjectMeta = serde_json::from_value(meta).unwrap();
    Case::of(&meta, &Workload::of(&meta).unwrap())
}

fn read_only() -> Verdict {
    Verdict::Hardening(advice("/data/x: Read-only file system").unwrap().symptom)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn count(store: &Store, cause: Option<Cause>) -> u64 {
    store.broken().get(&("shop", cause)).copied().unwrap_or_default()
}

/// A pod fails, and nothing but its log may tell.
fn fails(store: &mut Store, case: &Case, now: Timestamp) -> bool {
    store.fails(case.clone(), Verdict::Unknown, true, State::Fails, now)
}

const READ_ONLY: Option<Cause> = Some(Cause::ReadOnly);

#[test]
fn one_pod_of_a_workload_is_read_and_tells_of_all() {
    let mut store = Store::default();
    let (one, two) = (case("web", "web-0"), case("web", "web-1"));
    assert!(fails(&mut store, &one, at(0)));
    assert!(!fails(&mut store, &two, at(0)), "one of them waits already");
    assert_eq!((count(&store, None), store.waiting()), (2, 1));
    let due = store.due(at(0)).unwrap();
    assert!(store.due(at(0)).is_none());
    assert!(store.judged(&due, read_only(), at(1)), "it is told");
    assert_eq!((count(&store, None), count(&store, READ_ONLY)), (0, 2));
    // The next crash of either is known.
    assert!(!fails(&mut store, &two, at(20)));
    assert_eq!(count(&store, READ_ONLY), 2);
    // After an hour it is told again, for the API server has forgotten.
    assert!(!store.fails(one.clone(), read_only(), false, State::Fails, at(3500)));
    assert!(store.fails(one.clone(), read_only(), false, State::Fails, at(3700)));
    let due = store.due(at(3700)).unwrap();
    assert!(store.judged(&due, read_only(), at(3700)));
}

#[test]
fn what_could_not_be_told_is_told_with_the_next_failure() {
    let mut store = Store::default();
    let one = case("web", "web-0");
    fails(&mut store, &one, at(0));
    let due = store.due(at(0)).unwrap();
    assert!(store.judged(&due, read_only(), at(0)));
    store.could_not_tell(&due, "forbidden".to_owned());
    assert_eq!((store.counts.told, store.counts.untold), (0, 1));
    assert!(fails(&mut store, &one, at(30)));
}

#[test]
fn a_log_that_says_nothing_is_read_again_a_few_times() {
    let mut store = Store::default();
    let one = case("web", "web-0");
    fails(&mut store, &one, at(0));
    let mut reads = 0;
    for second in 0..300 {
        while let Some(due) = store.due(at(second)) {
            reads += 1;
            assert!(!store.judged(&due, Verdict::Unknown, at(second)));
        }
        fails(&mut store, &one, at(second));
    }
    assert_eq!(reads, i64::from(TRIES));
    assert!(fails(&mut store, &one, at(400)), "and after some minutes once more");
    let due = store.due(at(400)).unwrap();
    store.judged(&due, Verdict::Other, at(400));
    assert_eq!(count(&store, None), 0, "what is not hardening's doing is not counted");
}

#[test]
fn what_does_well_again_counts_for_a_while_and_no_longer() {
    let mut store = Store::default();
    let one = case("web", "web-0");
    store.fails(one.clone(), read_only(), false, State::Fails, at(0));
    while let Some(due) = store.due(at(0)) {
        store.judged(&due, read_only(), at(0));
    }
    store.recovers("web-0", &one.workload, at(10));
    store.due(at(100));
    assert_eq!(count(&store, READ_ONLY), 1);
    store.due(at(131));
    assert_eq!(count(&store, READ_ONLY), 0);
    // It runs again, and nothing more is heard of it.
    store.fails(one.clone(), read_only(), false, State::Tries, at(200));
    store.due(at(500));
    assert_eq!(count(&store, READ_ONLY), 1);
    store.due(at(561));
    assert_eq!(count(&store, READ_ONLY), 0);
    store.fails(one, read_only(), false, State::Fails, at(600));
    store.well("web-0");
    assert_eq!(count(&store, READ_ONLY), 0, "it is gone");
}

#[test]
fn who_becomes_ready_in_time_is_not_read() {
    let mut store = Store::default();
    let one = case("web", "web-0");
    store.look_again(one.clone(), at(0));
    assert!(store.due(at(45)).is_none());
    store.recovers("web-0", &one.workload, at(45));
    assert!(store.due(at(60)).is_none());
    store.look_again(one.clone(), at(100));
    assert!(store.due(at(146)).is_some());
    // One that fails meanwhile is read at once.
    store.look_again(one.clone(), at(200));
    assert!(fails(&mut store, &one, at(201)));
    assert!(store.due(at(201)).is_some());
    assert_eq!(store.waiting(), 0);
}

#[test]
fn what_does_not_come_in_a_list_is_gone() {
    let mut store = Store::default();
    for pod in ["web-0", "web-1"] {
        fails(&mut store, &case("web", pod), at(0));
    }
    store.begin();
    fails(&mut store, &case("web", "web-1"), at(1));
    store.finish();
    assert_eq!(count(&store, None), 1);
}

#[test]
fn everything_is_bounded() {
    let mut store = Store::default();
    for number in 0..MAX_WORKLOADS + 10 {
        let one = case(&format!("w{number}"), &format!("p{number}"));
        fails(&mut store, &one, at(0));
    }
    assert_eq!(store.workloads.len(), MAX_WORKLOADS);
    assert_eq!(store.pods.len(), MAX_PODS);
    assert_eq!(store.waiting(), MAX_CASES);
    let over = (MAX_WORKLOADS - MAX_CASES) + (MAX_WORKLOADS - MAX_PODS) + 10;
    assert_eq!(store.counts.over, u64::try_from(over).unwrap());
    let mut read = 0;
    for second in 0..60 {
        while store.due(at(second)).is_some() {
            read += 1;
        }
    }
    assert_eq!(read, BURST + A_MINUTE - 1);
}
