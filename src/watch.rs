//! `ironhull watch`: metrics of what runs in the namespaces that opted in.
//!
//! It follows namespaces and pods with one watch each. The engine judges every pod as it comes, and
//! some sixty bytes of it are kept. It writes nothing but facts of images, Events about what
//! hardening breaks and reports of workloads, if it is told to, and there the last word is the API
//! server's: two instances do no harm, and there is no leader to elect.
//!
//! | module | what it does |
//! |---|---|
//! | [`follow`] | the watches: lists, streams, and what goes wrong with them |
//! | [`trouble`] | why a watch or a list ended |
//! | [`lines`] | a stream's lines, of bounded length |
//! | [`judge`] | what the engine makes of a pod, and what is kept of it |
//! | [`tally`] | what is kept, and the sums by namespace |
//! | [`state`] | everything known of the cluster |
//! | [`policies`] | the policy files that pods are judged by |
//! | [`metrics`], `series` | the sums as metrics |
//! | [`key`] | keys of pods and workloads, of one length |
//! | [`images`] | facts of the images that pods use |
//! | [`breakage`] | what hardening breaks, and who is told |
//! | [`reports`] | a Report of openreports.io for each workload |
//! | `above` | the owners of ReplicaSets and Jobs |
//! | `tokens` | how much may be asked of the API server |

mod above;
pub mod breakage;
pub mod follow;
pub mod images;
pub mod judge;
pub mod key;
pub mod lines;
pub mod metrics;
pub mod policies;
pub mod reports;
mod series;
pub mod state;
pub mod tally;
mod tokens;
pub mod trouble;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::{Client, Config};
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use crate::cluster;
use crate::date::today;
use crate::serve;
use crate::serve::policy_files::{self, PolicyFiles};
use crate::serve::poll::{Polled as _, Poller};
use crate::serve::stop::Stop;
use breakage::Breakage;
use follow::{Follower, What};
use images::answers::Answers;
use images::{Learner, Learning};
use metrics::WatchMetrics;
use policies::WatchedPolicies;
use reports::Reporter;
use state::{Besides, ClusterState};

/// What pods are judged by.
pub struct Judging {
    /// The policy files; `None` for the embedded policy.
    pub files: Option<PolicyFiles>,
    /// Whether the cluster honours `hostUsers: false`.
    pub user_namespaces: bool,
}

/// What is done besides counting.
#[derive(Default)]
pub struct Extras {
    /// How facts of images are learnt, if they are.
    pub learning: Option<Learning>,
    /// Whether it finds out what hardening breaks, and if so, whether logs may be read.
    pub breakage: Option<ReadLogs>,
    /// Whether it keeps reports of workloads.
    pub reports: bool,
}

/// Whether logs may be read.
pub type ReadLogs = bool;

/// Watches until a signal stops it.
///
/// # Errors
/// When the policies are bad, or the address cannot be listened on.
pub async fn watch(
    config: Config,
    ops_listen: SocketAddr,
    judging: Judging,
    extras: Extras,
    poll_interval: Duration,
) -> anyhow::Result<()> {
    // Install the signal handlers first: a signal that comes now must not kill the process.
    let (_kept, never) = oneshot::channel();
    let mut stop = Stop::new(never, true)?;
    let mut registry = Registry::default();
    let server = cluster::address(&config);
    let client = Client::try_from(config).context("cannot set up the client")?;
    let Extras { learning, breakage, reports } = extras;
    let answer_at = learning.as_ref().and_then(|learning| learning.answer_at);
    let learner = learning.map(|learning| Learner::new(learning, client.clone()));
    let breakage = breakage.map(|logs| Breakage::new(client.clone(), logs));
    let reporter = reports.then(|| Reporter::new(client.clone()));
    let besides = Besides {
        learner: learner.clone(),
        breakage: breakage.clone(),
        reporter: reporter.clone(),
    };
    let (state, poller) = load(judging, besides, &mut registry)?;
    let observed = Arc::new(WatchMetrics::new(registry, Arc::clone(&state)));
    let mut serving = JoinSet::new();
    if let (Some(address), Some(learner)) = (answer_at, learner.clone()) {
        let answers = Answers { ops: Arc::<WatchMetrics>::clone(&observed), learner };
        let (facts_addr, listener) = serve::observe(address, Arc::new(answers))?;
        info!(%facts_addr, "answering questions about images");
        serving.spawn(listener);
    }
    let (ops_addr, listener) = serve::observe(ops_listen, observed)?;
    info!(version = env!("CARGO_PKG_VERSION"), %ops_addr, server, "listening");
    serving.spawn(listener);
    let mut watching = JoinSet::new();
    for what in What::ALL {
        watching
            .spawn(Follower::new(client.clone(), server.clone(), what, Arc::clone(&state)).run());
    }
    if let Some(poller) = poller {
        watching.spawn(poller.run(poll_interval));
    }
    if let Some(learner) = learner {
        watching.spawn(learner.run());
    }
    if let Some(breakage) = breakage {
        watching.spawn(breakage.run());
    }
    if let Some(reporter) = reporter {
        let state = Arc::clone(&state);
        watching.spawn(reporter.run(move |namespace| state.opted_in(namespace)));
    }
    watching.spawn(turn_the_day(Arc::clone(&state)));
    // Nobody would miss what is in flight, so it ends as soon as it is told to.
    tokio::select! {
        () = stop.requested() => {
            info!("stopped");
            Ok(())
        }
        ended = serving.join_next() => bail!("the listener ended unexpectedly: {ended:?}"),
        ended = watching.join_next() => bail!("a watch ended unexpectedly: {ended:?}"),
    }
}

/// Loads the policies, so that they are in force before the first pod comes.
fn load(
    Judging { files, user_namespaces }: Judging,
    besides: Besides,
    registry: &mut Registry,
) -> anyhow::Result<(Arc<ClusterState>, Option<Poller<WatchedPolicies>>)> {
    let Some(files) = files else {
        let embedded = policy_files::embedded()?;
        return Ok((ClusterState::new(embedded, user_namespaces, besides, registry), None));
    };
    let texts = (files.read)().map_err(anyhow::Error::msg)?;
    let loaded = files.parse_first(&texts).context("cannot start without good policies")?;
    let state = ClusterState::new(loaded.policies, user_namespaces, besides, registry);
    let digest = WatchedPolicies::digest(&texts);
    let source = WatchedPolicies { files, state: Arc::clone(&state) };
    Ok((state, Some(Poller::new(source, digest))))
}

/// Interval at which the date is checked. An exemption may be counted this much longer than it
/// holds.
const DAY_LOOK: Duration = Duration::from_secs(30);

/// Exemptions end with the day, so all pods are judged again when a new day begins.
async fn turn_the_day(state: Arc<ClusterState>) {
    let mut ticks = interval(DAY_LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        state.date_is(today());
    }
}
