//! AdmissionReview bytes to AdmissionReview bytes (`admission.k8s.io/v1`).
//!
//! The hot path parses a review once, in one pass over the bytes, into the view that the
//! engine works on. Only if that fails is it parsed again, to find out what is wrong.

mod advise;
mod facts;
mod read;
mod respond;
mod unknown;
mod update;

use std::borrow::Cow;

use jiff::civil::Date;

use crate::harden::{Context, Scope, SeedImage, harden};
use crate::outcome::say::MAX_WARNING;
use crate::outcome::{Outcome, Skip};
use crate::pod::Pod;
use crate::policy::{Policy, PolicySet};
pub use facts::{Facts, Results, Verdict};
use read::{Asks, Unreadable};
use respond::{Refusal, Response};
pub use unknown::{UnknownImages, unknown_images};

/// The mode a namespace opted in to, and so the question a review asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `/enforce`: patch.
    Enforce,
    /// `/audit`: report what would be patched.
    Audit,
    /// `/advise`: warnings for whoever applies a workload; never a patch.
    Advise,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Audit, Self::Advise];

    /// The mode as a word, which is also its path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Advise => "advise",
        }
    }
}

/// The path of a review: `/enforce`, `/enforce/NAME`, `/audit`, `/audit/NAME`, `/advise`.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'e> {
    /// The first part of the path.
    pub mode: Mode,
    /// The second part: a policy chosen by the namespace's label.
    pub policy: Option<&'e str>,
}

/// What an answer depends on besides the request and the policies.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'e> {
    /// Today, in UTC, for the end dates of exemptions.
    pub date: Date,
    /// Whether the cluster honours `hostUsers: false`: see [`Context::user_namespaces`].
    pub user_namespaces: bool,
    /// ironhull's own image: see [`Context::seed_image`].
    pub seed_image: Option<SeedImage<'e>>,
}

impl<'e> Environment<'e> {
    /// The context for a single pod, without a note about the changes.
    pub fn context(self, scope: Scope<'e>) -> Context<'e> {
        let Self { date, user_namespaces, seed_image } = self;
        Context {
            date,
            scope,
            user_namespaces,
            provenance: false,
            root: "",
            reserved_volumes: &[],
            seed_image,
        }
    }
}

/// An answered review.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The AdmissionReview to send back, with HTTP status 200.
    pub body: Vec<u8>,
    /// Facts for logs and metrics.
    pub facts: Facts,
}

/// Input that is not an AdmissionReview v1. The answer is HTTP 400 with this one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAReview(pub String);

/// Answers one AdmissionReview.
///
/// # Errors
/// When `body` is not an AdmissionReview of `admission.k8s.io/v1` with a request that
/// has a uid; everything else gets an answer.
pub fn review(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
    environment: Environment<'_>,
) -> Result<Answer, NotAReview> {
    if endpoint.mode == Mode::Advise {
        return advise::review(body, endpoint, policies, environment);
    }
    let (request, object, old) = match read::pod_request(body)? {
        Ok(read) => read,
        Err(unreadable) => return Ok(answer_unreadable(&unreadable, endpoint.mode)),
    };
    let mut facts = Facts::of(&request);
    let asks = request.asks();
    let is_pod = |pod: &Pod<'_>| matches!(&*pod.kind, "" | "Pod");
    let (Some(pod), false) = (object.filter(is_pod), asks == Asks::Other) else {
        return Ok(ignored(facts));
    };
    facts.name_by(&pod.metadata);
    let (policy, missing) = choose(policies, endpoint, &request.namespace);
    let first = not_loaded(missing, policy);
    let context = |scope| Context { provenance: true, ..environment.context(scope) };
    let (pod, old) = match (asks, old) {
        (Asks::CreatePod, _) => {
            let outcome = harden(&pod, policy, &context(Scope::Create));
            return Ok(answer(facts, endpoint.mode, policy, &outcome, first));
        }
        (_, Some(old)) => (pod, old),
        (_, None) => {
            let why = "an update without oldObject".to_owned();
            return Ok(answer_unreadable(&Unreadable { request, why }, endpoint.mode));
        }
    };
    if asks == Asks::UpdatePod {
        if !update::changes_images(&old, &pod) {
            return Ok(ignored(facts));
        }
        let lost = update::lost_exemptions(&old, &pod, policy, &context(Scope::Create));
        return Ok(answer_update(facts, endpoint.mode, policy, &lost));
    }
    let known = old.ephemeral_containers().map(|placed| placed.container.name.to_string());
    let known: Vec<String> = known.collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    // From the new object the API server keeps only the ephemeral containers, and it drops the
    // rest after admission (`dropNonEphemeralContainerUpdates` in
    // `pkg/registry/core/pod/strategy.go`). Until then the rest, annotations included, is
    // whatever its sender would like ironhull to believe.
    let mut judged = old;
    judged.spec.ephemeral_containers = pod.spec.ephemeral_containers;
    let outcome = harden(&judged, policy, &context(Scope::Ephemeral { known: &known }));
    Ok(answer(facts, endpoint.mode, policy, &outcome, first))
}

/// The policy for a review, and the name from its path if that policy is not loaded. A missing
/// policy must not stop a namespace's pods: they get the namespace's own.
fn choose<'s, 'e>(
    policies: &'s PolicySet,
    endpoint: Endpoint<'e>,
    namespace: &str,
) -> (&'s Policy, Option<&'e str>) {
    match endpoint.policy {
        None => (policies.for_namespace(namespace), None),
        Some(name) => match policies.by_name(name) {
            Some(policy) => (policy, None),
            None => (policies.for_namespace(namespace), Some(name)),
        },
    }
}

/// The warning that the policy named in the path is not loaded, if so.
fn not_loaded(missing: Option<&str>, policy: &Policy) -> Vec<String> {
    let warning = |name| {
        let name = crate::text::printable(name, 63);
        let warning = format!("ironhull: policy {name} is not loaded; {} is applied", policy.name);
        crate::text::printable(&warning, MAX_WARNING).into_owned()
    };
    missing.map(warning).into_iter().collect()
}

/// Builds an answer. The warnings in `first` come before those of the outcome.
fn answer(
    mut facts: Facts,
    mode: Mode,
    policy: &Policy,
    outcome: &Outcome<'_>,
    first: Vec<String>,
) -> Answer {
    let dry = mode != Mode::Enforce;
    // Advice covers only what a person should act on; an audit also lists what would be set.
    let warnings = outcome.warnings_after(first, mode == Mode::Audit);
    facts.count(policy, outcome);
    facts.warnings = warnings.len();
    facts.verdict = match (outcome.changes(), dry) {
        (false, _) => Verdict::Unchanged,
        (true, false) => Verdict::Patched,
        (true, true) => Verdict::WouldPatch,
    };
    let body = Response {
        uid: &facts.uid,
        allowed: true,
        patch: if dry { None } else { Some(&outcome.patch) },
        warnings: &warnings,
        audit: audit_annotations(policy, outcome, dry),
        refusal: None,
    }
    .into_bytes();
    Answer { body, facts }
}

/// Annotations for the API server's audit log: plain keys, values of bounded length.
fn audit_annotations(
    policy: &Policy,
    outcome: &Outcome<'_>,
    dry: bool,
) -> Vec<(&'static str, String)> {
    let mut audit = Vec::with_capacity(2);
    audit.push(("policy", policy.versioned()));
    // Enough to name all rules on one container.
    let mut set = String::with_capacity(256);
    let mut last = None;
    // Findings are ordered by rule.
    for finding in outcome.findings.iter().filter(|finding| finding.result.changes()) {
        if last == Some(finding.rule) {
            set.push_str(", ");
        } else {
            set.push_str(if set.is_empty() { "" } else { "; " });
            set.push_str(finding.rule.as_str());
            set.push_str(": ");
        }
        last = Some(finding.rule);
        set.push_str(outcome.subject_name(finding.subject));
    }
    if !set.is_empty() {
        audit.push((if dry { "would-set" } else { "set" }, bounded(set)));
    }
    if !outcome.exemptions.is_empty() {
        let exempt = outcome.exemptions.iter();
        let exempt: Vec<_> =
            exempt.map(|e| format!("{}: {e}", outcome.subject_name(e.subject))).collect();
        audit.push(("exempt", bounded(exempt.join("; "))));
    }
    if let Some(skip) = outcome.left_alone {
        audit.push(("left-alone", skip.as_str().to_owned()));
    }
    audit
}

/// Maximum length of an audit annotation's value: long enough for a pod of ordinary size,
/// short enough that thousands a minute do not flood the audit log.
const MAX_AUDIT_VALUE: usize = 1024;

fn bounded(text: String) -> String {
    match crate::text::printable(&text, MAX_AUDIT_VALUE) {
        Cow::Owned(short) => short,
        Cow::Borrowed(_) => text,
    }
}

fn ignored(facts: Facts) -> Answer {
    Answer { body: Response::allowed(&facts.uid).into_bytes(), facts }
}

/// Answers for a pod that cannot be read. A namespace that asked for enforcement never lets an
/// unseen pod through.
fn answer_unreadable(unreadable: &Unreadable<'_>, mode: Mode) -> Answer {
    let Unreadable { request, why } = unreadable;
    let facts = Facts { verdict: Verdict::Unreadable, ..Facts::of(request) };
    if mode != Mode::Advise && request.asks() == Asks::Other {
        return ignored(Facts { verdict: Verdict::Ignored, ..facts });
    }
    let message = format!("ironhull cannot read the object: {why}");
    let message = crate::text::printable(&message, MAX_WARNING).into_owned();
    let audit = vec![("left-alone", Skip::Unreadable.as_str().to_owned())];
    answer_unless(facts, mode, Refusal::invalid(message), audit)
}

/// Answers a review that takes too much work (see `serve::http::weight`), without reading its
/// objects: refused under `enforce`, else allowed with a warning.
///
/// # Errors
/// When `body` is not an AdmissionReview, or the part that is read is itself too large.
pub fn too_large(body: &[u8], endpoint: Endpoint<'_>, why: &str) -> Result<Answer, NotAReview> {
    let request = read::envelope(body)?;
    let facts = Facts { verdict: Verdict::TooLarge, ..Facts::of(&request) };
    if facts.size() > MAX_ENVELOPE {
        return Err(NotAReview(format!("not an AdmissionReview: {why}")));
    }
    if endpoint.mode != Mode::Advise && request.asks() == Asks::Other {
        return Ok(ignored(Facts { verdict: Verdict::Ignored, ..facts }));
    }
    let message = format!("the object is too large for ironhull to review: {why}");
    let audit = vec![("left-alone", Skip::TooLarge.as_str().to_owned())];
    Ok(answer_unless(facts, endpoint.mode, Refusal::too_large(message), audit))
}

/// Maximum size of a request without its objects, in bytes. API servers send some hundred.
const MAX_ENVELOPE: usize = 4096;

/// Answers an update that gives a container an image which its exemption does not cover.
fn answer_update(facts: Facts, mode: Mode, policy: &Policy, lost: &[String]) -> Answer {
    let facts = Facts { policy: Some(policy.name.clone()), ..facts };
    if lost.is_empty() {
        return ignored(Facts { verdict: Verdict::Unchanged, ..facts });
    }
    let facts = Facts { verdict: Verdict::Forbidden, ..facts };
    let message = format!("ironhull: {}", lost.join("; "));
    let message = crate::text::printable(&message, MAX_AUDIT_VALUE).into_owned();
    answer_unless(facts, mode, Refusal::forbidden(message), vec![("policy", policy.versioned())])
}

/// Refuses under `enforce`, else allows with a warning.
fn answer_unless(
    mut facts: Facts,
    mode: Mode,
    refusal: Refusal,
    audit: Vec<(&'static str, String)>,
) -> Answer {
    let refused = mode == Mode::Enforce;
    let warning = crate::text::printable(&refusal.message, MAX_WARNING).into_owned();
    let warnings = if refused { vec![] } else { vec![warning] };
    facts.warnings = warnings.len();
    let body = Response {
        uid: &facts.uid,
        allowed: !refused,
        patch: None,
        warnings: &warnings,
        audit,
        refusal: refused.then_some(&refusal),
    }
    .into_bytes();
    Answer { body, facts }
}
