//! The policies and the certificate in force, and the sources they come from.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use tracing::info;

use super::certs::{CertificateFiles, Identity, PemPair};
use super::config::{Certificate, Policies};
use super::managed;
use super::metrics::{Metrics, PolicyRow, Reloads};
use super::policy_files::{ParsedFiles, PolicyFiles, PolicyTexts, embedded};
use super::poll::{Digest, Polled, Poller, digest};
use super::readiness::Readiness;
use super::tls::InForce;
use crate::facts::ImageFacts;
use crate::policy::PolicySet;

/// The policies in force, with the counters of each.
#[derive(Debug)]
pub struct Loaded {
    /// The policies.
    pub policies: PolicySet,
    rows: Arc<HashMap<String, PolicyRow>>,
    /// Counters of reviews to which no policy was applied.
    none: Arc<PolicyRow>,
}

impl Loaded {
    /// `policies`, with all counters at zero.
    pub fn new(policies: PolicySet) -> Self {
        let rows = Arc::new(PolicyRow::table(names(&policies)));
        Self { policies, rows, none: Arc::new(PolicyRow::new("")) }
    }

    /// The same, knowing these facts of images too.
    fn and_facts(&self, facts: &[ImageFacts]) -> Self {
        let (rows, none) = (Arc::clone(&self.rows), Arc::clone(&self.none));
        Self { policies: self.policies.and_facts(facts), rows, none }
    }

    /// Counters of the named policy, or of reviews without one.
    pub fn row(&self, policy: Option<&str>) -> &PolicyRow {
        policy.and_then(|name| self.rows.get(name)).unwrap_or(&self.none)
    }
}

fn names(policies: &PolicySet) -> impl Iterator<Item = &str> {
    let loaded = policies.policies().iter().chain([policies.fallback()]);
    loaded.map(|policy| policy.name.as_str())
}

/// Maximum number of facts that are learnt besides those in files. Those that were learnt first go.
const LEARNT: usize = 4096;

/// Holder of the policies in force.
#[derive(Debug)]
pub struct Store {
    in_force: ArcSwap<Loaded>,
    read: Mutex<Read>,
}

/// What the policies in force are made of.
#[derive(Debug)]
struct Read {
    /// As they were read from files.
    loaded: Arc<Loaded>,
    /// Facts that were learnt since, and that no file tells.
    learnt: VecDeque<ImageFacts>,
}

impl Store {
    /// A store that begins with `policies`.
    pub fn new(policies: PolicySet) -> Arc<Self> {
        let loaded = Arc::new(Loaded::new(policies));
        Arc::new(Self {
            in_force: ArcSwap::new(Arc::clone(&loaded)),
            read: Mutex::new(Read { loaded, learnt: VecDeque::new() }),
        })
    }

    /// The policies in force. Hold them for the length of one review.
    pub fn load(&self) -> Guard<Arc<Loaded>> {
        self.in_force.load()
    }

    /// The policies in force as they were read, without what was learnt since.
    fn as_read(&self) -> Arc<Loaded> {
        Arc::clone(&self.read.lock().unwrap_or_else(PoisonError::into_inner).loaded)
    }

    /// Adds facts to those in force, until files tell the same of an image.
    pub fn learn(&self, facts: Vec<ImageFacts>) {
        if facts.is_empty() {
            return;
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.learnt.retain(|known| {
            facts.iter().all(|it| (&it.image, &it.digest) != (&known.image, &known.digest))
        });
        read.learnt.extend(facts);
        let over = read.learnt.len().saturating_sub(LEARNT);
        read.learnt.drain(..over);
        self.put_in_force(&mut read);
    }

    /// Replaces the policies in force. Returns the names that are gone.
    fn replace(&self, policies: PolicySet) -> Vec<String> {
        let new = Arc::new(Loaded::new(policies));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut read.loaded, Arc::clone(&new));
        read.learnt.retain(|facts| !new.policies.facts().names(&facts.image));
        self.put_in_force(&mut read);
        old.rows.keys().filter(|name| !new.rows.contains_key(*name)).cloned().collect()
    }

    fn put_in_force(&self, read: &mut Read) {
        let Read { loaded, learnt } = read;
        let in_force = match learnt.is_empty() {
            true => Arc::clone(loaded),
            false => Arc::new(loaded.and_facts(learnt.make_contiguous())),
        };
        self.in_force.store(in_force);
    }
}

/// The policy files as a source to be polled.
#[derive(Debug)]
pub struct PolicySource {
    /// The files.
    pub files: PolicyFiles,
    /// Store in which the policies are put in force.
    pub store: Arc<Store>,
    /// Metrics that reloads are counted in.
    pub metrics: Arc<Metrics>,
    /// Readiness that refusals are reported to.
    pub readiness: Arc<Readiness>,
}

impl Polled for PolicySource {
    type Content = PolicyTexts;

    const WHAT: &'static str = "policies";

    fn read(&self) -> Result<PolicyTexts, String> {
        (self.files.read)()
    }

    fn digest(content: &PolicyTexts) -> Digest {
        PolicyFiles::digest(content)
    }

    fn put_in_force(&self, content: PolicyTexts) -> Result<(), String> {
        let before = self.store.as_read();
        let ParsedFiles { policies, refused_facts } =
            self.files.parse_again(&content, &before.policies)?;
        let gone = self.store.replace(policies);
        self.metrics.forget_policies(gone.iter().map(String::as_str));
        note_policies(&self.store, &self.metrics, &self.readiness, &refused_facts);
        Ok(())
    }

    fn reloads(&self) -> &Reloads {
        &self.metrics.policy_reloads
    }

    fn note(&self, refused: Option<&str>) {
        self.readiness.policies_refused(refused);
    }
}

/// Reports the policies in force to metrics, readiness and log, and which facts are refused.
pub fn note_policies(
    store: &Store,
    metrics: &Metrics,
    readiness: &Readiness,
    refused_facts: &[String],
) {
    let loaded = store.load();
    let count = loaded.policies.policies().len();
    metrics.policies.set(i64::try_from(count).unwrap_or(i64::MAX));
    readiness.policies_in_force(count);
    let facts = note_facts(store, metrics);
    readiness.facts_in_force(facts, refused_facts);
    metrics.facts_refused(refused_facts.len());
    info!(policies = count, image_facts = facts, "policies in force");
}

/// Reports how many images are known, and returns it.
pub(super) fn note_facts(store: &Store, metrics: &Metrics) -> usize {
    let facts = store.load().policies.facts().len();
    metrics.image_facts.set(i64::try_from(facts).unwrap_or(i64::MAX));
    facts
}

/// The certificate files as a source to be polled.
#[derive(Debug)]
pub struct CertificateSource {
    /// The files.
    pub files: CertificateFiles,
    /// Holder of the certificate in force.
    pub in_force: Arc<InForce>,
    /// Metrics that reloads are counted in.
    pub metrics: Arc<Metrics>,
    /// Readiness that refusals are reported to.
    pub readiness: Arc<Readiness>,
}

impl Polled for CertificateSource {
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

/// Reports the certificate in force to metrics, readiness and log.
pub fn note_certificate(in_force: &InForce, metrics: &Metrics, readiness: &Readiness) {
    let Some(identity) = in_force.identity() else { return };
    metrics.certificate_expiry.set(identity.not_after.as_second());
    readiness.certificate_in_force(&identity.subject, identity.not_after);
    info!(subject = identity.subject, not_after = %identity.not_after, "certificate in force");
}

/// How the certificate is renewed.
pub(super) enum Upkeep {
    /// Not at all.
    None,
    /// By files that somebody else writes.
    Files(Poller<CertificateSource>),
    /// By ironhull itself; there is no certificate at first.
    Managed(Box<managed::Settings>),
}

/// Puts the first certificate in force, if there is one, and returns how it is renewed.
///
/// # Errors
/// When the certificate is bad.
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

/// Puts the first policies in force, and returns how they are to be polled.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn load_policies(
    policies: &Policies,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<(Arc<Store>, Option<Poller<PolicySource>>)> {
    let mut refused = Vec::new();
    let (store, poller) = match policies {
        Policies::Embedded => (Store::new(embedded()?), None),
        Policies::Files(files) => {
            let texts = (files.read)().map_err(anyhow::Error::msg)?;
            let ParsedFiles { policies, refused_facts } = files.parse_first(&texts)?;
            refused = refused_facts;
            let store = Store::new(policies);
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
    note_policies(&store, metrics, readiness, &refused);
    Ok((store, poller))
}
