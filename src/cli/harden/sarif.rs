//! What `harden` would change, as SARIF.

use serde_json::{Value, json};

use super::engine::{Change, Hardened};
use super::output::for_each_change;
use super::would_change::level;
use crate::cli::rules::summary;
use crate::cli::sarif::{Log, descriptor, location, notification};
use crate::manifest::{Document, ManifestError};
use crate::policy::Policy;
use crate::rule::RuleName;

/// The log: one run, with a result for each field that would change, and a notification
/// for each thing that could not be read or judged.
pub(super) fn log(hardened: &[Hardened], errors: &[ManifestError]) -> String {
    let mut log = Log {
        rules: RuleName::ALL.iter().map(|rule| described(*rule)).collect(),
        notifications: errors.iter().map(notification).collect(),
        successful: errors.is_empty(),
        ..Log::default()
    };
    for_each_change(hardened, |one, document, change| results_of(one, document, change, &mut log));
    log.notifications.extend(hardened.iter().flat_map(not_judged));
    log.text()
}

fn described(rule: RuleName) -> Value {
    let summary = format!("{}.", summary(rule)).replace('`', "");
    let page = rule.doc();
    let (what, why) = (section(&page, "What it does"), section(&page, "Why"));
    let help = json!({"text": format!("{what}\n\n{why}"), "markdown": page.trim_end()});
    let level = level(Policy::restricted().rules.action(rule));
    descriptor(rule.as_str(), &summary, &what.replace('`', ""), help, level)
}

/// A section of a rule's page, each paragraph and each item on one line.
fn section(page: &str, heading: &str) -> String {
    let (_, rest) = page.split_once(&format!("## {heading}\n")).unwrap_or_default();
    let text = rest.split("\n## ").next().unwrap_or_default();
    let mut section = String::new();
    for line in text.trim().lines() {
        let begins = line.is_empty() || line.starts_with("- ") || section.ends_with('\n');
        if !section.is_empty() {
            section.push(if begins { '\n' } else { ' ' });
        }
        section.push_str(line.trim_start());
    }
    section
}

fn results_of(one: &Hardened, document: &Document, change: &Change, log: &mut Log) {
    for (found, at) in one.found(document, change) {
        let result = json!({
            "ruleId": found.rule.as_str(),
            "ruleIndex": RuleName::ALL.iter().position(|rule| *rule == found.rule),
            "level": found.level,
            "message": {"text": found.message},
            "locations": [location(&one.source.name, Some(at))],
        });
        log.result(result, &found.identity);
    }
}

/// Objects whose pods were not judged.
fn not_judged(one: &Hardened) -> Vec<Value> {
    let of = |document: &Document| {
        let pods = one.not_judged(document);
        pods.map(|(text, at)| notice(&one.source.name, &text, at))
    };
    one.source.documents.iter().flat_map(of).collect()
}

fn notice(file: &str, text: &str, at: (usize, usize)) -> Value {
    json!({
        "level": "note",
        "message": {"text": text},
        "locations": [location(file, Some(at))],
    })
}
