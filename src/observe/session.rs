//! One observation: an ephemeral container is added to a pod, attached to, read until it ends.
//!
//! Nothing is left running. The agent ends when its time is over, and when its standard input ends,
//! which the kubelet sees to when this end of the connection goes away, however that happens.

mod door;
mod lines;
mod log;

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::api::{Api, AttachParams, AttachedProcess, Patch, PatchParams};
use kube::{Client, Error};
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::snapshot::Snapshot;
use super::targets::Target;
use crate::cluster::message_of;
use crate::foresight::observed::status_of;
use crate::text::printable;
use door::Door;
use lines::Lines;

/// How long the container may take to run: its image may have to be pulled.
const START: Duration = Duration::from_secs(120);
/// Pause between two looks at the pod.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long after its time the agent may still be silent.
const GRACE: Duration = Duration::from_secs(60);
/// How long the agent may take to end when it is told to: it searches once more, and that may take
/// [`Limits::time`](crate::observe::walk::Limits).
const FAREWELL: Duration = Duration::from_secs(45);
/// Looks at an agent that has ended: what is known of it may be a moment late.
const LOOKS: u32 = 10;
/// How much earlier than it was told an agent may end.
const EARLY: Duration = Duration::from_secs(1);
/// Bytes of the agent's output that are held: a snapshot arrives in few pieces then.
const BUFFER: usize = 64 << 10;
/// Maximum length of a message from the cluster.
const MAX_MESSAGE: usize = 300;

/// What was seen of one container.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The last snapshot.
    pub snapshot: Snapshot,
    /// What cut it short, for people; `None` if it went on as long as it should or was stopped.
    pub ended: Option<String>,
    /// Why the files could not be seen, if the cluster refused what was needed for that.
    pub no_files: Option<String>,
}

/// Observes one container until its time is over or `stop` says so.
///
/// # Errors
/// Why it could not be observed, as one line for people.
pub async fn observe(
    client: &Client,
    namespace: &str,
    target: &Target,
    time: Duration,
    mut stop: watch::Receiver<bool>,
) -> Result<Seen, String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    add(&pods, target).await?;
    let mut door = Door::default();
    let read = match started(&pods, target, &mut stop).await? {
        Agent::Runs => attached(&pods, target, time, &mut door, &mut stop).await?,
        Agent::IsOver => None,
    };
    let last = match read {
        Some(snapshot) if snapshot.last => Some(snapshot),
        // A busy cluster may attach when all is said, what is said last may not arrive, and
        // connections break.
        early => log::last(&pods, target).await.or(early),
    };
    // An agent ends when nobody reads it any more, too.
    let is_whole = |it: &Snapshot| {
        it.last && (*stop.borrow() || Duration::from_millis(it.millis) + EARLY >= time)
    };
    let ended = match &last {
        Some(snapshot) if is_whole(snapshot) => since_then(&pods, target).await,
        _ => Some(why_ended(&pods, target).await),
    };
    match last {
        Some(snapshot) => {
            let no_files = door.trouble.filter(|_| !snapshot.root.open);
            Ok(Seen { snapshot, ended, no_files })
        }
        None => Err(ended.unwrap_or_else(|| "the agent said nothing".to_owned())),
    }
}

/// What an agent has come to when it is first seen.
enum Agent {
    Runs,
    /// Its time was over before anybody looked.
    IsOver,
}

/// Attaches to the agent and reads until it ends; gives the last snapshot.
async fn attached(
    pods: &Api<Pod>,
    target: &Target,
    time: Duration,
    door: &mut Door,
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<Snapshot>, String> {
    let parameters = AttachParams {
        max_stdout_buf_size: Some(BUFFER),
        ..AttachParams::default().container(&target.agent_name).stdin(true).stderr(false)
    };
    let mut attached = match pods.attach(&target.pod, &parameters).await {
        Ok(attached) => attached,
        // It may have ended since it was seen.
        Err(_) if matches!(log::latest(pods, target).await, Ok(Some(it)) if it.last) => {
            return Ok(None);
        }
        Err(error) => {
            let (why, time) = (message_of(&error), time.as_secs());
            return Err(format!(
                "cannot be attached to: {why}; its agent ends by itself in {time} s"
            ));
        }
    };
    Ok(read(pods, target, &mut attached, time, door, stop).await)
}

/// Adds the ephemeral container, after a dry run: it could not be removed again.
async fn add(pods: &Api<Pod>, target: &Target) -> Result<(), String> {
    let patch = Patch::Strategic(json!({"spec": {"ephemeralContainers": [target.agent]}}));
    let name = target.pod.as_str();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let would_be = pods.patch_ephemeral_containers(name, &dry, &patch).await;
    let would_be = would_be.map_err(|error| refused(&error))?;
    check_user(&would_be, target)?;
    let added = pods.patch_ephemeral_containers(name, &PatchParams::default(), &patch).await;
    added.map(|_| ()).map_err(|error| refused(&error))
}

/// Whether the agent keeps the user it needs: a namespace that hardens what is added may give it
/// another one than its target, which runs from before, has.
fn check_user(would_be: &Pod, target: &Target) -> Result<(), String> {
    let spec = would_be.spec.as_ref();
    let mut added = spec.into_iter().flat_map(|spec| spec.ephemeral_containers.iter().flatten());
    let added = added.find(|it| it.name == target.agent_name);
    let uid = added.and_then(|it| it.security_context.as_ref()?.run_as_user);
    let wanted = target.user.map_or(0, |(uid, _)| uid);
    match uid {
        Some(uid) if uid != wanted => Err(format!(
            "runs as {wanted}, but what is added to its pod is made to run as {uid} and could not see it: observe it in a namespace that does not harden, or after it is hardened itself"
        )),
        _ => Ok(()),
    }
}

fn refused(error: &Error) -> String {
    match error {
        Error::Api(status) if status.code == 403 => format!(
            "may not get an ephemeral container: {}; needed is the right to patch pods/ephemeralcontainers",
            message_of(error)
        ),
        error => format!("cannot get an ephemeral container: {}", message_of(error)),
    }
}

/// Waits until the agent runs.
async fn started(
    pods: &Api<Pod>,
    target: &Target,
    stop: &mut watch::Receiver<bool>,
) -> Result<Agent, String> {
    let deadline = Instant::now() + START;
    loop {
        let pod = match pods.get_opt(&target.pod).await {
            Ok(Some(pod)) => pod,
            Ok(None) => return Err("was deleted before it could be observed".to_owned()),
            Err(error) => return Err(format!("cannot be read: {}", message_of(&error))),
        };
        match state(&pod, &target.agent_name) {
            Some(ContainerState { running: Some(_), .. }) => return Ok(Agent::Runs),
            Some(ContainerState { terminated: Some(ended), .. }) if ended.exit_code == 0 => {
                return Ok(Agent::IsOver);
            }
            Some(ContainerState { terminated: Some(ended), .. }) => {
                let why = ended.reason.as_deref().unwrap_or_default();
                let message = ended.message.as_deref().unwrap_or_default();
                return Err(no_agent(why, message, ended.exit_code));
            }
            Some(ContainerState { waiting: Some(waiting), .. }) => {
                let why = waiting.reason.as_deref().unwrap_or_default();
                // `ContainerCreating` and `PodInitializing` pass.
                if why.contains("Err") || why.contains("BackOff") || why.contains("Invalid") {
                    let message = waiting.message.as_deref().unwrap_or_default();
                    return Err(format!(
                        "its agent does not start ({why}): {}; --image names another image",
                        printable(message, MAX_MESSAGE)
                    ));
                }
            }
            _ => {}
        }
        if let Some(why) = gone(&pod, target) {
            return Err(why);
        }
        if *stop.borrow() {
            return Err("was not observed: interrupted before its agent ran".to_owned());
        }
        if Instant::now() > deadline {
            return Err(format!("its agent did not start within {} s", START.as_secs()));
        }
        let _stopped = timeout(LOOK_EVERY, stop.changed()).await;
    }
}

/// Why an agent ended that has said nothing.
fn no_agent(reason: &str, message: &str, code: i32) -> String {
    format!(
        "its agent ended at once ({}, exit code {code}) {}; is its image an ironhull that can observe? --image names another",
        printable(reason, 40),
        printable(message, MAX_MESSAGE)
    )
}

fn state<'p>(pod: &'p Pod, container: &str) -> Option<&'p ContainerState> {
    status_of(pod, container)?.state.as_ref()
}

/// Reads snapshots until the agent ends; gives the last.
async fn read(
    pods: &Api<Pod>,
    target: &Target,
    attached: &mut AttachedProcess,
    time: Duration,
    door: &mut Door,
    stop: &mut watch::Receiver<bool>,
) -> Option<Snapshot> {
    let mut lines = Lines::new(attached.stdout()?);
    let mut input = attached.stdin();
    let mut deadline = Instant::now() + time + GRACE;
    let mut last: Option<Snapshot> = None;
    let mut told = false;
    loop {
        if *stop.borrow() && !told {
            told = true;
            deadline = Instant::now() + FAREWELL;
            end(&mut input).await;
        }
        tokio::select! {
            line = lines.next() => match line {
                Some(line) => last = snapshot(&line).or(last),
                None => break,
            },
            // Nothing else is sent; a sender that is gone stops nothing.
            changed = stop.changed(), if !told => if changed.is_err() { told = true },
            () = tokio::time::sleep_until(deadline) => break,
        }
        if let Some(snapshot) = &last {
            door.ask(pods, target, snapshot).await;
        }
    }
    door.close();
    attached.abort();
    last
}

/// Any input ends the agent. Closing it alone is known to newer API servers only.
async fn end<S: tokio::io::AsyncRead + tokio::io::AsyncWrite>(input: &mut Option<WriteHalf<S>>) {
    if let Some(input) = input {
        let _gone = input.write_all(b"end\n").await;
        let _gone = input.flush().await;
    }
}

/// What a line says; `None` if it is no snapshot. Whoever the target's user is can write to the
/// agent's output, too.
fn snapshot(line: &[u8]) -> Option<Snapshot> {
    let snapshot: Snapshot = serde_json::from_slice(line).ok()?;
    (snapshot.version == super::snapshot::VERSION).then_some(snapshot)
}

/// Why the target cannot be observed any more, if that is so.
fn gone(pod: &Pod, target: &Target) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("its pod is being deleted".to_owned());
    }
    let status = status_of(pod, &target.container)?;
    let id = status.container_id.as_deref().unwrap_or_default();
    if status.restart_count > target.restarts || !id.ends_with(&target.id) {
        let before = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let code = before.map_or(String::new(), |it| format!(" (exit code {})", it.exit_code));
        return Some(format!("it restarted{code}"));
    }
    let ended = status.state.as_ref()?.terminated.as_ref()?;
    Some(format!("it ended (exit code {})", ended.exit_code))
}

/// What happened to the target of an agent that ended in order.
async fn since_then(pods: &Api<Pod>, target: &Target) -> Option<String> {
    match pods.get_opt(&target.pod).await {
        Ok(Some(pod)) => gone(&pod, target),
        Ok(None) => Some("its pod was deleted".to_owned()),
        Err(_) => None,
    }
}

/// Why an agent ended before its time. The pod's status may be a moment late.
async fn why_ended(pods: &Api<Pod>, target: &Target) -> String {
    for _ in 0..LOOKS {
        let pod = match pods.get_opt(&target.pod).await {
            Ok(Some(pod)) => pod,
            Ok(None) => return "its pod was deleted".to_owned(),
            Err(error) => return format!("the cluster is away: {}", message_of(&error)),
        };
        if let Some(why) = gone(&pod, target) {
            return why;
        }
        if let Some(ContainerState { terminated: Some(ended), .. }) =
            state(&pod, &target.agent_name)
        {
            let why = ended.reason.as_deref().unwrap_or_default();
            // Ended or killed with its target, whose own status has yet to come.
            if !matches!(ended.exit_code, 0 | 137) || why == "OOMKilled" {
                return no_agent(
                    why,
                    ended.message.as_deref().unwrap_or_default(),
                    ended.exit_code,
                );
            }
        }
        sleep(LOOK_EVERY).await;
    }
    "the connection to its agent was lost".to_owned()
}
