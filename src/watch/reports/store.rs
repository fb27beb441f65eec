//! The reports that exist, those that have to be written, and what is due.
//!
//! A report is compared by a hash of what it says: nothing is written where nothing has changed, after
//! a restart either. Everything here is bounded, and what does not fit is counted.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::object::{Draft, Found, MANAGER, MadeBy};
use super::running::{Change, LATER, QUIET, Running, Unread, Workload};
use crate::evidence::watched::WatchedPod;
use crate::foresight::workloads::Maker;
use crate::watch::key::{Key, key};
use crate::watch::tokens::Tokens;

/// Time that a report stays when its workload has no pods: those of a CronJob come again.
pub(super) const GRACE: Duration = Duration::from_secs(600);
/// Interval at which the reports that exist are listed: somebody may have deleted or changed one.
pub(super) const LIST: Duration = Duration::from_secs(600);
/// Interval at which what is due is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Workloads that are looked at in one turn: some milliseconds.
const TURN: usize = 20;
/// Reports that are written or deleted in a minute, and at once after a quiet while.
const WRITES: u32 = 300;
const WRITES_AT_ONCE: u32 = 10;

/// A report that exists.
#[derive(Debug)]
struct Known {
    namespace: Box<str>,
    name: Box<str>,
    uid: Box<str>,
    /// Hash of what it says; `None` if that is to be written again.
    content: Option<Key>,
    /// Since when no pod of its workload is known.
    missing: Option<Timestamp>,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Task {
    /// List the reports that exist.
    List,
    /// Read what a ReplicaSet or Job belongs to.
    Read(Unread),
    /// Write a report.
    Write(Draft),
    /// Delete a report.
    Delete { key: Key, namespace: Box<str>, name: Box<str>, uid: Box<str> },
    /// Let others have their turn, and ask again.
    GoOn,
}

/// Counts, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reports written.
    pub written: u64,
    /// Reports deleted.
    pub deleted: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Times that a report's name was taken by one of somebody else's.
    pub taken: u64,
}

/// What is kept.
#[derive(Debug, Default)]
pub struct Store {
    running: Running,
    known: HashMap<Key, Known>,
    /// Reports to be deleted.
    doomed: VecDeque<Key>,
    /// Workloads whose change is due, the oldest first.
    due: VecDeque<Key>,
    next_list: Timestamp,
    next_look: Timestamp,
    writes: Tokens<WRITES, WRITES_AT_ONCE>,
    /// Counts.
    pub counts: Counts,
    /// Why reports cannot be listed or written at present.
    pub trouble: Option<String>,
}

impl Store {
    /// Begins a list of all pods: what does not come in it is gone at its end. Until then nothing is
    /// written, for half of a workload's pods are not the workload.
    pub fn begin(&mut self) {
        self.running.begin();
    }

    /// Completes a list.
    pub fn finish(&mut self, now: Timestamp) {
        self.running.finish(now);
    }

    /// Takes a pod as it is now.
    pub fn pod(&mut self, namespace: &str, uid: &str, pod: WatchedPod, now: Timestamp) {
        self.running.pod(namespace, uid, pod, now);
    }

    /// Forgets a pod that is gone, or does not run any more.
    pub fn gone(&mut self, uid: &str, now: Timestamp) {
        self.running.gone(uid, now);
    }

    /// Records what a maker belongs to, or that it belongs to nothing but itself.
    pub(super) fn belongs(&mut self, of: Key, top: Maker, now: Timestamp) {
        self.running.trouble = None;
        self.running.belongs(of, top, now);
    }

    /// A maker could not be read, or is not there: its pods will not be there for long either.
    pub(super) fn unknown(&mut self, of: Key, now: Timestamp) {
        self.running.unknown(of, now);
    }

    /// No maker can be read at present. Returns whether that is new.
    pub(super) fn cannot_read(&mut self, of: Key, why: &str, now: Timestamp) -> bool {
        self.running.cannot_read(of, why, now)
    }

    /// Why reports cannot be kept at present, if so.
    pub fn why_not(&self) -> Option<&str> {
        self.trouble.as_deref().or(self.running.trouble.as_deref())
    }

    /// Takes the reports that exist.
    pub(super) fn listed(&mut self, all: Vec<Found>, now: Timestamp) {
        let mut known = HashMap::with_capacity(all.len());
        for found in all {
            let at = key(&[&found.namespace, &found.name]);
            let missing = self.known.get(&at).and_then(|it| it.missing);
            known.insert(at, Known { missing, ..Known::of(found) });
        }
        self.known = known;
        self.next_list = now + LIST;
        let differs = |(at, workload): &(&Key, &Workload)| {
            let said = self.known.get(*at).and_then(|it| it.content);
            workload.content.is_some() && workload.content != said
        };
        let differs: Vec<Key> =
            self.running.workloads.iter().filter(differs).map(|(at, _)| *at).collect();
        for at in differs {
            self.running.touch(Some(at), now);
        }
    }

    /// Has the reports listed at once, which tells whether there is such an API.
    pub(super) fn list_again(&mut self) {
        self.next_list = Timestamp::UNIX_EPOCH;
    }

    /// Records that a report exists and says this.
    pub(super) fn exists(&mut self, at: Key, found: Found) {
        self.known.insert(at, Known::of(found));
    }

    /// Records that a report is gone. Where there is still something to say, it is written again.
    pub(super) fn deleted(&mut self, at: Key, now: Timestamp) {
        self.known.remove(&at);
        if self.running.workloads.contains_key(&at) {
            self.running.touch(Some(at), now);
        }
    }

    /// Has a report written again that could not be written.
    pub(super) fn again(&mut self, draft: &Draft, later: bool, now: Timestamp) {
        let due = if later { now + LATER } else { now + QUIET };
        let change = self.running.changes.entry(draft.key).or_insert(Change { first: now, due });
        change.first = change.first.min(draft.since);
        change.due = change.due.max(due);
    }

    /// What is to be done now, if anything. `opted_in` says whether a namespace has; `None` while that
    /// is not known.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        opted_in: &dyn Fn(&str) -> Option<bool>,
    ) -> Option<Task> {
        if now >= self.next_list {
            return Some(Task::List);
        }
        if !self.running.settled {
            return None;
        }
        if let Some(unread) = self.running.next_read(now) {
            return Some(Task::Read(unread));
        }
        if now >= self.next_look {
            self.next_look = now + LOOK;
            self.look(now, opted_in);
        }
        if let Some(at) = self.doomed.front().copied() {
            self.writes.take(now)?;
            self.doomed.pop_front();
            let Known { namespace, name, uid, .. } = self.known.get(&at)?;
            let (namespace, name, uid) = (namespace.clone(), name.clone(), uid.clone());
            return Some(Task::Delete { key: at, namespace, name, uid });
        }
        for _ in 0..TURN {
            let at = self.due.front().copied()?;
            let Some(draft) = self.draft(at, now, opted_in) else {
                self.due.pop_front();
                self.running.changes.remove(&at);
                continue;
            };
            self.writes.take(now)?;
            self.due.pop_front();
            self.running.changes.remove(&at);
            return Some(Task::Write(draft));
        }
        Some(Task::GoOn)
    }

    /// Finds what is due.
    fn look(&mut self, now: Timestamp, opted_in: &dyn Fn(&str) -> Option<bool>) {
        let mut due: Vec<(Timestamp, Key)> = self
            .running
            .changes
            .iter()
            .filter(|(_, change)| change.due <= now)
            .map(|(at, change)| (change.first, *at))
            .collect();
        due.sort_unstable();
        self.due = due.into_iter().map(|(_, at)| at).collect();
        let unread = self.running.unread_namespaces();
        self.doomed.clear();
        for (at, known) in &mut self.known {
            let gone = match opted_in(&known.namespace) {
                None => false,
                Some(false) => true,
                Some(true) if self.running.workloads.contains_key(at) => {
                    known.missing = None;
                    false
                }
                // It may be that of a maker that is yet to be read.
                Some(true) if unread.contains(&*known.namespace) => false,
                Some(true) => now >= *known.missing.get_or_insert(now) + GRACE,
            };
            if gone {
                self.doomed.push_back(*at);
            }
        }
    }

    /// The report of a workload, if it is to be written.
    fn draft(
        &mut self,
        at: Key,
        now: Timestamp,
        opted_in: &dyn Fn(&str) -> Option<bool>,
    ) -> Option<Draft> {
        let running = &mut self.running;
        let workload = running.workloads.get(&at)?;
        if opted_in(&workload.namespace) != Some(true) {
            return None;
        }
        let (seen, scope) = (running.seen(workload), workload.scope());
        if seen.is_empty() {
            return None;
        }
        let (namespace, name) = (workload.namespace.clone(), scope.report_name().into());
        let content = key(&[&scope.report(seen.clone(), MANAGER, 0).to_string()]);
        let differs = self.known.get(&at).is_none_or(|known| known.content != Some(content));
        let body = differs.then(|| scope.report(seen, MANAGER, now.as_second()));
        running.workloads.get_mut(&at)?.content = Some(content);
        let body = body?;
        let since = running.changes.get(&at).map_or(now, |change| change.first);
        Some(Draft { key: at, namespace, name, content, body, since })
    }

    /// Times that a pod was not kept because a limit was reached.
    pub fn over(&self) -> u64 {
        self.running.over
    }

    /// Number of reports that exist.
    pub fn reports(&self) -> usize {
        self.known.len()
    }

    /// Number of workloads whose change is not written, and the first of these changes.
    pub fn waiting(&self) -> (usize, Option<Timestamp>) {
        (self.running.changes.len(), self.running.changes.values().map(|change| change.first).min())
    }
}

impl Known {
    fn of(Found { namespace, name, uid, maker, content }: Found) -> Self {
        let content = content.filter(|_| maker == MadeBy::Watch);
        Self { namespace, name, uid, content, missing: None }
    }
}

#[cfg(test)]
mod tests;
