//! What is written, how often, and what is swept.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

use serde_json::json;

use super::*;
use crate::evidence::check::Check;
use crate::evidence::document::{Cell, SetBy, Source, State};
use crate::evidence::openreports::Fact;
use crate::evidence::watched::WatchedContainer;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn facts(uid: i64) -> Vec<Fact> {
    let fact = |check| {
        let state = if uid > 0 { State::Pass } else { State::Fail };
        let (source, set_by) = (Source::Kubelet, SetBy::Image);
        let value = json!(uid);
        let cell = Cell {
            check,
            state,
            value,
            source,
            set_by,
            template: None,
            exemption: None,
            why: "".into(),
        };
        Fact::of(&cell, None)
    };
    [Check::RunAsNonRoot, Check::RunAsGroup].map(fact).into()
}

fn container(name: &str, uid: i64) -> WatchedContainer {
    WatchedContainer { name: name.into(), runs: true, lasts: true, facts: facts(uid) }
}

fn maker(kind: &str, name: &str) -> Maker {
    let api_version = if kind == "Pod" { "v1" } else { "apps/v1" }.into();
    Maker { api_version, kind: kind.into(), name: name.into(), uid: format!("uid-{name}").into() }
}

fn pod_of(maker: Maker, uid: i64) -> WatchedPod {
    WatchedPod { maker, containers: vec![container("web", uid)] }
}

/// The cluster's side: the reports that exist.
#[derive(Default)]
struct Cluster {
    store: Store,
    reports: Vec<Found>,
    written: usize,
    deleted: usize,
}

impl Cluster {
    fn new() -> Self {
        let mut new = Self::default();
        new.store.begin();
        new
    }

    /// The same cluster, seen by a new process.
    fn restarted(self) -> Self {
        Self { reports: self.reports, ..Self::new() }
    }

    /// Does what is due at a time, in a namespace that opted in.
    fn run(&mut self, now: Timestamp) {
        self.run_with(now, Some(true));
    }

    fn run_with(&mut self, now: Timestamp, opted_in: Option<bool>) {
        while let Some(task) = self.store.next(now, &|_| opted_in) {
            match task {
                Task::List => self.store.listed(self.reports.clone(), now),
                // A ReplicaSet `web-1` is of the Deployment `web`.
                Task::Read(unread) => {
                    let name = unread.maker.name.rsplit_once('-').unwrap().0;
                    self.store.belongs(unread.key, maker("Deployment", name), now);
                }
                Task::Write(draft) => {
                    let Draft { key, namespace, name, content, body, .. } = draft;
                    assert_eq!(body["metadata"]["name"], *name);
                    assert_eq!(body["results"][0]["timestamp"]["seconds"], now.as_second());
                    let uid = format!("report-{}", self.written).into();
                    let content = Some(content);
                    let found = Found { namespace, name, uid, maker: MadeBy::Watch, content };
                    self.reports.retain(|it| it.name != found.name);
                    self.reports.push(found.clone());
                    self.store.exists(key, found);
                    self.written += 1;
                }
                Task::Delete { key, name, .. } => {
                    self.reports.retain(|it| it.name != name);
                    self.store.deleted(key, now);
                    self.deleted += 1;
                }
                Task::GoOn => {}
            }
        }
    }

    /// Runs second by second.
    fn run_for(&mut self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            self.run(at(second));
        }
    }

    fn pod(&mut self, uid: &str, pod: WatchedPod, now: Timestamp) {
        self.store.pod("shop", uid, pod, now);
    }
}

#[test]
fn a_rollout_of_many_pods_is_one_write() {
    let mut cluster = Cluster::new();
    let (old, new) = (maker("ReplicaSet", "web-1"), maker("ReplicaSet", "web-2"));
    for pod in 0..1000 {
        cluster.pod(&format!("old-{pod}"), pod_of(old.clone(), 0), at(0));
    }
    cluster.store.finish(at(0));
    cluster.run_for(0..10);
    assert_eq!((cluster.written, cluster.reports.len()), (1, 1));
    // All are replaced within seconds, and scaled.
    for pod in 0..1000 {
        let now = at(20 + pod / 300);
        cluster.pod(&format!("new-{pod}"), pod_of(new.clone(), 1000), now);
        cluster.store.gone(&format!("old-{pod}"), now);
        cluster.run(now);
    }
    cluster.run_for(24..100);
    assert_eq!(cluster.written, 2);
    for pod in 0..500 {
        cluster.store.gone(&format!("new-{pod}"), at(100));
    }
    cluster.run_for(100..200);
    assert_eq!(cluster.written, 2, "the number of pods is no news");
    assert_eq!(cluster.store.waiting(), (0, None));
}

#[test]
fn writes_are_few_a_second_and_the_oldest_change_comes_first() {
    let mut cluster = Cluster::new();
    for number in 0..1000 {
        let maker = maker("StatefulSet", &format!("db-{number}"));
        cluster.pod(&number.to_string(), pod_of(maker, 0), at(0));
    }
    cluster.store.finish(at(0));
    cluster.run_for(0..6);
    assert!((1..=15).contains(&cluster.written), "{}", cluster.written);
    assert!(cluster.store.waiting().0 >= 985);
    assert_eq!(cluster.store.waiting().1, Some(at(0)));
    let before = cluster.written;
    cluster.run_for(6..66);
    let a_minute = cluster.written - before;
    assert!((290..=301).contains(&a_minute), "{a_minute}");
    cluster.run_for(66..220);
    assert_eq!((cluster.written, cluster.store.reports()), (1000, 1000));
}

#[test]
fn nothing_is_written_after_a_restart() {
    let mut cluster = Cluster::new();
    let fill = |cluster: &mut Cluster, order: &mut dyn Iterator<Item = i64>| {
        for number in order {
            let maker = maker("StatefulSet", &format!("db-{}", number % 50));
            cluster.pod(&number.to_string(), pod_of(maker, number % 3), at(0));
        }
        cluster.store.finish(at(0));
        cluster.run_for(0..120);
    };
    fill(&mut cluster, &mut (0..150));
    assert_eq!(cluster.written, 50);
    // Nor when the pods come in another order.
    let mut cluster = cluster.restarted();
    fill(&mut cluster, &mut (0..150).rev());
    assert_eq!((cluster.written, cluster.deleted), (0, 0));
    assert_eq!(cluster.store.reports(), 50);
}

#[test]
fn half_a_list_is_nothing_to_write() {
    let mut cluster = Cluster::new();
    cluster.pod("a", pod_of(maker("StatefulSet", "db"), 0), at(0));
    cluster.run_for(0..100);
    assert_eq!(cluster.written, 0);
    cluster.store.finish(at(100));
    cluster.run(at(100));
    assert_eq!(cluster.written, 1);
    // What comes in a list again is no change, and what does not is gone.
    cluster.pod("b", pod_of(maker("StatefulSet", "db"), 1), at(101));
    cluster.run_for(101..110);
    assert_eq!(cluster.written, 2);
    cluster.store.begin();
    cluster.pod("a", pod_of(maker("StatefulSet", "db"), 0), at(110));
    cluster.run_for(110..200);
    assert_eq!(cluster.written, 2);
    cluster.store.finish(at(200));
    cluster.run_for(200..210);
    assert_eq!(cluster.written, 3);
}

#[test]
fn a_report_goes_some_time_after_the_last_pod() {
    let mut cluster = Cluster::new();
    cluster.pod("a", pod_of(maker("ReplicaSet", "web-1"), 0), at(0));
    cluster.store.finish(at(0));
    cluster.run_for(0..10);
    cluster.store.gone("a", at(10));
    let grace = i64::try_from(GRACE.as_secs()).unwrap();
    cluster.run_for(10..grace);
    assert_eq!(cluster.deleted, 0, "those of a CronJob come again");
    cluster.pod("b", pod_of(maker("ReplicaSet", "web-2"), 0), at(grace));
    cluster.run_for(grace..grace + 20);
    assert_eq!((cluster.written, cluster.deleted), (1, 0));
    cluster.store.gone("b", at(grace + 20));
    cluster.run_for(grace + 20..2 * grace + 30);
    assert_eq!((cluster.deleted, cluster.reports.len()), (1, 0));
}

#[test]
fn a_namespace_that_opts_out_has_no_reports() {
    let mut cluster = Cluster::new();
    cluster.pod("a", pod_of(maker("StatefulSet", "db"), 0), at(0));
    cluster.store.finish(at(0));
    cluster.run_for(0..10);
    // As long as it is not known, nothing goes.
    cluster.run_with(at(10), None);
    assert_eq!(cluster.deleted, 0);
    cluster.run_with(at(12), Some(false));
    assert_eq!((cluster.deleted, cluster.reports.len()), (1, 0));
    for second in 12..100 {
        cluster.run_with(at(second), Some(false));
    }
    assert_eq!(cluster.written, 1);
    // An orphan of before a restart goes at once.
    let mut cluster = Cluster::new();
    cluster.pod("a", pod_of(maker("StatefulSet", "db"), 0), at(0));
    cluster.store.finish(at(0));
    cluster.run_for(0..10);
    let mut cluster = cluster.restarted();
    cluster.store.finish(at(0));
    cluster.run_with(at(0), Some(false));
    assert_eq!(cluster.deleted, 1);
}

#[test]
fn a_report_that_somebody_deleted_or_changed_is_written_again() {
    let mut cluster = Cluster::new();
    for name in ["a", "b"] {
        cluster.pod(name, pod_of(maker("StatefulSet", name), 0), at(0));
    }
    cluster.store.finish(at(0));
    cluster.run_for(0..10);
    assert_eq!(cluster.written, 2);
    cluster.reports.remove(0);
    cluster.reports[0].maker = MadeBy::Mixed;
    let list = i64::try_from(LIST.as_secs()).unwrap();
    cluster.run_for(10..list - 1);
    assert_eq!(cluster.written, 2);
    cluster.run_for(list - 1..list + 10);
    assert_eq!((cluster.written, cluster.reports.len()), (4, 2));
}

#[test]
fn a_container_that_is_started_again_stays() {
    let mut cluster = Cluster::new();
    let db = || maker("StatefulSet", "db");
    let mut pod = pod_of(db(), 0);
    pod.containers.push(container("proxy", 7));
    cluster.pod("a", pod, at(0));
    cluster.store.finish(at(0));
    cluster.run_for(0..10);
    let mut pod = pod_of(db(), 0);
    let waits = WatchedContainer { runs: false, ..container("proxy", 0) };
    pod.containers.push(waits);
    cluster.pod("a", pod, at(10));
    cluster.run_for(10..100);
    assert_eq!(cluster.written, 1);
    // All of them at once, too. An init container that has ended does not stay.
    let all = ["web", "proxy"].map(|it| WatchedContainer { runs: false, ..container(it, 0) });
    cluster.pod("a", WatchedPod { maker: db(), containers: all.into() }, at(100));
    cluster.run_for(100..200);
    assert_eq!(cluster.written, 1);
    let ended = WatchedContainer { runs: false, lasts: false, ..container("proxy", 0) };
    let containers = vec![container("web", 0), ended];
    cluster.pod("a", WatchedPod { maker: db(), containers }, at(200));
    cluster.run_for(200..300);
    assert_eq!(cluster.written, 2);
}

#[test]
fn what_cannot_be_read_holds_up_nothing_else() {
    let mut cluster = Cluster::new();
    cluster.pod("a", pod_of(maker("ReplicaSet", "web-1"), 0), at(0));
    cluster.pod("b", pod_of(maker("StatefulSet", "db"), 0), at(0));
    cluster.store.finish(at(0));
    assert!(matches!(cluster.store.next(at(0), &|_| Some(true)), Some(Task::List)));
    cluster.store.listed(Vec::new(), at(0));
    let Some(Task::Read(unread)) = cluster.store.next(at(0), &|_| Some(true)) else {
        panic!("a ReplicaSet is read")
    };
    assert!(cluster.store.cannot_read(unread.key, "no", at(0)));
    assert_eq!(cluster.store.why_not(), Some("no"));
    cluster.run_for(0..20);
    assert_eq!(cluster.written, 1);
    cluster.run_for(20..400);
    assert_eq!((cluster.written, cluster.store.why_not()), (2, None));
}

#[test]
fn a_failure_of_one_is_tried_again_later() {
    let mut cluster = Cluster::new();
    cluster.pod("a", pod_of(maker("StatefulSet", "db"), 0), at(0));
    cluster.store.finish(at(0));
    cluster.store.listed(Vec::new(), at(0));
    let Some(Task::Write(draft)) = cluster.store.next(at(10), &|_| Some(true)) else {
        panic!("it is due")
    };
    cluster.store.again(&draft, true, at(10));
    assert_eq!(cluster.store.waiting(), (1, Some(at(0))));
    cluster.run_for(11..300);
    assert_eq!(cluster.written, 0);
    cluster.run_for(300..320);
    assert_eq!(cluster.written, 1);
}

/// Whoever may create pods can fill the memory that there is, and no more.
#[test]
fn memory_is_bounded() {
    use crate::watch::reports::running::MAX_WORKLOADS;
    use crate::watch::reports::shapes::{MAX_BYTES, Shapes};
    let mut cluster = Cluster::new();
    for number in 0..MAX_WORKLOADS + 7 {
        let maker = maker("Pod", &number.to_string());
        cluster.pod(&number.to_string(), pod_of(maker, 0), at(0));
    }
    assert_eq!(cluster.store.over(), 7);

    let mut shapes = Shapes::default();
    let mut kept = Vec::new();
    let long = |number: i64| {
        let value = json!(format!("{number}-{}", "x".repeat(280)));
        let (source, set_by) = (Source::Kubelet, SetBy::Image);
        let cell = Cell {
            check: Check::Sysctls,
            state: State::Fail,
            value,
            source,
            set_by,
            template: None,
            exemption: None,
            why: "".into(),
        };
        vec![WatchedContainer { facts: vec![Fact::of(&cell, None)], ..container("web", 0) }]
    };
    for number in 0..200_000 {
        match shapes.of(long(number), None) {
            Some(shape) => kept.push(shape),
            None => break,
        }
    }
    let most = MAX_BYTES / 280;
    assert!((most / 3..most).contains(&kept.len()), "{} of {most}", kept.len());
    kept.truncate(10);
    assert!(shapes.of(long(-1), None).is_some(), "room is made");
}
