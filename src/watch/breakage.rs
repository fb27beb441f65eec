//! What hardening breaks: hardened pods that fail, why, and who is told.
//!
//! | module | what it does |
//! |---|---|
//! | [`store`] | what is kept of pods that fail and of their workloads, and what is due |
//! | [`case`] | a pod that fails, and the verdict on it |
//! | [`report`] | the words of an Event, and what may be in them |
//! | [`owner`] | the workload of a pod |
//! | `events` | Events in the cluster |
//! | [`metrics`] | what is broken, as metrics |
//!
//! Pods come from the one watch. Most are judged by what the kubelet says of them, at once. Where
//! only the log can tell, the pod is read again with its log, a few at a time. No line of a log
//! leaves this module: what is told is the kind of the message, as the table of
//! [`advice`](crate::foresight::advice) has it, and a path, a port or a user of bounded form.

pub mod case;
mod events;
pub mod metrics;
pub mod owner;
mod report;
pub mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::exemption::HARDENED_ANNOTATION;
use crate::foresight::breakage::{
    Ailment, Before, Diagnosis, Evidence, Sign, ailments, judge, recovers,
};
use crate::provenance::Incoming;
use case::{Case, State, Verdict};
use events::Events;
use owner::Workload;
use store::Store;

/// Pods that are read at once, with their logs.
const AT_ONCE: usize = 2;
/// Time for an answer of the API server.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest time that something due waits for being looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Last lines of a log that are read: what a program dies of, it reports at the end.
const LINES: u32 = 40;
/// Bytes of a log that are read.
const BYTES: u32 = 32 << 10;

/// Finds out what hardening breaks.
pub struct Breakage {
    store: Mutex<Store>,
    client: Client,
    events: Events,
    /// Whether logs may be read.
    logs: bool,
    /// Wakes who works on cases.
    wake: Notify,
}

impl std::fmt::Debug for Breakage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breakage").field("logs", &self.logs).finish_non_exhaustive()
    }
}

/// A pod without its spec, which most need not be looked at.
#[derive(Deserialize)]
struct Slim {
    metadata: ObjectMeta,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize)]
struct OfSpec {
    spec: PodSpec,
}

impl Breakage {
    /// Reads pods through `client`, and their logs if `logs`.
    pub fn new(client: Client, logs: bool) -> Arc<Self> {
        let events = Events::new(client.clone());
        let store = Mutex::new(Store::default());
        Arc::new(Self { store, client, events, logs, wake: Notify::new() })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why Events cannot be written at present.
    pub fn trouble(&self) -> Option<String> {
        self.store().trouble.clone()
    }

    /// Begins a list of all pods.
    pub fn begin(&self) {
        self.store().begin();
    }

    /// Completes a list of all pods: what did not come in it is gone.
    pub fn finish(&self) {
        self.store().finish();
    }

    /// Forgets a pod.
    pub fn pod_is_gone(&self, uid: &str) {
        self.store().well(uid);
    }

    /// Takes a pod as it is now, in JSON.
    ///
    /// # Errors
    /// When it is not a pod.
    pub fn pod(&self, json: &str) -> serde_json::Result<()> {
        let Slim { metadata, status } = serde_json::from_str(json)?;
        let now = Timestamp::now();
        let Some(workload) = Workload::of(&metadata) else { return Ok(()) };
        let uid = metadata.uid.as_deref().unwrap_or_default();
        if metadata.deletion_timestamp.is_some() || status.phase.as_deref() == Some("Succeeded") {
            self.store().well(uid);
            return Ok(());
        }
        let Some(note) = note(&metadata) else {
            self.unhardened(&workload, json, &status, now);
            return Ok(());
        };
        if recovers(&status, now) == Some(true) {
            self.store().recovers(uid, &workload, now);
            return Ok(());
        }
        let OfSpec { spec } = serde_json::from_str(json)?;
        let ailments = ailments(&spec, &status, now);
        let mut store = self.store();
        let case = Case::of(&metadata, &workload);
        if ailments.is_empty() {
            // A container that starts may still turn out not to become ready.
            if status.phase.as_deref() == Some("Running") {
                store.look_again(case, now);
            }
            return Ok(());
        }
        let before = store.before(&workload);
        let found = diagnose(&spec, &note, &ailments, None, before);
        let (verdict, by_log) = verdict(&found, &ailments, self.logs);
        let state = match status.phase.as_deref() {
            Some("Failed") => State::Over,
            // A container that runs again may go on running.
            _ if ailments.iter().all(|ailment| ailment.previous) => State::Tries,
            _ => State::Fails,
        };
        if store.fails(case, verdict, by_log, state, now) {
            drop(store);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Learns from a pod that is not hardened how its workload does without.
    fn unhardened(&self, workload: &Workload, json: &str, status: &PodStatus, now: Timestamp) {
        let well = recovers(status, now) == Some(true);
        let ill = || {
            let spec = serde_json::from_str::<OfSpec>(json).ok();
            spec.is_some_and(|it| !ailments(&it.spec, status, now).is_empty())
        };
        let before = match well {
            true => Before::Well,
            false if ill() => Before::Ill,
            false => return,
        };
        self.store().unhardened(workload, before);
    }

    /// Works on what is due, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut work = JoinSet::new();
        loop {
            while work.len() < AT_ONCE {
                let Some(case) = self.store().due(Timestamp::now()) else { break };
                let this = Arc::clone(&self);
                work.spawn(async move { this.work(case).await });
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep(LOOK) => {}
                Some(_) = work.join_next() => {}
            }
        }
    }

    /// Looks at one pod, and tells if hardening breaks it.
    async fn work(&self, case: Case) {
        // One that is gone, or does well by now, tells nothing.
        let Some(pod) = self.get(&case).await else { return };
        let Some(found) = self.look(&case, &pod).await else { return };
        let now = Timestamp::now();
        let Some((ailment, advice)) = found.hardening() else {
            let verdict = if found.is_unknown() { Verdict::Unknown } else { Verdict::Other };
            self.store().judged(&case, verdict, now);
            return;
        };
        let symptom = advice.symptom;
        let untold = self.store().judged(&case, Verdict::Hardening(symptom), now);
        if !untold {
            return;
        }
        let text = report::text(&ailment.container, advice);
        let told = self.events.tell(&case, symptom.name, &text, now).await;
        match told {
            Ok(()) => {
                self.store().trouble = None;
                let Case { namespace, name, .. } = &case;
                info!(namespace, pod = name, cause = symptom.name, "hardening breaks a pod");
            }
            Err(why) => {
                warn!(error = why, "cannot write an Event");
                self.store().could_not_tell(&case, why);
            }
        }
    }

    /// Finds out why a pod fails, from its log if need be. `None` if it does not fail.
    async fn look(&self, case: &Case, pod: &Pod) -> Option<Found> {
        let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
        let note = note(&pod.metadata)?;
        let ailments = ailments(spec, status, Timestamp::now());
        if ailments.is_empty() {
            return None;
        }
        let before = self.store().before(&case.workload);
        let mut found = diagnose(spec, &note, &ailments, None, before);
        if !self.logs || found.hardening().is_some() {
            return Some(found);
        }
        for ailment in &ailments {
            if !has_log(ailment) {
                continue;
            }
            let Some(log) = self.log(case, ailment).await else { continue };
            let one = std::slice::from_ref(ailment);
            found = found.or(diagnose(spec, &note, one, Some(&log), before));
            if found.hardening().is_some() {
                break;
            }
        }
        Some(found)
    }

    /// The pod of a case; `None` if it is another by now, or cannot be read.
    async fn get(&self, case: &Case) -> Option<Pod> {
        let text = self.text(&case.path(), "a pod").await?;
        let pod: Pod = serde_json::from_str(&text).ok()?;
        (pod.metadata.uid.as_deref() == Some(&*case.uid)).then_some(pod)
    }

    async fn log(
        &self,
        case: &Case,
        Ailment { container, previous, .. }: &Ailment,
    ) -> Option<String> {
        let path = format!(
            "{}/log?container={container}&tailLines={LINES}&limitBytes={BYTES}&previous={previous}",
            case.path()
        );
        let log = self.text(&path, "a log").await;
        self.store().has_read_log(log.is_some());
        log
    }

    /// The answer to a request. What is in it is never written anywhere.
    async fn text(&self, path: &str, what: &str) -> Option<String> {
        let request = Request::get(path).body(Vec::new()).ok()?;
        match timeout(ANSWER, self.client.request_text(request)).await {
            Ok(Ok(text)) => Some(text),
            Ok(Err(kube::Error::Api(status))) => {
                debug!(what, code = status.code, "cannot be read");
                None
            }
            _ => {
                debug!(what, "cannot be read: the API server does not answer");
                None
            }
        }
    }
}

/// The note of a hardened pod.
fn note(metadata: &ObjectMeta) -> Option<Incoming> {
    Incoming::read(metadata.annotations.as_ref()?.get(HARDENED_ANNOTATION)?)
}

/// Whether more than the kubelet's words can be had of a container.
fn has_log(ailment: &Ailment) -> bool {
    matches!(ailment.sign, Sign::Exited | Sign::NotReady { .. })
}

/// What was found of a pod's containers.
#[derive(Default)]
struct Found(Vec<(Ailment, Diagnosis)>);

impl Found {
    /// The first container that hardening breaks.
    fn hardening(&self) -> Option<(&Ailment, &crate::foresight::advice::Advice)> {
        self.0.iter().find_map(|(ailment, diagnosis)| match diagnosis {
            Diagnosis::Hardening(advice) => Some((ailment, &**advice)),
            _ => None,
        })
    }

    fn is_unknown(&self) -> bool {
        self.0.iter().any(|(_, diagnosis)| matches!(diagnosis, Diagnosis::Unknown))
    }

    /// What the log says of a container replaces what was found without.
    fn or(mut self, later: Self) -> Self {
        self.0.retain(|(old, _)| !later.0.iter().any(|(new, _)| new.container == old.container));
        self.0.extend(later.0);
        self
    }
}

fn diagnose(
    spec: &PodSpec,
    note: &Incoming,
    ailments: &[Ailment],
    log: Option<&str>,
    before: Before,
) -> Found {
    let judged = ailments.iter().map(|ailment| {
        let evidence = Evidence { pod: spec, note, ailment, log, before };
        (ailment.clone(), judge(&evidence))
    });
    Found(judged.collect())
}

/// The verdict so far, and whether the log may change it.
fn verdict(found: &Found, ailments: &[Ailment], logs: bool) -> (Verdict, bool) {
    match found.hardening() {
        Some((_, advice)) => (Verdict::Hardening(advice.symptom), false),
        None if found.is_unknown() => (Verdict::Unknown, logs && ailments.iter().any(has_log)),
        None => (Verdict::Other, false),
    }
}
