//! `ironhull explain`: what the engine concludes about manifests, and why.

mod table;

use std::io::{IsTerminal as _, Write};

use serde::Serialize;

use super::input::Input;
use super::manifest::{Document, ManifestError, Source};
use super::pass::{self, Judged, Pass};
use super::say;
use crate::exemption::{By, Exemption};
use crate::outcome::{Finding, Level, Outcome, RuleResult, Subject};
use crate::rules::RuleName;

/// Say what would be changed in manifests, and why
///
/// A row for every rule and container: what was there before, what comes after, and why.
/// Nothing is written.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,

    /// The form of the answer
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
}

/// The forms of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// A list of objects, one for each workload
    Json,
}

/// What is said of one workload: an element of the list that `-o json` writes. Members
/// may be added; those here keep their names and meanings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    /// The file, or `stdin`.
    file: String,
    /// Which of the file's documents, from 1.
    document: Option<usize>,
    kind: String,
    namespace: String,
    name: String,
    /// The policy's name.
    policy: String,
    /// Whether anything would change.
    changes: bool,
    /// Why the pod is left alone as a whole: the name of a skip reason, or null.
    left_alone: Option<&'static str>,
    findings: Vec<Row>,
    exemptions: Vec<Exempt>,
    /// Annotations that exempt nothing.
    void: Vec<Voided>,
    /// What there is to say of the pod as a whole.
    remarks: Vec<String>,
}

/// One rule about one container, or about the pod.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    rule: &'static str,
    /// The container's name; null for the pod level by itself.
    container: Option<String>,
    /// `init`, `sidecar`, `app`, `ephemeral`, or `pod`.
    container_kind: &'static str,
    /// `set`, `replaced`, `kept`, `compliant`, `exempt` or `skipped`.
    result: &'static str,
    /// The name of the reason of a `skipped`.
    skip: Option<&'static str>,
    /// The effective value before; null where there was none.
    was: Option<serde_json::Value>,
    /// The effective value after; null where nothing changes.
    now: Option<serde_json::Value>,
    /// `pod` or `container`: where the new value stands.
    level: Option<&'static str>,
    /// Why, in words; may be empty.
    why: String,
}

/// An exemption in force.
#[derive(Clone, Debug, Serialize)]
struct Exempt {
    /// The container's name; null for the whole pod.
    container: Option<String>,
    rules: Vec<&'static str>,
    /// The last day on which it holds.
    until: Option<String>,
    ticket: Option<String>,
    reason: String,
    /// `annotation` or `policy`.
    by: &'static str,
    #[serde(skip)]
    text: String,
}

/// An annotation that exempts nothing.
#[derive(Clone, Debug, Serialize)]
struct Voided {
    /// The annotation's key.
    key: String,
    why: String,
}

/// Runs the command; what it answers goes to `out`, what is wrong to `err`. Returns the
/// exit code.
///
/// # Errors
/// When nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { input, output } = args;
    let explained = match explain_all(input, err)? {
        Ok(explained) => explained,
        Err(errors) => return Ok(say::errors(err, &errors)?),
    };
    match output {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&explained)?)?,
        Format::Table if explained.is_empty() => {
            say::note(err, "no pod and no pod template here")?;
        }
        Format::Table => {
            let width = std::io::stdout()
                .is_terminal()
                .then(terminal_size::terminal_size)
                .flatten()
                .map(|(width, _)| usize::from(width.0))
                // A terminal that does not say.
                .filter(|width| *width > 0);
            out.write_all(table::table(&explained, width).as_bytes())?;
        }
    }
    Ok(0)
}

fn explain_all(
    input: &Input,
    err: &mut dyn Write,
) -> anyhow::Result<Result<Vec<Explained>, Vec<ManifestError>>> {
    let Some(policies) = input.policies(err)? else { return Ok(Err(Vec::new())) };
    let sources = match input.read(err)? {
        Ok(sources) => sources,
        Err(errors) => return Ok(Err(errors)),
    };
    let pass = Pass { policies: &policies, namespace: &input.namespace, date: input.date() };
    let mut explained = Vec::new();
    let mut errors = Vec::new();
    for source in &sources {
        for document in &source.documents {
            pass::say_remarks(err, source, document)?;
            let judged = pass.judge(source, document, |judged| {
                explained.push(explain(source, document, judged));
            });
            errors.extend(judged.err().map(|error| *error));
        }
    }
    Ok(if errors.is_empty() { Ok(explained) } else { Err(errors) })
}

fn explain(source: &Source, document: &Document, judged: &Judged<'_>) -> Explained {
    let Judged { workload, namespace, policy, outcome, .. } = *judged;
    let mut findings: Vec<&Finding<'_>> = outcome.findings.iter().collect();
    // The rules keep their order within a container.
    findings.sort_by_key(|finding| finding.subject);
    Explained {
        file: source.name.clone(),
        document: document.number,
        kind: workload.kind.clone(),
        namespace: namespace.to_owned(),
        name: workload.name.clone(),
        policy: policy.name.clone(),
        changes: outcome.changes(),
        left_alone: outcome.left_alone.map(|skip| skip.as_str()),
        findings: findings.into_iter().map(|finding| row(outcome, finding)).collect(),
        exemptions: outcome.exemptions.iter().map(|exempt| exemption(outcome, exempt)).collect(),
        void: outcome
            .void
            .iter()
            .map(|void| Voided { key: void.key.to_string(), why: void.why.clone() })
            .collect(),
        remarks: outcome.remarks.iter().map(ToString::to_string).collect(),
    }
}

fn row(outcome: &Outcome<'_>, finding: &Finding<'_>) -> Row {
    let json =
        |value: &Option<_>| value.as_ref().and_then(|value| serde_json::to_value(value).ok());
    Row {
        rule: finding.rule.as_str(),
        container: container(outcome, finding.subject),
        container_kind: match finding.subject {
            Subject::Pod => "pod",
            Subject::Container(index) => {
                outcome.containers.get(index).map_or("", |looked| looked.kind.as_str())
            }
        },
        result: finding.result.as_str(),
        skip: match finding.result {
            RuleResult::Skipped(skip) => Some(skip.as_str()),
            _ => None,
        },
        was: json(&finding.was),
        now: json(&finding.now),
        level: finding.level.map(|level| match level {
            Level::Pod => "pod",
            Level::Container => "container",
        }),
        why: outcome.why(finding),
    }
}

fn exemption(outcome: &Outcome<'_>, exemption: &Exemption<'_>) -> Exempt {
    Exempt {
        container: container(outcome, exemption.subject),
        rules: exemption.rules.iter().map(RuleName::as_str).collect(),
        until: exemption.until.map(|date| date.to_string()),
        ticket: exemption.ticket.as_ref().map(ToString::to_string),
        reason: exemption.reason.to_string(),
        by: match exemption.by {
            By::Annotation => "annotation",
            By::Policy => "policy",
        },
        text: format!("{}: {exemption}", outcome.subject_name(exemption.subject)),
    }
}

/// The name of a container; none for the pod level.
fn container(outcome: &Outcome<'_>, subject: Subject) -> Option<String> {
    match subject {
        Subject::Pod => None,
        Subject::Container(_) => Some(outcome.subject_name(subject).to_owned()),
    }
}
