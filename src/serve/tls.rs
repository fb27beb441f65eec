//! The TLS side of the webhook: rustls, and the certificate in force.

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

/// Makes aws-lc-rs the process's crypto provider. Call it once, first thing in `main`; a second
/// call changes nothing.
pub fn install_provider() {
    let _already_there = aws_lc_rs::default_provider().install_default();
}

/// The certificate in force. Every handshake looks it up anew, so a change reaches the next
/// connection and disturbs none. While there is none, handshakes fail.
#[derive(Debug)]
pub struct InForce(ArcSwapOption<Identity>);

impl InForce {
    /// Begins with `identity`, or with none.
    pub fn new(identity: Option<Identity>) -> Arc<Self> {
        Arc::new(Self(ArcSwapOption::from_pointee(identity)))
    }

    /// The identity in force.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.0.load_full()
    }

    /// Puts another identity in force.
    pub fn replace(&self, identity: Identity) {
        self.0.store(Some(Arc::new(identity)));
    }
}

impl ResolvesServerCert for InForce {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|identity| Arc::clone(&identity.key))
    }
}

/// TLS configuration: TLS 1.2 and 1.3, HTTP/1.1 alone, sessions resumed by tickets.
///
/// # Errors
/// When the cryptography cannot be set up.
pub fn server_config(in_force: Arc<InForce>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(in_force);
    // The API server speaks HTTP/1.1 to webhooks where nothing better is offered. The limits here
    // assume one request at a time on a connection.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets keep a session's state with the client. The server remembers none, so
    // handshakes do not add up to memory.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Interval at which the same message about the certificate's end is repeated.
const SAY_AGAIN: Duration = Duration::from_secs(3600);

/// Time before its end at which a certificate should have been replaced. By then its renewal has
/// failed, and some working days are left.
const EXPIRY_NEAR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Distance of a certificate's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Far,
    Near,
    Past,
}

impl End {
    fn of(identity: &Identity, now: Timestamp) -> Self {
        let left = identity.not_after.duration_since(now);
        // A certificate with a lifetime of days is renewed late in its life.
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

/// Checks the certificate's end every `period`, for ever, and logs when it is near or past. The
/// certificate is served all the same: the API server decides whether to trust it.
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
