//! `ironhull explain`: what the engine concludes about manifests, and why; or what there is to say
//! of a pod of a cluster.

pub mod live;
mod table;

use std::io::Write;

use clap::ValueHint;
use schemars::JsonSchema;
use serde::Serialize;

use super::choice::Choice;
use super::input::{Input, Read};
use super::pass::{self, Assignment, Judged, Pass};
use super::preview::report::{RemedyPreview, RiskPreview};
use crate::cluster::{self, Connection};
use crate::foresight::exemptions::{Exempt, Voided, container, exemption, voided};
use crate::foresight::outlook::{Outlook, outlook};
use crate::foresight::risk::Verdict;
use crate::harden::SeedImage;
use crate::manifest::{Document, ManifestError, ManifestFile};
use crate::outcome::{Finding, Level, Outcome, Remark, RuleResult, Subject};
use crate::terminal::{diagnostics, say};

/// Explain what changes and why, in manifests or in a pod
///
/// For manifests: a row for every rule and container, with the value before and after, and why.
/// For a POD in a cluster: who set which rule, and what is missing and why; and if it does not
/// run, what the messages mean.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A pod in the cluster; without it, manifests (-f)
    #[arg(value_name = "POD", conflicts_with_all = ["files", "policy_name"], value_hint = ValueHint::Other)]
    pod: Option<String>,

    #[command(flatten)]
    input: Input,

    /// Print a patch of its owner that would help POD
    // Where one argument excludes another, clap does not ask for the other: so the files are excluded too.
    #[arg(long, requires = "pod", conflicts_with = "files")]
    fix: bool,

    /// Apply that patch; without it nothing is written
    #[arg(long, requires = "fix", conflicts_with = "files")]
    apply: bool,

    /// Output format: table or json
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, hide_possible_values = true)]
    output: Format,

    #[command(flatten)]
    connection: Connection,
}

/// The forms of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// A list with an object for each workload: see docs/json.md
    Json,
}

/// The explanation of one workload.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained {
    /// The file, or `stdin`.
    file: String,
    /// Number of the document in the file, from 1.
    document: Option<usize>,
    /// The workload's kind.
    kind: String,
    /// Its namespace, or that of `-n` if it has none.
    namespace: String,
    /// Its name, or its `generateName` with a trailing `*`; may be empty.
    name: String,
    /// Path of the template, if the object has several; else null.
    template: Option<String>,
    /// The policy's name.
    policy: String,
    /// Whether anything would change.
    changes: bool,
    /// Why the pod is left alone as a whole: the name of a skip reason, or null.
    left_alone: Option<&'static str>,
    /// What each rule concluded, container by container.
    findings: Vec<Row>,
    /// The exemptions in force.
    exemptions: Vec<Exempt>,
    /// Annotations that exempt nothing.
    void: Vec<Voided>,
    /// What the policy knows of the containers' images.
    images: Vec<KnownImage>,
    /// The fields for which Pod Security *restricted* would still refuse the pod.
    restricted: Vec<String>,
    /// Other remarks on the pod as a whole.
    remarks: Vec<String>,
    /// The verdict on its pods, as `preview` has it; null if the pod could not be judged.
    verdict: Option<Verdict>,
    /// What may break.
    risks: Vec<RiskPreview>,
    /// What helps.
    remedy: RemedyPreview,
}

/// One rule about one container, or about the pod.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Finding")]
struct Row {
    /// The rule's name.
    rule: &'static str,
    /// The container's name; null for the pod level by itself.
    container: Option<String>,
    /// `init`, `sidecar`, `app`, `ephemeral`, or `pod`.
    container_kind: &'static str,
    /// `set`, `replaced`, `kept`, `compliant`, `exempt` or `skipped`.
    result: &'static str,
    /// The name of the skip reason, if the result is `skipped`.
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

/// What the policy knows of a container's image.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KnownImage {
    /// The container's name.
    pub container: String,
    /// The `reason` of the image's entry.
    pub reason: String,
}

/// Runs the command. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { pod, input, output, .. } = args;
    if let Some(file) = pod.as_ref().filter(|pod| is_file(pod)) {
        say::error(err, format!("`{file}` is a file: pass it with -f, as in `-f {file}`"))?;
        return Ok(say::EXIT_ERROR);
    }
    if let Some(pod) = pod {
        return live_pod(pod, args, out, err);
    }
    let Some((explained, errors)) = explain_all(input, err)? else { return Ok(say::EXIT_ERROR) };
    if !errors.is_empty() && !input.keep_going {
        return Ok(input.refuse(&errors, err)?);
    }
    match output {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&explained)?)?,
        Format::Table if explained.is_empty() => {
            say::note(err, "no pods and no pod templates here")?;
        }
        Format::Table => {
            out.write_all(table::table(&explained, super::width()).as_bytes())?;
        }
    }
    Ok(if errors.is_empty() { 0 } else { diagnostics::errors(err, &errors)? })
}

/// Whether a word given as a pod's name ends like a manifest's file name.
fn is_file(name: &str) -> bool {
    let end = std::path::Path::new(name).extension();
    end.is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
}

fn live_pod(
    pod: &str,
    args: &Args,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let Args { pod: _, input, output, connection, fix, apply } = args;
    let date = input.date();
    let Some(choice) = Choice::of(input.policy.as_deref(), &input.facts, date, err)? else {
        return Ok(say::EXIT_ERROR);
    };
    let namespace = input.namespace.as_ref();
    let asked = live::Asked { pod, namespace, choice, date, fix: *fix };
    let (explained, applied) = cluster::block_on(async {
        let cluster = connection.connect().await?;
        let explained = live::explain(&cluster, asked, err).await?;
        let applied = *apply && live::apply(&cluster, &explained).await?;
        anyhow::Ok((explained, applied))
    })?;
    match (output, &explained.fix) {
        (Format::Json, _) => writeln!(out, "{}", serde_json::to_string_pretty(&explained)?)?,
        (Format::Table, None) => {
            out.write_all(live::table(&explained, super::width()).as_bytes())?;
        }
        (Format::Table, Some(proposal)) => {
            out.write_all(live::yaml(&explained, proposal, applied).as_bytes())?;
        }
    }
    match &explained.fix {
        Some(proposal) if applied => say::note(err, format!("{} is changed", proposal.owner))?,
        Some(proposal) if *apply && proposal.patch.is_some() => {
            say::error(err, "nothing was changed: see the note above")?;
        }
        _ => {}
    }
    let left = explained.fix.as_ref().is_some_and(|fix| match fix.patch {
        Some(_) => *apply && !applied,
        None => !explained.troubles.is_empty() && fix.already.is_empty(),
    });
    Ok(if left { say::EXIT_CHANGES } else { 0 })
}

/// Explains what the input names; beside it, what cannot be read. `None` if the policies are wrong, which has
/// been reported.
fn explain_all(
    input: &Input,
    err: &mut dyn Write,
) -> anyhow::Result<Option<(Vec<Explained>, Vec<ManifestError>)>> {
    let Some(set) = input.policies(err)? else { return Ok(None) };
    let Read { sources, mut errors } = input.read(set.kinds(), err)?;
    if !errors.is_empty() && !input.keep_going {
        return Ok(Some((Vec::new(), errors)));
    }
    let policies = Assignment::chosen(input.asked(), &set, &sources, err)?;
    let pass = Pass {
        policies: &policies,
        namespace: input.namespace(),
        date: input.date(),
        seed_image: Some(SeedImage::ANY),
    };
    let mut explained = Vec::new();
    for source in &sources {
        for document in &source.documents {
            pass::say_remarks(err, source, document)?;
            let mut left = Vec::new();
            let judged = pass.judge(source, document, |judged| {
                let why = judged.patch().err();
                left.extend(why.map(|why| judged.left(source, document, &why)));
                explained.push(explain(source, document, &pass, judged));
            });
            left.iter().try_for_each(|note| say::note(err, note))?;
            errors.extend(judged.err().map(|error| *error));
        }
    }
    Ok(Some((explained, errors)))
}

fn explain(
    source: &ManifestFile,
    document: &Document,
    pass: &Pass<'_>,
    judged: &Judged<'_>,
) -> Explained {
    let Judged { workload, namespace, policy, outcome, .. } = *judged;
    let outlook = outlook(&judged.template(pass)).ok();
    let verdict = outlook.as_ref().map(Outlook::verdict);
    let (restricted, risks, remedies) = outlook
        .map(|outlook| (outlook.restricted, outlook.risks, outlook.remedies))
        .unwrap_or_default();
    // `restricted` has them, and those that an exemption keeps.
    let others = outcome.remarks.iter().filter(|it| !matches!(it, Remark::Remains(_)));
    let mut findings: Vec<&Finding<'_>> = outcome.findings.iter().collect();
    // The rules keep their order within a container.
    findings.sort_by_key(|finding| finding.subject);
    Explained {
        file: source.name.clone(),
        document: document.number,
        kind: workload.kind.clone(),
        namespace: namespace.to_owned(),
        name: workload.name.clone(),
        template: workload.which(),
        policy: policy.name.clone(),
        changes: outcome.changes(),
        left_alone: outcome.left_alone.map(|skip| skip.as_str()),
        findings: findings.into_iter().map(|finding| row(outcome, finding)).collect(),
        exemptions: outcome.exemptions.iter().map(|exempt| exemption(outcome, exempt)).collect(),
        void: voided(outcome),
        images: known_images(outcome),
        restricted,
        remarks: others.map(ToString::to_string).collect(),
        verdict,
        risks: risks.into_iter().map(RiskPreview::from).collect(),
        remedy: RemedyPreview::new(remedies, workload.annotations_at()),
    }
}

/// What the policy knows of the containers' images.
fn known_images(outcome: &Outcome<'_>) -> Vec<KnownImage> {
    let looked = outcome.containers.iter();
    let known = looked.filter_map(|looked| {
        let reason = looked.entry_reason?.to_owned();
        Some(KnownImage { container: looked.name.to_owned(), reason })
    });
    known.collect()
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
