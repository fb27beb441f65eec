//! Metric labels. All their values come from closed sets.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use crate::admission::{Mode, Verdict};

use std::fmt::Write as _;

/// A label value of a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Word(pub(super) &'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.0)
    }
}

/// How a question about an image ended, as a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// With facts.
    Known,
    /// Without any, or not in time: they may come later.
    Unknown,
    /// With something that is no answer, or with none at all.
    Failed,
}

impl Asked {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Known, Self::Unknown, Self::Failed];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReviewLabels {
    pub(super) mode: Word,
    pub(super) policy: String,
    pub(super) outcome: Word,
    pub(super) dry_run: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ModeLabel {
    pub(super) mode: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RuleLabel {
    pub(super) rule: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RuleResultLabels {
    pub(super) rule: Word,
    pub(super) result: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SkipLabels {
    pub(super) rule: Word,
    pub(super) reason: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CodeLabel {
    pub(super) code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabel {
    pub(super) result: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: Word,
}

pub(super) fn review_labels(
    policy: &str,
    mode: Mode,
    verdict: Verdict,
    dry_run: bool,
) -> ReviewLabels {
    ReviewLabels {
        mode: Word(mode.as_str()),
        policy: policy.to_owned(),
        outcome: Word(verdict.as_str()),
        dry_run: Word(if dry_run { "true" } else { "false" }),
    }
}

impl From<Mode> for ModeLabel {
    fn from(mode: Mode) -> Self {
        Self { mode: Word(mode.as_str()) }
    }
}
