//! Exemptions of a pod: which cells they cover, and whether they are in force.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::check::Check;
use super::document::{ExemptionEvidence, Grantor, Standing};
use crate::exemption::{By, Claim, DOMAIN, Exemption};
use crate::outcome::{Outcome, RuleResult, Skip, Subject};
use crate::pod::StringMap;
use crate::policy::Policy;
use crate::rule::RuleName;
use crate::text::printable;

/// Maximum length of a void annotation's text that is kept.
const MAX_TEXT: usize = 200;

/// What exemptions are judged by.
#[derive(Clone, Copy)]
pub(super) struct Judge<'j> {
    pub(super) policy: &'j Policy,
    /// Why none of them is in force, if so.
    pub(super) instead: Option<Standing>,
    pub(super) date: Date,
    /// Namespace, kind and name of the workload.
    pub(super) workload: (&'j str, &'j str, &'j str),
    /// The annotations of the template; `None` without one.
    pub(super) template: Option<&'j BTreeMap<String, String>>,
    pub(super) annotations: &'j StringMap<'j>,
}

impl Judge<'_> {
    /// The exemptions that the engine found for a pod.
    pub(super) fn all(self, outcome: &Outcome<'_>) -> Vec<ExemptionEvidence> {
        let found = outcome.exemptions.iter().map(|it| self.exemption(outcome, it));
        let void = outcome.void.iter().filter_map(|it| self.void(&it.key, &it.why));
        found.chain(void).collect()
    }

    /// The grants that the engine found for a pod in a policy of which all have ended.
    pub(super) fn ended(self, outcome: &Outcome<'_>) -> Vec<ExemptionEvidence> {
        let grants = outcome.exemptions.iter().filter(|it| it.by == By::Policy);
        let mut all: BTreeMap<String, ExemptionEvidence> = BTreeMap::new();
        for grant in grants {
            let mut evidence = self.exemption(outcome, grant);
            let until = evidence.until.clone();
            evidence.standing = Standing::Ended;
            evidence.why = format!("it ended on {}", until.as_deref().unwrap_or_default());
            // Of several for the same, the one that ended last.
            if all.get(&evidence.id).is_none_or(|known| known.until < until) {
                all.insert(evidence.id.clone(), evidence);
            }
        }
        all.into_values().collect()
    }

    fn blank(self, id: &str) -> ExemptionEvidence {
        let (namespace, kind, name) = self.workload;
        ExemptionEvidence {
            id: format!("{namespace}/{kind}/{name}/{id}"),
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            container: None,
            rules: Vec::new(),
            standing: self.instead.unwrap_or(Standing::InForce),
            why: match self.instead {
                Some(Standing::NotOptedIn) => "its namespace has not opted in",
                Some(Standing::Unconfirmed) => "the policies in force could not be read",
                _ => "",
            }
            .to_owned(),
            by: Grantor::Annotation,
            granted_by: String::new(),
            in_template: None,
            reason: String::new(),
            ticket: None,
            until: None,
            days_left: None,
            pods: 1,
        }
    }

    fn exemption(self, outcome: &Outcome<'_>, it: &Exemption<'_>) -> ExemptionEvidence {
        let container = match it.subject {
            Subject::Pod => None,
            Subject::Container(_) => Some(outcome.subject_name(it.subject)),
        };
        let mut evidence = self.blank(&id(outcome, it));
        evidence.container = container.map(str::to_owned);
        evidence.rules = it.rules.iter().map(RuleName::as_str).collect();
        evidence.reason = it.reason.to_string();
        evidence.ticket = it.ticket.as_ref().map(ToString::to_string);
        evidence.until = it.until.map(|until| until.to_string());
        evidence.days_left = it.until.map(|until| days(self.date, until));
        match it.by {
            By::Policy => {
                evidence.by = Grantor::Policy;
                evidence.granted_by = self.policy.name.clone();
            }
            By::Annotation => {
                let keys = keys(container, it);
                let key = keys.into_iter().find(|key| self.annotations.get(key).is_some());
                evidence.in_template = key.as_ref().and_then(|key| self.in_template(key));
                evidence.granted_by = key.unwrap_or_default();
            }
        }
        evidence
    }

    fn void(self, key: &str, why: &str) -> Option<ExemptionEvidence> {
        let (place, rule) = key.split_once(&format!("exempt.{DOMAIN}/"))?;
        let value = self.annotations.get(key).unwrap_or_default();
        let claim = Claim::parse(value).ok();
        let until = claim.as_ref().and_then(|claim| claim.until);
        let ended = until.is_some_and(|until| until < self.date) && why.starts_with("it expired");
        let mut evidence = self.blank(&format!("void {key}"));
        evidence.container = place.strip_suffix('.').map(str::to_owned);
        evidence.rules = rule.parse().ok().map(RuleName::as_str).into_iter().collect();
        evidence.standing = if ended { Standing::Ended } else { Standing::Void };
        evidence.why = why.to_owned();
        evidence.granted_by = printable(key, MAX_TEXT).into_owned();
        evidence.in_template = self.in_template(key);
        evidence.until = until.map(|until| until.to_string());
        evidence.days_left = until.map(|until| days(self.date, until));
        match claim {
            Some(claim) => {
                evidence.ticket = claim.ticket.map(str::to_owned);
                evidence.reason = claim.reason.into_owned();
            }
            None => evidence.reason = printable(value, MAX_TEXT).into_owned(),
        }
        Some(evidence)
    }

    fn in_template(self, key: &str) -> Option<bool> {
        let own = self.annotations.get(key);
        self.template.map(|template| template.get(key).map(String::as_str) == own)
    }

    /// `id` of the exemption that covers a cell of the container at this index, if one does.
    pub(super) fn covering(
        self,
        outcome: &Outcome<'_>,
        index: usize,
        check: Check,
    ) -> Option<String> {
        let rule = check.about().rule?;
        let finding = outcome
            .findings
            .iter()
            .find(|it| it.rule == rule && it.subject == Subject::Container(index));
        let reaches = |wanted: &[RuleName]| {
            outcome.exemptions.iter().find(|it| {
                let here = it.subject == Subject::Pod || it.subject == Subject::Container(index);
                here && wanted.iter().any(|rule| it.rules.contains(*rule))
            })
        };
        // Who may run as root may have root's group.
        let user = [RuleName::RunAsGroup, RuleName::RunAsNonRoot];
        let found = match rule {
            RuleName::RunAsGroup => reaches(&user),
            rule => reaches(&[rule]),
        };
        // An exemption may reach further than the rule it names: what is privileged is left alone, and
        // who may run as root keeps the capabilities that root needs.
        let further = match finding.map(|finding| finding.result) {
            Some(RuleResult::Skipped(Skip::Privileged)) => reaches(&[RuleName::Privileged]),
            Some(RuleResult::Skipped(Skip::Exempt)) => reaches(&[RuleName::RunAsNonRoot]),
            Some(RuleResult::Compliant) if check == Check::AddCapabilities => {
                reaches(&[RuleName::RunAsNonRoot])
            }
            _ => None,
        };
        let (namespace, kind, name) = self.workload;
        found.or(further).map(|it| format!("{namespace}/{kind}/{name}/{}", id(outcome, it)))
    }
}

/// What tells one exemption of a workload from another, in every report.
fn id(outcome: &Outcome<'_>, it: &Exemption<'_>) -> String {
    let place = match it.subject {
        Subject::Pod => "*",
        Subject::Container(_) => outcome.subject_name(it.subject),
    };
    let rules = match it.is_for_every_rule() {
        true => "all".to_owned(),
        false => it.rules.iter().map(RuleName::as_str).collect::<Vec<_>>().join("+"),
    };
    let by = match it.by {
        By::Annotation => "annotation",
        By::Policy => "policy",
    };
    format!("{place} {rules} {by}")
}

/// Keys of the annotation that an exemption may be declared by.
fn keys(container: Option<&str>, it: &Exemption<'_>) -> Vec<String> {
    let rules: Vec<&str> = it.rules.iter().map(RuleName::as_str).collect();
    let names = match rules.as_slice() {
        [one] => vec![*one, "all"],
        _ => vec!["all"],
    };
    let of_container = container.map(|container| format!("{container}."));
    // One for the whole pod may cover only the containers with certain images.
    let places = of_container.into_iter().chain([String::new()]);
    places
        .flat_map(|place| names.iter().map(move |name| format!("{place}exempt.{DOMAIN}/{name}")))
        .collect()
}

fn days(from: Date, until: Date) -> i64 {
    from.until(until).map_or(0, |span| i64::from(span.get_days()))
}
