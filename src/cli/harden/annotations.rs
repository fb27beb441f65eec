//! What `harden` would change, as forges and test runners show it beside the lines of a change.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::engine::{Change, Hardened};
use super::output::changes;
use crate::cli::pass::{place, title};
use crate::cli::sarif::{Fingerprints, relative};
use crate::manifest::{Document, ManifestError};

/// How much somebody should care.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// The policy fills the field in, or a pod is not judged.
    Notice,
    /// The policy enforces it.
    Warning,
    /// It could not be read.
    Error,
}

/// What there is to say of one place.
struct Annotation<'a> {
    level: Level,
    /// The rule, or what kind of remark it is.
    check: &'a str,
    file: &'a str,
    /// Line and column, from 1.
    at: Option<(usize, usize)>,
    message: Cow<'a, str>,
    /// Stays the same when lines move.
    identity: Cow<'a, str>,
}

/// Everything there is to say, errors first: GitHub shows only so much.
fn annotations<'a>(hardened: &'a [Hardened], errors: &'a [ManifestError]) -> Vec<Annotation<'a>> {
    let mut all: Vec<Annotation<'a>> = errors.iter().map(of_error).collect();
    for one in hardened {
        let file = one.source.name.as_str();
        for change in &one.changes {
            let Some(document) = one.source.documents.get(change.document) else { continue };
            all.extend(one.found(document, change).map(|(found, at)| Annotation {
                level: if found.level == "warning" { Level::Warning } else { Level::Notice },
                check: found.rule.as_str(),
                file,
                at: Some(at),
                message: Cow::Borrowed(&found.message),
                identity: Cow::Borrowed(&found.identity),
            }));
        }
        for document in &one.source.documents {
            all.extend(one.not_judged(document).map(|(message, at)| {
                let (message, identity) = (Cow::Owned(message.clone()), Cow::Owned(message));
                let (level, check) = (Level::Notice, "not judged");
                Annotation { level, check, file, at: Some(at), message, identity }
            }));
        }
    }
    all.sort_by_key(|it| std::cmp::Reverse(it.level));
    all
}

fn of_error(error: &ManifestError) -> Annotation<'_> {
    let ManifestError { file, at, message, .. } = error;
    let identity = Cow::Owned(format!("{file}\n{message}"));
    Annotation {
        level: Level::Error,
        check: "unreadable",
        file,
        at: *at,
        message: error.in_full(),
        identity,
    }
}

/// Workflow commands: one for each line of a file, since GitHub shows ten warnings and ten errors of a
/// step.
///
/// Source: docs.github.com, "Workflow commands for GitHub Actions"; how a command is escaped,
/// actions/toolkit `packages/core/src/command.ts`.
pub(super) fn github(hardened: &[Hardened], errors: &[ManifestError]) -> String {
    let all = annotations(hardened, errors);
    let mut groups: Vec<Vec<&Annotation<'_>>> = Vec::new();
    let mut group_of = HashMap::new();
    for it in &all {
        let line = (it.file, it.at.map(|(line, _)| line));
        let group = *group_of.entry(line).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(it),
            None => groups.push(vec![it]),
        }
    }
    let mut text = String::new();
    for group in groups {
        let Some(first) = group.first() else { continue };
        let command = match first.level {
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let mut checks: Vec<&str> = group.iter().map(|it| it.check).collect();
        checks.dedup();
        let messages: Vec<&str> = group.iter().map(|it| &*it.message).collect();
        let _ = write!(text, "::{command} file={}", property(&path(first.file)));
        if let Some((line, column)) = first.at {
            let _ = write!(text, ",line={line},col={column}");
        }
        let title = match checks.as_slice() {
            [first, rest @ ..] if !rest.is_empty() => format!("{first} and {} more", rest.len()),
            _ => first.check.to_owned(),
        };
        let title = property(&format!("ironhull: {title}"));
        let _ = writeln!(text, ",title={title}::{}", data(&messages.join("\n")));
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A Code Quality report, as a merge request of GitLab shows it.
///
/// Source: docs.gitlab.com, "Code Quality", "Code Quality report format".
pub(super) fn gitlab(hardened: &[Hardened], errors: &[ManifestError]) -> String {
    let mut fingerprints = Fingerprints::default();
    let issues: Vec<Value> = annotations(hardened, errors)
        .iter()
        .map(|it| {
            let severity = match it.level {
                Level::Notice => "minor",
                Level::Warning => "major",
                Level::Error => "critical",
            };
            json!({
                "description": it.message,
                "check_name": it.check,
                "fingerprint": fingerprints.next(&it.identity),
                "severity": severity,
                "location": {
                    "path": path(it.file),
                    "lines": {"begin": it.at.map_or(1, |(line, _)| line)},
                },
            })
        })
        .collect();
    format!("{:#}\n", Value::from(issues))
}

/// A report of tests: a case for each document with workloads, which fails where something would
/// change, and for each error.
///
/// Source: there is no standard; these are the elements and attributes that Jenkins' JUnit plugin,
/// GitLab ("Unit test reports") and the Windy Road schema have in common.
pub(super) fn junit(hardened: &[Hardened], errors: &[ManifestError]) -> String {
    let (mut cases, mut count, mut failures) = (String::new(), 0_usize, 0_usize);
    for error in errors {
        let it = of_error(error);
        let at = it.at.map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
        let _ = write!(
            cases,
            "  <testcase classname=\"{file}\" name=\"{file}\">\n    <error message=\"{message}\" type=\"unreadable\">{file}{at}: {message}</error>\n  </testcase>\n",
            file = xml(&path(it.file)),
            message = xml(&it.message),
        );
    }
    for one in hardened {
        let mut changed = one.changes.iter().peekable();
        for (index, document) in one.source.documents.iter().enumerate() {
            let change = changed.next_if(|change| change.document == index);
            if document.contents.workloads.is_empty() {
                continue;
            }
            count += 1;
            failures += usize::from(change.is_some());
            case(&mut cases, one, document, change);
        }
    }
    let (tests, errors) = (count + errors.len(), errors.len());
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ironhull\" {counts}>\n<testsuite name=\"ironhull harden\" {counts}>\n{cases}</testsuite>\n</testsuites>\n"
    )
}

fn case(cases: &mut String, one: &Hardened, document: &Document, change: Option<&Change>) {
    let file = path(&one.source.name);
    let name = match document.contents.workloads.as_slice() {
        [workload] => title(workload),
        _ => place(&one.source, document, None),
    };
    let _ = write!(cases, "  <testcase classname=\"{}\" name=\"{}\"", xml(&file), xml(&name));
    let Some(change) = change else {
        cases.push_str("/>\n");
        return;
    };
    let lines: String = one
        .found(document, change)
        .map(|(found, (line, column))| format!("{file}:{line}:{column}: {}\n", found.message))
        .collect();
    let _ = write!(
        cases,
        ">\n    <failure message=\"{}\" type=\"hardening\">{}</failure>\n  </testcase>\n",
        changes(change.fields()),
        xml(&lines)
    );
}

/// Text in an element or in an attribute. XML 1.0 has no way to write most control characters.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

fn path(file: &str) -> String {
    relative(file).display().to_string()
}
