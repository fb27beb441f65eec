//! AdmissionReview bytes to AdmissionReview bytes (`admission.k8s.io/v1`).

use jiff::civil::Date;

use crate::policy::PolicySet;
use crate::rules::RuleName;

/// What the namespace opted in to, and which question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `/enforce`: patch.
    Enforce,
    /// `/audit`: say what would be patched.
    Audit,
    /// `/advise`: warnings for the one who applies a workload; never a patch.
    Advise,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Audit, Self::Advise];

    /// The word for it, which is also its path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Advise => "advise",
        }
    }
}

/// Where a review came in: `/enforce`, `/enforce/NAME`, `/audit`, `/audit/NAME`, `/advise`.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'e> {
    /// The first part of the path.
    pub mode: Mode,
    /// The second: a policy chosen by the namespace's label.
    pub policy: Option<&'e str>,
}

/// An answered review.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The AdmissionReview to send back, with HTTP status 200.
    pub body: Vec<u8>,
    /// What logs and metrics want to know.
    pub facts: Facts,
}

/// What logs and metrics want to know of a review.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `request.uid`
    pub uid: String,
    /// `request.namespace`
    pub namespace: String,
    /// The object's name, or its generateName with a trailing `*`.
    pub name: String,
    /// `request.kind.kind`
    pub kind: String,
    /// The policy that was applied.
    pub policy: Option<String>,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// What became of it.
    pub verdict: Verdict,
    /// For each finding: the rule and the word of its result ([`crate::outcome::RuleResult::WORDS`]).
    pub results: Vec<(RuleName, &'static str)>,
    /// For each finding that was skipped: the rule and the name of the reason.
    pub skips: Vec<(RuleName, &'static str)>,
    /// The rules of the exemptions in force, one for each rule and subject.
    pub exemptions: Vec<RuleName>,
    /// How many warnings were sent.
    pub warnings: usize,
}

/// What became of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Allowed, with a patch.
    Patched,
    /// Allowed; there was nothing to do.
    Unchanged,
    /// Audit or advice: there would have been something to do.
    WouldPatch,
    /// Allowed: not an operation, a resource or an object that is looked at.
    Ignored,
    /// The object could not be read: refused under `enforce`, else allowed with a warning.
    Unreadable,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 5] =
        [Self::Patched, Self::Unchanged, Self::WouldPatch, Self::Ignored, Self::Unreadable];

    /// The word for it in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::Unchanged => "unchanged",
            Self::WouldPatch => "would_patch",
            Self::Ignored => "ignored",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Input that is not an AdmissionReview v1: HTTP 400 with this one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAReview(pub String);

/// Answers one AdmissionReview.
///
/// # Errors
/// When `body` is not an AdmissionReview of `admission.k8s.io/v1` with a request that
/// has a uid; everything else gets an answer.
pub fn review(
    _body: &[u8],
    _endpoint: Endpoint<'_>,
    _policies: &PolicySet,
    _date: Date,
) -> Result<Answer, NotAReview> {
    Err(NotAReview("not yet".to_owned()))
}
