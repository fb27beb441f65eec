//! Asks `ironhull watch` about images of which nothing is known when a pod is created.
//!
//! Whatever comes of it, the review goes on: without an answer it is what it would be without the
//! question. An answer informs every later review too, until files tell the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{FutureExt as _, Shared, join_all};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::config::AskFacts;
use super::metrics::{Asked, Metrics};
use super::store::{Store, note_facts};
use crate::admission::UnknownImages;
use crate::facts::ImageFacts;
use crate::image::full_name;
use crate::policy::{PolicyFile, parse};

/// Path at which `ironhull watch` answers.
pub const PATH: &str = "/image-facts";

/// Time during which an image is not asked about again.
const AGAIN: Duration = Duration::from_mins(1);
/// Pause before asking again where the image is still being read.
const PAUSE: Duration = Duration::from_millis(40);
/// Maximum number of questions at once.
const AT_ONCE: usize = 32;
/// Maximum number of images that are remembered as asked about.
const REMEMBERED: usize = 4096;
/// Maximum size of an answer, in bytes. A dozen platforms with long lists have 50 KB.
const LARGEST: usize = 512 << 10;

/// A question that somebody waits for.
type Pending = Shared<oneshot::Receiver<()>>;

/// When an image was asked about, and the question.
#[derive(Debug)]
struct Question {
    at: Instant,
    pending: Pending,
}

impl Question {
    fn is_pending(&self) -> bool {
        self.pending.peek().is_none()
    }
}

/// Asks about images.
#[derive(Debug)]
pub struct Asker {
    settings: AskFacts,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    questions: Mutex<HashMap<String, Question>>,
}

impl Asker {
    /// An asker that tells `store` what it learns.
    pub fn new(settings: AskFacts, store: Arc<Store>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { settings, store, metrics, questions: Mutex::default() })
    }

    /// Asks about `unknown` images, and waits until all are answered or the time is over. Reviews of
    /// one image wait for one question.
    pub async fn ask(self: &Arc<Self>, unknown: &UnknownImages) {
        let pending: Vec<_> =
            unknown.images.iter().filter_map(|image| self.question(image, unknown)).collect();
        if !pending.is_empty() {
            let _late = timeout(self.settings.timeout, join_all(pending)).await;
        }
    }

    /// The question about an image: the one that is pending, or a new one; `None` if it was asked
    /// about just now, or too much is being asked.
    fn question(self: &Arc<Self>, image: &str, unknown: &UnknownImages) -> Option<Pending> {
        let now = Instant::now();
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = questions.get(image) {
            if question.is_pending() {
                return Some(question.pending.clone());
            }
            if now.duration_since(question.at) < AGAIN {
                return None;
            }
        }
        if questions.values().filter(|question| question.is_pending()).count() >= AT_ONCE {
            return None;
        }
        if questions.len() >= REMEMBERED {
            questions.retain(|_, it| it.is_pending() || now.duration_since(it.at) < AGAIN);
            if questions.len() >= REMEMBERED {
                return None;
            }
        }
        let (answered, receiver) = oneshot::channel();
        let pending = receiver.shared();
        questions.insert(image.to_owned(), Question { at: now, pending: pending.clone() });
        drop(questions);
        let (this, image, unknown) = (Arc::clone(self), image.to_owned(), unknown.clone());
        // A task of its own: others may wait for it when this review is given up.
        tokio::spawn(async move {
            this.learn(&image, &unknown).await;
            let _nobody_waits = answered.send(());
        });
        Some(pending)
    }

    async fn learn(&self, image: &str, unknown: &UnknownImages) {
        let query = Query::of(image, unknown);
        let asked = match timeout(self.settings.timeout, self.facts(&query)).await {
            Err(_) => Asked::Unknown,
            Ok(Ok(facts)) => {
                // What nobody asked about is nobody's to tell.
                let name = full_name(image);
                let facts: Vec<_> = facts.into_iter().filter(|it| it.image == name).collect();
                let known = !facts.is_empty();
                self.store.learn(facts);
                note_facts(&self.store, &self.metrics);
                if known { Asked::Known } else { Asked::Unknown }
            }
            Ok(Err(error)) => {
                warn!(image, error, "the question about an image failed");
                Asked::Failed
            }
        };
        debug!(image, result = asked.as_str(), "asked about an image");
        self.metrics.asked(asked);
    }

    /// Asks until the image is read.
    async fn facts(&self, query: &Query) -> Result<Vec<ImageFacts>, String> {
        loop {
            match self.exchange(query).await? {
                Some(facts) => return Ok(facts),
                None => sleep(PAUSE).await,
            }
        }
    }

    /// Asks once; `None` if the image is being read.
    async fn exchange(&self, query: &Query) -> Result<Option<Vec<ImageFacts>>, String> {
        let url = &self.settings.url;
        let (host, authority) = (url.host().unwrap_or_default(), url.authority());
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, url.port_u16().unwrap_or(80))).await;
        let stream = stream.map_err(|error| format!("{url}: {error}"))?;
        let broken = |error: hyper::Error| format!("{url}: {error}");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let request = Request::get(&query.0)
            .header(header::HOST, authority.map_or("", |it| it.as_str()))
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        connection.abort();
        match status {
            StatusCode::OK => {}
            StatusCode::ACCEPTED => return Ok(None),
            StatusCode::NOT_FOUND => return Ok(Some(Vec::new())),
            status => return Err(format!("{url}: status {status}")),
        }
        let body = body.map_err(|error| format!("{url}: {error}"))?.to_bytes();
        let text = String::from_utf8(body.into()).map_err(|_| format!("{url}: not text"))?;
        let file = PolicyFile { name: url.to_string(), text };
        let facts = parse::facts(&file).map_err(|errors| {
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            format!("not a document of facts: {first}")
        })?;
        Ok(Some(facts))
    }
}

/// Path and query of a question.
#[derive(Debug)]
struct Query(String);

impl Query {
    fn of(image: &str, unknown: &UnknownImages) -> Self {
        let UnknownImages { namespace, pull_secrets, images: _ } = unknown;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("image", image).append_pair("namespace", namespace);
        query.extend_pairs(pull_secrets.iter().map(|secret| ("secret", secret)));
        Self(format!("{PATH}?{}", query.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_names_stays_a_value() {
        let unknown = UnknownImages {
            namespace: "shop".to_owned(),
            images: Vec::new(),
            pull_secrets: vec!["a&image=b".to_owned()],
        };
        let Query(query) = Query::of("evil.example/x:1&namespace=kube-system#", &unknown);
        assert_eq!(
            query,
            "/image-facts?image=evil.example%2Fx%3A1%26namespace%3Dkube-system%23&namespace=shop&secret=a%26image%3Db"
        );
    }
}
