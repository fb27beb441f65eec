//! The policies and the certificate in force, and the sources they come from.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tracing::{info, warn};

use super::certs::{CertificateFiles, Identity, PemPair};
use super::config::{Certificate, Policies};
use super::managed;
use super::metrics::{Metrics, PolicyRow, Reloads};
use super::poll::{Digest, Poller, Source, digest};
use super::readiness::Readiness;
use super::tls::InForce;
use crate::policy::{self, Diagnostic, PolicySet};

/// The policies in force, with the counters of each.
#[derive(Debug)]
pub struct Loaded {
    /// The policies.
    pub policies: PolicySet,
    rows: HashMap<String, PolicyRow>,
    /// For reviews to which no policy was applied.
    none: PolicyRow,
}

impl Loaded {
    /// `policies`, none of them counted yet.
    pub fn new(policies: PolicySet) -> Self {
        let rows = PolicyRow::table(names(&policies));
        Self { policies, rows, none: PolicyRow::new("") }
    }

    /// The counters of the policy of that name.
    pub fn row(&self, policy: Option<&str>) -> &PolicyRow {
        policy.and_then(|name| self.rows.get(name)).unwrap_or(&self.none)
    }
}

fn names(policies: &PolicySet) -> impl Iterator<Item = &str> {
    let loaded = policies.policies().iter().chain([policies.fallback()]);
    loaded.map(|policy| policy.name.as_str())
}

/// Where the policies in force are found.
#[derive(Debug)]
pub struct Store(ArcSwap<Loaded>);

impl Store {
    /// Begins with `policies`.
    pub fn new(policies: PolicySet) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(Loaded::new(policies))))
    }

    /// The policies in force. To be held for the length of one review.
    pub fn load(&self) -> Guard<Arc<Loaded>> {
        self.0.load()
    }

    /// Puts others in force, and says which names are gone.
    fn replace(&self, policies: PolicySet) -> Vec<String> {
        let new = Arc::new(Loaded::new(policies));
        let old = self.0.swap(Arc::clone(&new));
        old.rows.keys().filter(|name| !new.rows.contains_key(*name)).cloned().collect()
    }
}

/// Reads the files, and says why it could not.
type ReadPolicies = dyn Fn() -> Result<Vec<policy::Source>, String> + Send + Sync;

/// Where policies come from. Reading and rendering are given by the caller, so that every
/// command reads a policy directory, and complains about it, in the same way.
#[derive(Clone)]
pub struct PolicyFiles {
    /// The path, for people.
    pub name: String,
    /// Reads the files.
    pub read: Arc<ReadPolicies>,
    /// Shows what is wrong with them to who starts the server.
    pub render: fn(&[Diagnostic], &[policy::Source]) -> String,
}

impl PolicyFiles {
    /// The policies in `files`. What deserves a look goes to the log.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(&self, files: &[policy::Source]) -> Result<PolicySet, Vec<Diagnostic>> {
        let (policies, warnings) = PolicySet::load(files, Some(today()))?;
        for warning in &warnings {
            warn!(%warning, "a policy deserves a look");
        }
        Ok(policies)
    }

    /// As [`Self::parse`], for who starts the process.
    ///
    /// # Errors
    /// Everything that is wrong with them, shown with their lines.
    pub(crate) fn parse_first(&self, files: &[policy::Source]) -> anyhow::Result<PolicySet> {
        self.parse(files).map_err(|wrong| {
            anyhow!("in `{}`:\n{}", self.name, (self.render)(&wrong, files).trim_end())
        })
    }

    /// As [`Self::parse`], for the log of a process that runs.
    ///
    /// # Errors
    /// Everything that is wrong with them, in one line.
    pub(crate) fn parse_again(&self, files: &[policy::Source]) -> Result<PolicySet, String> {
        self.parse(files).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })
    }

    /// By which it is known whether they have changed.
    pub(crate) fn digest(files: &[policy::Source]) -> Digest {
        digest(files.iter().flat_map(|file| [file.name.as_bytes(), file.text.as_bytes()]))
    }
}

/// The policies where no files are given.
///
/// # Errors
/// Never, as long as the compiled-in policy is good.
pub(crate) fn embedded() -> anyhow::Result<PolicySet> {
    PolicySet::new(Vec::new()).map_err(|_| anyhow!("the compiled-in policy is bad"))
}

/// Today, in UTC: exemptions end by it.
pub fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}

impl fmt::Debug for PolicyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PolicyFiles").field(&self.name).finish()
    }
}

/// The policy files as a source to be polled.
#[derive(Debug)]
pub struct PolicySource {
    /// The files.
    pub files: PolicyFiles,
    /// Where the policies are put in force.
    pub store: Arc<Store>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Where it is said.
    pub readiness: Arc<Readiness>,
}

impl Source for PolicySource {
    type Content = Vec<policy::Source>;

    const WHAT: &'static str = "policies";

    fn read(&self) -> Result<Vec<policy::Source>, String> {
        (self.files.read)()
    }

    fn digest(content: &Vec<policy::Source>) -> Digest {
        PolicyFiles::digest(content)
    }

    fn put_in_force(&self, content: Vec<policy::Source>) -> Result<(), String> {
        let policies = self.files.parse_again(&content)?;
        let gone = self.store.replace(policies);
        self.metrics.forget_policies(gone.iter().map(String::as_str));
        note_policies(&self.store, &self.metrics, &self.readiness);
        Ok(())
    }

    fn reloads(&self) -> &Reloads {
        &self.metrics.policy_reloads
    }

    fn note(&self, refused: Option<&str>) {
        self.readiness.policies_refused(refused);
    }
}

/// Tells metrics, readiness and log which policies are in force.
pub fn note_policies(store: &Store, metrics: &Metrics, readiness: &Readiness) {
    let loaded = store.load();
    let count = loaded.policies.policies().len();
    metrics.policies.set(i64::try_from(count).unwrap_or(i64::MAX));
    readiness.policies_in_force(count);
    info!(policies = count, "policies in force");
}

/// The certificate files as a source to be polled.
#[derive(Debug)]
pub struct CertificateSource {
    /// The files.
    pub files: CertificateFiles,
    /// Where the certificate is put in force.
    pub in_force: Arc<InForce>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Where it is said.
    pub readiness: Arc<Readiness>,
}

impl Source for CertificateSource {
    type Content = PemPair;

    const WHAT: &'static str = "certificates";

    fn read(&self) -> Result<PemPair, String> {
        self.files.read().map_err(|problem| problem.to_string())
    }

    fn digest(content: &PemPair) -> Digest {
        digest([content.certificate.as_slice(), content.key.as_slice()].into_iter())
    }

    fn put_in_force(&self, content: PemPair) -> Result<(), String> {
        let now = Timestamp::now();
        let present = self.in_force.identity();
        let present_is_over = present.is_none_or(|present| present.not_after < now);
        let identity = Identity::from_pem(&content.certificate, &content.key)
            .and_then(|new| if present_is_over { Ok(new) } else { new.valid_at(now) })
            .map_err(|problem| problem.to_string())?;
        self.in_force.replace(identity);
        note_certificate(&self.in_force, &self.metrics, &self.readiness);
        Ok(())
    }

    fn reloads(&self) -> &Reloads {
        &self.metrics.certificate_reloads
    }

    fn note(&self, refused: Option<&str>) {
        self.readiness.certificate_refused(refused);
    }
}

/// Tells metrics, readiness and log which certificate is in force.
pub fn note_certificate(in_force: &InForce, metrics: &Metrics, readiness: &Readiness) {
    let Some(identity) = in_force.identity() else { return };
    metrics.certificate_expiry.set(identity.not_after.as_second());
    readiness.certificate_in_force(&identity.subject, identity.not_after);
    info!(subject = identity.subject, not_after = %identity.not_after, "certificate in force");
}

/// How the certificate is kept.
pub(super) enum Upkeep {
    /// It stays.
    None,
    /// By files that somebody else writes.
    Files(Poller<CertificateSource>),
    /// By ironhull itself; there is none at first.
    Managed(Box<managed::Settings>),
}

/// Puts the first certificate in force where there is one, and says how it is kept.
///
/// # Errors
/// When it is bad.
pub(super) fn load_certificate(
    certificate: &Certificate,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<(Arc<InForce>, Upkeep)> {
    let pair = match certificate {
        Certificate::Files(files) => files.read()?,
        Certificate::Given(pair) => pair.clone(),
        Certificate::Managed(settings) => {
            settings.lifetimes.check().map_err(anyhow::Error::msg)?;
            return Ok((InForce::new(None), Upkeep::Managed(settings.clone())));
        }
    };
    let identity = Identity::from_pem(&pair.certificate, &pair.key)?.valid_at(Timestamp::now())?;
    let in_force = InForce::new(Some(identity));
    note_certificate(&in_force, metrics, readiness);
    let upkeep = match certificate {
        Certificate::Given(_) | Certificate::Managed(_) => Upkeep::None,
        Certificate::Files(files) => {
            let digest = CertificateSource::digest(&pair);
            let source = CertificateSource {
                files: files.clone(),
                in_force: Arc::clone(&in_force),
                metrics: Arc::clone(metrics),
                readiness: Arc::clone(readiness),
            };
            Upkeep::Files(Poller::new(source, digest))
        }
    };
    Ok((in_force, upkeep))
}

/// Puts the first policies in force, and says how they are to be polled.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn load_policies(
    policies: &Policies,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<(Arc<Store>, Option<Poller<PolicySource>>)> {
    let (store, poller) = match policies {
        Policies::Embedded => (Store::new(embedded()?), None),
        Policies::Files(files) => {
            let texts = (files.read)().map_err(anyhow::Error::msg)?;
            let store = Store::new(files.parse_first(&texts)?);
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
    note_policies(&store, metrics, readiness);
    Ok((store, poller))
}
