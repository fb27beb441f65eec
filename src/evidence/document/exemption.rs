//! Exemptions.

use schemars::JsonSchema;
use serde::Serialize;

/// An exemption that a pod declares or a policy grants.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionEvidence {
    /// What cells refer to it by. It is made of what is exempt, and the same in every report.
    pub id: String,
    /// The workload's namespace.
    pub namespace: String,
    /// The workload's kind.
    pub kind: String,
    /// The workload's name.
    pub name: String,
    /// The container; null for the whole pod.
    pub container: Option<String>,
    /// The rules; empty if it is void in a way that leaves them unknown.
    pub rules: Vec<&'static str>,
    /// Whether it is in force.
    pub standing: Standing,
    /// Why it is not in force; empty if it is.
    pub why: String,
    /// Who grants it.
    pub by: Grantor,
    /// The annotation's key, if that can be told, or the name of the policy.
    pub granted_by: String,
    /// Whether the template has the annotation: `false` if it was put on the pod itself; null for a
    /// policy's grant, and without a template.
    pub in_template: Option<bool>,
    /// The reason it gives; for one that is void, all of its text. May be empty.
    pub reason: String,
    /// The ticket it names; or null.
    pub ticket: Option<String>,
    /// The last day on which it holds (YYYY-MM-DD); or null.
    pub until: Option<String>,
    /// Days left, counting its last; null without an end.
    pub days_left: Option<i64>,
    /// Number of pods that have it.
    pub pods: u32,
}

/// Whether an exemption is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// The policy in force allows or grants it today.
    InForce,
    /// Its last day is over.
    Ended,
    /// It exempts nothing: misspelt, without a reason that is required, or not allowed.
    Void,
    /// Its namespace has not opted in, so nothing is enforced that it could be exempt from.
    NotOptedIn,
    /// The policies in force could not be read.
    Unconfirmed,
}

impl Standing {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "inForce",
            Self::Ended => "ended",
            Self::Void => "void",
            Self::NotOptedIn => "notOptedIn",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// Who grants an exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Grantor {
    /// An annotation on the pod.
    Annotation,
    /// The policy.
    Policy,
}

impl Grantor {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Policy => "policy",
        }
    }
}
