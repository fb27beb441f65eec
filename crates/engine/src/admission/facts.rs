//! What is known of a review after it is answered, for logs and metrics.

use super::read::Request;
use crate::outcome::{Outcome, RuleResult};
use crate::pod::Metadata;
use crate::policy::Policy;
use crate::rule::RuleName;

/// Number of findings by rule (indexed as [`RuleName::ALL`]) and by result (indexed as
/// [`RuleResult::WORDS`]).
pub type Results = [[u32; RuleResult::WORDS.len()]; RuleName::ALL.len()];

/// Facts about a review, for logs and metrics.
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
    /// The verdict.
    pub verdict: Verdict,
    /// Number of findings.
    pub results: Results,
    /// Rule and reason of each skipped finding.
    pub skips: Vec<(RuleName, &'static str)>,
    /// The rules of the exemptions in force, one per rule and subject.
    pub exemptions: Vec<RuleName>,
    /// Number of warnings sent.
    pub warnings: usize,
}

/// The verdict on a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Allowed, with a patch.
    Patched,
    /// Allowed; there was nothing to do.
    Unchanged,
    /// Audit or advice: there would have been something to do.
    WouldPatch,
    /// Allowed: the operation, resource or object is not one that is reviewed.
    Ignored,
    /// The object could not be read: refused under `enforce`, else allowed with a warning.
    Unreadable,
    /// Exceeds what is reviewed: refused under `enforce`, else allowed with a warning.
    TooLarge,
    /// An image that an exemption does not cover: refused under `enforce`, else allowed with a
    /// warning.
    Forbidden,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 7] = [
        Self::Patched,
        Self::Unchanged,
        Self::WouldPatch,
        Self::Ignored,
        Self::Unreadable,
        Self::TooLarge,
        Self::Forbidden,
    ];

    /// The verdict as a word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::Unchanged => "unchanged",
            Self::WouldPatch => "would_patch",
            Self::Ignored => "ignored",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too_large",
            Self::Forbidden => "forbidden",
        }
    }
}

impl Facts {
    pub(super) fn of(request: &Request<'_>) -> Self {
        Self {
            uid: request.uid.to_string(),
            namespace: request.namespace.to_string(),
            name: request.name.to_string(),
            kind: request.kind.kind.to_string(),
            policy: None,
            dry_run: request.dry_run,
            verdict: Verdict::Ignored,
            results: Results::default(),
            skips: Vec::new(),
            exemptions: Vec::new(),
            warnings: 0,
        }
    }

    /// Number of bytes it holds of the request.
    pub(super) fn size(&self) -> usize {
        self.uid.len() + self.namespace.len() + self.name.len() + self.kind.len()
    }

    /// Takes the name from the object if the request has none, as for every pod that a
    /// controller creates.
    pub(super) fn name_by(&mut self, metadata: &Metadata<'_>) {
        if self.name.is_empty() {
            self.name = match &*metadata.name {
                "" if metadata.generate_name.is_empty() => String::new(),
                "" => format!("{}*", &*metadata.generate_name),
                name => name.to_owned(),
            };
        }
    }

    pub(super) fn count(&mut self, policy: &Policy, outcome: &Outcome<'_>) {
        self.policy = Some(policy.name.clone());
        for finding in &outcome.findings {
            let count = self.results.get_mut(finding.rule as usize);
            if let Some(count) = count.and_then(|row| row.get_mut(finding.result.index())) {
                *count += 1;
            }
            if let RuleResult::Skipped(skip) = finding.result {
                self.skips.push((finding.rule, skip.as_str()));
            }
        }
        let exempt = outcome.exemptions.iter();
        self.exemptions.extend(exempt.flat_map(|exemption| exemption.rules.iter()));
    }
}
