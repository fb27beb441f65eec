//! The webhook's listener: HTTP requests to reviews and back.

mod outgoing;
mod refusal;
mod weight;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{info, warn};

use super::ask::Asker;
use super::config::Reviewer;
use super::connection::Talk;
use super::limits::{Budget, Reservation};
use super::metrics::Metrics;
use super::readiness::Readiness;
use super::store::{Loaded, Store};
use crate::admission::{self, Answer, Endpoint, Environment, Facts, Mode, NotAReview};
use crate::date::today;
use crate::serve::config::OwnImage;
use refusal::Refusal;
use weight::Weight;

/// Everything needed to answer a request.
#[derive(Debug)]
pub struct Hook {
    /// Function that answers a review.
    pub review: Reviewer,
    /// The policies in force.
    pub store: Arc<Store>,
    /// Asks about images of which nothing is known, if enabled.
    pub asker: Option<Arc<Asker>>,
    /// Whether the cluster honours `hostUsers: false`.
    pub user_namespaces: bool,
    /// ironhull's own image, if it is known.
    pub seed_image: Option<Arc<OwnImage>>,
    /// Metrics that requests are counted in.
    pub metrics: Arc<Metrics>,
    /// Whether the server is about to stop.
    pub readiness: Arc<Readiness>,
    /// Memory budget for request bodies.
    pub budget: Arc<Budget>,
    /// Lets one large review run at a time: a review needs many times the memory of its body.
    pub large: Arc<Semaphore>,
    /// Runtime for large reviews. It runs nearly all of them in the same thread, so that they use
    /// the same memory.
    pub apart: Handle,
    /// Maximum size of a body, in bytes.
    pub max_body: usize,
    /// Timeout for reading a body.
    pub body_timeout: std::time::Duration,
}

/// Answers every request of the webhook's listener.
pub async fn answer(request: HttpRequest, payload: Payload, hook: Data<Hook>) -> HttpResponse {
    let started = Instant::now();
    let talk = request.conn_data::<Rc<Talk>>();
    let turn = Turn::begin(talk, &hook.readiness);
    let overflow = talk.is_some_and(|talk| talk.is_overflow());
    let result = if overflow {
        Err(Refusal::NoConnection)
    } else {
        hook.review(&request, payload, started).await
    };
    match result {
        Ok(body) => turn.end(HttpResponse::Ok().content_type("application/json").body(body), true),
        Err(refusal) => {
            hook.metrics.http_error(refusal.status().as_u16());
            warn!(
                status = refusal.status().as_u16(),
                error = %refusal,
                path = request.path(),
                peer = request.peer_addr().map(tracing::field::display),
                "refused"
            );
            turn.end(refusal.response(), refusal.is_read())
        }
    }
}

impl Hook {
    async fn review(
        &self,
        request: &HttpRequest,
        payload: Payload,
        started: Instant,
    ) -> Result<BoxBody, Refusal> {
        let endpoint = endpoint(request.path()).ok_or(Refusal::NotFound)?;
        if request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        check_headers(request.headers())?;
        let (body, reservation) = self.read(request, payload).await?;
        if let Some(talk) = request.conn_data::<Rc<Talk>>() {
            talk.is_read();
        }
        let weight = Weight::of(&body);
        if let (Some(asker), Weight::Ordinary, Mode::Enforce) =
            (&self.asker, &weight, endpoint.mode)
        {
            // Not held while it waits.
            let unknown = admission::unknown_images(&body, endpoint, &self.store.load().policies);
            if let Some(unknown) = unknown {
                asker.ask(&unknown).await;
            }
        }
        let loaded = self.store.load();
        let (reviewed, reservation) = match weight {
            Weight::Ordinary => {
                let reviewed = guarded(self.review, &body, endpoint, &loaded, self.environment());
                (reviewed, Some(reservation))
            }
            Weight::Large => {
                self.review_large((body, reservation), endpoint, Arc::clone(&loaded)).await
            }
            Weight::TooMuch => {
                let answer = admission::too_large(&body, endpoint, &weight::limits());
                (Some(answer), Some(reservation))
            }
        };
        let (Some(reviewed), Some(reservation)) = (reviewed, reservation) else {
            self.metrics.panics.inc();
            return Err(Refusal::Panicked);
        };
        let Answer { body, facts } =
            reviewed.map_err(|NotAReview(why)| Refusal::not_a_review(&why))?;
        let duration = started.elapsed();
        let row = loaded.row(facts.policy.as_deref());
        self.metrics.review(row, endpoint.mode, &facts, duration);
        log(endpoint.mode, &facts, duration);
        outgoing::body(body, reservation).ok_or(Refusal::NoBudget)
    }

    fn environment(&self) -> Environment<'_> {
        let seed_image = self.seed_image.as_ref().map(|image| image.borrowed());
        Environment { date: today(), user_namespaces: self.user_namespaces, seed_image }
    }

    /// Waits for its turn, then reviews a large body in a thread where it holds up no connection.
    /// The thread finishes what it began, so the reservation is held until then.
    async fn review_large(
        &self,
        (body, reservation): (Bytes, Reservation),
        endpoint: Endpoint<'_>,
        loaded: Arc<Loaded>,
    ) -> (Reviewed, Option<Reservation>) {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.large).acquire_owned().await;
        let (review, mode) = (self.review, endpoint.mode);
        let (date, user_namespaces) = (today(), self.user_namespaces);
        let seed_image = self.seed_image.clone();
        let policy = endpoint.policy.map(str::to_owned);
        let reviewing = self.apart.spawn_blocking(move || {
            let endpoint = Endpoint { mode, policy: policy.as_deref() };
            let seed_image = seed_image.as_ref().map(|image| image.borrowed());
            let environment = Environment { date, user_namespaces, seed_image };
            let reviewed = guarded(review, &body, endpoint, &loaded, environment);
            drop((body, turn));
            (reviewed, Some(reservation))
        });
        reviewing.await.unwrap_or_default()
    }

    async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<(Bytes, Reservation), Refusal> {
        let announced = announced_length(request.headers());
        if announced.is_some_and(|length| length > self.max_body) {
            return Err(Refusal::TooLarge(self.max_body));
        }
        let reservation = self.budget.reserve(announced.unwrap_or(0)).ok_or(Refusal::NoBudget)?;
        let reading = self.collect(payload, announced, reservation);
        timeout(self.body_timeout, reading).await.unwrap_or(Err(Refusal::SlowBody))
    }

    async fn collect(
        &self,
        mut payload: Payload,
        announced: Option<usize>,
        mut reservation: Reservation,
    ) -> Result<(Bytes, Reservation), Refusal> {
        // An ordinary review arrives in one piece, which is then used without a copy.
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Refusal::BrokenBody)?;
            let length = first.len() + whole.len() + chunk.len();
            if length > self.max_body {
                return Err(Refusal::TooLarge(self.max_body));
            }
            if !reservation.cover(length) {
                return Err(Refusal::NoBudget);
            }
            if first.is_empty() && whole.is_empty() {
                first = chunk;
                continue;
            }
            if whole.is_empty() {
                whole.reserve(announced.unwrap_or(length));
                whole.extend_from_slice(&first);
                first = Bytes::new();
            }
            whole.extend_from_slice(&chunk);
        }
        Ok((if whole.is_empty() { first } else { whole.freeze() }, reservation))
    }
}

/// Result of a review; `None` if the reviewer panicked.
type Reviewed = Option<Result<Answer, NotAReview>>;

/// Calls the reviewer and catches a panic. The reviewer cannot panic by construction. If it does
/// all the same, one request fails as the failure policy says, and the server goes on.
fn guarded(
    review: Reviewer,
    body: &[u8],
    endpoint: Endpoint<'_>,
    loaded: &Loaded,
    environment: Environment<'_>,
) -> Reviewed {
    let review = || review(body, endpoint, &loaded.policies, environment);
    catch_unwind(AssertUnwindSafe(review)).ok()
}

/// One request on its connection. The connection is busy while this value lives.
struct Turn<'t> {
    talk: Option<&'t Rc<Talk>>,
    readiness: &'t Readiness,
    close: bool,
}

impl<'t> Turn<'t> {
    fn begin(talk: Option<&'t Rc<Talk>>, readiness: &'t Readiness) -> Self {
        if let Some(talk) = talk {
            talk.handling();
        }
        Self { talk, readiness, close: true }
    }

    /// The answer to send. The connection stays open if the request was read to its end and the
    /// server is not about to stop.
    fn end(mut self, mut response: HttpResponse, read: bool) -> HttpResponse {
        self.close = !read || self.readiness.is_draining();
        if self.close {
            response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
        }
        response
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(talk) = self.talk {
            talk.handled(self.close);
        }
    }
}

/// Parses a request's path. `None` if it is no endpoint.
fn endpoint(path: &str) -> Option<Endpoint<'_>> {
    let (mode, policy) = match path.strip_prefix('/')?.split_once('/') {
        Some((mode, policy)) => (mode, Some(policy)),
        None => (path.strip_prefix('/')?, None),
    };
    let mode = Mode::ALL.into_iter().find(|known| known.as_str() == mode)?;
    // Only pods can have a policy named, and its name is a DNS subdomain.
    let fits = policy.is_none_or(|policy| mode != Mode::Advise && is_dns_subdomain(policy));
    fits.then_some(Endpoint { mode, policy })
}

fn is_dns_subdomain(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (1..=253).contains(&name.len()) && name.bytes().all(fits)
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
    if !json {
        return Err(Refusal::ContentType);
    }
    let plain = headers
        .get_all(CONTENT_ENCODING)
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain { Ok(()) } else { Err(Refusal::ContentEncoding) }
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    // The dispatcher has already refused lengths that are not numbers.
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Logs one line per review, with nothing of its body but names.
fn log(mode: Mode, facts: &Facts, duration: std::time::Duration) {
    let Facts { uid, namespace, name, kind, policy, dry_run, verdict, warnings, .. } = facts;
    info!(
        uid,
        namespace,
        name,
        kind,
        mode = mode.as_str(),
        policy = policy.as_deref().unwrap_or_default(),
        outcome = verdict.as_str(),
        dry_run,
        warnings,
        exemptions = facts.exemptions.len(),
        duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        "reviewed"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_a_mode_and_perhaps_a_policy() {
        let found = |path| endpoint(path).map(|found| (found.mode, found.policy));
        assert_eq!(found("/enforce"), Some((Mode::Enforce, None)));
        assert_eq!(found("/audit"), Some((Mode::Audit, None)));
        assert_eq!(found("/advise"), Some((Mode::Advise, None)));
        assert_eq!(found("/enforce/web.v2"), Some((Mode::Enforce, Some("web.v2"))));
        assert_eq!(found("/audit/web"), Some((Mode::Audit, Some("web"))));
        for path in
            ["", "/", "/enforce/", "/enforce/a/b", "/enforce/A", "/advise/web", "/warn", "enforce"]
        {
            assert_eq!(found(path), None, "{path}");
        }
    }
}
