//! The table of `preview`.

use clap::builder::styling::{AnsiColor, Style};

use super::report::{NamespacePreview, Preview, RemedyPreview, Verdicts, WorkloadPreview};
use crate::foresight::observed::DebugContainer;
use crate::foresight::risk::{Cause, Verdict};
use crate::terminal::table::{BOLD, Cell, DIM, Table, paragraph};
use crate::text::{clean, named};

/// The text for a terminal of `width` columns, or for a pipe.
pub(super) fn table(preview: &Preview, width: Option<usize>) -> String {
    let mut text = format!("{DIM}policies: {}{DIM:#}\n", preview.policies);
    for namespace in &preview.namespaces {
        text.push('\n');
        head(&mut text, namespace);
        if !namespace.workloads.is_empty() {
            rows(&mut text, namespace, width);
        }
        foot(&mut text, namespace, width);
    }
    if preview.namespaces.len() > 1 {
        let mut all = Verdicts::default();
        preview.namespaces.iter().for_each(|namespace| all.add(&namespace.verdicts));
        let said = format!("{} namespaces: {}", preview.namespaces.len(), sentence(&all, false));
        let said = paragraph(0, &said, width);
        let (count, rest) = said.split_once(':').unwrap_or(("", &said));
        text.push_str(&format!("\n{BOLD}{count}{BOLD:#}:{rest}"));
    }
    text
}

pub(super) fn head(text: &mut String, namespace: &NamespacePreview) {
    // Manifests without their Namespace do not tell.
    let unknown = is_of_manifests(namespace) && namespace.mode.is_none();
    let mode = match namespace.mode {
        _ if unknown => String::new(),
        mode => format!("{}, ", mode.unwrap_or("not opted in")),
    };
    let security = match &namespace.pod_security {
        Some(level) => format!(", Pod Security enforces {}", clean(level)),
        None => String::new(),
    };
    text.push_str(&format!(
        "{BOLD}{}{BOLD:#}  {mode}policy {}{security}\n",
        namespace.name, namespace.policy
    ));
    if let Some(slip) = &namespace.slip {
        text.push_str(&format!("  {}\n", clean(slip)));
    }
}

fn is_of_manifests(namespace: &NamespacePreview) -> bool {
    namespace.workloads.iter().any(|workload| workload.file.is_some())
}

fn rows(text: &mut String, namespace: &NamespacePreview, width: Option<usize>) {
    let mut table = Table::new(["WORKLOAD", "PODS", "VERDICT", "CHANGES", "RESTRICTED"], "WHY");
    for workload in &namespace.workloads {
        let (style, word) = (style(workload.verdict), workload.verdict.as_str());
        let mut notes = notes(workload, workload.mode != namespace.mode).into_iter();
        table.row(
            [
                Cell::new(workload.title(), BOLD),
                Cell::plain(match &workload.file {
                    Some(_) => "-".to_owned(),
                    None => workload.pods.to_string(),
                }),
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
        (Some(_), _) => "left alone".to_owned(),
        (None, 0) => "nothing".to_owned(),
        (None, 1) => "1 rule".to_owned(),
        (None, count) => format!("{count} rules"),
    }
}

/// Notes on a workload, each on a line of its own.
fn notes(workload: &WorkloadPreview, of_its_own: bool) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(workload.error.clone());
    if workload.runs_hardened {
        notes.push("runs hardened already".to_owned());
    } else if of_its_own {
        notes.push("opted in by its own label".to_owned());
    }
    notes.extend(
        workload.risks.iter().map(|risk| format!("{}: {}", named(&risk.container), risk.why)),
    );
    let said = workload.risks.iter().any(|risk| risk.cause == Cause::Refused);
    if !workload.restricted.is_empty() && !said {
        notes.push(format!("restricted refuses: {}", workload.restricted.join(", ")));
    }
    notes.extend(
        workload.unhardened.iter().map(|stays| {
            format!("{}: {}", stays.container.as_deref().unwrap_or("pod"), stays.text())
        }),
    );
    if !workload.handed_over.is_empty() && !workload.runs_hardened {
        let volumes = workload.handed_over.join(", ");
        notes.push(format!("fsGroup changes group and modes of the files in volume {volumes}"));
    }
    notes.extend(workload.debug.iter().map(debug));
    notes.extend(left(workload));
    notes.extend(workload.exemptions.iter().map(|exempt| exempt.text.clone()));
    notes.extend(workload.void.iter().map(|void| void.text()));
    notes
}

/// A debug container that runs in a pod now.
fn debug(it: &DebugContainer) -> String {
    let DebugContainer { pod, container, uid, privileged, may_be_root } = it;
    let who = match (privileged, may_be_root, uid) {
        (true, ..) => "privileged".to_owned(),
        (_, true, Some(_)) => "as root".to_owned(),
        (_, true, None) => "maybe as root".to_owned(),
        (_, _, Some(uid)) => format!("as uid {uid}"),
        (_, _, None) => "as its image's user".to_owned(),
    };
    format!("debug container {container} runs {who} in {pod}")
}

/// What rules unexpectedly leave alone, with those that have the same reason together.
fn left(workload: &WorkloadPreview) -> Vec<String> {
    let mut lines: Vec<(&[String], &str, Vec<&str>)> = Vec::new();
    for left in workload.left.iter().filter(|left| left.surprises) {
        let key = (left.containers.as_slice(), left.why.as_str());
        match lines.iter_mut().find(|(of, why, _)| (*of, *why) == key) {
            Some((.., rules)) => rules.push(left.rule),
            None => lines.push((key.0, key.1, vec![left.rule])),
        }
    }
    let lines = lines.into_iter();
    lines
        .map(|(of, why, rules)| format!("{}: not set: {}: {why}", of.join(", "), rules.join(", ")))
        .collect()
}

/// The colour of a verdict.
pub(in crate::cli) fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Starts => AnsiColor::Green,
        Verdict::Unknown => AnsiColor::Yellow,
        Verdict::Breaks => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// The verdict on the namespace, and what it takes.
fn foot(text: &mut String, namespace: &NamespacePreview, width: Option<usize>) {
    let NamespacePreview { name, verdicts, workloads, mode, .. } = namespace;
    let enforced = *mode == Some("enforce");
    let said = paragraph(0, &format!("{name}: {}", sentence(verdicts, enforced)), width);
    text.push_str(&format!(
        "{BOLD}{name}{BOLD:#}{}",
        said.strip_prefix(name.as_str()).unwrap_or(&said)
    ));
    for workload in workloads.iter().filter(|workload| workload.verdict != Verdict::Starts) {
        remedy(text, workload, width);
    }
    let baseline = workloads.iter().any(|workload| {
        let rules = crate::foresight::risk::remedy::rules_of(&workload.remedy.annotations);
        rules.iter().any(|rule| NEED_BASELINE.contains(rule))
    });
    if baseline && namespace.pod_security.as_deref() == Some("restricted") {
        let needs = "with these exemptions the namespace needs \
                     `pod-security.kubernetes.io/enforce: baseline`: Pod Security cannot exempt one pod";
        text.push_str(&paragraph(2, needs, width));
    }
    unguarded(text, workloads, width);
    if *mode == Some("enforce") || is_of_manifests(namespace) || workloads.is_empty() {
        return;
    }
    let next = match verdicts.breaks + verdicts.unknown {
        0 => format!("kubectl label namespace {name} ironhull.dev/harden=enforce --overwrite"),
        _ => format!("ironhull preview --rollout -n {name}   # one workload after the other"),
    };
    text.push_str(&format!("  {DIM}{next}{DIM:#}\n"));
}

/// Names the workloads that lose their old pods to new ones that do not work.
fn unguarded(text: &mut String, workloads: &[WorkloadPreview], width: Option<usize>) {
    let unguarded = workloads.iter().filter(|workload| workload.unguarded == Some(true));
    let names: Vec<String> = unguarded.map(|w| w.title()).collect();
    let (named, others) = names.split_at(names.len().min(MAX_UNGUARDED));
    let more = match others.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if !named.is_empty() {
        let said = format!(
            "neither a readiness probe nor minReadySeconds, so a rollout continues past failing pods: {}{more}",
            clean(&named.join(", "))
        );
        text.push_str(&paragraph(2, &said, width));
    }
}

/// Maximum number of workloads named in one sentence; `-o json` has all.
const MAX_UNGUARDED: usize = 8;

/// Rules from which an exemption makes Pod Security *restricted* refuse the pod.
const NEED_BASELINE: [&str; 4] =
    ["runAsNonRoot", "capabilities", "seccompProfile", "allowPrivilegeEscalation"];

/// What one workload needs.
fn remedy(text: &mut String, workload: &WorkloadPreview, width: Option<usize>) {
    let remedy = &workload.remedy;
    if remedy.annotations.is_empty() && remedy.advice.is_empty() && remedy.void.is_none() {
        return;
    }
    let title = workload.title();
    text.push_str(&format!("  {BOLD}{}{BOLD:#}", clean(&title)));
    if let Some(by) = &workload.managed_by {
        text.push_str(&format!(" (managed by {}: change it there)", clean(by)));
    }
    text.push('\n');
    what_helps(text, remedy, &workload.policy, width);
}

/// What helps, below a line that says whom.
pub(in crate::cli) fn what_helps(
    text: &mut String,
    remedy: &RemedyPreview,
    policy: &str,
    width: Option<usize>,
) {
    if let Some(void) = &remedy.void {
        text.push_str(&format!(
            "    no annotation helps under the policy {policy}: {}\n",
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
        text.push_str(&paragraph(4, &clean(advice), width));
    }
}

/// A value quoted as in YAML and JSON.
fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// `42 of 45 workloads can opt in today; 2 need a change or an exemption; 1 has to be tried`.
/// `enforced` is whether the namespace has opted in: of what starts there, only what is
/// hardened counts.
pub(super) fn sentence(verdicts: &Verdicts, enforced: bool) -> String {
    let Verdicts { starts, unknown, breaks, unhardened } = *verdicts;
    let total = starts + unknown + breaks;
    let verb = |count: usize, one: &'static str, many: &'static str| match count {
        1 => one,
        _ => many,
    };
    let hardened = if enforced { starts.saturating_sub(unhardened) } else { starts };
    let said = match enforced {
        true => verb(hardened, "starts hardened", "start hardened"),
        false => "can opt in today",
    };
    let open = match (enforced, unhardened) {
        (_, 0) => None,
        (true, 1) => Some("1 starts, but is not fully hardened".to_owned()),
        (true, many) => Some(format!("{many} start, but are not fully hardened")),
        (false, many) => Some(format!("{many} of them would not be fully hardened")),
    };
    match (total, starts, unknown) {
        (0, ..) => return "no workload".to_owned(),
        (1, 1, _) => {
            return match (open, enforced) {
                (None, _) => format!("the one workload {said}"),
                (_, true) => "the one workload starts, but is not fully hardened".to_owned(),
                (_, false) => {
                    format!("the one workload {said}; it would not be fully hardened")
                }
            };
        }
        (1, 0, 1) => return "the one workload has to be tried".to_owned(),
        (1, ..) => return "the one workload needs a change or an exemption".to_owned(),
        _ => {}
    }
    let mut parts = vec![match (starts, hardened) {
        (0, _) => format!("none of {total} workloads is sure to start"),
        (_, 0) => format!("none of {total} workloads starts hardened"),
        _ => format!("{hardened} of {total} workloads {said}"),
    }];
    parts.extend(open);
    if breaks > 0 {
        let needs = verb(breaks, "needs", "need");
        parts.push(format!("{breaks} {needs} a change or an exemption"));
    }
    if unknown > 0 {
        let have = verb(unknown, "has", "have");
        parts.push(format!("{unknown} {have} to be tried"));
    }
    parts.join("; ")
}
