//! `ironhull serve`: the webhook.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueHint;
use jiff::SignedDuration;
use tracing::info;
use tracing::level_filters::LevelFilter;

use super::policy_files;
use crate::terminal::diagnostics;

mod managed;
use crate::admission;
use crate::serve::certs::CertificateFiles;
use crate::serve::connection::Timeouts;
use crate::serve::policy_files::{PolicyFiles, PolicyTexts};
use crate::serve::telemetry::{self, LogFormat};
use crate::serve::{self, AskFacts, Certificate, Config, OwnImage, Policies, defaults};

/// Run the admission webhook
///
/// Each option also has an environment variable, such as IRONHULL_TLS_CERT for --tls-cert.
/// Certificates and policies are read again when they change.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Listen address of the webhook (HTTPS)
    #[arg(
        long,
        env = "IRONHULL_LISTEN",
        value_name = "ADDRESS",
        help_heading = "Listening",
        default_value = "0.0.0.0:8443"
    )]
    listen: SocketAddr,
    /// Listen address of /healthz, /readyz and /metrics (HTTP)
    #[arg(
        long,
        env = "IRONHULL_OPS_LISTEN",
        value_name = "ADDRESS",
        help_heading = "Listening",
        default_value = "0.0.0.0:8081"
    )]
    ops_listen: SocketAddr,
    /// PEM file of the serving certificate, leaf first
    #[arg(long, env = "IRONHULL_TLS_CERT", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Certificates", required_unless_present = "self_managed_certs")]
    tls_cert: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, env = "IRONHULL_TLS_KEY", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Certificates", required_unless_present = "self_managed_certs")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    managed: managed::Args,
    /// Policies (default: the compiled-in one)
    #[arg(
        long,
        env = "IRONHULL_POLICY",
        value_name = "FILE|DIR",
        help_heading = "Policies",
        visible_alias = "policy-dir"
    )]
    policy: Option<PathBuf>,
    /// Facts of images; may be missing, and are read again when they change
    #[arg(
        long,
        env = "IRONHULL_FACTS",
        value_name = "FILE|DIR",
        help_heading = "Policies",
        hide_short_help = true
    )]
    facts: Option<PathBuf>,
    /// Ask `ironhull watch` there about unknown images: http://HOST:PORT
    #[arg(long, env = "IRONHULL_ASK_FACTS", value_name = "URL", help_heading = "Policies", hide_short_help = true, value_parser = AskFacts::url)]
    ask_facts: Option<http::Uri>,
    /// How much longer a review may take for that
    #[arg(long, env = "IRONHULL_ASK_FACTS_TIMEOUT", value_name = "DURATION", help_heading = "Policies", hide_short_help = true, value_parser = duration, default_value = "300ms")]
    ask_facts_timeout: Duration,
    /// Trust `hostUsers: false`: root stays root in such a pod
    ///
    /// Set it only where every API server and every kubelet honours the field: Kubernetes 1.33
    /// and later, unless the feature UserNamespacesSupport is switched off. Elsewhere the field is
    /// dropped after ironhull has answered, and that root is then root on the node.
    #[arg(
        long,
        env = "IRONHULL_USER_NAMESPACES",
        value_name = "BOOL",
        hide_possible_values = true,
        help_heading = "Policies",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        hide_default_value = true,
        action = clap::ArgAction::Set
    )]
    user_namespaces: bool,
    /// ironhull's own image, for seeded directories
    #[arg(long, env = "IRONHULL_SEED_IMAGE", value_name = "IMAGE", value_hint = ValueHint::Other, help_heading = "Policies", hide_short_help = true, value_parser = image_name)]
    seed_image: Option<String>,
    /// Its imagePullPolicy there (default: Kubernetes')
    #[arg(long, env = "IRONHULL_SEED_IMAGE_PULL_POLICY", value_name = "POLICY", help_heading = "Policies", hide = true, value_parser = ["Always", "IfNotPresent", "Never"], hide_possible_values = true)]
    seed_image_pull_policy: Option<String>,
    /// Interval at which files are read again
    #[arg(long, env = "IRONHULL_POLL_INTERVAL", value_name = "DURATION", help_heading = "Policies", hide_short_help = true, value_parser = duration, default_value = "5s")]
    poll_interval: Duration,
    /// Threads that answer requests (by default one per CPU, at most 4)
    #[arg(
        long,
        env = "IRONHULL_WORKERS",
        value_name = "NUMBER",
        help_heading = "Limits",
        hide_short_help = true
    )]
    workers: Option<usize>,
    /// Maximum number of open connections; further ones are answered with 503
    #[arg(long, env = "IRONHULL_MAX_CONNECTIONS", value_name = "NUMBER", help_heading = "Limits", hide_short_help = true, default_value_t = defaults::MAX_CONNECTIONS)]
    max_connections: usize,
    /// Maximum size of a request body
    #[arg(long, env = "IRONHULL_MAX_BODY", value_name = "SIZE", help_heading = "Limits", hide_short_help = true, value_parser = bytes, default_value = "7Mi")]
    max_body: usize,
    /// Maximum size of all request bodies in memory; further requests are answered with 503
    #[arg(long, env = "IRONHULL_MAX_BODY_TOTAL", value_name = "SIZE", help_heading = "Limits", hide_short_help = true, value_parser = bytes, default_value = "10Mi")]
    max_body_total: usize,
    /// Timeout for a TLS handshake
    #[arg(long, env = "IRONHULL_HANDSHAKE_TIMEOUT", value_name = "DURATION", help_heading = "Timeouts", hide_short_help = true, value_parser = duration, default_value = "5s")]
    handshake_timeout: Duration,
    /// Timeout for the head of a request
    #[arg(long, env = "IRONHULL_HEAD_TIMEOUT", value_name = "DURATION", help_heading = "Timeouts", hide_short_help = true, value_parser = duration, default_value = "5s")]
    head_timeout: Duration,
    /// Timeout for the body of a request
    #[arg(long, env = "IRONHULL_BODY_TIMEOUT", value_name = "DURATION", help_heading = "Timeouts", hide_short_help = true, value_parser = duration, default_value = "10s")]
    body_timeout: Duration,
    /// Timeout for idle connections; the API server closes its own after 90 s
    #[arg(long, env = "IRONHULL_KEEP_ALIVE", value_name = "DURATION", help_heading = "Timeouts", hide_short_help = true, value_parser = duration, default_value = "120s")]
    keep_alive: Duration,
    /// Timeout for a client to read its answer
    #[arg(long, env = "IRONHULL_WRITE_TIMEOUT", value_name = "DURATION", help_heading = "Timeouts", hide_short_help = true, value_parser = duration, default_value = "10s")]
    write_timeout: Duration,
    /// Time to keep serving, not ready, after a stop signal
    #[arg(long, env = "IRONHULL_SHUTDOWN_DELAY", value_name = "DURATION", help_heading = "Shutdown", hide_short_help = true, value_parser = duration, default_value = "5s")]
    shutdown_delay: Duration,
    /// Timeout for requests in flight after that
    #[arg(long, env = "IRONHULL_SHUTDOWN_TIMEOUT", value_name = "DURATION", help_heading = "Shutdown", hide_short_help = true, value_parser = duration, default_value = "20s")]
    shutdown_timeout: Duration,
    /// Log format
    #[arg(
        long,
        env = "IRONHULL_LOG_FORMAT",
        value_name = "FORMAT",
        help_heading = "Logs",
        value_enum,
        default_value = "json"
    )]
    log_format: LogFormat,
    /// Log level: error, warn, info, debug or trace
    #[arg(
        long,
        env = "IRONHULL_LOG_LEVEL",
        value_name = "LEVEL",
        help_heading = "Logs",
        default_value = "info"
    )]
    log_level: LevelFilter,
}

/// Serves until a signal stops it.
///
/// # Errors
/// When the certificate or the policies are bad, an address cannot be listened on, or
/// a second signal stops it at once.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _flush = telemetry::init(args.log_format, args.log_level);
    let config = args.config();
    info!(version = env!("CARGO_PKG_VERSION"), ?config, "effective configuration");
    serve::start(config)?.wait()?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn config(self) -> Config {
        let Self {
            listen,
            ops_listen,
            tls_cert,
            tls_key,
            managed,
            policy,
            facts,
            ask_facts,
            ask_facts_timeout,
            user_namespaces,
            seed_image,
            seed_image_pull_policy,
            poll_interval,
            workers,
            max_connections,
            max_body,
            max_body_total,
            handshake_timeout,
            head_timeout,
            body_timeout,
            keep_alive,
            write_timeout,
            shutdown_delay,
            shutdown_timeout,
            log_format: _,
            log_level: _,
        } = self;
        Config {
            listen,
            ops_listen,
            certificate: match managed.settings() {
                Some(settings) => Certificate::Managed(Box::new(settings)),
                None => Certificate::Files(CertificateFiles {
                    // clap has made sure that both are given.
                    certificate: tls_cert.unwrap_or_default(),
                    key: tls_key.unwrap_or_default(),
                }),
            },
            policies: files(policy, facts).map_or(Policies::Embedded, Policies::Files),
            ask_facts: ask_facts.map(|url| AskFacts { url, timeout: ask_facts_timeout }),
            user_namespaces,
            seed_image: seed_image.map(|name| OwnImage {
                name,
                pull_policy: seed_image_pull_policy.unwrap_or_default(),
            }),
            poll_interval,
            workers: workers.unwrap_or_else(defaults::workers),
            max_connections,
            max_body,
            max_body_total,
            timeouts: Timeouts {
                handshake: handshake_timeout,
                head: head_timeout,
                body: body_timeout,
                keep_alive,
                write: write_timeout,
            },
            shutdown_delay,
            shutdown_timeout,
            signals: true,
            review: admission::review,
        }
    }
}

/// The policies and the facts at these paths, read and rendered as every command does; `None`
/// without any.
pub fn files(policy: Option<PathBuf>, facts: Option<PathBuf>) -> Option<PolicyFiles> {
    let name = policy.as_ref().or(facts.as_ref())?.display().to_string();
    let read = move || {
        let policies = policy_files::read_all(policy.iter())?;
        let facts = match facts.as_deref().map(policy_files::read) {
            Some(Ok(facts)) => facts,
            // Whoever writes facts may not have begun.
            Some(Err(error)) if !error.is_absence() => return Err(error),
            _ => Vec::new(),
        };
        Ok(PolicyTexts { policies, facts })
    };
    let read = move || read().map_err(|error| format!("{:#}", anyhow::Error::from(error)));
    Some(PolicyFiles { name, read: Arc::new(read), render: diagnostics::plain })
}

/// The name of an image, as a pod has it.
pub(super) fn image_name(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    match text.is_empty() || text.contains(odd) {
        true => Err("not the name of an image".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// `5s`, `500ms`, `1m 30s`
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text
        .parse()
        .map_err(|_| "not a duration; write it with its unit, as in `5s` or `500ms`".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a duration cannot be negative".to_owned())
}

/// `7340032`, `7Mi`: as in a Kubernetes resource quantity.
fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) {
        number if number.len() == text.len() => (number, 1),
        number if text.ends_with("Ki") => (number, 1 << 10),
        number if text.ends_with("Mi") => (number, 1 << 20),
        number if text.ends_with("Gi") => (number, 1 << 30),
        _ => return Err("the unit must be `Ki`, `Mi` or `Gi`".to_owned()),
    };
    let number: usize =
        number.parse().map_err(|_| "not a number of bytes, as in `7Mi` or `65536`".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;
    use crate::serve::certs::PemPair;

    #[test]
    fn every_flag_has_its_environment_variable() {
        let command = Args::augment_args(clap::Command::new("serve"));
        for argument in command.get_arguments() {
            let name = argument.get_long().unwrap_or_default().to_uppercase().replace('-', "_");
            let variable = argument.get_env().and_then(|variable| variable.to_str());
            assert_eq!(variable, Some(format!("IRONHULL_{name}").as_str()));
        }
    }

    #[test]
    fn what_is_not_said_is_at_its_default() {
        let command = Args::augment_args(clap::Command::new("serve"));
        let matches = command.get_matches_from(["serve", "--tls-cert", "c", "--tls-key", "k"]);
        let config = Args::from_arg_matches(&matches).map(Args::config);
        let pair = PemPair { certificate: Vec::new(), key: Vec::new() };
        let default = Config::on_loopback(Certificate::Given(pair));
        let same = config.is_ok_and(|config| {
            format!("{:?}", config.timeouts) == format!("{:?}", default.timeouts)
                && config.poll_interval == default.poll_interval
                && config.max_connections == default.max_connections
                && config.max_body == default.max_body
                && config.max_body_total == default.max_body_total
                && config.shutdown_delay == defaults::SHUTDOWN_DELAY
                && config.shutdown_timeout == default.shutdown_timeout
        });
        assert!(same, "the flags' defaults and those of `defaults` are the same");
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("5").is_err());
        assert!(duration("-5s").is_err());
    }

    #[test]
    fn sizes_are_kubernetes_quantities() {
        assert_eq!(bytes("65536"), Ok(65536));
        assert_eq!(bytes("7Mi"), Ok(7 << 20));
        assert!(bytes("7MB").is_err());
        assert!(bytes("Mi").is_err());
        assert!(bytes("99999999999Gi").is_err());
    }
}
