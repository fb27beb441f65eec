//! Results by control of a standard.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tally;
use crate::evidence::check::Check;

/// Results of a standard's controls.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkResult {
    /// Short name of the standard: `cis-kubernetes`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Edition that the identifiers are from.
    pub version: String,
    /// Where it is published.
    pub url: String,
    /// Public texts in which identifiers and readings were checked.
    pub read: Vec<String>,
    /// What a reader has to know, such as how other editions number; may be empty.
    pub notes: String,
    /// Its controls that this report answers, in part or as a whole.
    pub controls: Vec<ControlResult>,
    /// Its controls that no report answers.
    pub unanswered: Vec<Unanswered>,
}

/// Result of one control: running containers by what their cells say of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlResult {
    /// Its identifier in the standard.
    pub id: String,
    /// Chapter, level or second identifier; may be empty.
    pub group: String,
    /// What it asks, in our own words.
    pub title: String,
    /// How much of it these checks answer.
    pub extent: Extent,
    /// What it asks beyond them; may be empty if that is nothing.
    pub beyond: String,
    /// Where this reading is from.
    pub source: String,
    /// Checks that ask no more than the control does: if one fails, so does the control.
    pub checks: Vec<Check>,
    /// Checks that ask for more than the control does: if one fails, the control is `unknown`.
    pub stricter: Vec<Check>,
    /// Running containers by result. The worst cell decides, in the order fail, unknown, exempt, pass,
    /// notApplicable.
    pub containers: Tally,
    /// For each check, the containers that do not pass because of it.
    pub decided_by: Vec<Decided>,
}

/// Containers that do not pass a control because of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// The check.
    pub check: Check,
    /// Running containers that fail it, or are open because it is stricter than the control.
    pub fail: u32,
    /// Those that are exempt.
    pub exempt: u32,
    /// Those of which it is not known.
    pub unknown: u32,
}

/// How much of a control a report answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Extent {
    /// All that it asks of a running container.
    Whole,
    /// Something; the rest is said.
    Part,
}

impl Extent {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Part => "part",
        }
    }
}

/// Controls that a report does not answer.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unanswered {
    /// Their identifiers, in words.
    pub ids: String,
    /// Why not.
    pub why: String,
}
