//! One request to a registry, with all that it takes: a place in the queue, authorisation,
//! redirects, and patience.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ::http::{Method, StatusCode, header};
use bytes::Bytes;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;

use super::Settings;
use super::auth::{Challenge, Credential, Token, token_request};
use super::connect::{Connector, Origin, Reach};
use super::credentials::{Credentials, PullSecret};
use super::http::{Answer, Pool, exchange};
use super::refusal::{bad_realm, rate_limited, refused, unauthorized};
use crate::images::error::{ErrorKind, ImageError};

/// Requests to one registry at once.
const AT_ONCE: usize = 4;
/// Redirects that are followed. A blob is usually one away.
const REDIRECTS: usize = 5;
/// How often a request is made again after the first time.
const RETRIES: u32 = 3;
/// The first pause before that; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest time that a registry may ask to wait. Docker Hub's limit is for hours, and nobody
/// waits so long for a command.
const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum size of a token server's answer, in bytes.
const TOKEN: usize = 256 << 10;

/// A client for all registries, for any number of threads.
pub(in crate::images) struct Client {
    shared: Arc<Shared>,
    credentials: Credentials,
    /// The header `Authorization`, by origin and repository.
    authorizations: Mutex<HashMap<(Origin, String), String>>,
}

/// What clients have in common, whatever credentials they show. Connections are looked after by a
/// thread of its own, so that whoever reads an image need not be asynchronous.
struct Shared {
    connector: Connector,
    pool: Arc<Pool>,
    plain_http: bool,
    strangers: bool,
    trusted: Vec<String>,
    /// Origins that turned out to speak no TLS.
    plain: Mutex<HashSet<Origin>>,
    /// Places in the queue, by registry.
    places: Mutex<HashMap<String, Arc<Semaphore>>>,
    runtime: Handle,
    /// Dropped with the last client, which ends the thread.
    _stop: oneshot::Sender<()>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// A request for something of one repository.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) origin: Origin,
    pub(super) path: String,
    pub(super) accept: Option<String>,
    /// The first byte that is wanted.
    pub(super) from: u64,
    /// The registry's name, as people know it.
    pub(super) registry: String,
    pub(super) repository: String,
}

impl Client {
    /// # Errors
    /// When certificates cannot be read, or no thread can be started.
    pub(in crate::images) fn new(settings: &Settings) -> Result<Arc<Self>, ImageError> {
        let failed = |error: std::io::Error| {
            ImageError::new(ErrorKind::Unreadable, format!("no thread can be started: {error}"))
        };
        let connector = Connector::new(settings)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let work = move || drop(runtime.block_on(stopped));
        thread::Builder::new().name("registries".to_owned()).spawn(work).map_err(failed)?;
        let shared = Shared {
            connector,
            pool: Pool::new(settings.progress),
            plain_http: settings.plain_http,
            strangers: settings.strangers,
            trusted: settings.trusted.clone(),
            plain: Mutex::default(),
            places: Mutex::default(),
            runtime: handle,
            _stop: stop,
        };
        Ok(Self::showing(Credentials::of_user(), Arc::new(shared)))
    }

    /// A client that shows the credentials of a pull secret.
    pub(in crate::images) fn with_pull_secret(&self, secret: PullSecret) -> Arc<Self> {
        Self::showing(Credentials::of(secret), Arc::clone(&self.shared))
    }

    fn showing(credentials: Credentials, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared, credentials, authorizations: Mutex::default() })
    }

    /// Waits for `work`. Not to be called from within a runtime.
    pub(super) fn run<T>(
        &self,
        work: impl Future<Output = Result<T, ImageError>>,
    ) -> Result<T, ImageError> {
        self.shared.runtime.block_on(work)
    }

    /// Sends a request, and again where that may help.
    ///
    /// # Errors
    /// When there is no answer, or not the one that was asked for.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, ImageError> {
        let place = {
            let mut places = self.shared.places.lock().unwrap_or_else(PoisonError::into_inner);
            let places = places.entry(request.registry.clone());
            Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        let permit = place.acquire_owned().await;
        let permit =
            permit.map_err(|error| ImageError::new(ErrorKind::Unreachable, error.to_string()))?;
        let mut retries = 0..RETRIES;
        loop {
            let pause = |retry: u32| PAUSE * 2_u32.saturating_pow(retry);
            match self.follow(request).await {
                Ok(mut answer) if answer.status.is_success() => {
                    answer.hold(permit);
                    return Ok(answer);
                }
                Ok(answer) => {
                    let status = answer.status;
                    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
                    let asked =
                        answer.header("retry-after").and_then(|text| text.trim().parse().ok());
                    let asked = asked.map(Duration::from_secs);
                    answer.discard().await;
                    let patient = asked.is_none_or(|asked| asked <= PATIENCE);
                    match retries.next().filter(|_| busy && patient) {
                        Some(retry) => sleep(asked.unwrap_or(pause(retry))).await,
                        None => {
                            let Request { registry, repository, path, .. } = request;
                            return Err(refused(registry, repository, path, status, asked));
                        }
                    }
                }
                Err(error) => match retries.next().filter(|_| error.kind == ErrorKind::Unreachable)
                {
                    Some(retry) => sleep(pause(retry)).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// Sends a request once, with what it takes to be let in, and follows redirects.
    async fn follow(&self, request: &Request) -> Result<Answer, ImageError> {
        let Shared { connector, pool, plain, .. } = &*self.shared;
        let mut home = request.origin.clone();
        home.tls = !plain.lock().unwrap_or_else(PoisonError::into_inner).contains(&home);
        let mut origin = home.clone();
        let mut path = request.path.clone();
        let mut nearest = self.shared.nearest(&request.registry);
        let mut redirects = 0;
        let mut authorised = false;
        loop {
            let message = self.message(request, &home, &origin, &path)?;
            let sent = exchange(connector, pool, &origin, nearest, &message).await;
            let answer = match sent {
                Err(error) if redirects == 0 && self.shared.may_be_plain(&origin, &error) => {
                    let mut plain = plain.lock().unwrap_or_else(PoisonError::into_inner);
                    plain.insert(request.origin.clone());
                    home.tls = false;
                    origin = home.clone();
                    continue;
                }
                sent => sent?,
            };
            if origin == home {
                // Nobody is sent nearer than where the registry is.
                nearest = answer.reach;
            }
            let status = answer.status;
            if status == StatusCode::UNAUTHORIZED && origin == home {
                if std::mem::replace(&mut authorised, true) {
                    let Request { registry, repository, .. } = request;
                    let credential = self.credentials.find(registry, repository)?;
                    let message = unauthorized(registry, &credential);
                    return Err(ImageError::new(ErrorKind::Unauthorized, message));
                }
                self.authorise(request, &home, &answer, nearest).await?;
                answer.discard().await;
            } else if let Some(location) = answer.header("location").filter(|_| is_redirect(status))
            {
                redirects += 1;
                (origin, path) = redirected(&origin, home.tls, location)?;
                if redirects > REDIRECTS {
                    let message = format!("{}: it redirects in circles", request.registry);
                    return Err(ImageError::new(ErrorKind::Forbidden, message));
                }
                answer.discard().await;
            } else {
                return Ok(answer);
            }
        }
    }

    fn message(
        &self,
        request: &Request,
        home: &Origin,
        origin: &Origin,
        path: &str,
    ) -> Result<::http::Request<Bytes>, ImageError> {
        let mut builder = ::http::Request::builder()
            .method(request.method.clone())
            .uri(path)
            .header(header::HOST, origin.authority())
            .header(header::USER_AGENT, concat!("ironhull/", env!("CARGO_PKG_VERSION")));
        if let Some(accept) = &request.accept {
            builder = builder.header(header::ACCEPT, accept);
        }
        if request.from > 0 {
            builder = builder.header(header::RANGE, format!("bytes={}-", request.from));
        }
        // The registry's alone: whoever it redirects to never sees it.
        if origin == home {
            let known = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = known.get(&(home.clone(), request.repository.clone())) {
                let mut value = header::HeaderValue::try_from(value.as_str()).map_err(|_| {
                    ImageError::new(ErrorKind::Unauthorized, "the credentials cannot be sent")
                })?;
                value.set_sensitive(true);
                builder = builder.header(header::AUTHORIZATION, value);
            }
        }
        builder.body(Bytes::new()).map_err(|error| {
            ImageError::new(ErrorKind::BadName, format!("{}: {error}", request.registry))
        })
    }

    /// Finds the header `Authorization` that the registry asks for.
    async fn authorise(
        &self,
        request: &Request,
        home: &Origin,
        answer: &Answer,
        nearest: Reach,
    ) -> Result<(), ImageError> {
        let Request { registry, repository, .. } = request;
        let credential = self.credentials.find(registry, repository)?;
        let refused =
            || ImageError::new(ErrorKind::Unauthorized, unauthorized(registry, &credential));
        let value = match Challenge::best(answer.headers("www-authenticate")).ok_or_else(refused)? {
            Challenge::Basic => {
                credential.as_ref().and_then(Credential::basic).ok_or_else(refused)?
            }
            Challenge::Bearer { realm, service } => {
                let uri: ::http::Uri = realm.parse().map_err(|_| bad_realm(registry))?;
                let origin = Origin::of_uri(&uri).ok_or_else(|| bad_realm(registry))?;
                if !origin.tls && home.tls {
                    return Err(bad_realm(registry));
                }
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                let token = token_request(&origin, path, service, repository, credential.as_ref());
                let token = token.ok_or_else(|| bad_realm(registry))?;
                let Shared { connector, pool, .. } = &*self.shared;
                let answer = exchange(connector, pool, &origin, nearest, &token).await?;
                match answer.status {
                    status if status.is_success() => {}
                    StatusCode::TOO_MANY_REQUESTS => return Err(rate_limited(registry, None)),
                    status if status.is_server_error() => {
                        let message =
                            format!("{registry}: its token server fails with status {status}");
                        return Err(ImageError::new(ErrorKind::Registry, message));
                    }
                    _ => return Err(refused()),
                }
                let bytes = answer.bytes(TOKEN, "token").await?;
                let token: Option<Token> = serde_json::from_slice(&bytes).ok();
                token.and_then(Token::bearer).ok_or_else(refused)?
            }
        };
        let mut known = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((home.clone(), repository.clone()), value);
        Ok(())
    }
}

impl Shared {
    /// How near a registry may be. Whom the user names may be anywhere.
    fn nearest(&self, registry: &str) -> Reach {
        let named = !self.strangers || self.trusted.iter().any(|trusted| trusted == registry);
        if named { Reach::Special } else { Reach::Private }
    }

    /// Whether HTTP may be tried where TLS failed.
    fn may_be_plain(&self, origin: &Origin, error: &ImageError) -> bool {
        let no_tls = match error.kind {
            ErrorKind::NoTls => true,
            // Where HTTP is spoken is another port then.
            ErrorKind::Unreachable => origin.port.is_none(),
            _ => false,
        };
        origin.tls && no_tls && (self.plain_http || origin.is_loopback())
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads. Never from TLS to HTTP.
fn redirected(origin: &Origin, tls: bool, location: &str) -> Result<(Origin, String), ImageError> {
    let forbidden = |why: &str| {
        let host = origin.authority();
        ImageError::new(ErrorKind::Forbidden, format!("{host}: it redirects {why}"))
    };
    let uri: ::http::Uri = location.parse().map_err(|_| forbidden("to what is no address"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    if uri.authority().is_none() {
        return match path.starts_with('/') {
            true => Ok((origin.clone(), path)),
            false => Err(forbidden("to what is no address")),
        };
    }
    let target = Origin::of_uri(&uri).ok_or_else(|| forbidden("to what is no web address"))?;
    if tls && !target.tls {
        return Err(forbidden("from https to http"));
    }
    Ok((target, path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    #[test]
    fn redirects() {
        let home = Origin::of_host("registry.example").unwrap();
        let to = |location: &str| redirected(&home, true, location);
        let (origin, path) = to("https://cdn.example/blob?signature=x").unwrap();
        assert_eq!(
            (origin.to_string().as_str(), path.as_str()),
            ("https://cdn.example", "/blob?signature=x")
        );
        assert_eq!(to("/v2/other").unwrap(), (home.clone(), "/v2/other".to_owned()));
        for location in [
            "http://cdn.example/blob",
            "ftp://cdn.example/",
            "https://me:secret@cdn.example/",
            "blob",
            "",
            "file:///etc/passwd",
        ] {
            let error = to(location).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Forbidden, "{location}");
            assert!(!error.message.contains("secret"));
        }
        let plain = redirected(&home, false, "http://cdn.example/blob").unwrap();
        assert!(!plain.0.tls);
    }
}
