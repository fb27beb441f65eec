//! Self-managed certificates: an authority and a serving certificate that all replicas
//! share through one Secret, and webhook configurations that trust them.
//!
//! Every replica does the same, again and again ([`Keeper`]): it reads the configurations
//! and then the Secret; writes new certificates into the Secret when there are none or
//! some are due; makes the configurations trust the authorities in it; and only then
//! serves the certificate in it. There is no leader. Two replicas that write at once are
//! told so by the API server, and the slower one begins again with what the faster one
//! wrote. A new authority is trusted together with the one before it, and only its
//! certificate is kept of that one, so a replica that has not yet seen the new
//! certificate goes on with the old one.
//!
//! When the API server cannot be reached, or says no, the last good certificate stays in
//! force, and log, metric and `/readyz` say so.

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

/// How self-managed certificates are set up.
#[derive(Clone)]
pub struct Settings {
    /// ironhull's own namespace.
    pub namespace: String,
    /// The Secret in it.
    pub secret: String,
    /// The Service in it, by which API servers call the webhook.
    pub service: String,
    /// The MutatingWebhookConfigurations whose `caBundle` is kept.
    pub configurations: Vec<String>,
    /// How long what lasts.
    pub lifetimes: Lifetimes,
    /// How long after a change of what is trusted a certificate is served that needs it.
    pub settling: Duration,
    /// The API server; that of the cluster around the pod where none is given.
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
    /// The API server to talk to.
    ///
    /// # Errors
    /// When it is not known, as outside a cluster.
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

/// The longest wait for a connection, and for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

async fn cluster_client() -> anyhow::Result<Client> {
    use anyhow::Context as _;
    // Outside a cluster, to try it out, a kubeconfig may be named.
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

/// How often a look is begun again at once because somebody else had written.
const BEGIN_AGAIN: usize = 5;

/// The longest look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause after a first failure; it doubles up to the last one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// Keeps Secret, configurations and the certificate in force in step.
pub struct Keeper {
    cluster: Cluster,
    terms: Terms,
    configurations: Vec<String>,
    settling: Duration,
    in_force: Arc<InForce>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    /// What the Secret was last seen to hold.
    last: Option<Material>,
    /// What the configurations trust, and since when this replica knows.
    trusted: Option<(Digest, Instant)>,
    /// The digest of what is in force.
    serving: Option<Digest>,
    /// What was last complained of.
    complaint: Option<String>,
}

impl Keeper {
    /// Nothing is looked at yet.
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

    /// Looks every `period`, for ever; sooner at first, while it fails.
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

    /// Looks once, and says whether all is well.
    pub async fn look(&mut self) -> bool {
        let looked = timeout(LOOK_TIMEOUT, self.keep_in_step()).await;
        let trouble = match looked {
            Ok(Ok(())) => {
                if self.complaint.take().is_some() {
                    self.metrics.certificate_reloads.failing.set(0);
                    self.readiness.certificate_refused(None);
                    info!("self-managed certificates are well again");
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
            error!(error = trouble, in_force, "self-managed certificates cannot be kept");
            self.complaint = Some(trouble);
        }
        false
    }

    async fn keep_in_step(&mut self) -> Result<(), Trouble> {
        let mut result = Ok(());
        for _ in 0..BEGIN_AGAIN {
            result = self.try_once().await;
            match &result {
                Err(Trouble::Conflict(what)) => info!(what, "somebody else was faster"),
                _ => break,
            }
        }
        result
    }

    /// The order of the four steps matters.
    async fn try_once(&mut self) -> Result<(), Trouble> {
        // The configurations are read before the Secret. Whoever changes them has changed
        // the Secret before: so either that is what is read from the Secret here, or the
        // configuration is not the same any more and refuses what is made from an old one.
        let mut configurations = Vec::new();
        for name in &self.configurations {
            configurations.push(self.cluster.configuration(name).await?);
        }
        let secret = self.cluster.secret().await?;
        let material = self.renewed(&secret).await?;
        self.trust(&configurations, &material).await?;
        self.serve(&material)
    }

    /// What the Secret holds, after it was renewed where that was due.
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
                    warn!(%flaw, "the Secret cannot be used and is filled anew");
                }
                (Material::new(&self.terms, self.last.as_ref(), now), why)
            }
        };
        let made =
            made.map_err(|error| Trouble::Failed(format!("cannot make a certificate: {error}")))?;
        self.cluster.store(secret, &made).await?;
        info!(why, "new certificates are in the Secret");
        self.last = Some(made.clone());
        Ok(made)
    }

    /// Makes every configuration trust what the Secret says is to be trusted.
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
                warn!(name, webhooks, "webhooks had no caBundle, or another; restored");
            } else if webhooks > 0 {
                info!(name, webhooks, "webhooks have a new caBundle");
            }
        }
        if !known {
            self.trusted = Some((present, Instant::now()));
        }
        Ok(())
    }

    /// Puts the certificate in force, once all who call may be supposed to trust it.
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
