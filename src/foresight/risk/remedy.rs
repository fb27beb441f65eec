//! What to add to a workload so that it starts hardened: annotations that were tried on the engine,
//! and advice in words for the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::{Remedy, Risk};
use crate::exemption::DOMAIN;
use crate::policy::Policy;
use crate::rule::{RuleName, RuleScope, RuleSet};
use crate::text::clean;
use jiff::civil::Date;

/// Remedies for a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedies {
    /// Annotations of the pod. With them, nothing is left that is sure to break.
    pub annotations: BTreeMap<String, String>,
    /// Further advice in words; the first thing to do comes first.
    pub advice: Vec<String>,
    /// Why no annotation helps.
    pub unhelped: Option<String>,
}

/// Days until an exemption ends, where the policy wants a date.
const DAYS: i32 = 90;
/// Maximum length of a reason, which appears in warnings.
const MAX_REASON: usize = 80;
/// Maximum number of rounds. An exemption sometimes reveals the next need: a directory that is no
/// longer read-only may still belong to root.
const ROUNDS: usize = 4;

/// Finds what helps against `risks`, the risks of a pod. `judge` returns what is left of them with
/// more annotations, and which of these are void and why.
pub fn find(
    risks: &[Risk],
    policy: &Policy,
    date: Date,
    judge: impl Fn(&BTreeMap<String, String>) -> (Vec<Risk>, Vec<String>),
) -> Remedies {
    let mut wishes = Wishes::default();
    let mut remedies = Remedies::default();
    let mut left: Vec<Risk> = risks.to_vec();
    for _ in 0..ROUNDS {
        let more = left.iter().filter(|risk| risk.certain).filter(|risk| wishes.take(risk)).count();
        if more == 0 {
            break;
        }
        let annotations = wishes.annotations(policy, date);
        let (risks, void) = judge(&annotations);
        if let Some(void) = void.first() {
            remedies.unhelped = Some(void.clone());
            break;
        }
        remedies.annotations = annotations;
        left = risks;
    }
    let in_words =
        left.iter().filter(|risk| matches!(risk.remedy, Remedy::Manifest(_)) || !risk.certain);
    for risk in in_words {
        let advice = risk.advice();
        if !remedies.advice.contains(&advice) {
            remedies.advice.push(advice);
        }
    }
    if remedies.unhelped.is_some() {
        remedies.annotations.clear();
    }
    remedies
}

impl Risk {
    /// What helps, in words.
    pub fn advice(&self) -> String {
        let text = match &self.remedy {
            Remedy::Manifest(text) | Remedy::Try(text) => text.clone(),
            Remedy::Writable(path) => format!("it may need `{path}` to be writable"),
            Remedy::Exempt(rules) => {
                let rules: Vec<&str> = rules.iter().map(|rule| rule.as_str()).collect();
                format!("it may need an exemption from {}", rules.join(" and "))
            }
        };
        format!("{}: {text}", self.container)
    }
}

/// Wanted annotations, by container.
#[derive(Default)]
struct Wishes {
    exempt: BTreeMap<String, (RuleSet, String)>,
    writable: BTreeMap<String, BTreeSet<String>>,
}

impl Wishes {
    /// Takes what helps against a risk. False if an annotation says it already, or none can.
    fn take(&mut self, risk: &Risk) -> bool {
        match &risk.remedy {
            Remedy::Exempt(rules) => {
                let entry = self.exempt.entry(risk.container.clone());
                let (set, _) = entry.or_insert_with(|| (RuleSet::EMPTY, reason(&risk.why)));
                let mut new = false;
                for rule in *rules {
                    new |= !set.contains(*rule);
                    *set = set.with(*rule);
                }
                new
            }
            Remedy::Writable(path) => {
                self.writable.entry(risk.container.clone()).or_default().insert(path.clone())
            }
            Remedy::Manifest(_) | Remedy::Try(_) => false,
        }
    }

    fn annotations(&self, policy: &Policy, date: Date) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::new();
        for (container, (rules, why)) in &self.exempt {
            annotations.extend(exempt(container, rules.iter(), why, policy, date));
        }
        for (container, paths) in &self.writable {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            annotations.insert(format!("{container}.{DOMAIN}/writable-paths"), paths.join(","));
        }
        annotations
    }
}

/// The annotations that exempt a container from `rules`, or its pod from those that act on the
/// whole pod. They end where the policy wants it. `why` becomes the reason.
pub fn exemption(
    container: &str,
    rules: &[RuleName],
    why: &str,
    policy: &Policy,
    date: Date,
) -> BTreeMap<String, String> {
    exempt(container, rules.iter().copied(), &reason(why), policy, date)
}

fn exempt(
    container: &str,
    rules: impl Iterator<Item = RuleName>,
    reason: &str,
    policy: &Policy,
    date: Date,
) -> BTreeMap<String, String> {
    let limits = &policy.exemptions;
    let until = (limits.require_until || limits.max_days.is_some()).then(|| {
        let days =
            limits.max_days.map_or(DAYS, |days| i32::try_from(days).unwrap_or(DAYS).min(DAYS));
        date.saturating_add(jiff::Span::new().days(days))
    });
    let until = until.map(|until| format!("until={until} ")).unwrap_or_default();
    let annotations = rules.map(|rule| {
        let of = match rule.scope() {
            RuleScope::Pod => String::new(),
            RuleScope::Container => format!("{container}."),
        };
        (format!("{of}exempt.{DOMAIN}/{rule}"), format!("{until}{reason}"))
    });
    annotations.collect()
}

/// The reason in an annotation: what the container does, not what would come of it. No word of it
/// may be taken for a key.
fn reason(why: &str) -> String {
    let what = [", which", ", and would", ", and is no longer", ", where"]
        .iter()
        .fold(why, |why, cut| why.split_once(cut).map_or(why, |(what, _)| what));
    let what = what.strip_prefix("it ").unwrap_or(what).replace('`', "").replace('=', " ");
    let what = clean(&what);
    let Some((end, _)) = what.char_indices().nth(MAX_REASON) else { return what.into_owned() };
    // It is to be read for as long as the exemption lasts: whole clauses, else whole words.
    let fits = what.get(..end).unwrap_or_default();
    let cut = fits.rfind([',', ';', ':']).or_else(|| fits.rfind(' '));
    cut.and_then(|cut| fits.get(..cut)).unwrap_or(fits).trim_end().to_owned()
}

/// Rules that these annotations exempt from, for a sentence.
pub fn rules_of(annotations: &BTreeMap<String, String>) -> Vec<&'static str> {
    let names = RuleName::ALL.iter().map(|rule| rule.as_str());
    names.filter(|name| annotations.keys().any(|key| key.ends_with(&format!("/{name}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_end_where_a_clause_or_a_word_does() {
        for (why, kept) in [
            ("it binds port 80, which takes a capability", "binds port 80"),
            (
                "it expects to start as root and to change its user itself, and asks chown of a=b for everything below",
                "expects to start as root and to change its user itself",
            ),
            (
                "writes to /var/lib/one /var/lib/two /var/lib/three /var/lib/four /var/lib/five/more of it",
                "writes to /var/lib/one /var/lib/two /var/lib/three /var/lib/four",
            ),
        ] {
            assert_eq!(reason(why), kept);
        }
        assert_eq!(reason(&"ü".repeat(90)), "ü".repeat(MAX_REASON));
    }
}
