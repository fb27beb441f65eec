//! Follows one resource: a list, then a watch from there on, again and again.
//!
//! An API server that can do so (Kubernetes 1.32 and later, KEP-3157) sends the list as a stream of
//! events, object by object. Others send it in pages. Either way, what was known stays until the
//! list is complete.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{ListParams, Request, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::lines::{Lines, Next};
use super::state::ClusterState;
use super::trouble::Trouble;
use crate::cluster::namespaces::{NAMESPACES, OPT_IN};
use crate::cluster::{Page, Resource, root_cause};
use crate::pod::{StringMap, Text, view};
use crate::text::printable;

pub use super::tally::What;

static PODS: Resource = Resource::built_in("/api/v1", "pods");

/// Duration of a watch, in seconds, before the API server ends it. Its own usual is 5 to 10
/// minutes.
const WATCH_SECONDS: u32 = 290;
/// Maximum silence on a watch. The API server sends a bookmark every minute. Without one, the
/// server is asked again, which tells whether it is there.
const SILENCE: Duration = Duration::from_secs(150);
/// Timeout of an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Pause before the second try. It doubles before each further one, up to the last pause.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// Minimum time from one list to the next. Lists cost the API server something, and anybody who may
/// label namespaces can cause them.
const BETWEEN_LISTS: Duration = Duration::from_secs(5);
/// Number of objects in a page: of the largest pods, a few megabytes.
const PAGE: u32 = 50;
/// Maximum length of a message that is shown.
const MAX_MESSAGE: usize = 400;

/// Annotation that marks the end of a list that comes as a stream.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Follows one resource.
pub struct Follower {
    client: Client,
    server: String,
    what: What,
    state: Arc<ClusterState>,
    /// `resourceVersion` to resume from; `None` until the first list completes.
    version: Option<String>,
    /// Whether to ask for lists as streams.
    streams: bool,
    pause: Duration,
    /// Earliest time of the next list.
    next_list: Instant,
}

#[derive(Deserialize)]
struct Event<'e> {
    r#type: &'e str,
    #[serde(borrow)]
    object: &'e RawValue,
}

view! {
    /// Fields of every object, and of a `Status` sent in place of one.
    pub struct Meta<'a> {
        metadata: Versioned<'a> = "metadata",
        code: i64 = "code",
        message: Text<'a> = "message",
    }
}

view! {
    /// `metadata`.
    pub struct Versioned<'a> {
        resource_version: Text<'a> = "resourceVersion",
        annotations: StringMap<'a> = "annotations",
    }
}

impl Follower {
    /// Follows `what` through `client` and reports to `state`. `server` names the API server.
    pub fn new(client: Client, server: String, what: What, state: Arc<ClusterState>) -> Self {
        Self {
            client,
            server,
            what,
            state,
            version: None,
            streams: true,
            pause: FIRST_PAUSE,
            next_list: Instant::now(),
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let state = Arc::clone(&self.state);
        loop {
            let began = Instant::now();
            let ended = match self.what {
                What::Pods => tokio::select! {
                    ended = self.once() => ended,
                    // What is known stays until the new list is complete.
                    () = state.again() => {
                        self.version = None;
                        continue;
                    }
                },
                What::Namespaces => self.once().await,
            };
            let Err(trouble) = ended else {
                // A watch that something in between ends at once is not opened again at once.
                sleep_until(began + FIRST_PAUSE).await;
                continue;
            };
            state.failed(self.what, &trouble);
            match trouble {
                Trouble::NoStream => self.streams = false,
                Trouble::Gone => self.version = None,
                _ => {
                    sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    /// Runs until the API server ends the watch as agreed, or something goes wrong.
    async fn once(&mut self) -> Result<(), Trouble> {
        if let Some(version) = self.version.clone() {
            return self.watch(&version).await;
        }
        sleep_until(self.next_list).await;
        self.next_list = Instant::now() + BETWEEN_LISTS;
        self.state.begin(self.what);
        match self.streams {
            true => self.watch("").await,
            false => self.pages().await,
        }
    }

    /// Takes events from `version` on. If it is empty, events of everything that exists come first.
    async fn watch(&mut self, version: &str) -> Result<(), Trouble> {
        let mut listing = version.is_empty();
        let mut parameters = WatchParams::default().timeout(WATCH_SECONDS);
        parameters.label_selector = self.labels();
        if listing {
            parameters = parameters.initial_events();
        }
        let request = Request::new(self.listed().path(None));
        let request = match self.what {
            What::Namespaces => request.watch_metadata(&parameters, version),
            What::Pods => request.watch(&parameters, version),
        };
        let request = request.map_err(|error| unasked(&error))?;
        let client = self.client.clone();
        let stream = match timeout(ANSWER, client.request_stream(request)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.failed("watch", listing, &error)),
            Err(_) => return Err(self.silent()),
        };
        if !listing {
            self.well();
        }
        let mut lines = Lines::new(stream);
        loop {
            let line = match timeout(SILENCE, lines.next()).await {
                Ok(Ok(Next::Line(line))) => line,
                Ok(Ok(Next::TooLong)) => {
                    self.state.unreadable(self.what, "it is too large");
                    continue;
                }
                Ok(Ok(Next::End)) if listing => return Err(self.broken("in the middle of a list")),
                // The server never marks the end of the list.
                Err(_) if listing => return Err(Trouble::NoStream),
                Ok(Ok(Next::End)) | Err(_) => return Ok(()),
                Ok(Err(error)) => {
                    return Err(self.broken(&printable(&error.to_string(), MAX_MESSAGE)));
                }
            };
            let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else {
                self.state.unreadable(self.what, "it is not an event");
                continue;
            };
            let through = self.event(&event, listing)?;
            if listing && through {
                listing = false;
                self.state.finish(self.what);
            }
            if !listing {
                self.well();
            }
        }
    }

    /// Takes an event. Returns whether it marks the end of a list.
    fn event(&mut self, event: &Event<'_>, listing: bool) -> Result<bool, Trouble> {
        let Ok(Meta { metadata, code, message, .. }) = serde_json::from_str(event.object.get())
        else {
            self.state.unreadable(self.what, "it is not an object");
            return Ok(false);
        };
        let mut through = false;
        match event.r#type {
            "ADDED" | "MODIFIED" => self.state.take(self.what, event.object, false),
            "DELETED" => self.state.take(self.what, event.object, true),
            "BOOKMARK" => through = metadata.annotations.get(INITIAL_EVENTS_END) == Some("true"),
            "ERROR" if code == 410 => return Err(Trouble::Gone),
            _ => {
                let message = printable(&message, MAX_MESSAGE);
                return Err(Trouble::Refused(format!(
                    "{} ended the watch: {message}",
                    self.server
                )));
            }
        }
        // Events during a list are in no order, so none of them is a version to resume from.
        if (!listing || through) && !metadata.resource_version.is_empty() {
            self.version = Some(metadata.resource_version.to_string());
        }
        Ok(through)
    }

    /// Takes everything that exists, page by page.
    async fn pages(&mut self) -> Result<(), Trouble> {
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.label_selector = self.labels();
        loop {
            let request = Request::new(self.listed().path(None));
            let request = match self.what {
                What::Namespaces => request.list_metadata(&parameters),
                What::Pods => request.list(&parameters),
            };
            let request = request.map_err(|error| unasked(&error))?;
            let text = match timeout(ANSWER, self.client.request_text(request)).await {
                Ok(Ok(text)) => text,
                Ok(Err(error)) => return Err(self.failed("list", false, &error)),
                Err(_) => return Err(self.silent()),
            };
            let page: Page<'_> = serde_json::from_str(&text).map_err(|error| {
                Trouble::Refused(format!("unexpected answer from {}: {error}", self.server))
            })?;
            for item in page.items.into_iter().flatten() {
                self.state.take(self.what, item, false);
            }
            if page.metadata.r#continue.is_empty() {
                self.version = Some(page.metadata.resource_version).filter(|it| !it.is_empty());
                self.state.finish(self.what);
                self.well();
                return Ok(());
            }
            parameters = parameters.continue_token(&page.metadata.r#continue);
        }
    }

    /// Records that what is known is up to date.
    fn well(&mut self) {
        self.pause = FIRST_PAUSE;
        self.state.heard(self.what);
    }

    fn listed(&self) -> &'static Resource {
        match self.what {
            What::Namespaces => &NAMESPACES,
            What::Pods => &PODS,
        }
    }

    fn labels(&self) -> Option<String> {
        (self.what == What::Namespaces).then(|| OPT_IN.to_owned())
    }

    fn broken(&self, how: &str) -> Trouble {
        Trouble::Unreachable(format!("{} broke off: {how}", self.server))
    }

    fn silent(&self) -> Trouble {
        Trouble::Unreachable(format!("{} does not answer", self.server))
    }

    /// Classifies an error. `streaming` is whether a list was asked for as a stream.
    fn failed(&self, verb: &str, streaming: bool, error: &kube::Error) -> Trouble {
        let (server, resource) = (&self.server, self.what.as_str());
        let kube::Error::Api(status) = error else {
            return Trouble::Unreachable(format!("cannot reach {server}: {}", root_cause(error)));
        };
        let message = printable(&status.message, MAX_MESSAGE);
        match status.code {
            410 => Trouble::Gone,
            400 | 422 if streaming => Trouble::NoStream,
            401 => {
                Trouble::Forbidden(format!("{server} does not accept these credentials: {message}"))
            }
            403 => Trouble::Forbidden(format!(
                "not allowed to {verb} {resource}: {message}; it needs `{verb}` on {resource} in all namespaces, as in the chart's ClusterRole",
            )),
            _ => Trouble::Refused(format!("cannot {verb} {resource}: {message}")),
        }
    }
}

/// The trouble of a request that could not even be made.
fn unasked(error: &kube::core::request::Error) -> Trouble {
    Trouble::Refused(format!("cannot make the request: {error}"))
}
