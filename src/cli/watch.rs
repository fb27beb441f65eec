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
use crate::watch::images::Learning;
use crate::watch::images::config_maps::Place;
use crate::watch::{Extras, Judging, watch};

/// Report what runs unhardened, and what hardening breaks
///
/// Judges pods as the webhook does and counts by namespace; writes only what it is told to. Options
/// also have variables, such as IRONHULL_POLICY.
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
    /// Tell in Events and metrics which pods hardening breaks, and why
    #[arg(
        long,
        env = "IRONHULL_BREAKAGE",
        value_name = "BOOL",
        hide_possible_values = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        hide_default_value = true,
        action = clap::ArgAction::Set
    )]
    breakage: bool,
    /// For that, read the last lines of the logs of pods that fail
    #[arg(
        long,
        env = "IRONHULL_READ_LOGS",
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
    read_logs: bool,
    /// Keep a Report (openreports.io) for each workload
    #[arg(
        long,
        env = "IRONHULL_REPORTS",
        value_name = "BOOL",
        hide_possible_values = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        hide_default_value = true,
        action = clap::ArgAction::Set
    )]
    reports: bool,
    /// Learn images' facts, and keep them in ConfigMaps NAME-00 to NAME-15
    #[arg(
        long,
        env = "IRONHULL_IMAGE_FACTS",
        value_name = "NAMESPACE/NAME",
        help_heading = "Image facts"
    )]
    image_facts: Option<Place>,
    /// Answer questions about images here (`serve --ask-facts`)
    #[arg(
        long,
        env = "IRONHULL_ANSWER_FACTS",
        value_name = "ADDRESS",
        help_heading = "Image facts",
        requires = "image_facts",
        hide_short_help = true
    )]
    answer_facts: Option<SocketAddr>,
    /// Ask these registries alone, and at any address; else those of pods
    #[arg(
        long = "registry",
        env = "IRONHULL_REGISTRY",
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        help_heading = "Image facts",
        hide_short_help = true
    )]
    registries: Vec<String>,
    /// Read configurations and no layers: nothing is known of files
    #[arg(
        long,
        env = "IRONHULL_CONFIG_ONLY",
        value_name = "BOOL",
        hide_possible_values = true,
        help_heading = "Image facts",
        hide_short_help = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        hide_default_value = true,
        action = clap::ArgAction::Set
    )]
    config_only: bool,
    /// Platform to read; by default the one it runs on
    #[arg(
        long,
        env = "IRONHULL_PLATFORM",
        value_name = "OS/ARCH",
        help_heading = "Image facts",
        hide_short_help = true
    )]
    platform: Option<String>,
    /// Further certificates to trust registries by, as PEM
    #[arg(long, env = "IRONHULL_CA_FILE", value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Image facts", hide_short_help = true)]
    ca_file: Option<PathBuf>,
    /// Directory for what was read of layers; by default only memory
    #[arg(long, env = "IRONHULL_CACHE", value_name = "DIR", value_hint = clap::ValueHint::DirPath, help_heading = "Image facts", hide_short_help = true)]
    cache: Option<PathBuf>,
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
        breakage,
        read_logs,
        reports,
        image_facts,
        answer_facts,
        registries,
        config_only,
        platform,
        ca_file,
        cache,
        user_namespaces,
        poll_interval,
        log_format,
        log_level,
        connection,
    } = args;
    if read_logs && !breakage {
        bail!("logs are read for --breakage alone: give both");
    }
    if poll_interval.is_zero() {
        bail!("the poll interval must be above zero");
    }
    let learning = image_facts.map(|place| Learning {
        place,
        answer_at: answer_facts,
        config_only,
        platform: platform.unwrap_or_else(own_platform),
        registries,
        ca_file,
        cache,
        write_every: poll_interval * WRITE_AFTER,
    });
    let _flush = telemetry::init(log_format, log_level);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(async {
        let config = connection.config().await?;
        let policies = Judging { files: served::files(policy, facts), user_namespaces };
        let extras = Extras { learning, breakage: breakage.then_some(read_logs), reports };
        watch(config, ops_listen, policies, extras, poll_interval).await
    });
    // An image that is being read is nobody's loss.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

/// Facts are written at most once in so many intervals at which files are read.
const WRITE_AFTER: u32 = 4;

/// The platform that this program runs on, in the words of images.
fn own_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}
