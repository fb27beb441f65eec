//! The arguments of self-managed certificates.

use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::serve::managed::material::Lifetimes;
use crate::serve::managed::{SETTLING, Settings};

/// Where self-managed certificates live, and for how long.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "self-managed")]
#[command(next_help_heading = "Self-managed certificates")]
pub(super) struct Args {
    /// Create and renew the certificates, and set the caBundle of the webhook configurations, instead of reading certificates from files
    #[arg(
        long,
        env = "IRONHULL_SELF_MANAGED_CERTS",
        conflicts_with_all = ["tls_cert", "tls_key"],
        requires_all = ["namespace", "secret", "service", "webhook_configuration"]
    )]
    self_managed_certs: bool,
    /// The namespace of the Secret and the Service
    #[arg(long, env = "IRONHULL_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// The Secret that the replicas share, which must exist
    #[arg(long, env = "IRONHULL_SECRET", value_name = "NAME")]
    secret: Option<String>,
    /// The Service by which the API server calls the webhook
    #[arg(long, env = "IRONHULL_SERVICE", value_name = "NAME")]
    service: Option<String>,
    /// MutatingWebhookConfiguration whose caBundle to set; repeatable
    #[arg(
        long,
        env = "IRONHULL_WEBHOOK_CONFIGURATION",
        value_name = "NAME",
        value_delimiter = ','
    )]
    webhook_configuration: Vec<String>,
    /// Lifetime of a serving certificate
    #[arg(long, env = "IRONHULL_CERTIFICATE_LIFETIME", value_name = "DURATION", hide_short_help = true, value_parser = lifetime, default_value = "90d")]
    certificate_lifetime: SignedDuration,
    /// Lifetime of the CA that signs it
    #[arg(long, env = "IRONHULL_CA_LIFETIME", value_name = "DURATION", hide_short_help = true, value_parser = lifetime, default_value = "365d")]
    ca_lifetime: SignedDuration,
    /// Time before expiry at which each is replaced
    #[arg(long, env = "IRONHULL_ROTATE_BEFORE", value_name = "DURATION", hide_short_help = true, value_parser = lifetime, default_value = "30d")]
    rotate_before: SignedDuration,
}

impl Args {
    /// Settings that the arguments ask for; `None` if certificates are given.
    pub(super) fn settings(self) -> Option<Settings> {
        let Self {
            self_managed_certs,
            namespace,
            secret,
            service,
            webhook_configuration,
            certificate_lifetime,
            ca_lifetime,
            rotate_before,
        } = self;
        self_managed_certs.then_some(Settings {
            namespace: namespace?,
            secret: secret?,
            service: service?,
            configurations: webhook_configuration,
            lifetimes: Lifetimes {
                certificate: certificate_lifetime,
                authority: ca_lifetime,
                rotate_before,
            },
            settling: SETTLING,
            client: None,
        })
    }
}

/// `90d`, `12h`, `5m`: days have 24 hours here.
fn lifetime(text: &str) -> Result<SignedDuration, String> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .map_err(|_| "not a duration; write it with its unit, as in `90d` or `12h`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_may_be_days() {
        assert_eq!(lifetime("90d"), Ok(SignedDuration::from_hours(24 * 90)));
        assert_eq!(lifetime("2m 30s"), Ok(SignedDuration::from_secs(150)));
        assert!(lifetime("90").is_err());
        assert!(lifetime("1y").is_err());
    }

    #[test]
    fn the_defaults_are_the_servers() {
        let default = Lifetimes::default();
        for (text, value) in [
            ("90d", default.certificate),
            ("365d", default.authority),
            ("30d", default.rotate_before),
        ] {
            assert_eq!(lifetime(text), Ok(value));
        }
    }
}
