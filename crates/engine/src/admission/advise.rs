//! `/advise`: warnings for whoever applies a workload, never a patch. Warnings on a pod that a
//! controller creates reach nobody.

use serde_json::Value;

use super::read::Unreadable;
use super::{
    Answer, Endpoint, Environment, Facts, Mode, NotAReview, Response, Verdict, answer_unreadable,
    audit_annotations, bounded, choose, ignored, not_loaded, read,
};
use crate::exemption::is_for_pods;
use crate::harden::{Context, Scope, harden};
use crate::outcome::say::{MAX_WARNING, within_limits};
use crate::outcome::{Outcome, RuleResult, Subject};
use crate::pod::Pod;
use crate::policy::{Policy, PolicySet};
use crate::text::printable;
use crate::workload::{Kind, PodIn, reserved_volumes};

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
    let known = policies.kinds().find(&request.kind.group, &request.kind.kind);
    // Of pods the other two paths are asked.
    let asked = asked && &*request.resource.resource != "pods";
    let (true, Some(known)) = (asked, known) else { return Ok(ignored(facts)) };
    let object = object.and_then(|object| object.json()).unwrap_or_default();
    let object: Value = serde_json::from_str(object).unwrap_or_default();
    if facts.name.is_empty() {
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        facts.name = name.unwrap_or_default().to_owned();
    }
    // Whoever created the controller's object has been told already.
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    let owned = owners.any(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    let pods: Vec<PodIn<'_>> = known.pods(&object);
    let pods: Vec<PodIn<'_>> = pods.into_iter().filter(|pod| pod.left.is_none()).collect();
    if owned || pods.is_empty() {
        return Ok(ignored(facts));
    }
    let texts: Vec<String> = pods.iter().map(|pod| pod.pod.to_string()).collect();
    let mut read: Vec<Pod<'_>> = Vec::with_capacity(texts.len());
    for text in &texts {
        match Pod::from_json(text) {
            Ok(pod) => read.push(pod),
            Err(error) => {
                let why = error.to_string();
                return Ok(answer_unreadable(&Unreadable { request, why }, Mode::Advise));
            }
        }
    }
    let (policy, missing) = choose(policies, endpoint, &request.namespace);
    let volumes: Vec<Vec<String>> =
        pods.iter().map(|pod| reserved_volumes(&object, &pod.at)).collect();
    let reserved: Vec<Vec<&str>> =
        volumes.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
    let outcomes: Vec<Outcome<'_>> = read
        .iter()
        .zip(&reserved)
        .map(|(pod, reserved)| {
            let complete = known.row.is_some_and(Kind::is_built_in);
            let scope = Scope::Template { complete };
            let context = Context { reserved_volumes: reserved, ..environment.context(scope) };
            harden(pod, policy, &context)
        })
        .collect();
    let mut warnings = not_loaded(missing, policy);
    for pod in &read {
        add_new(&mut warnings, misplaced(&object, pod));
    }
    for outcome in &outcomes {
        add_new(&mut warnings, summary(outcome));
        add_new(&mut warnings, outcome.warnings(false));
    }
    Ok(answer(facts, policy, &outcomes, within_limits(warnings)))
}

/// Adds the lines that are not there yet: templates of one object often say the same.
fn add_new(lines: &mut Vec<String>, new: impl IntoIterator<Item = String>) {
    for line in new {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}

/// The answer about all pods of an object.
fn answer(
    mut facts: Facts,
    policy: &Policy,
    outcomes: &[Outcome<'_>],
    warnings: Vec<String>,
) -> Answer {
    let mut audit: Vec<(&'static str, String)> = Vec::new();
    for outcome in outcomes {
        facts.count(policy, outcome);
        for (key, value) in audit_annotations(policy, outcome, true) {
            match audit.iter_mut().find(|(known, _)| *known == key) {
                Some((_, said)) if *said != value => *said = bounded(format!("{said}; {value}")),
                Some(_) => {}
                None => audit.push((key, value)),
            }
        }
    }
    facts.warnings = warnings.len();
    facts.verdict = match outcomes.iter().any(Outcome::changes) {
        true => Verdict::WouldPatch,
        false => Verdict::Unchanged,
    };
    let body = Response {
        uid: &facts.uid,
        allowed: true,
        patch: None,
        warnings: &warnings,
        audit,
        refusal: None,
    }
    .into_bytes();
    Answer { body, facts }
}

/// The warning about annotations on the workload that its pods do not get, if there are any.
/// Only the template's annotations reach pods.
fn misplaced(object: &Value, template: &Pod<'_>) -> Option<String> {
    let of_template = &template.metadata.annotations;
    let own = object.pointer("/metadata/annotations").and_then(Value::as_object);
    let keys = own.into_iter().flatten().map(|(key, _)| key.as_str());
    let mut misplaced = keys.filter(|key| is_for_pods(key) && of_template.get(key).is_none());
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
