//! Why a pod does not run: what the kubelet reports of its containers, what events report, and
//! known lines of a log.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::Reader;
use crate::cluster::namespaces::NamespaceSettings;
use crate::exemption::DOMAIN;
use crate::foresight::advice::{Advice, Fix, Mounts, advice, last_known};
use crate::foresight::mend::listed;
use crate::pod::Pod as View;
use crate::provenance::Incoming;
use crate::terminal::table::{BOLD, DIM};
use crate::text::{clean, printable};

/// A message about why a pod does not run, and what it means.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Trouble {
    /// The container; null if it is about the whole pod.
    pub container: Option<String>,
    /// Source of the message: `kubelet`, `event` or `log`.
    pub source: &'static str,
    /// The message.
    pub message: String,
    /// Its cause; null if hardening is not known to cause it.
    pub cause: Option<&'static str>,
    /// What to do; null if `cause` is.
    pub remedy: Option<String>,
    /// The section of docs/troubleshooting.md with more; null if `cause` is.
    pub section: Option<&'static str>,
    /// What the message means; `None` if `cause` is.
    #[serde(skip)]
    pub(super) advice: Option<Advice>,
    /// Whether something that may say more could not be read.
    #[serde(skip)]
    pub(super) unread: bool,
}

/// Maximum length of a message that is kept.
const MAX_MESSAGE: usize = 400;
/// Number of a log's last lines that are read: what a program dies of, it reports at the end.
const LINES: usize = 50;

/// Everything that keeps the pod from running.
pub(super) async fn of(
    reader: &Reader,
    namespace: &NamespaceSettings,
    pod: &Pod,
    view: &View<'_>,
    note: Option<&Incoming>,
) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let status = pod.status.as_ref();
    for condition in status.iter().flat_map(|status| status.conditions.iter().flatten()) {
        if condition.type_ == "PodScheduled" && condition.status == "False" {
            let message = condition.message.as_deref().unwrap_or_default();
            troubles.push(Trouble::new(None, "kubelet", message));
        }
    }
    if let Some(message) = status.and_then(|status| status.message.as_deref()) {
        troubles.push(Trouble::new(None, "kubelet", message));
    }
    let init = status.iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    let app = status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    for status in init.chain(app) {
        let before = troubles.len();
        of_container(reader, namespace, pod, status, &mut troubles).await;
        if let (Some(note), true) = (note, troubles.len() == before) {
            troubles.extend(complaint(reader, namespace, pod, status, note).await);
        }
    }
    // How somebody's debugging ended is their business. That it does not begin may be ours.
    for status in status.iter().flat_map(|s| s.ephemeral_container_statuses.iter().flatten()) {
        let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
        if waiting.is_some() {
            of_container(reader, namespace, pod, status, &mut troubles).await;
        }
    }
    for trouble in &mut troubles {
        trouble.beside(view);
    }
    // Events repeat the kubelet's status. They are read only for what it does not say.
    if troubles.is_empty() && status.and_then(|s| s.phase.as_deref()) == Some("Pending") {
        troubles.extend(events(reader, namespace, pod).await);
    }
    troubles
}

async fn of_container(
    reader: &Reader,
    namespace: &NamespaceSettings,
    pod: &Pod,
    status: &ContainerStatus,
    troubles: &mut Vec<Trouble>,
) {
    let container = Some(status.name.as_str());
    let state = status.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
    let ended = |state: &k8s_openapi::api::core::v1::ContainerState| {
        state.terminated.clone().filter(|ended| ended.exit_code != 0)
    };
    let last = state.and_then(ended).or_else(|| status.last_state.as_ref().and_then(ended));
    let starting = matches!(reason, "" | "ContainerCreating" | "PodInitializing");
    if !starting && reason != "CrashLoopBackOff" {
        let message = if message.is_empty() { reason } else { message };
        troubles.push(Trouble::new(container, "kubelet", message));
        return;
    }
    // What it ended with is more to the point than the back-off.
    let Some(ended) = last.filter(|_| !status.ready) else { return };
    let said = ended.message.as_deref().map(str::trim).filter(|message| !message.is_empty());
    let code = ended.exit_code;
    let known = said.filter(|message| advice(message).is_some());
    // What it died of is in the log of the run that has ended: the present one, until the kubelet starts
    // the next, which may be between two requests.
    let runs = match state.is_some_and(|state| state.terminated.is_some()) {
        true => [false, true],
        false => [true, false],
    };
    let line = match known {
        Some(_) => Ok(None),
        None => line_of_log(reader, namespace, pod, &status.name, &runs).await,
    };
    troubles.push(match (line, said) {
        (Ok(Some((line, found))), _) => Trouble::with(container, "log", &line, Some(found)),
        (_, Some(message)) => Trouble::new(container, "kubelet", message),
        (Ok(None), None) => {
            let message = format!("exited with code {code}; its log has no known message");
            Trouble::with(container, "kubelet", &message, None)
        }
        (Err(why), None) => {
            let message = format!("exited with code {code}; its log cannot be read: {why}");
            Trouble::unread(container, "kubelet", &message)
        }
    });
}

/// What a container that runs complains of in its log, if hardening can be the reason: a rule that
/// leads to such a message was set in it.
async fn complaint(
    reader: &Reader,
    namespace: &NamespaceSettings,
    pod: &Pod,
    status: &ContainerStatus,
    note: &Incoming,
) -> Option<Trouble> {
    status.state.as_ref()?.running.as_ref()?;
    let (line, found) =
        line_of_log(reader, namespace, pod, &status.name, &[false]).await.ok()??;
    let ours = found
        .symptom
        .rules
        .iter()
        .any(|rule| note.has_set_in(&status.name, *rule) || note.has_set_on_pod(*rule));
    ours.then(|| Trouble::with(Some(&status.name), "log", &line, Some(found)))
}

/// The last line that is recognised in the container's logs: of the run before (`previous`) or of the
/// present one, in this order. If there is none, and a log could not be read: why.
async fn line_of_log(
    reader: &Reader,
    namespace: &NamespaceSettings,
    pod: &Pod,
    container: &str,
    previous: &[bool],
) -> Result<Option<(String, Advice)>, String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let path = format!("/api/v1/namespaces/{}/pods/{name}/log", namespace.name);
    let mounts = pod.spec.as_ref().and_then(|spec| {
        let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
        all.find(|it| it.name == container).map(|it| Mounts::of(spec, it))
    });
    let mut unread = None;
    for previous in previous {
        let query = format!("{path}?container={container}&tailLines={LINES}&previous={previous}");
        match reader.text_at(&query).await {
            Ok(log) => {
                let found = log.as_deref().and_then(|log| last_known(log, mounts.as_ref()));
                if let Some(found) = found {
                    return Ok(Some((found.line.to_owned(), found.advice)));
                }
            }
            Err(why) => unread = Some(why),
        }
    }
    unread.map_or(Ok(None), Err)
}

/// The last warning about the pod, or why there is none to be had.
async fn events(reader: &Reader, namespace: &NamespaceSettings, pod: &Pod) -> Option<Trouble> {
    #[derive(Deserialize)]
    struct Events {
        items: Vec<Event>,
    }
    let uid = pod.metadata.uid.as_deref()?;
    let path = format!(
        "/api/v1/namespaces/{}/events?fieldSelector=involvedObject.uid%3D{uid}&limit=100",
        namespace.name
    );
    let events = match reader.text_at(&path).await {
        Ok(events) => events?,
        Err(why) => {
            let message = format!("its events cannot be read: {why}");
            return Some(Trouble::unread(None, "event", &message));
        }
    };
    let events: Events = serde_json::from_str(&events).ok()?;
    let warnings = events.items.iter().filter(|event| event.type_.as_deref() == Some("Warning"));
    let last = warnings.max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0))?;
    Some(Trouble::new(None, "event", last.message.as_deref()?))
}

impl Trouble {
    fn new(container: Option<&str>, source: &'static str, message: &str) -> Self {
        // The kubelet's message ends with the pod's name, which is known here.
        let message = message.split(" (pod: ").next().unwrap_or(message);
        Self::with(container, source, message, advice(message))
    }

    /// What is left to say where something cannot be read, in our own words.
    fn unread(container: Option<&str>, source: &'static str, message: &str) -> Self {
        Self { unread: true, ..Self::with(container, source, message, None) }
    }

    fn with(
        container: Option<&str>,
        source: &'static str,
        message: &str,
        found: Option<Advice>,
    ) -> Self {
        let message = printable(message.trim(), MAX_MESSAGE).into_owned();
        let remedy = found.as_ref().map(|advice| advice.remedy(container));
        Self {
            container: container.map(str::to_owned),
            source,
            cause: found.as_ref().map(|advice| advice.symptom.why),
            remedy,
            section: found.as_ref().map(|advice| advice.symptom.section),
            message,
            advice: found,
            unread: false,
        }
    }

    /// Keeps the paths of an annotation that exists already, instead of overwriting it.
    fn beside(&mut self, pod: &View<'_>) {
        let (Some(advice), Some(container)) = (&self.advice, &self.container) else { return };
        let Some(Fix::WritablePath { path, seed }) = advice.fixes.first() else { return };
        let own = pod.annotation(&format!("{container}.{DOMAIN}/writable-paths"));
        let own = own.map(|own| printable(own, MAX_MESSAGE));
        if let Some(paths) = listed(own.as_deref(), path, *seed) {
            self.remedy = Some(Fix::writable(Some(container), &paths));
        }
    }

    pub(super) fn text(&self) -> String {
        let Self { container, source, message, cause, remedy, section, advice: _, unread: _ } =
            self;
        let of = container.as_deref().map(|name| format!("{}, ", clean(name))).unwrap_or_default();
        let mut text = format!("\n  {BOLD}{of}{source}:{BOLD:#} {}\n", clean(message));
        if let (Some(cause), Some(remedy), Some(section)) = (cause, remedy, section) {
            text.push_str(&format!("    why:  {cause}\n    do:   {remedy}\n"));
            text.push_str(&format!("    {DIM}more: docs/troubleshooting.md#{section}{DIM:#}\n"));
        }
        text
    }
}
