//! The table of `preview`.

use clap::builder::styling::{AnsiColor, Style};

use super::report::{NamespacePreview, Preview, Verdicts, WorkloadPreview};
use crate::cli::risk::{Cause, Verdict};
use crate::cli::table::{BOLD, Cell, DIM, Table, clean};

/// The text for a terminal of so many columns, or for a pipe.
pub(super) fn table(preview: &Preview, width: Option<usize>) -> String {
    let mut text = format!("{DIM}policies: {}{DIM:#}\n", preview.policies);
    for namespace in &preview.namespaces {
        text.push('\n');
        head(&mut text, namespace);
        if !namespace.workloads.is_empty() {
            rows(&mut text, namespace, width);
        }
        foot(&mut text, namespace);
    }
    if preview.namespaces.len() > 1 {
        let mut all = Verdicts::default();
        for NamespacePreview { verdicts, .. } in &preview.namespaces {
            all.starts += verdicts.starts;
            all.unknown += verdicts.unknown;
            all.breaks += verdicts.breaks;
        }
        text.push_str(&format!(
            "\n{BOLD}{} namespaces{BOLD:#}: {}\n",
            preview.namespaces.len(),
            sentence(&all, "can opt in today")
        ));
    }
    text
}

fn head(text: &mut String, namespace: &NamespacePreview) {
    let mode = namespace.mode.unwrap_or("not opted in");
    let security = match &namespace.pod_security {
        Some(level) => format!(", Pod Security enforces {}", clean(level)),
        None => String::new(),
    };
    text.push_str(&format!(
        "{BOLD}{}{BOLD:#}  {mode}, policy {}{security}\n",
        namespace.name, namespace.policy
    ));
}

fn rows(text: &mut String, namespace: &NamespacePreview, width: Option<usize>) {
    let mut table = Table::new(["WORKLOAD", "PODS", "VERDICT", "CHANGES", "RESTRICTED"], "WHY");
    for workload in &namespace.workloads {
        let (style, word) = (style(workload.verdict), workload.verdict.as_str());
        let mut notes = notes(workload).into_iter();
        table.row(
            [
                Cell::new(format!("{}/{}", workload.kind, workload.name), BOLD),
                Cell::plain(workload.pods.to_string()),
                Cell::new(word, style),
                Cell::plain(changes(workload)),
                Cell::plain(match (&workload.error, workload.restricted.is_empty()) {
                    (Some(_), _) => "?",
                    (None, true) => "passes",
                    (None, false) => "refused",
                }),
            ],
            notes.next().unwrap_or_default(),
        );
        for note in notes {
            table.row(std::array::from_fn(|_| Cell::default()), note);
        }
    }
    text.push_str(&table.render(width));
}

/// `8 rules`, `nothing`
fn changes(workload: &WorkloadPreview) -> String {
    let mut rules: Vec<&str> = workload.changes.iter().map(|change| change.rule).collect();
    rules.dedup();
    match (workload.left_alone, rules.len()) {
        _ if workload.error.is_some() => "?".to_owned(),
        (Some(reason), _) => reason.to_owned(),
        (None, 0) => "nothing".to_owned(),
        (None, 1) => "1 rule".to_owned(),
        (None, count) => format!("{count} rules"),
    }
}

/// What there is to say of a workload, each on a line of its own.
fn notes(workload: &WorkloadPreview) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(workload.error.clone());
    if workload.runs_hardened {
        notes.push("runs hardened already".to_owned());
    }
    notes.extend(workload.risks.iter().map(|risk| format!("{}: {}", risk.container, risk.why)));
    let said = workload.risks.iter().any(|risk| risk.cause == Cause::Refused);
    if !workload.restricted.is_empty() && !said {
        notes.push(format!("restricted refuses: {}", workload.restricted.join(", ")));
    }
    notes.extend(workload.exemptions.iter().map(|exempt| exempt.text.clone()));
    notes.extend(workload.void.iter().map(|void| void.text()));
    notes
}

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Starts => AnsiColor::Green,
        Verdict::Unknown => AnsiColor::Yellow,
        Verdict::Breaks => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// The verdict on the namespace, and what it takes.
fn foot(text: &mut String, namespace: &NamespacePreview) {
    let NamespacePreview { name, verdicts, workloads, mode, .. } = namespace;
    let start = if *mode == Some("enforce") { "starts hardened" } else { "can opt in today" };
    text.push_str(&format!("{BOLD}{name}{BOLD:#}: {}\n", sentence(verdicts, start)));
    for workload in workloads.iter().filter(|workload| workload.verdict != Verdict::Starts) {
        remedy(text, workload);
    }
    let baseline = workloads.iter().any(|workload| {
        let rules = crate::cli::risk::remedy::rules_of(&workload.remedy.annotations);
        rules.iter().any(|rule| NEED_BASELINE.contains(rule))
    });
    if baseline && namespace.pod_security.as_deref() == Some("restricted") {
        text.push_str(
            "  with these exemptions the namespace needs `pod-security.kubernetes.io/enforce: \
             baseline`: Pod Security cannot exempt one pod\n",
        );
    }
    if verdicts.breaks + verdicts.unknown == 0 && *mode != Some("enforce") && !workloads.is_empty()
    {
        text.push_str(&format!(
            "  {DIM}kubectl label namespace {name} ironhull.dev/harden=enforce --overwrite{DIM:#}\n"
        ));
    }
}

/// What Pod Security *restricted* refuses once it is exempt.
const NEED_BASELINE: [&str; 4] =
    ["runAsNonRoot", "capabilities", "seccompProfile", "allowPrivilegeEscalation"];

/// What one workload needs.
fn remedy(text: &mut String, workload: &WorkloadPreview) {
    let remedy = &workload.remedy;
    if remedy.annotations.is_empty() && remedy.advice.is_empty() && remedy.void.is_none() {
        return;
    }
    let title = format!("{}/{}", workload.kind, workload.name);
    text.push_str(&format!("  {BOLD}{}{BOLD:#}", clean(&title)));
    if let Some(by) = &workload.managed_by {
        text.push_str(&format!(" (made by {}: say it there)", clean(by)));
    }
    text.push('\n');
    if let Some(void) = &remedy.void {
        text.push_str(&format!(
            "    no annotation helps under the policy {}: {}\n",
            workload.policy,
            clean(void)
        ));
    }
    if !remedy.annotations.is_empty() {
        text.push_str(&format!("    {}:\n", remedy.annotations_at));
        for (key, value) in &remedy.annotations {
            text.push_str(&format!("      {}: {}\n", clean(key), quoted(value)));
        }
    }
    for advice in &remedy.advice {
        text.push_str(&format!("    {}\n", clean(advice)));
    }
}

/// A value as YAML and JSON have it.
fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// `42 of 45 workloads can opt in today; 2 need a change or an exemption; 1 has to be tried`.
/// `start` is what becomes of one that starts.
fn sentence(verdicts: &Verdicts, start: &str) -> String {
    let Verdicts { starts, unknown, breaks } = *verdicts;
    match (starts + unknown + breaks, starts, unknown) {
        (0, ..) => return "no workload".to_owned(),
        (1, 1, _) => return format!("the one workload {start}"),
        (1, 0, 1) => return "the one workload has to be tried".to_owned(),
        (1, ..) => return "the one workload needs a change or an exemption".to_owned(),
        _ => {}
    }
    let total = starts + unknown + breaks;
    let start = if starts == 1 { start } else { &start.replace("starts", "start") };
    let mut parts = vec![match starts {
        0 => format!("none of {total} workloads is sure to start"),
        _ => format!("{starts} of {total} workloads {start}"),
    }];
    if breaks > 0 {
        let needs = if breaks == 1 { "needs" } else { "need" };
        parts.push(format!("{breaks} {needs} a change or an exemption"));
    }
    if unknown > 0 {
        let have = if unknown == 1 { "has" } else { "have" };
        parts.push(format!("{unknown} {have} to be tried"));
    }
    parts.join("; ")
}
