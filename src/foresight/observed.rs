//! What running pods tell of the workloads they belong to.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, EphemeralContainer, Pod, PodSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exemption::HARDENED_ANNOTATION;
use crate::foresight::advice::{Advice, advice};
use crate::foresight::author;
use crate::foresight::breakage::{self, Before, Diagnosis, Evidence, stays};
use crate::foresight::risk::{Cause, Remedy, Risk, Seen, Unseen};
use crate::provenance::Incoming;
use crate::text::printable;

/// What the pods of one workload tell.
#[derive(Debug, Default)]
pub struct Observed {
    /// Number of pods that are not done.
    pub(crate) pods: u32,
    /// How many of these are hardened, under whichever policy, and run well.
    pub(crate) hardened_pods: u32,
    /// A hardened pod that does not run well.
    pub(crate) failing: Option<FailingPod>,
    /// Uids of the containers that are not hardened, or why they are not known.
    users: BTreeMap<String, Result<i64, Unseen>>,
    /// For each hardened pod that runs well: its policy as `NAME@REVISION`, and what it runs.
    hardened: Vec<(String, Programs)>,
    /// A container that does not start and why, and the policy that its pod is hardened by, if any.
    trouble: Option<Trouble>,
    /// The same for a pod that has failed, which matters only if no other pod comes after it.
    failed: Option<Trouble>,
    /// Running debug containers, at most [`MAX_DEBUG`].
    pub(crate) debug: Vec<DebugContainer>,
    /// A pod that is not hardened: its name and its containers, which show whether others were
    /// added to the template's.
    pub(crate) sample: Option<(String, Vec<String>)>,
}

/// A hardened pod that does not run well: its name, the container, and what is reported of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailingPod {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// What the kubelet reports.
    pub message: String,
}

/// A container that does not start or has failed.
#[derive(Clone, Debug)]
struct Trouble {
    container: String,
    /// The reason, as the kubelet reports it.
    what: String,
    /// The policy that its pod is hardened by, as `NAME@REVISION`.
    hardened_by: Option<String>,
    /// What hardening has to do with it: the symptom, and what helps.
    broken: Option<Box<Advice>>,
}

/// An ephemeral container that runs in a pod, whatever its workload's template says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DebugContainer {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The uid it runs as, if the kubelet or its spec gives one; null otherwise.
    pub uid: Option<i64>,
    /// Whether it is privileged.
    pub privileged: bool,
    /// Whether it may be root: by its uid, or because only its image decides.
    #[serde(rename = "mayBeRoot")]
    pub may_be_root: bool,
}

/// Maximum number of debug containers named for a workload.
const MAX_DEBUG: usize = 20;

/// What is observed of workloads, by the uids of their objects.
pub(crate) type ObservedByOwner = HashMap<String, Observed>;

impl Observed {
    /// Takes what a pod tells. `is_hardened` returns whether the pod is as a policy
    /// (`NAME@REVISION`) would have it.
    pub(crate) fn take(&mut self, pod: &Pod, is_hardened: impl Fn(&str) -> bool) {
        let status = pod.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
        if pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let hardened = hardened_by(pod).filter(|by| is_hardened(by));
        let over = matches!(phase, "Succeeded" | "Failed");
        self.pods += u32::from(!over);
        let statuses = || {
            let status = status.into_iter();
            status.flat_map(|status| {
                let init = status.init_container_statuses.iter().flatten();
                init.chain(status.container_statuses.iter().flatten())
            })
        };
        let now = Timestamp::now();
        if let Some((container, what)) = statuses().find_map(|status| trouble(status, now)) {
            if let (Some(_), false, None) = (&hardened, over, &self.failing) {
                let pod = pod.metadata.name.clone().unwrap_or_default();
                let (container, message) = (container.clone(), what.clone());
                self.failing = Some(FailingPod { pod, container, message });
            }
            let broken = hardened.as_ref().and_then(|_| broken(pod, &container, now));
            let trouble = Trouble { container, what, hardened_by: hardened.clone(), broken };
            // An earlier failure of a Job's pod is over, unless the Job has failed with it.
            let kept = if over { &mut self.failed } else { &mut self.trouble };
            // What hardening breaks is more to the point than what fails otherwise.
            if kept.as_ref().is_none_or(|kept| kept.broken.is_none() && trouble.broken.is_some()) {
                *kept = Some(trouble);
            }
        }
        if !over {
            let room = MAX_DEBUG.saturating_sub(self.debug.len());
            self.debug.extend(debug(pod).take(room));
        }
        match hardened {
            Some(policy) => {
                let ready = phase == "Succeeded"
                    || phase == "Running"
                        && statuses().all(|status| stays(status, now) || done(status));
                self.hardened_pods += u32::from(ready && !over);
                let ran = (policy, pod.spec.as_ref().map(programs).unwrap_or_default());
                if ready && !self.hardened.contains(&ran) {
                    self.hardened.push(ran);
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

    /// Records that a container was seen as this user.
    fn ran_as(&mut self, container: &str, uid: i64) {
        let known = self.users.entry(container.to_owned()).or_insert(Ok(uid));
        match known {
            Ok(other) if *other != uid => *known = Err(Unseen::Differs),
            Ok(_) | Err(Unseen::Differs) => {}
            Err(_) => *known = Ok(uid),
        }
    }

    /// Records that a container runs as an unknown user, and why it is unknown.
    fn runs(&mut self, container: &str, unseen: Unseen) {
        self.users.entry(container.to_owned()).or_insert(Err(unseen));
    }

    /// What is known of how the containers run.
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

    /// Risk that the pods themselves show. One that does not run as it is tells nothing of how it
    /// will run. One that does not run although this policy (`NAME@REVISION`) hardened it tells
    /// all. `over` is the failure of a workload that no longer has a pod that could start.
    pub(crate) fn risk(&self, policy: &str, over: Option<&str>) -> Option<Risk> {
        let unseen = || Trouble {
            container: "pod".to_owned(),
            what: over.unwrap_or_default().to_owned(),
            hardened_by: None,
            broken: None,
        };
        let Trouble { container, what, hardened_by, broken } = match over {
            Some(_) => &self.failed.clone().unwrap_or_else(unseen),
            None => self.trouble.as_ref()?,
        };
        let certain = hardened_by.as_deref() == Some(policy);
        let fails = if over.is_some() { "failed" } else { "does not start" };
        let hardened = || format!("a pod that this policy hardened {fails}: {what}");
        let cause = match broken {
            Some(advice) if certain => advice.symptom.cause,
            _ => Cause::FailsToday,
        };
        let (why, remedy) = match (certain, broken, advice(what)) {
            (true, Some(advice), _) => {
                (format!("{}; {}", hardened(), advice.symptom.why), advice.remedy(Some(container)))
            }
            (true, None, Some(advice)) => (hardened(), advice.remedy(Some(container))),
            (true, None, None) => {
                (hardened(), "`ironhull explain POD` explains the message".to_owned())
            }
            (false, ..) if over.is_some() => {
                (format!("it has failed: {what}"), "fix the cause, and create it again".to_owned())
            }
            (false, ..) => (
                format!("it does not run today either: {what}"),
                "fix that first, then run this again".to_owned(),
            ),
        };
        Some(Risk {
            container: container.clone(),
            cause,
            certain,
            why,
            remedy: Remedy::Try(remedy),
        })
    }

    /// Whether a pod hardened by this policy (`NAME@REVISION`) runs what `template` (its JSON)
    /// would. The template may have been changed since.
    pub(crate) fn runs_hardened(&self, policy: &str, template: &str) -> bool {
        #[derive(Deserialize)]
        struct Template {
            spec: PodSpec,
        }
        let mut ran = self.hardened.iter().filter(|(by, _)| by == policy).peekable();
        // A template that cannot be read is reported where it is judged.
        ran.peek().is_some()
            && serde_json::from_str(template).is_ok_and(|Template { spec }| {
                let wanted = programs(&spec);
                ran.any(|(_, ran)| wanted.iter().all(|(name, it)| ran.get(name) == Some(it)))
            })
    }
}

/// The running ephemeral containers of a pod.
fn debug(pod: &Pod) -> impl Iterator<Item = DebugContainer> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let windows = |spec: &&PodSpec| spec.os.as_ref().is_some_and(|os| os.name == "windows");
    let spec = pod.spec.as_ref().filter(|spec| !windows(spec));
    let of_spec = move |spec: &'_ PodSpec, container: &EphemeralContainer| {
        let status =
            pod.status.iter().flat_map(|s| s.ephemeral_container_statuses.iter().flatten());
        let status = status.into_iter().find(|status| status.name == container.name)?;
        runs(status).then_some(())?;
        let own = container.security_context.as_ref();
        let outer = spec.security_context.as_ref();
        let linux = status.user.as_ref().and_then(|user| user.linux.as_ref());
        let uid = linux.map(|linux| linux.uid);
        let said = author(outer, own);
        let uid = uid.or(said.uid);
        Some(DebugContainer {
            pod: name.clone(),
            container: container.name.clone(),
            uid,
            privileged: own.and_then(|context| context.privileged) == Some(true),
            may_be_root: uid.map_or(said.non_root != Some(true), |uid| uid == 0),
        })
    };
    spec.into_iter().flat_map(move |spec| {
        let of_spec = of_spec.clone();
        spec.ephemeral_containers.iter().flatten().filter_map(move |it| of_spec(spec, it))
    })
}

/// The status of a container, of whichever kind.
pub fn status_of<'p>(pod: &'p Pod, name: &str) -> Option<&'p ContainerStatus> {
    let status = pod.status.as_ref()?;
    let all = [
        &status.container_statuses,
        &status.init_container_statuses,
        &status.ephemeral_container_statuses,
    ];
    all.into_iter().flatten().flatten().find(|status| status.name == name)
}

/// The names of a pod's containers.
fn containers(pod: &Pod) -> Vec<String> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers))
        .map(|container| container.name.clone())
        .collect()
}

/// What each container runs, by its name: image, command and arguments.
type Programs = BTreeMap<String, (Option<String>, Vec<String>, Vec<String>)>;

fn programs(spec: &PodSpec) -> Programs {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let program = |it: &Container| {
        let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
        (it.name.clone(), (it.image.clone(), words(&it.command), words(&it.args)))
    };
    containers.map(program).collect()
}

/// The policy named in the note on a hardened pod.
fn hardened_by(pod: &Pod) -> Option<String> {
    let note = pod.metadata.annotations.as_ref()?.get(HARDENED_ANNOTATION)?;
    Some(Incoming::read(note)?.policy()?.to_owned())
}

/// What hardening has to do with a container that fails, as far as that is known without its log.
fn broken(pod: &Pod, container: &str, now: Timestamp) -> Option<Box<Advice>> {
    let note = pod.metadata.annotations.as_ref()?.get(HARDENED_ANNOTATION)?;
    let (note, spec) = (Incoming::read(note)?, pod.spec.as_ref()?);
    let all = breakage::ailments(spec, pod.status.as_ref()?, now);
    let ailment = all.iter().find(|ailment| ailment.container == container)?;
    let before = Before::Unseen;
    match breakage::judge(&Evidence { pod: spec, note: &note, ailment, log: None, before }) {
        Diagnosis::Hardening(advice) => Some(advice),
        Diagnosis::Other | Diagnosis::Unknown => None,
    }
}

fn runs(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

fn done(status: &ContainerStatus) -> bool {
    let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref());
    ended.is_some_and(|ended| ended.exit_code == 0)
}

/// Reasons for which the kubelet does not start a container, or no longer does.
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

/// Name of a container, and what keeps it from running.
fn trouble(status: &ContainerStatus, now: Timestamp) -> Option<(String, String)> {
    let state = status.state.as_ref()?;
    let waiting = state.waiting.as_ref();
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    // A container that crashes is in back-off, or is about to run again. What it ended with is more
    // to the point.
    let ended = state.terminated.as_ref().or(last).filter(|ended| ended.exit_code != 0);
    let what = match ended {
        Some(ended) if !stays(status, now) => {
            let message = ended.message.as_deref().map(|m| format!(": {}", m.trim()));
            format!("exited with code {}{}", ended.exit_code, message.unwrap_or_default())
        }
        _ if !TROUBLES.contains(&reason) => return None,
        _ if message.is_empty() => reason.to_owned(),
        _ => format!("{reason}: {}", message.split(" (pod: ").next().unwrap_or(message)),
    };
    Some((status.name.clone(), printable(&what, MAX_TROUBLE).into_owned()))
}

/// Maximum length of a message that is shown.
const MAX_TROUBLE: usize = 160;
