//! SARIF 2.1.0, the format in which code scanning takes the findings of an analysis.
//!
//! Has the parts that are required, and those that GitHub reads:
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>,
//! <https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Component, Path};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::engine::{Change, Hardened};
use super::output::{for_each_change, relative};
use super::would_change::level;
use crate::cli::pass::passed_through;
use crate::cli::rules::summary;
use crate::manifest::{Document, ManifestError, Unknown};
use crate::policy::Policy;
use crate::rule::RuleName;

/// Directory that file names are relative to. The reader knows where it is.
const ROOT: &str = "%SRCROOT%";
/// Help address of the rules. SARIF wants one for each; their own pages are in the log.
const HELP: &str = "https://kubernetes.io/docs/concepts/security/pod-security-standards/";

/// The log: one run, with a result for each field that would change, and a notification
/// for each thing that could not be read or judged.
pub(super) fn log(hardened: &[Hardened], errors: &[ManifestError]) -> String {
    let mut results = Vec::new();
    let mut seen = HashMap::new();
    for_each_change(hardened, |one, document, change| {
        results_of(one, document, change, &mut seen, &mut results);
    });
    let mut notifications: Vec<Value> = errors.iter().map(notification).collect();
    notifications.extend(hardened.iter().flat_map(not_judged));
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ironhull",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": RuleName::ALL.iter().map(|rule| descriptor(*rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {
                ROOT: {"description": {"text": "The directory in which ironhull was started."}},
            },
            "invocations": [{
                "executionSuccessful": errors.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn descriptor(rule: RuleName) -> Value {
    let summary = format!("{}.", summary(rule));
    let page = rule.doc();
    let (what, why) = (section(&page, "What it does"), section(&page, "Why"));
    json!({
        "id": rule.as_str(),
        "shortDescription": {"text": summary.replace('`', "")},
        "fullDescription": {"text": what.replace('`', "")},
        "help": {"text": format!("{what}\n\n{why}"), "markdown": page.trim_end()},
        "helpUri": HELP,
        "defaultConfiguration": {"level": level(Policy::restricted().rules.action(rule))},
        "properties": {"tags": ["security", "kubernetes"]},
    })
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

fn results_of(
    one: &Hardened,
    document: &Document,
    change: &Change,
    seen: &mut HashMap<String, usize>,
    results: &mut Vec<Value>,
) {
    let pointers = change.found.iter().map(|found| found.pointer.as_str());
    let places = one.source.positions(document, pointers);
    for (found, (line, column)) in change.found.iter().zip(places) {
        // Two objects may have the same name, in two files or in one.
        let times = seen.entry(found.identity.clone()).or_default();
        *times += 1;
        let digest = Sha256::digest(&found.identity);
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let fingerprint = format!("{digest}:{times}");
        results.push(json!({
            "ruleId": found.rule.as_str(),
            "ruleIndex": RuleName::ALL.iter().position(|rule| *rule == found.rule),
            "level": found.level,
            "message": {"text": found.message},
            "locations": [location(&one.source.name, Some((line, column)))],
            // The first is for everybody; the second is the only one that GitHub reads.
            "partialFingerprints": {
                "ironhull/v1": fingerprint,
                "primaryLocationLineHash": fingerprint,
            },
        }));
    }
}

fn notification(error: &ManifestError) -> Value {
    let mut message = error.message.clone();
    if let Some(hint) = &error.hint {
        message = format!("{message}; {hint}");
    }
    json!({
        "level": "error",
        "message": {"text": message},
        "locations": [location(&error.file, error.at)],
    })
}

/// Objects whose pods were not judged.
fn not_judged(one: &Hardened) -> Vec<Value> {
    let of = |document: &Document| {
        let unknown = &document.contents.unknown;
        let places = one.source.positions(document, unknown.iter().map(|u| u.pointer.as_str()));
        let pairs: Vec<_> = unknown.iter().zip(places).collect();
        pairs.into_iter().map(|(unknown, at)| notice(&one.source.name, unknown, at)).collect()
    };
    one.source.documents.iter().flat_map::<Vec<Value>, _>(of).collect()
}

fn notice(file: &str, unknown: &Unknown, at: (usize, usize)) -> Value {
    json!({
        "level": "note",
        "message": {"text": passed_through(unknown)},
        "locations": [location(file, Some(at))],
    })
}

fn location(file: &str, at: Option<(usize, usize)>) -> Value {
    let path = relative(file);
    let inside = !path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
    let artifact = if inside {
        json!({"uri": uri(&path), "uriBaseId": ROOT})
    } else {
        let whole = std::path::absolute(&path).unwrap_or(path);
        json!({"uri": format!("file://{}", uri(&whole))})
    };
    let mut location = json!({"artifactLocation": artifact});
    if let (Some((line, column)), Some(object)) = (at, location.as_object_mut()) {
        object.insert("region".to_owned(), json!({"startLine": line, "startColumn": column}));
    }
    json!({"physicalLocation": location})
}

/// A path in which characters with a meaning in addresses are escaped (RFC 3986: `pchar` and `/`).
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
