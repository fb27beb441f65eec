//! Exemptions in words, and the annotations that exempt nothing.

use schemars::JsonSchema;
use serde::Serialize;

use crate::exemption::{By, Exemption};
use crate::outcome::{Outcome, Subject};
use crate::rule::RuleName;

/// An exemption in force.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Exemption")]
pub struct Exempt {
    /// The container's name; null for the whole pod.
    pub container: Option<String>,
    /// The rules it is exempt from.
    pub rules: Vec<&'static str>,
    /// The last day on which it holds (YYYY-MM-DD), or null.
    pub until: Option<String>,
    /// The ticket it names, or null.
    pub ticket: Option<String>,
    /// The reason it gives; may be empty.
    pub reason: String,
    /// `annotation` or `policy`.
    pub by: &'static str,
    /// The whole of it in words.
    #[serde(skip)]
    pub text: String,
}

/// An annotation that exempts nothing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Void")]
pub struct Voided {
    /// The annotation's key.
    pub key: String,
    /// Why it exempts nothing.
    pub why: String,
    /// Whether the rest of it is in force: of writable paths, the allowed ones.
    pub partly: bool,
}

impl Voided {
    /// `KEY is void: WHY`
    pub fn text(&self) -> String {
        let verdict = if self.partly { "partly void" } else { "void" };
        format!("{} is {verdict}: {}", self.key, self.why)
    }
}

/// The annotations that exempt nothing.
pub(crate) fn voided(outcome: &Outcome<'_>) -> Vec<Voided> {
    let void = outcome.void.iter();
    void.map(|void| Voided {
        key: void.key.to_string(),
        why: void.why.clone(),
        partly: void.partly,
    })
    .collect()
}

/// An exemption of a pod.
pub(crate) fn exemption(outcome: &Outcome<'_>, exemption: &Exemption<'_>) -> Exempt {
    Exempt {
        container: container(outcome, exemption.subject),
        rules: exemption.rules.iter().map(RuleName::as_str).collect(),
        until: exemption.until.map(|date| date.to_string()),
        ticket: exemption.ticket.as_ref().map(ToString::to_string),
        reason: exemption.reason.to_string(),
        by: match exemption.by {
            By::Annotation => "annotation",
            By::Policy => "policy",
        },
        text: format!("{}: {exemption}", outcome.subject_name(exemption.subject)),
    }
}

/// Name of a container; `None` for the pod level.
pub(crate) fn container(outcome: &Outcome<'_>, subject: Subject) -> Option<String> {
    match subject {
        Subject::Pod => None,
        Subject::Container(_) => Some(outcome.subject_name(subject).to_owned()),
    }
}
