//! `ironhull watch`: what runs in the namespaces that opted in, as metrics.
//!
//! It follows namespaces and pods by one watch each, judges every pod by the engine as it
//! comes and keeps some sixty bytes of it. It writes nothing, so two of them do no harm: there is no
//! leader to elect.
//!
//! | module | what it does |
//! |---|---|
//! | [`follow`] | the watches: lists, streams, and what goes wrong with them |
//! | [`lines`] | a stream's lines, of bounded length |
//! | [`judge`] | a pod, by the engine, to what is kept of it |
//! | [`tally`] | what is kept, and the sums by namespace |
//! | [`sight`] | everything that is known, and by which policies it is judged |
//! | [`metrics`] | the sums as metrics |

pub mod follow;
pub mod judge;
pub mod lines;
pub mod metrics;
pub mod sight;
pub mod tally;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::{Client, Config};
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;
use tracing::level_filters::LevelFilter;

use super::cluster::{self, Connection};
use super::{serve as served, today};
use crate::serve;
use crate::serve::poll::{Poller, Source as _};
use crate::serve::stop::Stop;
use crate::serve::store::{self, PolicyFiles};
use crate::serve::telemetry::{self, LogFormat};
use follow::{Follower, What};
use metrics::WatchMetrics;
use sight::{Sight, WatchedPolicies};

/// Export what runs unhardened as metrics
///
/// Watches pods and namespaces, judges them by the policies as the webhook does, and counts by
/// namespace: root containers, missing hardening, exemptions and when the first of them ends. Writes
/// nothing. Each option of its own has a variable: that of --policy is IRONHULL_POLICY.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where /healthz, /readyz and /metrics listen (HTTP)
    #[arg(
        long,
        env = "IRONHULL_OPS_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    ops_listen: SocketAddr,
    /// The webhook's policy file or directory; read again when it changes
    #[arg(long, env = "IRONHULL_POLICY", value_name = "FILE|DIR", value_hint = clap::ValueHint::AnyPath)]
    policy: Option<PathBuf>,
    /// As the webhook's: root is left to pods that say `hostUsers: false`
    #[arg(
        long,
        env = "IRONHULL_USER_NAMESPACES",
        value_name = "BOOL",
        hide_possible_values = true,
        hide_short_help = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        hide_default_value = true,
        action = clap::ArgAction::Set
    )]
    user_namespaces: bool,
    /// How often policies are read again
    #[arg(long, env = "IRONHULL_POLL_INTERVAL", value_name = "DURATION", hide_short_help = true, value_parser = served::duration, default_value = "5s")]
    poll_interval: Duration,
    /// How lines look
    #[arg(
        long,
        env = "IRONHULL_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "json"
    )]
    log_format: LogFormat,
    /// The least important lines to log: error, warn, info, debug or trace
    #[arg(long, env = "IRONHULL_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: LevelFilter,
    #[command(flatten)]
    connection: Connection,
}

/// Watches until a signal stops it.
///
/// # Errors
/// When no cluster is known, the policies are bad, or the address cannot be listened on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args {
        ops_listen,
        policy,
        user_namespaces,
        poll_interval,
        log_format,
        log_level,
        connection,
    } = args;
    if poll_interval.is_zero() {
        bail!("the poll interval must be above zero");
    }
    let _flush = telemetry::init(log_format, log_level);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let config = connection.config().await?;
        let policies = Judging { files: policy.map(served::files), user_namespaces };
        watch(config, ops_listen, policies, poll_interval).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// By what pods are judged.
struct Judging {
    files: Option<PolicyFiles>,
    user_namespaces: bool,
}

async fn watch(
    config: Config,
    ops_listen: SocketAddr,
    judging: Judging,
    poll_interval: Duration,
) -> anyhow::Result<()> {
    // Before anything else: a signal that comes now must not end the process unheard.
    let (_kept, never) = oneshot::channel();
    let mut stop = Stop::new(never, true)?;
    let mut registry = Registry::default();
    let (sight, poller) = load(judging, &mut registry)?;
    let server = cluster::address(&config);
    let client = Client::try_from(config).context("cannot set up the client")?;
    let observed = Arc::new(WatchMetrics::new(registry, Arc::clone(&sight)));
    let (ops_addr, listener) = serve::observe(ops_listen, observed)?;
    info!(version = env!("CARGO_PKG_VERSION"), %ops_addr, server, "listening");

    let mut serving = JoinSet::new();
    serving.spawn(listener);
    let mut watching = JoinSet::new();
    for what in What::ALL {
        watching
            .spawn(Follower::new(client.clone(), server.clone(), what, Arc::clone(&sight)).run());
    }
    if let Some(poller) = poller {
        watching.spawn(poller.run(poll_interval));
    }
    watching.spawn(turn_the_day(Arc::clone(&sight)));
    // Nothing is in flight that anybody would miss: it ends as soon as it is told to.
    tokio::select! {
        () = stop.requested() => {
            info!("stopped");
            Ok(())
        }
        ended = serving.join_next() => bail!("the listener ended by itself: {ended:?}"),
        ended = watching.join_next() => bail!("a watch ended by itself: {ended:?}"),
    }
}

/// The policies, which are in force before the first pod comes.
fn load(
    Judging { files, user_namespaces }: Judging,
    registry: &mut Registry,
) -> anyhow::Result<(Arc<Sight>, Option<Poller<WatchedPolicies>>)> {
    let Some(files) = files else {
        return Ok((Sight::new(store::embedded()?, user_namespaces, registry), None));
    };
    let texts = (files.read)().map_err(anyhow::Error::msg)?;
    let loaded = files.parse_first(&texts).context("cannot start without good policies")?;
    let sight = Sight::new(loaded, user_namespaces, registry);
    let digest = WatchedPolicies::digest(&texts);
    let source = WatchedPolicies { files, sight: Arc::clone(&sight) };
    Ok((sight, Some(Poller::new(source, digest))))
}

/// How often the date is looked at. An exemption may be counted so much longer than it holds.
const DAY_LOOK: Duration = Duration::from_secs(30);

/// Exemptions end with the day: all pods are judged again when another begins.
async fn turn_the_day(sight: Arc<Sight>) {
    let mut ticks = interval(DAY_LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        sight.date_is(today());
    }
}
