//! The TLS side of the webhook: rustls, and the certificate that is in force.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::time::{Instant, interval};
use tracing::{error, warn};

use super::certs::Identity;

/// Makes aws-lc-rs the process's cryptography. Called once, first thing in `main`; a
/// second call changes nothing.
pub fn install_provider() {
    let _already_there = aws_lc_rs::default_provider().install_default();
}

/// The certificate in force. Every handshake asks for it anew, so a change reaches the
/// next connection and disturbs none. While there is none, handshakes fail.
#[derive(Debug)]
pub struct InForce(ArcSwapOption<Identity>);

impl InForce {
    /// Begins with `identity`, or with none.
    pub fn new(identity: Option<Identity>) -> Arc<Self> {
        Arc::new(Self(ArcSwapOption::from_pointee(identity)))
    }

    /// The one in force.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.0.load_full()
    }

    /// Puts another in force.
    pub fn replace(&self, identity: Identity) {
        self.0.store(Some(Arc::new(identity)));
    }
}

impl ResolvesServerCert for InForce {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|identity| Arc::clone(&identity.key))
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1 alone, sessions resumed by tickets.
///
/// # Errors
/// When the cryptography cannot be set up.
pub fn server_config(in_force: Arc<InForce>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(in_force);
    // The API server speaks HTTP/1.1 to webhooks where nothing better is offered, and
    // one request at a time on a connection is what the limits here count.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets keep a session's state with the client. The server remembers none, so
    // handshakes do not add up to memory.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// How often the same is said again of the certificate's end.
const SAY_AGAIN: Duration = Duration::from_secs(3600);

/// So long before its end a certificate should have been replaced: whoever renews it has
/// failed by then, and there are some working days left.
const EXPIRY_NEAR: Duration = Duration::from_secs(7 * 24 * 3600);

/// How far away a certificate's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Far,
    Near,
    Past,
}

impl End {
    fn of(identity: &Identity, now: Timestamp) -> Self {
        let left = identity.not_after.duration_since(now);
        // A certificate that lives for days is renewed late in its life.
        let lifetime = identity.not_after.duration_since(identity.not_before);
        let near = (lifetime / 5).unsigned_abs().min(EXPIRY_NEAR);
        if left.is_negative() {
            Self::Past
        } else if left.unsigned_abs() < near {
            Self::Near
        } else {
            Self::Far
        }
    }
}

/// Looks every `period`, and says so in the log when the certificate's end is near or past,
/// for ever. It is served all the same: whether to trust it is the API server's to decide.
pub(super) async fn watch_expiry(in_force: Arc<InForce>, period: Duration) {
    let mut ticks = interval(period);
    let mut said = (End::Far, Instant::now());
    loop {
        ticks.tick().await;
        let Some(identity) = in_force.identity() else { continue };
        let end = End::of(&identity, Timestamp::now());
        if said.0 == end && said.1.elapsed() < SAY_AGAIN {
            continue;
        }
        said = (end, Instant::now());
        let not_after = identity.not_after;
        match end {
            End::Far => {}
            End::Near => warn!(%not_after, "the certificate in force expires soon"),
            End::Past => error!(%not_after, "the certificate in force has expired"),
        }
    }
}
