//! `/advise`: warnings for whoever applies a workload, never a patch. Warnings on a pod that a
//! controller creates reach nobody.

use super::read::WorkloadMetadata;
use super::{
    Answer, Endpoint, Environment, Facts, Mode, NotAReview, answer, answer_unreadable, choose,
    ignored, not_loaded, read,
};
use crate::exemption::is_for_pods;
use crate::harden::{Context, Scope, harden};
use crate::outcome::say::MAX_WARNING;
use crate::outcome::{Outcome, RuleResult, Subject};
use crate::pod::Pod;
use crate::policy::PolicySet;
use crate::text::printable;

pub(super) fn review(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
    environment: Environment<'_>,
) -> Result<Answer, NotAReview> {
    let (request, object, _) = match read::workload_request(body)? {
        Ok(read) => read,
        Err(unreadable) => return Ok(answer_unreadable(&unreadable, Mode::Advise)),
    };
    let mut facts = Facts::of(&request);
    let asked =
        matches!(&*request.operation, "CREATE" | "UPDATE") && request.sub_resource.is_empty();
    let Some(workload) = object.filter(|_| asked) else { return Ok(ignored(facts)) };
    if facts.name.is_empty() {
        facts.name = workload.metadata.name.to_string();
    }
    // Whoever created the controller's object has been told already.
    let owned = workload.metadata.owner_references.iter().any(|owner| owner.controller);
    let template = workload.spec.template.or(workload.spec.job_template.spec.template);
    let Some(template) = template.filter(|_| !owned) else { return Ok(ignored(facts)) };
    let claims = &workload.spec.volume_claim_templates;
    let reserved: Vec<&str> = claims.iter().map(|claim| &*claim.metadata.name).collect();
    let (policy, missing) = choose(policies, endpoint, &request.namespace);
    let context = Context { reserved_volumes: &reserved, ..environment.context(Scope::Create) };
    let outcome = harden(&template, policy, &context);
    let mut first = not_loaded(missing, policy);
    first.extend(misplaced(&workload.metadata, &template));
    first.extend(summary(&outcome));
    Ok(answer(facts, Mode::Advise, policy, &outcome, first))
}

/// The warning about annotations on the workload that its pods do not get, if there are any.
/// Only the template's annotations reach pods.
fn misplaced(metadata: &WorkloadMetadata<'_>, template: &Pod<'_>) -> Option<String> {
    let of_template = &template.metadata.annotations;
    let mut misplaced = metadata
        .annotations
        .iter()
        .map(|(key, _)| key)
        .filter(|key| is_for_pods(key) && of_template.get(key).is_none());
    let first = printable(misplaced.next()?, LONGEST_KEY);
    let others = match misplaced.count() {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    Some(format!("ironhull: {first}{others} is void here: it belongs on the pod template"))
}

/// One line about what the workload's pods get, or would get under `audit`: the path does not
/// tell which. Replaced values have warnings of their own.
fn summary(outcome: &Outcome<'_>) -> Option<String> {
    let set = || outcome.findings.iter().filter(|finding| finding.result == RuleResult::Set);
    set().next()?;
    let mut names: Vec<&str> = Vec::new();
    for subject in set().map(|finding| finding.subject).filter(|it| *it != Subject::Pod) {
        let name = outcome.subject_name(subject);
        // Further names are only counted: there may be very many.
        if names.len() <= NAMED && !names.contains(&name) {
            names.push(name);
        }
    }
    let named = names.join(", ");
    let on = match (names.len(), named.len()) {
        (0, _) => String::new(),
        (..=NAMED, ..=LONGEST_NAMES) => format!(" on {named}"),
        _ => " on several containers".to_owned(),
    };
    let mut line = "ironhull: its pods get (under audit, would get) ".to_owned();
    let room = MAX_WARNING.saturating_sub(on.len() + AND_MORE.len());
    let (mut last, mut more) = (None, 0_usize);
    // Findings are ordered by rule.
    for rule in set().map(|finding| finding.rule) {
        if last.replace(rule) == Some(rule) {
            continue;
        }
        if more > 0 || line.len() + rule.as_str().len() > room {
            more += 1;
        } else {
            line.push_str(rule.as_str());
            line.push_str(", ");
        }
    }
    line.truncate(line.trim_end_matches([',', ' ']).len());
    if more > 0 {
        line.push_str(&format!(" and {more} more"));
    }
    line.push_str(&on);
    Some(printable(&line, MAX_WARNING).into_owned())
}

/// Maximum number of container names in one line, and their maximum total length, so that
/// there is room for rules.
const NAMED: usize = 3;
const LONGEST_NAMES: usize = 30;
/// The longest end of a line.
const AND_MORE: &str = ", and 10 more";

/// Maximum length of an annotation's key, so that its warning stays within 120 characters.
const LONGEST_KEY: usize = 55;
