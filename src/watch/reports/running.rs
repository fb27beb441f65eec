//! What runs: pods, what made them, and the workloads they are of.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::shapes::{Shape, Shapes};
use crate::evidence::openreports::{Scope, Seen};
use crate::evidence::watched::WatchedPod;
use crate::foresight::workloads::Maker;
use crate::watch::above::means;
use crate::watch::key::{Key, key};
use crate::watch::tally::MAX_PODS;
use crate::watch::tokens::Tokens;

/// Maximum number of workloads that have a report. A report takes some 12 KB in etcd.
pub const MAX_WORKLOADS: usize = 10_000;
/// Time without a change until it is written: a quick rollout is one change.
pub(super) const QUIET: Duration = Duration::from_secs(5);
/// Longest time that a change waits because more of them come.
const LONGEST: Duration = Duration::from_secs(60);
/// Time until something that failed for one workload is tried again.
pub(super) const LATER: Duration = Duration::from_secs(300);
/// ReplicaSets and Jobs that are read in a minute, and at once.
const READS: u32 = 1200;
const READS_AT_ONCE: u32 = 50;

#[derive(Debug)]
struct KnownPod {
    maker: Key,
    shape: Arc<Shape>,
    /// Number of the latest list when it was last seen.
    round: u8,
}

/// What pods name as what made them.
#[derive(Debug)]
struct KnownMaker {
    namespace: Box<str>,
    maker: Maker,
    /// The workload that it belongs to, or is; `None` until that is known.
    workload: Option<Key>,
    pods: u32,
    /// The shapes of its pods, with the number of pods of each.
    shapes: Vec<(Arc<Shape>, u32)>,
}

/// What a report is about.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) namespace: Box<str>,
    top: Maker,
    makers: Vec<Key>,
    /// Hash of what its report has to say, as of the last look.
    pub(super) content: Option<Key>,
}

/// A workload whose report may have to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) first: Timestamp,
    pub(super) due: Timestamp,
}

/// A maker whose workload is not known.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    pub(super) key: Key,
    pub(super) namespace: Box<str>,
    pub(super) maker: Maker,
}

/// What runs.
#[derive(Debug, Default)]
pub(super) struct Running {
    shapes: Shapes,
    pods: HashMap<Key, KnownPod>,
    makers: HashMap<Key, KnownMaker>,
    /// By namespace and name of the report, so that no two have the same.
    pub(super) workloads: HashMap<Key, Workload>,
    /// Makers to be read, each not before this time.
    unread: VecDeque<(Timestamp, Key)>,
    reads: Tokens<READS, READS_AT_ONCE>,
    /// No maker is read before this time.
    no_reads_until: Timestamp,
    /// Why makers cannot be read at present.
    pub(super) trouble: Option<String>,
    /// Workloads that may have changed.
    pub(super) changes: HashMap<Key, Change>,
    round: u8,
    /// Whether a list is complete, and no other has begun.
    pub(super) settled: bool,
    /// Times that a pod was not kept because a limit was reached.
    pub(super) over: u64,
}

impl Running {
    /// Begins a list of all pods: what does not come in it is gone at its end. Until then nothing is
    /// written, for half of a workload's pods are not the workload.
    pub(super) fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
        self.settled = false;
    }

    /// Completes a list.
    pub(super) fn finish(&mut self, now: Timestamp) {
        let round = self.round;
        let gone: Vec<Key> =
            self.pods.iter().filter(|(_, pod)| pod.round != round).map(|(key, _)| *key).collect();
        for pod in gone {
            self.remove(pod, now);
        }
        self.pods.shrink_to_fit();
        self.makers.shrink_to_fit();
        self.workloads.shrink_to_fit();
        self.shapes.sweep();
        self.settled = true;
    }

    /// Takes a pod as it is now.
    pub(super) fn pod(&mut self, namespace: &str, uid: &str, pod: WatchedPod, now: Timestamp) {
        let WatchedPod { maker, containers } = pod;
        let pod = key(&[uid]);
        let before = self.pods.get(&pod);
        if before.is_none() && self.pods.len() >= MAX_PODS {
            self.over += 1;
            return;
        }
        let Some(shape) = self.shapes.of(containers, before.map(|it| &*it.shape)) else {
            self.over += 1;
            return;
        };
        // Whatever a pod says of its maker, it speaks for its own namespace.
        let of = key(&[namespace, &maker.uid]);
        let round = self.round;
        if let Some(known) = self.pods.get_mut(&pod) {
            known.round = round;
            if known.maker == of && Arc::ptr_eq(&known.shape, &shape) {
                return;
            }
        }
        // The new one first: a maker with one pod is not to be forgotten in between.
        if !self.makers.contains_key(&of) && !self.add_maker(of, namespace, maker, now) {
            self.over += 1;
            return;
        }
        self.add(of, &shape, now);
        if let Some(old) = self.pods.insert(pod, KnownPod { maker: of, shape, round }) {
            self.take(&old, now);
        }
        self.shapes.tidy();
    }

    /// Forgets a pod that is gone, or does not run any more.
    pub(super) fn gone(&mut self, uid: &str, now: Timestamp) {
        self.remove(key(&[uid]), now);
    }

    fn remove(&mut self, pod: Key, now: Timestamp) {
        if let Some(old) = self.pods.remove(&pod) {
            self.take(&old, now);
        }
    }

    /// Makes room for a maker. Returns whether there is any.
    fn add_maker(&mut self, of: Key, namespace: &str, maker: Maker, now: Timestamp) -> bool {
        if self.makers.len() >= 2 * MAX_WORKLOADS {
            return false;
        }
        let is_means = means(&maker.api_version, &maker.kind).is_some();
        let top = maker.clone();
        let namespace = namespace.into();
        let known = KnownMaker { namespace, maker, workload: None, pods: 0, shapes: Vec::new() };
        self.makers.insert(of, known);
        match is_means {
            true => self.unread.push_back((now, of)),
            false => drop(self.belongs(of, top, now)),
        }
        true
    }

    fn add(&mut self, of: Key, shape: &Arc<Shape>, now: Timestamp) {
        let Some(maker) = self.makers.get_mut(&of) else { return };
        maker.pods += 1;
        match maker.shapes.iter_mut().find(|(it, _)| Arc::ptr_eq(it, shape)) {
            // How many pods there are is no change.
            Some((_, pods)) => *pods += 1,
            None => {
                maker.shapes.push((Arc::clone(shape), 1));
                let workload = maker.workload;
                self.touch(workload, now);
            }
        }
    }

    fn take(&mut self, KnownPod { maker: of, shape, .. }: &KnownPod, now: Timestamp) {
        let Some(maker) = self.makers.get_mut(of) else { return };
        maker.pods -= 1;
        let Some((_, pods)) = maker.shapes.iter_mut().find(|(it, _)| Arc::ptr_eq(it, shape)) else {
            return;
        };
        *pods -= 1;
        if *pods > 0 {
            return;
        }
        maker.shapes.retain(|(_, pods)| *pods > 0);
        let (workload, last) = (maker.workload, maker.pods == 0);
        if last {
            self.makers.remove(of);
            self.forget(workload, *of);
        }
        self.touch(workload, now);
    }

    /// A workload has lost a maker.
    fn forget(&mut self, workload: Option<Key>, maker: Key) {
        let Some(at) = workload else { return };
        let Some(workload) = self.workloads.get_mut(&at) else { return };
        workload.makers.retain(|it| *it != maker);
        if workload.makers.is_empty() {
            self.workloads.remove(&at);
        }
    }

    /// Records that a workload may have changed.
    pub(super) fn touch(&mut self, workload: Option<Key>, now: Timestamp) {
        let Some(workload) = workload else { return };
        let change = self.changes.entry(workload).or_insert(Change { first: now, due: now });
        change.due = change.due.max((now + QUIET).min(change.first + LONGEST));
    }

    /// Records what a maker belongs to, or that it belongs to nothing but itself.
    pub(super) fn belongs(&mut self, of: Key, top: Maker, now: Timestamp) -> Option<()> {
        let namespace = self.makers.get(&of)?.namespace.clone();
        let name = scope(&namespace, &top).report_name();
        let at = key(&[&namespace, &name]);
        if self.workloads.len() >= MAX_WORKLOADS && !self.workloads.contains_key(&at) {
            self.over += 1;
            self.unread.push_back((now + LATER, of));
            return None;
        }
        let blank = Workload { namespace, top: top.clone(), makers: Vec::new(), content: None };
        let workload = self.workloads.entry(at).or_insert(blank);
        // One of this name may have been made anew.
        workload.top = top;
        if !workload.makers.contains(&of) {
            workload.makers.push(of);
        }
        self.makers.get_mut(&of)?.workload = Some(at);
        self.touch(Some(at), now);
        Some(())
    }

    /// A maker could not be read, or is not there: its pods will not be there for long either.
    pub(super) fn unknown(&mut self, of: Key, now: Timestamp) {
        self.unread.push_back((now + LATER, of));
    }

    /// No maker can be read at present. Returns whether that is new. What needs no reading goes on.
    pub(super) fn cannot_read(&mut self, of: Key, why: &str, now: Timestamp) -> bool {
        self.unread.push_front((now, of));
        self.no_reads_until = now + LATER;
        let is_new = self.trouble.is_none();
        self.trouble = Some(why.to_owned());
        is_new
    }

    /// The next maker to be read.
    pub(super) fn next_read(&mut self, now: Timestamp) -> Option<Unread> {
        if now < self.no_reads_until {
            return None;
        }
        let at = self.unread.iter().position(|(due, _)| *due <= now)?;
        self.reads.take(now)?;
        let (_, of) = self.unread.remove(at)?;
        let known = self.makers.get(&of).filter(|known| known.workload.is_none())?;
        let KnownMaker { namespace, maker, .. } = known;
        Some(Unread { key: of, namespace: namespace.clone(), maker: maker.clone() })
    }

    /// Namespaces with pods whose workload is not known.
    pub(super) fn unread_namespaces(&self) -> HashSet<&str> {
        let unread = self.makers.values().filter(|maker| maker.workload.is_none());
        unread.map(|maker| &*maker.namespace).collect()
    }

    /// What is to be reported of a workload, without the number of pods: autoscaling changes that all
    /// day. Empty if no container runs, which says nothing of those that ran.
    pub(super) fn seen(&self, workload: &Workload) -> Vec<Seen<'_>> {
        let makers = workload.makers.iter().filter_map(|of| self.makers.get(of));
        let shapes = makers.flat_map(|maker| &maker.shapes);
        let facts = shapes.flat_map(|(shape, _)| shape.facts());
        let mut seen: Vec<_> =
            facts.map(|(container, fact)| Seen { container, fact, pods: None }).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }
}

impl Workload {
    /// What its report is about.
    pub(super) fn scope(&self) -> Scope<'_> {
        scope(&self.namespace, &self.top)
    }
}

fn scope<'s>(namespace: &'s str, top: &'s Maker) -> Scope<'s> {
    let Maker { api_version, kind, name, uid } = top;
    Scope { namespace, api_version, kind, name, uid: Some(&**uid).filter(|uid| !uid.is_empty()) }
}
