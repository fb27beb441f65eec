//! What is kept of hardened pods that fail and of the workloads they are of, and what is due.
//!
//! Everything here is bounded. What does not fit is counted, and comes again with the next change
//! of its pod: the kubelet reports every crash.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::case::{Case, State, Verdict};
use super::owner::Workload;
use crate::foresight::advice::Symptom;
use crate::foresight::breakage::Before;
use crate::foresight::risk::Cause;
use crate::watch::key::{Key, key};
use crate::watch::tokens::Tokens;

/// Maximum number of pods kept that fail.
pub const MAX_PODS: usize = 10_000;
/// Maximum number of workloads of which anything is kept.
pub const MAX_WORKLOADS: usize = 20_000;
/// Maximum number of pods that wait for being read.
pub const MAX_CASES: usize = 2000;
/// Pods that are read in a minute, each with its log and an owner, and with up to two Events.
const A_MINUTE: u32 = 60;
/// Pods that are read at once after a quiet while: a rollout breaks many workloads together.
const BURST: u32 = 120;
/// How long a container runs until it is late in becoming ready.
const LATE: Duration = Duration::from_secs(46);
/// How long a verdict by a log holds for a workload's other pods.
const HOLDS: Duration = Duration::from_secs(300);
/// Pause before a pod of an unclear workload is read again, while there are tries left.
const SOON: Duration = Duration::from_secs(8);
/// Tries until a workload is left alone for as long as a verdict holds.
const TRIES: u8 = 4;
/// Events are kept by the API server for an hour. What is still broken then is told again.
const TOLD: Duration = Duration::from_secs(3600);
/// How long a pod still counts as broken once all its containers do well.
const RECOVERS: Duration = Duration::from_secs(120);
/// The same once they run again. Between two tries the kubelet waits for five minutes at most.
const RUNS_AGAIN: Duration = Duration::from_secs(360);
/// How long a pod that has failed for good counts as broken.
const FAILED: Duration = Duration::from_secs(3600);

/// A pod that fails.
#[derive(Debug)]
struct Sick {
    namespace: Box<str>,
    workload: Key,
    cause: Option<Cause>,
    /// When it no longer counts, if it does not fail again.
    until: Option<Timestamp>,
    round: u8,
}

/// What is known of a workload.
#[derive(Debug, Default)]
struct Known {
    before: Before,
    /// The latest verdict by reading a pod, and when.
    verdict: Option<(Verdict, Timestamp)>,
    /// Times that nothing was found since a verdict was clear.
    tries: u8,
    waits: bool,
    /// The kinds of message that were told, and when.
    told: Vec<(&'static str, Timestamp)>,
    round: u8,
}

/// Counts, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Pairs of Events written, or found to exist.
    pub told: u64,
    /// Pairs of Events that could not be written.
    pub untold: u64,
    /// Logs read.
    pub logs: u64,
    /// Logs that could not be read.
    pub no_logs: u64,
    /// Pods and workloads that were not kept because a limit was reached.
    pub over: u64,
}

/// What is kept.
#[derive(Debug, Default)]
pub struct Store {
    pods: HashMap<Key, Sick>,
    workloads: HashMap<Key, Known>,
    cases: VecDeque<(Timestamp, Case)>,
    tokens: Tokens<A_MINUTE, BURST>,
    round: u8,
    /// Counts.
    pub counts: Counts,
    /// Why Events cannot be written at present.
    pub trouble: Option<String>,
}

impl Store {
    /// Begins a list: what does not come in it is gone at its end.
    pub fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// Completes a list.
    pub fn finish(&mut self) {
        let round = self.round;
        self.pods.retain(|_, pod| pod.round == round);
        self.workloads.retain(|_, known| known.round == round || known.waits);
        self.pods.shrink_to_fit();
        self.workloads.shrink_to_fit();
    }

    /// Forgets a pod that is gone, or done.
    pub fn well(&mut self, uid: &str) {
        self.pods.remove(&key(&[uid]));
    }

    /// Records that a pod runs. It counts as broken for a while longer: it may fail again.
    pub fn recovers(&mut self, uid: &str, workload: &Workload, now: Timestamp) {
        let round = self.round;
        if let Some(known) = self.workloads.get_mut(&workload.key).filter(|known| known.waits) {
            let before = self.cases.len();
            self.cases.retain(|(_, case)| &*case.uid != uid);
            known.waits = self.cases.len() == before;
        }
        if let Some(pod) = self.pods.get_mut(&key(&[uid])) {
            pod.until.get_or_insert(now + RECOVERS);
            pod.round = round;
        }
    }

    /// Records how a workload does where it is not hardened.
    pub fn unhardened(&mut self, workload: &Workload, before: Before) {
        if let Some(known) = self.known(workload.key) {
            known.before = before;
        }
    }

    /// How a workload does where it is not hardened.
    pub fn before(&self, workload: &Workload) -> Before {
        self.workloads.get(&workload.key).map(|known| known.before).unwrap_or_default()
    }

    /// Records a pod that fails, with the verdict so far. `by_log` is whether reading it may tell
    /// more. Returns whether something is due at once.
    pub fn fails(
        &mut self,
        case: Case,
        verdict: Verdict,
        by_log: bool,
        state: State,
        now: Timestamp,
    ) -> bool {
        let Some(known) = self.known(case.workload.key) else { return false };
        // Another pod's log has told already.
        let verdict = match (verdict, known.verdict) {
            (Verdict::Unknown, Some((told, at))) if now < at + HOLDS => told,
            _ => verdict,
        };
        let due = match verdict {
            Verdict::Hardening(symptom) => known.is_untold(symptom, now),
            Verdict::Unknown => by_log && known.may_try(now),
            Verdict::Other => false,
        };
        let until = match state {
            State::Fails => None,
            State::Tries => Some(now + RUNS_AGAIN),
            State::Over => Some(now + FAILED),
        };
        self.set(&case, verdict, until);
        due && self.wait(case, now)
    }

    /// Has a pod looked at when it would be late in becoming ready.
    pub fn look_again(&mut self, case: Case, now: Timestamp) {
        let Some(known) = self.known(case.workload.key) else { return };
        if !known.waits && known.may_try(now) {
            self.wait(case, now + LATE);
        }
    }

    /// The next case that is due, if any more may be read now.
    pub fn due(&mut self, now: Timestamp) -> Option<Case> {
        self.pods.retain(|_, pod| pod.until.is_none_or(|until| now < until));
        let at = self.cases.iter().position(|(at, _)| *at <= now)?;
        self.tokens.take(now)?;
        let (_, case) = self.cases.remove(at)?;
        if let Some(known) = self.workloads.get_mut(&case.workload.key) {
            known.waits = false;
        }
        Some(case)
    }

    /// Records the verdict on a pod that was read. Returns whether it is to be told.
    pub fn judged(&mut self, case: &Case, verdict: Verdict, now: Timestamp) -> bool {
        let mut untold = false;
        let mut again = false;
        if let Some(known) = self.workloads.get_mut(&case.workload.key) {
            known.verdict = Some((verdict, now));
            match verdict {
                Verdict::Hardening(symptom) => {
                    known.tries = 0;
                    untold = known.is_untold(symptom, now);
                    if untold {
                        known.told.retain(|(name, _)| *name != symptom.name);
                        known.told.push((symptom.name, now));
                        self.counts.told += 1;
                    }
                }
                Verdict::Unknown => {
                    known.tries = known.tries.saturating_add(1);
                    again = known.tries < TRIES;
                }
                Verdict::Other => known.tries = 0,
            }
        }
        let known = self.pods.get(&key(&[&case.uid])).map(|pod| pod.until);
        let is_known = known.is_some();
        if is_known || matches!(verdict, Verdict::Hardening(_)) {
            self.set(case, verdict, known.flatten());
        }
        self.spread(case.workload.key, verdict);
        if again && is_known {
            self.wait(case.clone(), now + SOON);
        }
        untold
    }

    /// Records that Events could not be written. They are tried again with the next failure.
    pub fn could_not_tell(&mut self, case: &Case, why: String) {
        self.counts.told = self.counts.told.saturating_sub(1);
        self.counts.untold += 1;
        self.trouble = Some(why);
        if let Some(known) = self.workloads.get_mut(&case.workload.key) {
            known.told.clear();
        }
    }

    /// Counts a log that was read, or could not be.
    pub fn has_read_log(&mut self, read: bool) {
        let count = if read { &mut self.counts.logs } else { &mut self.counts.no_logs };
        *count += 1;
    }

    /// Number of broken pods, by namespace and cause; without a cause, those of which it is
    /// unknown.
    pub fn broken(&self) -> BTreeMap<(&str, Option<Cause>), u64> {
        let mut broken = BTreeMap::new();
        for pod in self.pods.values() {
            *broken.entry((&*pod.namespace, pod.cause)).or_default() += 1;
        }
        broken
    }

    /// Number of pods that wait for being read.
    pub fn waiting(&self) -> usize {
        self.cases.len()
    }

    /// What is known of a workload, or room for it; `None` if there is none.
    fn known(&mut self, workload: Key) -> Option<&mut Known> {
        if self.workloads.len() >= MAX_WORKLOADS && !self.workloads.contains_key(&workload) {
            self.counts.over += 1;
            return None;
        }
        let known = self.workloads.entry(workload).or_default();
        known.round = self.round;
        Some(known)
    }

    fn set(&mut self, case: &Case, verdict: Verdict, until: Option<Timestamp>) {
        let pod = key(&[&case.uid]);
        let Some(cause) = verdict.cause() else {
            self.pods.remove(&pod);
            return;
        };
        if self.pods.len() >= MAX_PODS && !self.pods.contains_key(&pod) {
            self.counts.over += 1;
            return;
        }
        let round = self.round;
        let workload = case.workload.key;
        let namespace = case.namespace.clone();
        self.pods.insert(pod, Sick { namespace, workload, cause, until, round });
    }

    /// A workload's other pods of which nothing is known fail for the same reason.
    fn spread(&mut self, workload: Key, verdict: Verdict) {
        let others = |pod: &Sick| pod.workload == workload && pod.cause.is_none();
        match verdict.cause() {
            Some(Some(cause)) => {
                for pod in self.pods.values_mut().filter(|pod| others(pod)) {
                    pod.cause = Some(cause);
                }
            }
            Some(None) => {}
            None => self.pods.retain(|_, pod| !others(pod)),
        }
    }

    /// Queues a pod, unless one of its workload is to be read by then.
    fn wait(&mut self, case: Case, at: Timestamp) -> bool {
        let workload = case.workload.key;
        if self.workloads.get(&workload).is_some_and(|known| known.waits) {
            let later = |it: &&mut (Timestamp, Case)| it.1.workload.key == workload && it.0 > at;
            let Some(later) = self.cases.iter_mut().find(later) else { return false };
            *later = (at, case);
            return true;
        }
        if self.cases.len() >= MAX_CASES {
            self.counts.over += 1;
            return false;
        }
        if let Some(known) = self.workloads.get_mut(&case.workload.key) {
            known.waits = true;
        }
        self.cases.push_back((at, case));
        true
    }
}

impl Known {
    fn is_untold(&self, symptom: &Symptom, now: Timestamp) -> bool {
        let told = self.told.iter().find(|(name, _)| *name == symptom.name);
        told.is_none_or(|(_, at)| *at + TOLD <= now)
    }

    /// Whether reading a pod may bring something new.
    fn may_try(&self, now: Timestamp) -> bool {
        match self.verdict {
            None => true,
            Some((_, at)) => now >= at + HOLDS || self.tries < TRIES && now >= at + SOON,
        }
    }
}

#[cfg(test)]
mod tests;
