//! How a server is set up, and what holds where nothing is said.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use tracing::warn;

use super::certs::{CertificateFiles, PemPair};
use super::connection::Timeouts;
use super::limits;
use super::managed;
use super::policy_files::PolicyFiles;
use crate::admission::{Answer, Endpoint, Environment, NotAReview};
use crate::policy::PolicySet;

/// Answers a review: [`crate::admission::review`], but for tests and benchmarks.
pub type Reviewer = fn(&[u8], Endpoint<'_>, &PolicySet, Environment) -> Result<Answer, NotAReview>;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the webhook listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` listen.
    pub ops_listen: SocketAddr,
    /// Where the certificate comes from.
    pub certificate: Certificate,
    /// Where the policies come from.
    pub policies: Policies,
    /// Whether the cluster honours `hostUsers: false`: see
    /// [`crate::harden::Context::user_namespaces`].
    pub user_namespaces: bool,
    /// How often files are read again.
    pub poll_interval: Duration,
    /// Threads that answer requests.
    pub workers: usize,
    /// Connections that are served at once.
    pub max_connections: usize,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// All bodies that are in memory at once, in bytes.
    pub max_body_total: usize,
    /// How long what may take.
    pub timeouts: Timeouts,
    /// How long a server that was told to stop goes on, not ready, until everybody knows.
    pub shutdown_delay: Duration,
    /// How long requests in flight may take after that.
    pub shutdown_timeout: Duration,
    /// Whether SIGTERM, SIGINT and SIGHUP stop it.
    pub signals: bool,
    /// What answers a review.
    pub review: Reviewer,
}

/// Where the certificate comes from.
#[derive(Clone)]
pub enum Certificate {
    /// Files, read again when they change.
    Files(CertificateFiles),
    /// One that stays.
    Given(PemPair),
    /// Made and kept by ironhull itself, with the other replicas.
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

/// Where the policies come from.
#[derive(Clone, Debug)]
pub enum Policies {
    /// The compiled-in one alone.
    Embedded,
    /// Files, read again when they change.
    Files(PolicyFiles),
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
            user_namespaces: false,
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

    /// Refuses what cannot work, and lowers what the system does not allow.
    ///
    /// # Errors
    /// What contradicts itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        if self.workers == 0 {
            bail!("the number of workers must be at least 1");
        }
        if self.poll_interval.is_zero() {
            bail!("the poll interval must be above zero");
        }
        if self.max_body > self.max_body_total / 4 * 3 {
            bail!(
                "the budget of {} bytes for all bodies must be at least a third above the limit \
                 of {} bytes for one",
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

/// Connections beyond the limit that are told so with 503; those beyond these too are
/// closed without a word. A TLS handshake costs a millisecond and some 20 KiB.
pub(super) const OVERFLOW_CONNECTIONS: usize = 64;

/// What holds where nothing is said.
pub mod defaults {
    use super::{Duration, Timeouts, thread};

    /// Files are read again this often. The kubelet itself syncs about once a minute.
    pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

    /// An API server needs a few connections, and in a storm one for each of the 200 requests
    /// that it lets change something at a time.
    pub const MAX_CONNECTIONS: usize = 512;

    /// A review may carry the object and the old object, each of up to about 3 MiB.
    pub const MAX_BODY: usize = 7 << 20;

    /// Thousands of ordinary bodies, and one of the largest at a time. `docs/abuse.md` has what
    /// adds up to the chart's limit of 64 MiB: this, 28 KiB a connection, and what reviews need.
    pub const MAX_BODY_TOTAL: usize = 10 << 20;

    /// The API server waits 10 s for a webhook unless told otherwise, and 30 s at most;
    /// its network is near. It closes a connection after 90 s of silence, and the
    /// server must not do so first: a request might be on its way.
    pub const TIMEOUTS: Timeouts = Timeouts {
        handshake: Duration::from_secs(5),
        head: Duration::from_secs(5),
        body: Duration::from_secs(10),
        keep_alive: Duration::from_secs(120),
        write: Duration::from_secs(10),
    };

    /// Time for endpoints and their caches to notice that the server is not ready.
    pub const SHUTDOWN_DELAY: Duration = Duration::from_secs(5);

    /// The longest an API server waits for a webhook is 30 s; with the delay this stays
    /// below it, and below the pod's usual grace period of 30 s.
    pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

    /// One thread a CPU, by the cgroup's quota, and no more than four: that is more than
    /// an API server asks for.
    pub fn workers() -> usize {
        thread::available_parallelism().map_or(1, |count| count.get().min(4))
    }
}
