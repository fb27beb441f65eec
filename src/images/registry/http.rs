//! HTTP/1.1 over connections that are used again, with a deadline for everything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::connect::{Connection, Connector, Origin, Reach};
use crate::images::error::{ErrorKind, ImageError};

/// Time from a request to the head of its answer.
const HEAD: Duration = Duration::from_secs(30);
/// Bytes of an answer that have to come in each [`Settings::progress`](super::Settings::progress).
const PROGRESS_BYTES: usize = 30 << 10;
/// Idle connections kept for each origin.
const IDLE: usize = 4;
/// Bytes read at once, and the maximum size of an answer's head.
const BUFFER: usize = 256 << 10;

type Sender = SendRequest<Full<Bytes>>;

/// Idle connections, by origin.
pub(super) struct Pool {
    idle: Mutex<HashMap<Origin, Vec<(Sender, Reach)>>>,
    progress: Duration,
}

impl Pool {
    pub(super) fn new(progress: Duration) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), progress })
    }

    fn take(&self, origin: &Origin, nearest: Reach) -> Option<(Sender, Reach)> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.get_mut(origin)?;
        while let Some((sender, reach)) = idle.pop() {
            if !sender.is_closed() && reach <= nearest {
                return Some((sender, reach));
            }
        }
        None
    }

    fn put(&self, origin: Origin, sender: Sender, reach: Reach) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.entry(origin).or_default();
        if idle.len() < IDLE && !sender.is_closed() {
            idle.push((sender, reach));
        }
    }
}

/// An answer, as far as its head.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: ::http::HeaderMap,
    pub(super) reach: Reach,
    body: Body,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Keeps one of the registry's few places until all of the body is read.
    pub(super) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.body.permit = Some(permit);
    }

    pub(super) fn into_body(self) -> Body {
        self.body
    }

    /// All of the body, which may be of `limit` bytes.
    pub(super) async fn bytes(self, limit: usize, what: &str) -> Result<Vec<u8>, ImageError> {
        let mut body = self.body;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.chunk().await? {
            bytes.extend(&chunk);
            if bytes.len() > limit {
                let message = format!("the {what} has more than {limit} bytes");
                return Err(ImageError::new(ErrorKind::TooLarge, message));
            }
        }
        Ok(bytes)
    }

    /// Reads a short body to its end, so that the connection can be used again.
    pub(super) async fn discard(self) {
        const SHORT: usize = 64 << 10;
        let _ = self.bytes(SHORT, "answer").await;
    }
}

/// The body of an answer.
pub(super) struct Body {
    incoming: Incoming,
    /// The connection, to be used again.
    connection: Option<(Origin, Sender, Reach, Arc<Pool>)>,
    permit: Option<OwnedSemaphorePermit>,
    /// Time waited, and bytes that have come meanwhile.
    window: (Duration, usize),
    progress: Duration,
    host: String,
}

impl Body {
    /// Gives back what it holds: nothing more is read of it.
    pub(super) fn close(&mut self) {
        (self.connection, self.permit) = (None, None);
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ImageError> {
        loop {
            let (waited, count) = self.window;
            if count >= PROGRESS_BYTES {
                self.window = (Duration::ZERO, 0);
                continue;
            }
            // Only waiting counts: whoever reads may take their time.
            let left = self.progress.saturating_sub(waited);
            let start = Instant::now();
            let frame = timeout(left, self.incoming.frame()).await;
            self.window.0 += start.elapsed();
            match frame.map_err(|_| self.too_slow())? {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.window.1 += data.len();
                    return Ok(Some(data));
                }
                Some(Err(error)) => {
                    self.connection = None;
                    return Err(broken(&self.host, &error));
                }
                None => {
                    self.permit = None;
                    if let Some((origin, sender, reach, pool)) = self.connection.take() {
                        pool.put(origin, sender, reach);
                    }
                    return Ok(None);
                }
            }
        }
    }

    fn too_slow(&self) -> ImageError {
        let message = format!("{}: it sends next to nothing", self.host);
        ImageError::new(ErrorKind::Timeout, message)
    }
}

/// Sends a request, over an idle connection if there is one.
pub(super) async fn exchange(
    connector: &Connector,
    pool: &Arc<Pool>,
    origin: &Origin,
    nearest: Reach,
    request: &Request<Bytes>,
) -> Result<Answer, ImageError> {
    let copy = || request.clone().map(Full::new);
    let host = origin.authority();
    if let Some((mut sender, reach)) = pool.take(origin, nearest) {
        // The other end may have closed it meanwhile: then another one is made.
        if sender.ready().await.is_ok()
            && let Ok(Ok(response)) = timeout(HEAD, sender.send_request(copy())).await
        {
            return Ok(answer(response, origin, sender, reach, pool));
        }
    }
    let Connection { stream, reach } = connector.connect(origin, nearest).await?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(&host, &error))?;
    tokio::spawn(connection);
    let response = timeout(HEAD, sender.send_request(copy())).await;
    let response = response.map_err(|_| {
        let message = format!("{host}: no answer within {} s", HEAD.as_secs());
        ImageError::new(ErrorKind::Timeout, message)
    })?;
    let response = response.map_err(|error| broken(&host, &error))?;
    Ok(answer(response, origin, sender, reach, pool))
}

fn answer(
    response: Response<Incoming>,
    origin: &Origin,
    sender: Sender,
    reach: Reach,
    pool: &Arc<Pool>,
) -> Answer {
    let (parts, incoming) = response.into_parts();
    let body = Body {
        incoming,
        connection: Some((origin.clone(), sender, reach, Arc::clone(pool))),
        permit: None,
        window: (Duration::ZERO, 0),
        progress: pool.progress,
        host: origin.authority(),
    };
    Answer { status: parts.status, headers: parts.headers, reach, body }
}

fn broken(host: &str, error: &hyper::Error) -> ImageError {
    let (kind, message) = if error.is_parse() {
        (ErrorKind::Registry, format!("{host}: it does not speak HTTP"))
    } else {
        (ErrorKind::Unreachable, format!("{host}: the connection broke: {error}"))
    };
    ImageError::new(kind, message)
}
