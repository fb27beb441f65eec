//! How a container fails, as the kubelet reports it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateTerminated, ContainerStatus, PodSpec, PodStatus, Probe,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A container that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ailment {
    /// The container.
    pub container: String,
    /// How it fails.
    pub sign: Sign,
    /// What the kubelet says of it, or the program in its termination message.
    pub message: Option<String>,
    /// The uid of its first process, if the kubelet reports it.
    pub uid: Option<i64>,
    /// Whether its log is that of the run before the present one.
    pub previous: bool,
}

/// How a container fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The kubelet or the container runtime does not start it.
    Refused,
    /// It ended by itself, with an error, soon after its start or again and again.
    Exited,
    /// It has been running for a while, and is not ready. `ports` are those of its probes.
    NotReady {
        /// Ports that its probes ask.
        ports: Vec<u16>,
    },
    /// It fails in a way that hardening does not cause: its image is missing, its memory did not
    /// suffice, a probe had it killed.
    Other,
}

/// Reasons for which the kubelet does not start a container that exists, or that it cannot make.
const REFUSALS: [&str; 5] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
    "ContainerCannotRun",
];
/// Reasons that have nothing to do with what is in the container.
const OF_IMAGES: [&str; 5] =
    ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "OOMKilled"];
/// Exit codes of a container that was killed: by SIGKILL, and by SIGTERM.
const KILLED: [i32; 2] = [137, 143];
/// A container that ended sooner than this after its start did not get far.
const SOON: SignedDuration = SignedDuration::from_secs(60);
/// How long a container may run before it is ready. Nothing is claimed for this reason alone.
const READY_WITHIN: SignedDuration = SignedDuration::from_secs(45);
/// How much longer than its last run a container must run to have recovered: kubelets are slow to
/// report, and their clocks are not ours.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// The containers of a pod that fail.
pub fn ailments(spec: &PodSpec, status: &PodStatus, now: Timestamp) -> Vec<Ailment> {
    if status.reason.as_deref() == Some("Evicted") {
        return evicted(spec, status).into_iter().collect();
    }
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    all.filter_map(|it| ailment(spec, it, now)).collect()
}

/// Whether all of a pod's containers do well, or may still. `None` if the pod has no containers yet.
pub fn recovers(status: &PodStatus, now: Timestamp) -> Option<bool> {
    let all = status.container_statuses.as_ref()?;
    Some(all.iter().all(|it| it.ready && stays(it, now)))
}

fn ailment(spec: &PodSpec, status: &ContainerStatus, now: Timestamp) -> Option<Ailment> {
    let state = status.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let running = state.and_then(|state| state.running.as_ref());
    let reason = waiting.and_then(|it| it.reason.as_deref()).unwrap_or_default();
    let linux = status.user.as_ref().and_then(|user| user.linux.as_ref());
    let of = |sign, message: Option<&str>| {
        let message = message.map(str::trim).filter(|message| !message.is_empty());
        Ailment {
            container: status.name.clone(),
            sign,
            message: message.map(str::to_owned),
            uid: linux.map(|linux| linux.uid),
            previous: running.is_some(),
        }
    };
    if REFUSALS.contains(&reason) {
        return Some(of(Sign::Refused, waiting.and_then(|it| it.message.as_deref())));
    }
    if OF_IMAGES.contains(&reason) {
        return Some(of(Sign::Other, None));
    }
    let now_ended = state.and_then(ended);
    let last = status.last_state.as_ref().and_then(ended);
    if let Some(end) = now_ended.or(last).filter(|_| !stays(status, now)) {
        let sign = sign(end, reason);
        return sign.map(|sign| of(sign, end.message.as_deref()));
    }
    let container = spec.containers.iter().find(|it| it.name == status.name)?;
    let since = running?.started_at.as_ref()?.0;
    let late = !status.ready && now.duration_since(since) > READY_WITHIN;
    let sign = Sign::NotReady { ports: ports(container) };
    late.then(|| Ailment { previous: false, ..of(sign, None) })
}

/// An eviction, as the ailment of the container whose volume it is about, else of the first.
fn evicted(spec: &PodSpec, status: &PodStatus) -> Option<Ailment> {
    let message = status.message.clone()?;
    let mounts = |container: &&Container| {
        let mut mounts = container.volume_mounts.iter().flatten();
        mounts.any(|mount| message.contains(&format!("\"{}\"", mount.name)))
    };
    let container = spec.containers.iter().find(mounts).or(spec.containers.first())?;
    let (container, sign, message) = (container.name.clone(), Sign::Refused, Some(message));
    Some(Ailment { container, sign, message, uid: None, previous: false })
}

fn ended(state: &ContainerState) -> Option<&ContainerStateTerminated> {
    state.terminated.as_ref().filter(|it| it.exit_code != 0)
}

/// How a container ended. `None` if it ran for long, and may have ended for any reason.
fn sign(end: &ContainerStateTerminated, waiting: &str) -> Option<Sign> {
    let reason = end.reason.as_deref().unwrap_or_default();
    if REFUSALS.contains(&reason) {
        return Some(Sign::Refused);
    }
    if OF_IMAGES.contains(&reason) || KILLED.contains(&end.exit_code) {
        return Some(Sign::Other);
    }
    let ran = end.started_at.as_ref().zip(end.finished_at.as_ref());
    let soon = ran.is_none_or(|(from, to)| to.0.duration_since(from.0) < SOON);
    (soon || waiting == "CrashLoopBackOff").then_some(Sign::Exited)
}

/// Whether a container is ready and will be in a moment. A container that crashes again and again
/// is ready in between: it counts once it has run for longer than when it last failed.
pub(crate) fn stays(status: &ContainerStatus, now: Timestamp) -> bool {
    let stayed = || {
        let last =
            status.last_state.as_ref()?.terminated.as_ref().filter(|it| it.exit_code != 0)?;
        let running = status.state.as_ref()?.running.as_ref()?;
        let then = last.finished_at.as_ref()?.0.duration_since(last.started_at.as_ref()?.0);
        Some(now.duration_since(running.started_at.as_ref()?.0) > then + SLACK)
    };
    let ended = status.state.as_ref().is_some_and(|state| state.terminated.is_some());
    status.ready && !ended && stayed().unwrap_or(true)
}

/// The ports that a container's probes ask.
fn ports(container: &Container) -> Vec<u16> {
    let probes = [&container.readiness_probe, &container.startup_probe, &container.liveness_probe];
    probes.into_iter().flatten().filter_map(|probe| port(container, probe)).collect()
}

fn port(container: &Container, probe: &Probe) -> Option<u16> {
    let http = probe.http_get.as_ref().map(|it| &it.port);
    let number = match http.or_else(|| probe.tcp_socket.as_ref().map(|it| &it.port))? {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            ports.find(|port| port.name.as_ref() == Some(name))?.container_port
        }
    };
    u16::try_from(number).ok()
}
