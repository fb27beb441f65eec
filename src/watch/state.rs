//! Everything known of the cluster, and since when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::civil::Date;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tracing::{debug, error, info};

use super::breakage::Breakage;
use super::images::Learner;
use super::judge::{self, Live};
use super::reports::Reporter;
use super::tally::{Tally, What};
use super::trouble::Trouble;
use crate::admission::{Environment, Mode};
use crate::cluster::namespaces::{NamespaceSettings, OPT_IN};
use crate::date::today;
use crate::evidence::watched::WatchedPod;
use crate::harden::SeedImage;
use crate::policy::PolicySet;
use crate::serve::metrics::{Reloads, register};

/// Everything known of the cluster.
#[derive(Debug)]
pub struct ClusterState {
    pub(super) policies: ArcSwap<PolicySet>,
    /// Whether the cluster honours `hostUsers: false`, as the webhook is told.
    user_namespaces: bool,
    loaded: Gauge,
    pub(super) reloads: Reloads,
    state: Mutex<State>,
    /// Wakes the follower of pods when all are to be judged again.
    again: Notify,
    besides: Besides,
}

/// What else is done with pods, as far as it is enabled.
#[derive(Debug, Default)]
pub struct Besides {
    /// Learns facts of images.
    pub learner: Option<Arc<Learner>>,
    /// Finds out what hardening breaks.
    pub breakage: Option<Arc<Breakage>>,
    /// Keeps reports of workloads.
    pub reporter: Option<Arc<Reporter>>,
}

/// The part that changes from event to event.
#[derive(Debug)]
pub(super) struct State {
    pub(super) tally: Tally,
    pub(super) seen: [WatchHealth; What::ALL.len()],
    date: Date,
    /// Why new policies are refused, if they are.
    pub(super) refused: Option<String>,
}

/// Progress of one of the two watches.
#[derive(Clone, Debug, Default)]
pub(super) struct WatchHealth {
    /// Whether the first list is complete.
    pub(super) synced: bool,
    /// Last time the API server showed that what is known is up to date, in Unix time.
    pub(super) last: i64,
    /// Number of failures, by [`Trouble::REASONS`].
    pub(super) errors: [u64; Trouble::REASONS.len()],
    /// Number of objects that could not be read.
    pub(super) unreadable: u64,
    /// The present failure, if any.
    trouble: Option<String>,
}

/// An object requested as metadata only: its kind is `PartialObjectMetadata`.
#[derive(Deserialize)]
struct Labelled {
    metadata: ObjectMeta,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'r> {
    ready: bool,
    namespaces: WatchProgress<'r>,
    pods: WatchProgress<'r>,
    policies_refused: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_facts: Option<ExtraProgress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakage: Option<ExtraProgress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reports: Option<ExtraProgress>,
}

#[derive(Serialize)]
struct ExtraProgress {
    trouble: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WatchProgress<'r> {
    synced: bool,
    last_sync: Option<Timestamp>,
    trouble: Option<&'r str>,
}

impl WatchHealth {
    fn progress(&self) -> WatchProgress<'_> {
        let last_sync = Timestamp::from_second(self.last).ok().filter(|_| self.last > 0);
        WatchProgress { synced: self.synced, last_sync, trouble: self.trouble.as_deref() }
    }
}

impl ClusterState {
    /// Knows nothing yet but the policies, whose metrics are registered in `registry`.
    pub fn new(
        policies: PolicySet,
        user_namespaces: bool,
        besides: Besides,
        registry: &mut Registry,
    ) -> Arc<Self> {
        let registry = registry.sub_registry_with_prefix("ironhull");
        let state = Self {
            policies: ArcSwap::from_pointee(policies),
            user_namespaces,
            loaded: register(registry, "policies", "Policies loaded from files"),
            reloads: Reloads::new(registry, "policy", "the policies"),
            state: Mutex::new(State {
                tally: Tally::default(),
                seen: Default::default(),
                date: today(),
                refused: None,
            }),
            again: Notify::new(),
            besides,
        };
        state.note_policies();
        Arc::new(state)
    }

    /// Judges all pods by other policies.
    pub(super) fn put_in_force(&self, policies: PolicySet) {
        self.policies.store(Arc::new(policies));
        self.note_policies();
        self.again.notify_one();
    }

    fn note_policies(&self) {
        let count = self.policies.load().policies().len();
        self.loaded.set(i64::try_from(count).unwrap_or(i64::MAX));
        info!(policies = count, "policies in force");
    }

    /// Who learns facts of images, if anybody does.
    pub fn learner(&self) -> Option<&Arc<Learner>> {
        self.besides.learner.as_ref()
    }

    /// Who finds out what hardening breaks, if anybody does.
    pub fn breakage(&self) -> Option<&Arc<Breakage>> {
        self.besides.breakage.as_ref()
    }

    /// Who keeps reports of workloads, if anybody does.
    pub fn reporter(&self) -> Option<&Arc<Reporter>> {
        self.besides.reporter.as_ref()
    }

    /// Whether a namespace has opted in; `None` until the first list of namespaces is complete.
    pub fn opted_in(&self, namespace: &str) -> Option<bool> {
        let state = self.state();
        let synced = state.seen.get(What::Namespaces as usize).is_some_and(|seen| seen.synced);
        synced.then(|| state.tally.mode_of(namespace).is_some())
    }

    /// Locks the state.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the date. On a new day all pods are to be judged again.
    pub fn date_is(&self, date: Date) {
        let mut state = self.state();
        if state.date != date {
            state.date = date;
            self.again.notify_one();
        }
    }

    /// Waits until all pods are to be judged again.
    pub async fn again(&self) {
        self.again.notified().await;
    }

    /// Begins a list.
    pub fn begin(&self, what: What) {
        self.state().tally.begin(what);
        if what == What::Pods {
            self.besides.breakage.iter().for_each(|it| it.begin());
            self.besides.reporter.iter().for_each(|it| it.begin());
        }
    }

    /// Completes a list.
    pub fn finish(&self, what: What) {
        self.state().tally.finish(what);
        if what == What::Pods {
            self.besides.breakage.iter().for_each(|it| it.finish());
            self.besides.reporter.iter().for_each(|it| it.finish());
        }
        self.progress(what, true);
    }

    /// Records that the API server has answered and what is known is up to date.
    pub fn heard(&self, what: What) {
        self.progress(what, false);
    }

    fn progress(&self, what: What, listed: bool) {
        let mut state = self.state();
        let (pods, _) = state.tally.size();
        let Some(seen) = state.seen.get_mut(what as usize) else { return };
        seen.last = Timestamp::now().as_second();
        let well_again = seen.trouble.take().is_some();
        let first = listed && !seen.synced;
        seen.synced |= listed;
        drop(state);
        if first || well_again {
            let resource = what.as_str();
            info!(
                resource,
                pods,
                "{}",
                if first { "first list complete" } else { "up to date again" }
            );
        }
    }

    /// Records a failure.
    pub fn failed(&self, what: What, trouble: &Trouble) {
        let mut state = self.state();
        let Some(seen) = state.seen.get_mut(what as usize) else { return };
        if let Some(count) = seen.errors.get_mut(trouble.reason()) {
            *count += 1;
        }
        let said = trouble.to_string();
        if seen.trouble.as_ref() == Some(&said) {
            return;
        }
        let resource = what.as_str();
        match trouble.is_ordinary() {
            true => info!(resource, why = said, "starting again with a list"),
            false => error!(resource, error = said, "cannot watch"),
        }
        seen.trouble = Some(said);
    }

    /// Records that an object could not be read.
    pub fn unreadable(&self, what: What, why: &str) {
        debug!(resource = what.as_str(), why, "an object cannot be read");
        if let Some(seen) = self.state().seen.get_mut(what as usize) {
            seen.unreadable += 1;
        }
    }

    /// Takes an object as it is now, or with `gone` its end.
    pub fn take(&self, what: What, object: &RawValue, gone: bool) {
        let taken = match what {
            What::Namespaces => self.namespace(object, gone),
            What::Pods => self.pod(object, gone),
        };
        if let Err(error) = taken {
            self.unreadable(what, &error.to_string());
        }
    }

    fn namespace(&self, object: &RawValue, gone: bool) -> serde_json::Result<()> {
        let Labelled { metadata } = serde_json::from_str(object.get())?;
        let namespace = NamespaceSettings::of(metadata);
        let policies = self.policies.load();
        let mut state = self.state();
        let name = namespace.name.clone();
        let before = state.tally.policy_of(&name, &policies);
        let mode = state.tally.mode_of(&name);
        match gone {
            true => state.tally.namespace_is_gone(&name),
            false => state.tally.namespace(namespace),
        }
        let after = state.tally.policy_of(&name, &policies);
        let for_some = self.besides.learner.is_some() || self.besides.reporter.is_some();
        let opted = for_some && state.tally.mode_of(&name) != mode;
        if (before.name != after.name || opted) && state.tally.has_pods_in(&name) {
            self.again.notify_one();
        }
        Ok(())
    }

    fn pod(&self, object: &RawValue, gone: bool) -> serde_json::Result<()> {
        let Live { metadata, status, .. } = serde_json::from_str(object.get())?;
        let namespace = &*metadata.namespace;
        match &self.besides.breakage {
            Some(breakage) if gone => breakage.pod_is_gone(&metadata.uid),
            // A pod that has failed tells as much as one that fails.
            Some(breakage) => breakage.pod(object.get())?,
            None => {}
        }
        if gone || status.is_over() {
            self.state().tally.pod_is_gone(namespace, &metadata.uid);
            self.besides.reporter.iter().for_each(|it| it.pod_is_gone(&metadata.uid));
            return Ok(());
        }
        let policies = self.policies.load();
        let mut state = self.state();
        let policy = state.tally.policy_of(namespace, &policies);
        let environment = Environment {
            date: state.date,
            user_namespaces: self.user_namespaces,
            seed_image: Some(SeedImage::ANY),
        };
        let mut facts = judge::judge(object.get(), &status, policy, environment);
        facts.asks = metadata.labels.get(OPT_IN) == Some(Mode::Enforce.as_str());
        state.tally.pod(namespace, &metadata.uid, facts);
        let opted_in = state.tally.mode_of(namespace).is_some();
        drop(state);
        if let Some(reporter) = &self.besides.reporter {
            let read = || WatchedPod::read(object.get(), namespace, policy, environment);
            match opted_in.then(read).flatten() {
                Some(pod) => reporter.pod(namespace, &metadata.uid, pod),
                None => reporter.pod_is_gone(&metadata.uid),
            }
        }
        match &self.besides.learner {
            Some(learner) if opted_in => learner.pod(namespace, object.get()),
            _ => Ok(()),
        }
    }

    /// Whether both first lists are complete.
    pub fn is_synced(&self) -> bool {
        self.state().seen.iter().all(|seen| seen.synced)
    }

    /// Progress and failures, as a JSON object.
    pub fn report(&self) -> String {
        let ready = self.is_synced();
        let state = self.state();
        let [namespaces, pods] = &state.seen;
        let report = Report {
            ready,
            namespaces: namespaces.progress(),
            pods: pods.progress(),
            policies_refused: state.refused.as_deref(),
            image_facts: self
                .besides
                .learner
                .as_ref()
                .map(|it| ExtraProgress { trouble: it.trouble() }),
            breakage: self
                .besides
                .breakage
                .as_ref()
                .map(|it| ExtraProgress { trouble: it.trouble() }),
            reports: self
                .besides
                .reporter
                .as_ref()
                .map(|it| ExtraProgress { trouble: it.trouble() }),
        };
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    }
}
