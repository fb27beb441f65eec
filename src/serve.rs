//! The webhook server: HTTPS in, reviews out, and everything that keeps it going.
//!
//! [`start`] runs a whole server in threads of its own and returns at once; `ironhull
//! serve`, `ironhull demo` and the tests all use it. Below it, from the socket upwards:
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | how it is set up |
//! | [`limits`] | how many connections, how many bytes |
//! | [`tls`], [`certs`] | the handshake, the certificate in force |
//! | [`managed`] | certificates that ironhull makes and keeps itself |
//! | [`connection`] | deadlines, the end of a connection |
//! | [`http`], [`ops`] | the two listeners' requests |
//! | [`store`], [`poll`] | policies and certificate, reloaded |
//! | [`ask`] | questions about unknown images, to `ironhull watch` |
//! | [`readiness`], [`metrics`], [`telemetry`] | what the outside can see |

pub mod ask;
pub mod certs;
pub mod config;
pub mod connection;
pub mod http;
pub mod limits;
mod listener;
pub mod managed;
pub mod metrics;
pub mod ops;
pub mod policy_files;
pub mod poll;
pub mod readiness;
pub(crate) mod stop;
pub mod store;
pub mod telemetry;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use actix_web::dev::Server;
use anyhow::{Context as _, anyhow, bail};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use ask::Asker;
use config::OVERFLOW_CONNECTIONS;
use http::Hook;
use limits::{Budget, Slots};
use managed::Keeper;
use metrics::Metrics;
use ops::{Observed, Ops, Webhook};
use poll::Poller;
use readiness::Readiness;
use stop::{Stop, drain};
use store::{PolicySource, Upkeep, load_certificate, load_policies};
use tls::{InForce, watch_expiry};

pub use config::{AskFacts, Certificate, Config, OwnImage, Policies, defaults};

/// A running server.
#[derive(Debug)]
pub struct Running {
    /// Address of the webhook.
    pub webhook_addr: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    pub ops_addr: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Stops the server as SIGTERM would, and waits until it has stopped.
    ///
    /// # Errors
    /// When it ended for any reason other than a request to stop.
    pub fn stop(self) -> anyhow::Result<()> {
        let _may_have_ended = self.stop.send(());
        join(self.thread)
    }

    /// Waits until a signal has stopped the server.
    ///
    /// # Errors
    /// When it ended for any reason other than a request to stop, or because of a second signal.
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let parts = Parts::load(config, runtime.handle())?;
    let (stop, stopped) = oneshot::channel();
    let (listening, wait) = std::sync::mpsc::channel();
    let thread = thread::Builder::new()
        .name("supervisor".to_owned())
        .spawn(move || runtime.block_on(parts.run(listening, stopped)))
        .context("cannot start a thread")?;
    match wait.recv() {
        Ok((webhook_addr, ops_addr)) => Ok(Running { webhook_addr, ops_addr, stop, thread }),
        Err(_) => Err(join(thread)
            .err()
            .unwrap_or_else(|| anyhow!("the server ended before it was listening"))),
    }
}

/// Binds an ops listener alone, for a process that answers no reviews. Returns its address and its
/// server, which is not yet polled.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn observe(
    address: SocketAddr,
    observed: Arc<dyn Observed>,
) -> anyhow::Result<(SocketAddr, Server)> {
    let socket = listener::bind(address)?;
    let address = socket.local_addr()?;
    Ok((address, listener::ops(socket, Arc::new(Ops(observed)), defaults::TIMEOUTS)?))
}

/// Everything a server is made of, before it listens.
struct Parts {
    config: Config,
    in_force: Arc<InForce>,
    hook: Arc<Hook>,
    ops: Arc<Webhook>,
    upkeep: Upkeep,
    policies: Option<Poller<PolicySource>>,
}

impl Parts {
    fn load(mut config: Config, apart: &Handle) -> anyhow::Result<Self> {
        config.check()?;
        let metrics = Arc::new(Metrics::new());
        let readiness = Arc::new(Readiness::default());
        let (in_force, upkeep) = load_certificate(&config.certificate, &metrics, &readiness)
            .context("cannot start without a good certificate")?;
        let (store, policies) = load_policies(&config.policies, &metrics, &readiness)
            .context("cannot start without good policies")?;
        let asker = config.ask_facts.take().map(|settings| {
            metrics.asks();
            Asker::new(settings, Arc::clone(&store), Arc::clone(&metrics))
        });
        let slots = Slots::new(config.max_connections, OVERFLOW_CONNECTIONS);
        let budget = Budget::new(config.max_body_total);
        let hook = Arc::new(Hook {
            review: config.review,
            store,
            asker,
            user_namespaces: config.user_namespaces,
            seed_image: config.seed_image.clone().map(Arc::new),
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            budget: Arc::clone(&budget),
            large: Arc::new(Semaphore::new(1)),
            apart: apart.clone(),
            max_body: config.max_body,
            body_timeout: config.timeouts.body,
        });
        let ops = Arc::new(Webhook { metrics, readiness, slots, budget });
        Ok(Self { config, in_force, hook, ops, upkeep, policies })
    }

    async fn run(
        self,
        listening: std::sync::mpsc::Sender<(SocketAddr, SocketAddr)>,
        stopped: oneshot::Receiver<()>,
    ) -> anyhow::Result<()> {
        // Install the signal handlers first: a signal that comes now must not kill the process.
        let mut stop = Stop::new(stopped, self.config.signals)?;
        let closing = CancellationToken::new();
        let (addresses, servers) = self.listen(&closing)?;
        let Self { config, in_force, ops, upkeep, policies, hook: _ } = self;
        let handles = servers.each_ref().map(Server::handle);
        let mut serving = JoinSet::from_iter(servers);
        let mut watching = JoinSet::new();
        match upkeep {
            Upkeep::None => {}
            Upkeep::Files(poller) => {
                watching.spawn(poller.run(config.poll_interval));
            }
            Upkeep::Managed(settings) => {
                let client = settings.connect().await?;
                let seen = (Arc::clone(&ops.metrics), Arc::clone(&ops.readiness));
                let keeper = Keeper::new(&settings, client, Arc::clone(&in_force), seen);
                watching.spawn(keeper.run(config.poll_interval));
            }
        }
        if let Some(poller) = policies {
            watching.spawn(poller.run(config.poll_interval));
        }
        watching.spawn(watch_expiry(in_force, config.poll_interval));
        info!(webhook_addr = %addresses.0, ops_addr = %addresses.1, "listening");
        let _nobody_waits = listening.send(addresses);

        tokio::select! {
            () = stop.requested() => {}
            ended = serving.join_next() => bail!("a listener ended unexpectedly: {ended:?}"),
        }
        tokio::select! {
            () = drain(&config, &ops.readiness, &closing, handles) => Ok(()),
            () = stop.requested() => bail!("stopped at once by a second signal"),
        }
    }

    /// Binds both addresses and makes the servers of the webhook's and the ops listener.
    fn listen(
        &self,
        closing: &CancellationToken,
    ) -> anyhow::Result<((SocketAddr, SocketAddr), [Server; 2])> {
        let Self { config, in_force, hook, ops, .. } = self;
        let (webhook, observed) =
            (listener::bind(config.listen)?, listener::bind(config.ops_listen)?);
        let addresses = (webhook.local_addr()?, observed.local_addr()?);
        let door = listener::Door {
            slots: Arc::clone(&ops.slots),
            metrics: Some(Arc::clone(&ops.metrics)),
            timeouts: config.timeouts,
            closing: closing.clone(),
            buffers: Budget::new(listener::BUFFERS_TOTAL),
        };
        let tls = tls::server_config(Arc::clone(in_force)).context("cannot set up TLS")?;
        let servers = [
            listener::webhook(webhook, door, tls, Arc::clone(hook), config)?,
            listener::ops(observed, Arc::new(Ops(Arc::<Webhook>::clone(ops))), config.timeouts)?,
        ];
        Ok((addresses, servers))
    }
}
