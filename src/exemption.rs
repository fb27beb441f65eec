//! The grammar of the annotations a workload declares, and what of them is in force.

use std::borrow::Cow;

use jiff::civil::Date;

use crate::outcome::Subject;
use crate::rules::RuleSet;

/// An exemption in force.
#[derive(Clone, Debug)]
pub struct Exemption<'p> {
    /// What is exempt.
    pub subject: Subject,
    /// From which rules.
    pub rules: RuleSet,
    /// Until when, inclusive.
    pub until: Option<Date>,
    /// The ticket that was named.
    pub ticket: Option<Cow<'p, str>>,
    /// The reason, control characters stripped.
    pub reason: Cow<'p, str>,
    /// Whether the workload declares it or the policy grants it.
    pub by: By,
}

/// Where an exemption comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An annotation of the workload.
    Annotation,
    /// An entry of the policy's `exempt`.
    Policy,
}

/// An annotation that exempts nothing, and why.
#[derive(Clone, Debug)]
pub struct Void<'p> {
    /// The annotation's key.
    pub key: Cow<'p, str>,
    /// Why it is void.
    pub why: String,
}
