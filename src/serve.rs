//! The webhook server: HTTPS in, reviews out, and everything that keeps it going.
//!
//! [`start`] runs a whole server in threads of its own and returns at once; `ironhull
//! serve`, `ironhull demo` and the tests all use it. Below it, from the socket upwards:
//!
//! | module | what it does |
//! |---|---|
//! | [`limits`] | how many connections, how many bytes |
//! | [`tls`], [`certs`] | the handshake, the certificate in force |
//! | [`connection`] | deadlines, the end of a connection |
//! | [`http`], [`ops`] | the two listeners' requests |
//! | [`store`], [`poll`] | policies and certificate, reloaded |
//! | [`readiness`], [`metrics`], [`telemetry`] | what the outside can see |

pub mod certs;
pub mod connection;
pub mod http;
pub mod limits;
mod listener;
pub mod metrics;
pub mod ops;
pub mod poll;
pub mod readiness;
pub mod store;
pub mod telemetry;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use certs::{CertificateFiles, Identity, PemPair};
use connection::Timeouts;
use http::{Hook, Reviewer};
use limits::{Budget, Slots};
use metrics::Metrics;
use ops::Ops;
use poll::{Poller, Source};
use readiness::Readiness;
use store::{CertificateSource, PolicyFiles, PolicySource, Store};
use tls::InForce;

use crate::policy::PolicySet;

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
    /// Whether SIGTERM and SIGINT stop it.
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
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files(files) => files.fmt(f),
            Self::Given(_) => f.write_str("Given"),
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
}

/// What holds where nothing is said.
pub mod defaults {
    use super::{Duration, Timeouts, thread};

    /// Files are read again this often. The kubelet itself syncs about once a minute.
    pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

    /// An API server needs a few connections; a dozen API servers, a few dozen.
    pub const MAX_CONNECTIONS: usize = 1024;

    /// A review may carry the object and the old object, each of up to about 3 MiB.
    pub const MAX_BODY: usize = 7 << 20;

    /// Four of the largest bodies at once, or thousands of ordinary ones.
    pub const MAX_BODY_TOTAL: usize = 32 << 20;

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

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Where the webhook listens.
    pub webhook_addr: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` listen.
    pub ops_addr: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Stops it as SIGTERM would, and waits until it has stopped.
    ///
    /// # Errors
    /// When it ended otherwise than by being told to.
    pub fn stop(self) -> anyhow::Result<()> {
        let _may_have_ended = self.stop.send(());
        join(self.thread)
    }

    /// Waits until it has been stopped by a signal.
    ///
    /// # Errors
    /// When it ended otherwise than by being told to, or by a second signal.
    pub fn wait(self) -> anyhow::Result<()> {
        let Self { stop: _kept, thread, .. } = self;
        join(thread)
    }
}

fn join(thread: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    thread.join().map_err(|_| anyhow!("the server's main thread panicked"))?
}

/// Starts a server and returns as soon as it listens.
///
/// # Errors
/// When the certificate or a policy is bad, or an address cannot be listened on.
pub fn start(config: Config) -> anyhow::Result<Running> {
    let parts = Parts::load(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (stop, stopped) = oneshot::channel();
    let (listening, wait) = std::sync::mpsc::channel();
    let thread = thread::Builder::new()
        .name("supervisor".to_owned())
        .spawn(move || runtime.block_on(parts.run(listening, stopped)))
        .context("cannot start a thread")?;
    match wait.recv() {
        Ok((webhook_addr, ops_addr)) => Ok(Running { webhook_addr, ops_addr, stop, thread }),
        Err(_) => Err(join(thread).err().unwrap_or_else(|| anyhow!("the server ended at once"))),
    }
}

/// Everything a server is made of, before it listens.
struct Parts {
    config: Config,
    in_force: Arc<InForce>,
    hook: Arc<Hook>,
    ops: Arc<Ops>,
    certificates: Option<Poller<CertificateSource>>,
    policies: Option<Poller<PolicySource>>,
}

impl Parts {
    fn load(mut config: Config) -> anyhow::Result<Self> {
        config.check()?;
        let metrics = Arc::new(Metrics::new());
        let readiness = Arc::new(Readiness::default());
        let (in_force, certificates) = load_certificate(&config.certificate, &metrics, &readiness)
            .context("cannot start without a good certificate")?;
        let (store, policies) = load_policies(&config.policies, &metrics, &readiness)
            .context("cannot start without good policies")?;
        let slots = Slots::new(config.max_connections, OVERFLOW_CONNECTIONS);
        let budget = Budget::new(config.max_body_total);
        let hook = Arc::new(Hook {
            review: config.review,
            store,
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            budget: Arc::clone(&budget),
            max_body: config.max_body,
            body_timeout: config.timeouts.body,
        });
        let ops = Arc::new(Ops { metrics, readiness, slots, budget });
        Ok(Self { config, in_force, hook, ops, certificates, policies })
    }

    async fn run(
        self,
        listening: std::sync::mpsc::Sender<(SocketAddr, SocketAddr)>,
        stopped: oneshot::Receiver<()>,
    ) -> anyhow::Result<()> {
        let Self { config, in_force, hook, ops, certificates, policies } = self;
        let mut stop = Stop::new(stopped, config.signals)?;
        let closing = CancellationToken::new();
        let webhook_socket = listener::bind(config.listen)?;
        let ops_socket = listener::bind(config.ops_listen)?;
        let addresses = (webhook_socket.local_addr()?, ops_socket.local_addr()?);
        let door = listener::Door {
            slots: Arc::clone(&ops.slots),
            metrics: Arc::clone(&ops.metrics),
            timeouts: config.timeouts,
            closing: closing.clone(),
        };
        let tls = tls::server_config(Arc::clone(&in_force)).context("cannot set up TLS")?;
        let workers = config.workers;
        let webhook = listener::webhook(webhook_socket, door, tls, Arc::clone(&hook), workers)?;
        let observed = listener::ops(ops_socket, Arc::clone(&ops), config.timeouts)?;
        let handles = [webhook.handle(), observed.handle()];
        let mut tasks = JoinSet::new();
        tasks.spawn(webhook);
        tasks.spawn(observed);
        let pollers = config.poll_interval;
        let mut background = JoinSet::new();
        if let Some(poller) = certificates {
            background.spawn(poller.run(pollers));
        }
        if let Some(poller) = policies {
            background.spawn(poller.run(pollers));
        }
        background.spawn(watch_expiry(in_force));
        let (webhook_addr, ops_addr) = addresses;
        info!(%webhook_addr, %ops_addr, "listening");
        let _nobody_waits = listening.send(addresses);

        tokio::select! {
            () = stop.requested() => {}
            ended = tasks.join_next() => bail!("a listener ended by itself: {ended:?}"),
        }
        tokio::select! {
            () = drain(&config, &ops.readiness, &closing, handles) => Ok(()),
            () = stop.requested() => bail!("stopped at once, by a second signal"),
        }
    }
}

/// Connections beyond the limit that are told so with 503; those beyond these too are
/// closed without a word. A TLS handshake costs a millisecond and some 20 KiB.
const OVERFLOW_CONNECTIONS: usize = 64;

impl Config {
    fn check(&mut self) -> anyhow::Result<()> {
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

fn load_certificate(
    certificate: &Certificate,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<(Arc<InForce>, Option<Poller<CertificateSource>>)> {
    let pair = match certificate {
        Certificate::Files(files) => files.read()?,
        Certificate::Given(pair) => pair.clone(),
    };
    let identity = Identity::from_pem(&pair.certificate, &pair.key)?.valid_at(Timestamp::now())?;
    let in_force = InForce::new(identity);
    store::note_certificate(&in_force, metrics, readiness);
    let poller = match certificate {
        Certificate::Given(_) => None,
        Certificate::Files(files) => {
            let digest = CertificateSource::digest(&pair);
            let source = CertificateSource {
                files: files.clone(),
                in_force: Arc::clone(&in_force),
                metrics: Arc::clone(metrics),
                readiness: Arc::clone(readiness),
            };
            Some(Poller::new(source, digest))
        }
    };
    Ok((in_force, poller))
}

fn load_policies(
    policies: &Policies,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<(Arc<Store>, Option<Poller<PolicySource>>)> {
    let (store, poller) = match policies {
        Policies::Embedded => {
            let embedded = PolicySet::new(Vec::new());
            (Store::new(embedded.map_err(|_| anyhow!("the compiled-in policy is bad"))?), None)
        }
        Policies::Files(files) => {
            let texts = (files.read)().map_err(anyhow::Error::msg)?;
            let loaded = files.parse(&texts).map_err(|wrong| {
                anyhow!("in `{}`:\n{}", files.name, (files.render)(&wrong, &texts).trim_end())
            })?;
            let store = Store::new(loaded);
            let source = PolicySource {
                files: files.clone(),
                store: Arc::clone(&store),
                metrics: Arc::clone(metrics),
                readiness: Arc::clone(readiness),
            };
            let digest = PolicySource::digest(&texts);
            (store, Some(Poller::new(source, digest)))
        }
    };
    store::note_policies(&store, metrics, readiness);
    Ok((store, poller))
}

/// What tells a server to stop.
struct Stop {
    told: Option<oneshot::Receiver<()>>,
    signals: Option<(Signal, Signal)>,
}

impl Stop {
    fn new(told: oneshot::Receiver<()>, signals: bool) -> anyhow::Result<Self> {
        let signals = if signals {
            let one = |kind| signal(kind).context("cannot listen for signals");
            Some((one(SignalKind::terminate())?, one(SignalKind::interrupt())?))
        } else {
            None
        };
        Ok(Self { told: Some(told), signals })
    }

    /// Returns once for each request to stop.
    async fn requested(&mut self) {
        let Self { told, signals } = self;
        let by_caller = async {
            match told {
                // A caller that is gone wants it stopped too.
                Some(told) => drop(told.await),
                None => std::future::pending().await,
            }
        };
        let by_signal = async {
            match signals {
                Some((terminate, interrupt)) => tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = by_caller => *told = None,
            () = by_signal => {}
        }
    }
}

/// Not ready at once; still serving until everybody knows; then no new connection,
/// idle ones closed, what is in flight answered.
async fn drain(
    config: &Config,
    readiness: &Readiness,
    closing: &CancellationToken,
    [webhook, ops]: [ServerHandle; 2],
) {
    readiness.drain();
    info!(delay = ?config.shutdown_delay, "told to stop: not ready from now on");
    sleep(config.shutdown_delay).await;
    info!("finishing what is in flight");
    closing.cancel();
    if timeout(config.shutdown_timeout, webhook.stop(true)).await.is_err() {
        error!("some requests did not end in time");
        webhook.stop(false).await;
    }
    ops.stop(false).await;
    info!("stopped");
}

/// How often the certificate's end is looked at.
const EXPIRY_CHECK: Duration = Duration::from_secs(3600);

/// So long before its end a certificate should have been replaced: whoever renews it has
/// failed by then, and there are some working days left.
const EXPIRY_NEAR: Duration = Duration::from_secs(7 * 24 * 3600);

async fn watch_expiry(in_force: Arc<InForce>) {
    let mut ticks = interval(EXPIRY_CHECK);
    loop {
        ticks.tick().await;
        let identity = in_force.identity();
        let left = identity.not_after.duration_since(Timestamp::now());
        // A certificate that lives for days is renewed late in its life.
        let lifetime = identity.not_after.duration_since(identity.not_before);
        let near = (lifetime / 5).unsigned_abs().min(EXPIRY_NEAR);
        if left.is_negative() {
            error!(not_after = %identity.not_after, "the certificate in force has expired");
        } else if left.unsigned_abs() < near {
            warn!(not_after = %identity.not_after, "the certificate in force expires soon");
        }
    }
}
