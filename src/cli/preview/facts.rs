//! What the pods that run tell of the workloads they belong to.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::cli::advice::{Advice, advice};
use crate::cli::risk::{Cause, Remedy, Risk, Seen, Unseen};
use crate::exemption::HARDENED_ANNOTATION;
use crate::provenance::Incoming;
use crate::text::printable;

/// What the pods of one workload tell.
#[derive(Debug, Default)]
pub struct Facts {
    /// How many there are that are not done.
    pub(super) pods: u32,
    /// As whom the containers run that are not hardened, or why that is not known.
    users: BTreeMap<String, Result<i64, Unseen>>,
    /// The policies, as `NAME@REVISION`, by which a hardened pod is that runs well.
    hardened: Vec<String>,
    /// A container that does not start and what it is waiting for, and by which policy its
    /// pod is hardened, if it is.
    trouble: Option<((String, String), Option<String>)>,
    /// A pod that is not hardened: its name, and its containers, by which it is seen
    /// whether others were added to the template's.
    pub(super) sample: Option<(String, Vec<String>)>,
}

/// The facts of workloads by the uids of the objects they are.
pub(super) type FactsByOwner = HashMap<String, Facts>;

impl Facts {
    /// Takes what a pod tells.
    pub(super) fn take(&mut self, pod: &Pod) {
        let status = pod.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
        if pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let hardened = hardened_by(pod);
        let over = matches!(phase, "Succeeded" | "Failed");
        self.pods += u32::from(!over);
        let statuses = || {
            let status = status.into_iter();
            status.flat_map(|status| {
                let init = status.init_container_statuses.iter().flatten();
                init.chain(status.container_statuses.iter().flatten())
            })
        };
        // What a Job once failed of is over.
        let now = Timestamp::now();
        if let Some(trouble) = statuses().find_map(|status| trouble(status, now)).filter(|_| !over)
        {
            self.trouble.get_or_insert((trouble, hardened.clone()));
        }
        match hardened {
            Some(policy) => {
                let ready = phase == "Succeeded"
                    || phase == "Running"
                        && statuses().all(|status| stays(status, now) || done(status));
                if ready && !self.hardened.contains(&policy) {
                    self.hardened.push(policy);
                }
                for status in statuses().filter(|status| runs(status)) {
                    self.runs(&status.name, Unseen::Hardened);
                }
            }
            None => {
                for status in statuses() {
                    let linux = status.user.as_ref().and_then(|user| user.linux.as_ref());
                    match linux.map(|linux| linux.uid) {
                        Some(uid) => self.ran_as(&status.name, uid),
                        None if runs(status) => self.runs(&status.name, Unseen::Hidden),
                        None => {}
                    }
                }
                if self.sample.is_none() {
                    self.sample =
                        Some((pod.metadata.name.clone().unwrap_or_default(), containers(pod)));
                }
            }
        }
    }

    /// A container was seen as this user.
    fn ran_as(&mut self, container: &str, uid: i64) {
        let known = self.users.entry(container.to_owned()).or_insert(Ok(uid));
        match known {
            Ok(other) if *other != uid => *known = Err(Unseen::Differs),
            Ok(_) | Err(Unseen::Differs) => {}
            Err(_) => *known = Ok(uid),
        }
    }

    /// A container runs, and is not seen.
    fn runs(&mut self, container: &str, unseen: Unseen) {
        self.users.entry(container.to_owned()).or_insert(Err(unseen));
    }

    /// What is known of how they run.
    pub fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for (name, user) in &self.users {
            match user {
                Ok(uid) => drop(seen.uids.insert(name.clone(), *uid)),
                Err(unseen) => drop(seen.unseen.insert(name.clone(), *unseen)),
            }
        }
        seen
    }

    /// What does not run as it is tells nothing of how it will run; and what does not run
    /// although this policy (`NAME@REVISION`) hardened it tells all.
    pub(super) fn risk(&self, policy: &str) -> Option<Risk> {
        let ((container, what), hardened) = self.trouble.as_ref()?;
        let certain = hardened.as_deref() == Some(policy);
        let (why, remedy) = match (certain, advice(what)) {
            (true, Some(Advice { remedy, .. })) => {
                (format!("a pod that this policy hardened does not start: {what}"), remedy)
            }
            (true, None) => (
                format!("a pod that this policy hardened does not start: {what}"),
                "`ironhull explain POD` says what the message means".to_owned(),
            ),
            (false, _) => (
                format!("it does not run today either: {what}"),
                "mend it first; then ask again".to_owned(),
            ),
        };
        let (container, cause) = (container.clone(), Cause::FailsToday);
        Some(Risk { container, cause, certain, why, remedy: Remedy::Try(remedy) })
    }

    /// Whether a pod runs that this policy (`NAME@REVISION`) hardened.
    pub(super) fn runs_hardened(&self, policy: &str) -> bool {
        self.hardened.iter().any(|by| by == policy)
    }
}

/// The names of a pod's containers.
fn containers(pod: &Pod) -> Vec<String> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers))
        .map(|container| container.name.clone())
        .collect()
}

/// The policy in the note on a hardened pod.
fn hardened_by(pod: &Pod) -> Option<String> {
    let note = pod.metadata.annotations.as_ref()?.get(HARDENED_ANNOTATION)?;
    Some(Incoming::read(note)?.policy()?.to_owned())
}

fn runs(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

fn done(status: &ContainerStatus) -> bool {
    let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref());
    ended.is_some_and(|ended| ended.exit_code == 0)
}

/// Whether a container is ready and will be in a moment. One that crashes again and again is
/// ready in between: until it has run for longer than when it last failed, it is not said to
/// run.
fn stays(status: &ContainerStatus, now: Timestamp) -> bool {
    status.ready && stayed(status, now).unwrap_or(true)
}

/// Whether a container that failed before has now run for longer than it did then; `None` of
/// one that did not fail, or of which the kubelet does not say how long it ran.
fn stayed(status: &ContainerStatus, now: Timestamp) -> Option<bool> {
    let last = status.last_state.as_ref()?.terminated.as_ref().filter(|it| it.exit_code != 0)?;
    let running = status.state.as_ref()?.running.as_ref()?;
    let then = last.finished_at.as_ref()?.0.duration_since(last.started_at.as_ref()?.0);
    Some(now.duration_since(running.started_at.as_ref()?.0) > then + SLACK)
}

/// On a busy node it takes the kubelet long to see and to say what became of a container,
/// and the node's clock is not ours.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// The reasons for which the kubelet does not, or no longer, start a container.
const TROUBLES: [&str; 8] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ErrImagePull",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
];

/// The container's name, and what keeps it from running.
fn trouble(status: &ContainerStatus, now: Timestamp) -> Option<(String, String)> {
    let state = status.state.as_ref()?;
    let waiting = state.waiting.as_ref();
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    // A container that crashes is waited with, or is about to run again; what it ended with
    // is more to the point.
    let ended = state.terminated.as_ref().or(last).filter(|ended| ended.exit_code != 0);
    let what = match ended {
        Some(ended) if !stays(status, now) => {
            let message = ended.message.as_deref().map(|m| format!(": {}", m.trim()));
            format!("ended with {}{}", ended.exit_code, message.unwrap_or_default())
        }
        _ if !TROUBLES.contains(&reason) => return None,
        _ if message.is_empty() => reason.to_owned(),
        _ => format!("{reason}: {}", message.split(" (pod: ").next().unwrap_or(message)),
    };
    Some((status.name.clone(), printable(&what, MAX_TROUBLE).into_owned()))
}

/// How much of a message is shown.
const MAX_TROUBLE: usize = 160;
