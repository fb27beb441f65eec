//! Server configuration and its defaults.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use http::Uri;
use tracing::warn;

use super::certs::{CertificateFiles, PemPair};
use super::connection::Timeouts;
use super::limits;
use super::managed;
use super::policy_files::PolicyFiles;
use crate::admission::{Answer, Endpoint, Environment, NotAReview};
use crate::harden::SeedImage;
use crate::policy::PolicySet;

/// Answers a review: [`crate::admission::review`], except in tests and benchmarks.
pub type Reviewer =
    fn(&[u8], Endpoint<'_>, &PolicySet, Environment<'_>) -> Result<Answer, NotAReview>;

/// Server configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the webhook; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    pub ops_listen: SocketAddr,
    /// Source of the certificate.
    pub certificate: Certificate,
    /// Source of the policies.
    pub policies: Policies,
    /// Whom to ask about unknown images, if enabled.
    pub ask_facts: Option<AskFacts>,
    /// Whether the cluster honours `hostUsers: false`: see
    /// [`crate::harden::Context::user_namespaces`].
    pub user_namespaces: bool,
    /// ironhull's own image, for the init containers that seed.
    pub seed_image: Option<OwnImage>,
    /// Interval at which files are read again.
    pub poll_interval: Duration,
    /// Number of threads that answer requests.
    pub workers: usize,
    /// Maximum number of connections served at once.
    pub max_connections: usize,
    /// Maximum size of a body, in bytes.
    pub max_body: usize,
    /// Maximum total size of all bodies in memory, in bytes.
    pub max_body_total: usize,
    /// Timeouts of a connection.
    pub timeouts: Timeouts,
    /// Time the server keeps serving after it was told to stop, already reporting not ready, so
    /// that everybody notices.
    pub shutdown_delay: Duration,
    /// Further time that requests in flight may take after that.
    pub shutdown_timeout: Duration,
    /// Whether SIGTERM, SIGINT and SIGHUP stop it.
    pub signals: bool,
    /// Function that answers a review.
    pub review: Reviewer,
}

/// Whom to ask, and for how long.
#[derive(Clone, Debug)]
pub struct AskFacts {
    /// Where `ironhull watch` answers: `http://HOST[:PORT]`.
    pub url: Uri,
    /// How much longer a review may take for it.
    pub timeout: Duration,
}

impl AskFacts {
    /// Reads `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn url(text: &str) -> Result<Uri, String> {
        let wrong = || "not of the form http://HOST:PORT".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        let host = uri.host().is_some_and(|host| !host.is_empty());
        (plain && host && uri.query().is_none()).then_some(uri).ok_or_else(wrong)
    }
}

/// Source of the certificate.
#[derive(Clone)]
pub enum Certificate {
    /// Files, read again when they change.
    Files(CertificateFiles),
    /// A fixed one.
    Given(PemPair),
    /// Made and renewed by ironhull itself, shared with the other replicas.
    Managed(Box<managed::Settings>),
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(files) => files.fmt(f),
            Self::Given(_) => f.write_str("Given"),
            Self::Managed(settings) => settings.fmt(f),
        }
    }
}

/// Source of the policies.
#[derive(Clone, Debug)]
pub enum Policies {
    /// The compiled-in policy alone.
    Embedded,
    /// Files, read again when they change.
    Files(PolicyFiles),
}

/// ironhull's own image.
#[derive(Clone, Debug)]
pub struct OwnImage {
    /// Its name.
    pub name: String,
    /// Its imagePullPolicy; empty for Kubernetes' default.
    pub pull_policy: String,
}

impl OwnImage {
    /// As the engine takes it.
    pub fn borrowed(&self) -> SeedImage<'_> {
        SeedImage { name: &self.name, pull_policy: &self.pull_policy }
    }
}

impl Config {
    /// A server on free loopback ports with this certificate, the compiled-in policy
    /// and every limit at its default.
    pub fn on_loopback(certificate: Certificate) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: loopback,
            ops_listen: loopback,
            certificate,
            policies: Policies::Embedded,
            ask_facts: None,
            user_namespaces: false,
            seed_image: None,
            poll_interval: defaults::POLL_INTERVAL,
            workers: defaults::workers(),
            max_connections: defaults::MAX_CONNECTIONS,
            max_body: defaults::MAX_BODY,
            max_body_total: defaults::MAX_BODY_TOTAL,
            timeouts: defaults::TIMEOUTS,
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: defaults::SHUTDOWN_TIMEOUT,
            signals: false,
            review: crate::admission::review,
        }
    }

    /// Refuses settings that cannot work, and lowers those that the system does not allow.
    ///
    /// # Errors
    /// When a setting contradicts another or cannot work.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        if self.workers == 0 {
            bail!("the number of workers must be at least 1");
        }
        if self.poll_interval.is_zero() {
            bail!("the poll interval must be above zero");
        }
        if self.max_body > self.max_body_total / 4 * 3 {
            bail!(
                "the budget of {} bytes for all bodies must be at least a third larger than the \
                 limit of {} bytes for one body",
                self.max_body_total,
                self.max_body
            );
        }
        let room = limits::room_for_connections(self.max_connections + OVERFLOW_CONNECTIONS)
            .saturating_sub(OVERFLOW_CONNECTIONS);
        if room < self.max_connections {
            if room == 0 {
                bail!("the limit on open files is too low to serve any connection");
            }
            warn!(
                wanted = self.max_connections,
                possible = room,
                "the limit on open files allows fewer connections"
            );
            self.max_connections = room;
        }
        Ok(())
    }
}

/// Number of connections beyond the limit that are answered with 503. Further ones are closed
/// without an answer. A TLS handshake costs a millisecond and some 20 KiB.
pub(super) const OVERFLOW_CONNECTIONS: usize = 64;

/// Default settings.
pub mod defaults {
    use super::{Duration, Timeouts, thread};

    /// Interval at which files are read again. The kubelet itself syncs about once a minute.
    pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

    /// An API server needs a few connections. In a storm it needs one for each of the 200 mutating
    /// requests that it allows at a time.
    pub const MAX_CONNECTIONS: usize = 512;

    /// A review may carry the object and the old object, each of up to about 3 MiB.
    pub const MAX_BODY: usize = 7 << 20;

    /// Room for thousands of ordinary bodies, and for one of the largest at a time. `docs/abuse.md`
    /// shows what adds up to the chart's limit of 64 MiB: this, 28 KiB a connection, and what
    /// reviews need.
    pub const MAX_BODY_TOTAL: usize = 10 << 20;

    /// The API server waits 10 s for a webhook by default and 30 s at most, and its network is
    /// near. It closes a connection after 90 s of silence. The server must not close first, because
    /// a request might be on its way.
    pub const TIMEOUTS: Timeouts = Timeouts {
        handshake: Duration::from_secs(5),
        head: Duration::from_secs(5),
        body: Duration::from_secs(10),
        keep_alive: Duration::from_secs(120),
        write: Duration::from_secs(10),
    };

    /// Time for endpoints and their caches to notice that the server is not ready.
    pub const SHUTDOWN_DELAY: Duration = Duration::from_secs(5);

    /// An API server waits 30 s at most for a webhook. Together with the delay, this stays below
    /// that, and below the pod's usual grace period of 30 s.
    pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

    /// One thread per CPU, by the cgroup's quota, but at most four: that is more than an API server
    /// asks for.
    pub fn workers() -> usize {
        thread::available_parallelism().map_or(1, |count| count.get().min(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["http://watch:8082", "http://10.0.0.1", "http://[::1]:80/"] {
            assert!(AskFacts::url(good).is_ok(), "{good}");
        }
        for bad in
            ["watch:8082", "https://watch", "http://", "http://watch/x", "http://watch?x", ""]
        {
            assert!(AskFacts::url(bad).is_err(), "{bad}");
        }
    }
}
