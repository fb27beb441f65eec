//! `ironhull watch`: its arguments.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tracing::level_filters::LevelFilter;

use super::serve as served;
use crate::cluster::Connection;
use crate::serve::telemetry::{self, LogFormat};
use crate::watch::{Judging, watch};

/// Export what runs unhardened as metrics
///
/// Watches pods and namespaces, judges them by the policies as the webhook does, and counts by
/// namespace: root containers, missing hardening, exemptions and when the first of them ends.
/// Read-only. Its own options also have environment variables, such as IRONHULL_POLICY for --policy.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address of /healthz, /readyz and /metrics
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
    /// The webhook's facts of images; read again when they change
    #[arg(long, env = "IRONHULL_FACTS", value_name = "FILE|DIR", value_hint = clap::ValueHint::AnyPath, hide_short_help = true)]
    facts: Option<PathBuf>,
    /// As for the webhook: trust `hostUsers: false`
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
    /// Interval at which policies are read again
    #[arg(long, env = "IRONHULL_POLL_INTERVAL", value_name = "DURATION", hide_short_help = true, value_parser = served::duration, default_value = "5s")]
    poll_interval: Duration,
    /// Log format
    #[arg(
        long,
        env = "IRONHULL_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "json"
    )]
    log_format: LogFormat,
    /// Log level: error, warn, info, debug or trace
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
        facts,
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
        let policies = Judging { files: served::files(policy, facts), user_namespaces };
        watch(config, ops_listen, policies, poll_interval).await
    })?;
    Ok(ExitCode::SUCCESS)
}
