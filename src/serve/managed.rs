//! Self-managed certificates: an authority and a serving certificate that all replicas
//! share through one Secret, and webhook configurations that trust them.
//!
//! Every replica repeats the same steps ([`Keeper`]). It reads the configurations and then the
//! Secret. It writes new certificates into the Secret when there are none or some are due. It makes
//! the configurations trust the authorities in the Secret. Only then does it serve the certificate
//! in it.
//!
//! There is no leader. When two replicas write at once, the API server refuses the slower one,
//! which begins again with what the faster one wrote. A new authority is trusted together with the
//! one before it, and of that one only the certificate is kept. So a replica that has not yet seen
//! the new certificate goes on with the old one.
//!
//! When the API server cannot be reached or refuses, the last good certificate stays in force, and
//! log, metric and `/readyz` say so.

pub mod cluster;
pub mod material;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::certs::Identity;
use super::metrics::Metrics;
use super::poll::{Digest, digest};
use super::readiness::Readiness;
use super::store::note_certificate;
use super::tls::InForce;
use cluster::{Cluster, Trouble};
use material::{Flaw, Lifetimes, Material, Terms};

/// Settings of self-managed certificates.
#[derive(Clone)]
pub struct Settings {
    /// ironhull's own namespace.
    pub namespace: String,
    /// Name of the Secret in that namespace.
    pub secret: String,
    /// Name of the Service in that namespace, through which API servers call the webhook.
    pub service: String,
    /// Names of the MutatingWebhookConfigurations whose `caBundle` is maintained.
    pub configurations: Vec<String>,
    /// Lifetimes of the certificates.
    pub lifetimes: Lifetimes,
    /// Time between a change of the trusted authorities and serving a certificate that needs it.
    pub settling: Duration,
    /// Client of the API server; `None` for that of the cluster around the pod.
    pub client: Option<Client>,
}

/// API servers watch their configurations and follow a change within milliseconds; one
/// that is busy or has lost its watch may take seconds.
pub const SETTLING: Duration = Duration::from_secs(10);

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelfManaged")
            .field("namespace", &self.namespace)
            .field("secret", &self.secret)
            .field("service", &self.service)
            .field("configurations", &self.configurations)
            .field("lifetimes", &self.lifetimes)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Client of the API server.
    ///
    /// # Errors
    /// When no API server is known, as outside a cluster.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        match &self.client {
            Some(client) => Ok(client.clone()),
            None => cluster_client().await,
        }
    }

    fn terms(&self) -> Terms {
        let Self { service, namespace, lifetimes, .. } = self;
        let host = format!("{service}.{namespace}.svc");
        let names = vec![host.clone(), format!("{service}.{namespace}")];
        Terms { names, lifetimes: *lifetimes }
    }
}

/// Timeout for connecting, for writing and for reading.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

async fn cluster_client() -> anyhow::Result<Client> {
    use anyhow::Context as _;
    // KUBECONFIG may name a kubeconfig, to try this outside a cluster.
    let mut config = if std::env::var_os("KUBECONFIG").is_some() {
        kube::Config::infer().await.context("cannot use the kubeconfig")?
    } else {
        kube::Config::incluster().context(
            "self-managed certificates need the API server: there is no service account here \
             (and no KUBECONFIG)",
        )?
    };
    config.connect_timeout = Some(CALL_TIMEOUT);
    config.read_timeout = Some(CALL_TIMEOUT);
    config.write_timeout = Some(CALL_TIMEOUT);
    Client::try_from(config).context("cannot set up the client of the API server")
}

/// Attempts in one look while others keep writing at the same time.
const BEGIN_AGAIN: usize = 5;

/// Timeout of one look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause after a first failure. It doubles with each further one, up to the last pause.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// Keeps the Secret, the configurations and the certificate in force in step.
pub struct Keeper {
    cluster: Cluster,
    terms: Terms,
    configurations: Vec<String>,
    settling: Duration,
    in_force: Arc<InForce>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    /// Last known content of the Secret.
    last: Option<Material>,
    /// Digest of the bundle that the configurations trust, and when this replica learned of it.
    trusted: Option<(Digest, Instant)>,
    /// Digest of the certificate and key in force.
    serving: Option<Digest>,
    /// The last failure that was reported.
    complaint: Option<String>,
}

impl Keeper {
    /// A keeper that has not looked yet.
    pub fn new(
        settings: &Settings,
        client: Client,
        in_force: Arc<InForce>,
        (metrics, readiness): (Arc<Metrics>, Arc<Readiness>),
    ) -> Self {
        Self {
            cluster: Cluster::new(client, &settings.namespace, &settings.secret),
            terms: settings.terms(),
            configurations: settings.configurations.clone(),
            settling: settings.settling,
            in_force,
            metrics,
            readiness,
            last: None,
            trusted: None,
            serving: None,
            complaint: None,
        }
    }

    /// Looks every `period`, for ever. While it fails, it looks again after a growing pause.
    pub async fn run(mut self, period: Duration) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.look().await {
                pause = FIRST_PAUSE;
                sleep(period).await;
            } else {
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }

    /// Looks once. Returns whether all is well.
    pub async fn look(&mut self) -> bool {
        let looked = timeout(LOOK_TIMEOUT, self.keep_in_step()).await;
        let trouble = match looked {
            Ok(Ok(())) => {
                if self.complaint.take().is_some() {
                    self.metrics.certificate_reloads.failing.set(0);
                    self.readiness.certificate_refused(None);
                    info!("self-managed certificates work again");
                }
                return true;
            }
            Ok(Err(trouble)) => trouble.to_string(),
            Err(_elapsed) => "the API server does not answer".to_owned(),
        };
        if self.complaint.as_ref() != Some(&trouble) {
            self.metrics.certificate_reloads.refused.inc();
            self.metrics.certificate_reloads.failing.set(1);
            self.readiness.certificate_refused(Some(&trouble));
            let in_force = self.serving.is_some();
            error!(error = trouble, in_force, "cannot maintain self-managed certificates");
            self.complaint = Some(trouble);
        }
        false
    }

    async fn keep_in_step(&mut self) -> Result<(), Trouble> {
        let mut result = Ok(());
        for _ in 0..BEGIN_AGAIN {
            result = self.try_once().await;
            match &result {
                Err(Trouble::Conflict(what)) => info!(what, "another writer was faster"),
                _ => break,
            }
        }
        result
    }

    /// One attempt. The order of the four steps matters.
    async fn try_once(&mut self) -> Result<(), Trouble> {
        // The configurations are read before the Secret. Whoever changed them had changed the
        // Secret first. So either that change is in the Secret read here, or the configuration has
        // changed since and refuses a patch made from an old Secret.
        let mut configurations = Vec::new();
        for name in &self.configurations {
            configurations.push(self.cluster.configuration(name).await?);
        }
        let secret = self.cluster.secret().await?;
        let material = self.renewed(&secret).await?;
        self.trust(&configurations, &material).await?;
        self.serve(&material)
    }

    /// Content of the Secret, renewed if that was due.
    async fn renewed(&mut self, secret: &Secret) -> Result<Material, Trouble> {
        let now = Timestamp::now();
        let none = std::collections::BTreeMap::new();
        let data = secret.data.as_ref().unwrap_or(&none);
        let (made, why) = match Material::read(data, &self.terms) {
            Ok(found) => match found.due(&self.terms.lifetimes, now) {
                None => {
                    self.last = Some(found.clone());
                    return Ok(found);
                }
                Some(due) => (found.renewed(due, &self.terms, now), due.why().to_owned()),
            },
            Err(flaw) => {
                let why = format!("the Secret cannot be used: {flaw}");
                if flaw != Flaw::Empty || self.last.is_some() {
                    warn!(%flaw, "the Secret cannot be used; filling it again");
                }
                (Material::new(&self.terms, self.last.as_ref(), now), why)
            }
        };
        let made =
            made.map_err(|error| Trouble::Failed(format!("cannot make a certificate: {error}")))?;
        self.cluster.store(secret, &made).await?;
        info!(why, "wrote new certificates to the Secret");
        self.last = Some(made.clone());
        Ok(made)
    }

    /// Makes every configuration trust the authorities that the Secret holds.
    async fn trust(
        &mut self,
        configurations: &[MutatingWebhookConfiguration],
        material: &Material,
    ) -> Result<(), Trouble> {
        let bundle = material.bundle();
        let present = digest([bundle.as_bytes()].into_iter());
        let known = self.trusted.is_some_and(|(known, _)| known == present);
        for configuration in configurations {
            let name = configuration.metadata.name.as_deref().unwrap_or_default();
            let webhooks = self.cluster.trust(configuration, &bundle).await?;
            if webhooks > 0 && known {
                warn!(
                    name,
                    webhooks, "restored the caBundle of webhooks, which was missing or different"
                );
            } else if webhooks > 0 {
                info!(name, webhooks, "set a new caBundle on webhooks");
            }
        }
        if !known {
            self.trusted = Some((present, Instant::now()));
        }
        Ok(())
    }

    /// Puts the certificate in force, once all callers can be expected to trust it.
    fn serve(&mut self, material: &Material) -> Result<(), Trouble> {
        let pair = &material.pair;
        let digest = digest([pair.certificate.as_slice(), pair.key.as_slice()].into_iter());
        if self.serving == Some(digest) {
            return Ok(());
        }
        let now = Timestamp::now();
        let present_is_good =
            self.in_force.identity().is_some_and(|present| present.not_after > now);
        let settled = self.trusted.is_none_or(|(_, since)| since.elapsed() >= self.settling);
        if present_is_good && !settled {
            return Ok(());
        }
        let identity = Identity::from_pem(&pair.certificate, &pair.key)
            .map_err(|problem| Trouble::Failed(problem.to_string()))?;
        self.in_force.replace(identity);
        if self.serving.replace(digest).is_some() {
            self.metrics.certificate_reloads.loaded.inc();
        }
        note_certificate(&self.in_force, &self.metrics, &self.readiness);
        Ok(())
    }
}
