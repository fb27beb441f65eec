//! Outcomes, patches and verdicts as text that people can review.

use std::fmt::Write;

use ironhull::exemption::By;
use ironhull::outcome::{Finding, Level, Outcome, RuleResult, Subject};
use ironhull::rule::RuleName;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::program::{Judgement, Verdict};

/// A scalar or a list in YAML's flow style, which JSON is.
pub fn quoted(value: impl serde::Serialize) -> String {
    serde_json::to_string(&value).unwrap()
}

/// A JSON array, one element a line; the elements' members keep their order.
pub fn one_a_line(json: &str) -> String {
    let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap();
    if elements.is_empty() {
        return "[]\n".to_owned();
    }
    let lines: Vec<String> = elements.iter().map(|element| format!("  {element}")).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// A list of texts below the key `key`, indented by `indent`.
pub fn list(out: &mut String, indent: &str, key: &str, items: &[String]) {
    if items.is_empty() {
        let _ = writeln!(out, "{indent}{key}: []");
        return;
    }
    let _ = writeln!(out, "{indent}{key}:");
    for item in items {
        let _ = writeln!(out, "{indent}- {}", quoted(item));
    }
}

/// The section `podSecurity`.
pub fn pod_security(judgement: &Judgement) -> String {
    let mut out = String::from("podSecurity:\n");
    if let Some(error) = &judgement.error {
        let _ = writeln!(out, "  error: {}", quoted(error));
        return out;
    }
    let mut level = |name: &str, Verdict { allowed, reasons }: &Verdict| match allowed {
        true => {
            let _ = writeln!(out, "  {name}: allowed");
        }
        false => list(&mut out, "  ", name, reasons),
    };
    level("baseline", &judgement.baseline);
    level("restricted", &judgement.restricted);
    if let Some(objection) = &judgement.strict {
        let _ = writeln!(out, "  strict: {}", quoted(objection));
    }
    out
}

/// The section `podSecurity` of an outcome's text.
pub fn pod_security_of(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| *line != "podSecurity:");
    let head = lines.next();
    let body = lines.take_while(|line| line.starts_with(' '));
    head.into_iter().chain(body).map(|line| format!("{line}\n")).collect()
}

/// Everything an outcome says, but for the patch.
pub fn outcome(outcome: &Outcome<'_>) -> String {
    let mut out = String::new();
    if let Some(skip) = outcome.left_alone {
        let _ = writeln!(out, "leftAlone: {}", skip.as_str());
    }
    rules(&mut out, outcome);
    if !outcome.exemptions.is_empty() {
        out += "exemptions:\n";
    }
    for exemption in &outcome.exemptions {
        let mut members = vec![format!("of: {}", quoted(subject(outcome, exemption.subject)))];
        let rules: Vec<_> = exemption.rules.iter().map(RuleName::as_str).collect();
        members.push(match exemption.is_for_every_rule() {
            true => "rules: every".to_owned(),
            false => format!("rules: [{}]", rules.join(", ")),
        });
        members.extend(exemption.until.map(|until| format!("until: {until}")));
        members
            .extend(exemption.ticket.as_ref().map(|ticket| format!("ticket: {}", quoted(ticket))));
        members.push(match exemption.by {
            By::Annotation => "by: annotation".to_owned(),
            By::Policy => "by: policy".to_owned(),
        });
        members.push(format!("reason: {}", quoted(&exemption.reason)));
        let _ = writeln!(out, "- {{{}}}", members.join(", "));
    }
    if !outcome.void.is_empty() {
        out += "void:\n";
    }
    for void in &outcome.void {
        let _ = writeln!(out, "- {{key: {}, why: {}}}", quoted(&void.key), quoted(&void.why));
    }
    if !outcome.remarks.is_empty() {
        let remarks: Vec<String> = outcome.remarks.iter().map(ToString::to_string).collect();
        list(&mut out, "", "remarks", &remarks);
    }
    out += "warnings:\n";
    list(&mut out, "  ", "enforce", &outcome.warnings(false));
    list(&mut out, "  ", "audit", &outcome.warnings(true));
    out
}

/// The section `rules`: what each rule found of each subject.
fn rules(out: &mut String, outcome: &Outcome<'_>) {
    if outcome.findings.is_empty() {
        *out += "rules: {}\n";
        return;
    }
    *out += "rules:\n";
    for rule in RuleName::ALL {
        let findings: Vec<_> = outcome.findings.iter().filter(|f| f.rule == *rule).collect();
        if findings.is_empty() {
            continue;
        }
        let _ = writeln!(out, "  {rule}:");
        for found in findings {
            let subject = subject(outcome, found.subject);
            let _ = writeln!(out, "    {subject}: {}", finding(outcome, found));
        }
    }
}

fn finding(outcome: &Outcome<'_>, finding: &Finding<'_>) -> String {
    let mut members = vec![format!("result: {}", finding.result.as_str())];
    if let RuleResult::Skipped(skip) = finding.result {
        members.push(format!("reason: {}", skip.as_str()));
    }
    let value = |key, value: Option<Value>| value.map(|value| format!("{key}: {}", quoted(value)));
    members.extend(value("was", finding.was.as_ref().map(|v| serde_json::to_value(v).unwrap())));
    members.extend(value("now", finding.now.as_ref().map(|v| serde_json::to_value(v).unwrap())));
    members.extend(finding.level.map(|level| match level {
        Level::Pod => "level: pod".to_owned(),
        Level::Container => "level: container".to_owned(),
    }));
    let why = outcome.why(finding);
    if !why.is_empty() {
        members.push(format!("why: {}", quoted(why)));
    }
    format!("{{{}}}", members.join(", "))
}

/// `pod`, or a container's name with its kind.
fn subject(outcome: &Outcome<'_>, subject: Subject) -> String {
    match subject {
        Subject::Pod => "pod".to_owned(),
        Subject::Container(index) => {
            let looked = &outcome.containers[index];
            format!("{} ({})", looked.name, looked.kind.as_str())
        }
    }
}
