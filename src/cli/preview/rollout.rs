//! `preview --rollout`: in a namespace on `audit`, workloads opt in one after the other by a label
//! on their pods. What was reached so far, and the commands for what is left.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::report::{NamespacePreview, Preview, WorkloadPreview};
use super::step::{State, Step};
use super::table::{head, style};
use crate::foresight::risk::Verdict;
use crate::foresight::workloads::{annotations_at, in_object};
use crate::terminal::table::{BOLD, Cell, DIM, Table, paragraph};
use crate::text::{clean, named};

/// Timeout of a rollout, for kubectl: what is not ready by then is worth a look.
const TIMEOUT: &str = "5m";

/// Plans a namespace's roll-out: what fails first, then what starts today, then the rest; what is
/// done comes last.
pub(super) fn plan(namespace: &mut NamespacePreview) {
    let mut workloads: Vec<&WorkloadPreview> = namespace.workloads.iter().collect();
    workloads.sort_by_key(|workload| {
        let helped = !workload.remedy.annotations.is_empty();
        (state(workload), workload.verdict, !helped, workload.unguarded == Some(true))
    });
    let steps = workloads.into_iter().map(|workload| step(&namespace.name, workload));
    namespace.rollout = Some(steps.collect());
}

fn state(workload: &WorkloadPreview) -> State {
    let WorkloadPreview { changes, pods, hardened_pods, failing, error, .. } = workload;
    if changes.is_empty() && error.is_none() {
        return State::Done;
    }
    match (workload.mode, failing) {
        (Some("enforce"), Some(_)) => State::Fails,
        (Some("enforce"), None) if pods == hardened_pods => State::Done,
        (Some("enforce"), None) => State::Waits,
        _ => State::Open,
    }
}

fn step(namespace: &str, workload: &WorkloadPreview) -> Step {
    let state = state(workload);
    let mut step = Step { workload: workload.title(), state, commands: vec![], notes: vec![] };
    let word = workload.word.clone().unwrap_or_else(|| workload.kind.to_lowercase());
    let object = format!("{word} {}", workload.name);
    let patch = |metadata: &Value| {
        let at = &workload.remedy.annotations_at;
        let patch = in_object(at, json!({"metadata": metadata}));
        // With several templates none is a path of names alone.
        let fixed = workload.kind == "Job" || *at == annotations_at("Pod") || at.contains('[');
        let known = workload.file.is_none() && !fixed;
        known.then(|| {
            format!("kubectl -n {namespace} patch {object} --type merge -p {}", quoted(&patch))
        })
    };
    match state {
        State::Done => {}
        State::Fails => {
            step.notes.extend(workload.failing.iter().map(|failing| {
                format!("`ironhull explain {} -n {namespace}` says why and what helps", failing.pod)
            }));
            step.commands.extend(patch(&json!({"labels": {LABEL: null}})));
            if !step.commands.is_empty() {
                step.notes.push("mend it before you go on, or take it back:".to_owned());
            }
        }
        State::Waits => match workload.rolls && workload.word.is_none() {
            true => step.commands.push(status(namespace, workload)),
            false => step.notes.push(RECREATE.to_owned()),
        },
        State::Open => open(namespace, workload, patch, &mut step),
    }
    step
}

/// The label by which a pod opts in, and the value.
const LABEL: &str = crate::cluster::namespaces::OPT_IN;
const RECREATE: &str = "its pods are hardened when they are created again";

fn open(
    namespace: &str,
    workload: &WorkloadPreview,
    patch: impl Fn(&Value) -> Option<String>,
    step: &mut Step,
) {
    let remedy = &workload.remedy;
    if workload.verdict == Verdict::Breaks && remedy.annotations.is_empty() {
        step.notes.push("it would not run: change it first".to_owned());
        step.notes.extend(remedy.void.clone());
        step.notes.extend(remedy.advice.iter().cloned());
        return;
    }
    if let Some(owner) = &workload.managed_by {
        step.notes.push(format!("managed by {owner}, which may undo this: set the label there"));
    }
    let labels = json!({LABEL: "enforce"});
    let metadata = match remedy.annotations.is_empty() {
        true => json!({"labels": labels}),
        false => json!({"labels": labels, "annotations": remedy.annotations}),
    };
    if !remedy.annotations.is_empty() {
        step.notes.push("with the annotations that it needs".to_owned());
    }
    if workload.unguarded == Some(true) {
        step.notes.push(
            "neither a readiness probe nor minReadySeconds: its old pods go even if the new ones fail"
                .to_owned(),
        );
    }
    match patch(&metadata) {
        Some(command) => step.commands.push(command),
        None => step.notes.push(format!(
            "no command changes it: put the label {LABEL}: enforce into the manifest of its pods, and create it again"
        )),
    }
    // kubectl follows the rollouts of Kubernetes' own kinds alone.
    match (workload.rolls && workload.word.is_none(), step.commands.is_empty()) {
        (true, false) => step.commands.push(status(namespace, workload)),
        (false, false) => step.notes.push(RECREATE.to_owned()),
        (_, true) => {}
    }
}

fn status(namespace: &str, workload: &WorkloadPreview) -> String {
    let kind = workload.kind.to_lowercase();
    format!("kubectl -n {namespace} rollout status {kind}/{} --timeout {TIMEOUT}", workload.name)
}

/// A patch as one word of a shell.
fn quoted(patch: &Value) -> String {
    format!("'{}'", patch.to_string().replace('\'', r"'\''"))
}

/// The roll-out of each namespace, for a terminal of `width` columns, or for a pipe.
pub(super) fn table(preview: &Preview, width: Option<usize>) -> String {
    let mut text = format!("{DIM}policies: {}{DIM:#}\n", preview.policies);
    for namespace in &preview.namespaces {
        text.push('\n');
        head(&mut text, namespace);
        let steps = namespace.rollout.as_deref().unwrap_or_default();
        if steps.is_empty() {
            text.push_str("  no workload\n");
            continue;
        }
        rows(&mut text, namespace, steps, width);
        commands(&mut text, namespace, steps, width);
    }
    text
}

fn rows(text: &mut String, namespace: &NamespacePreview, steps: &[Step], width: Option<usize>) {
    let mut table = Table::new(["STEP", "WORKLOAD", "VERDICT", "HARDENED"], "NOW");
    let workloads = namespace.workloads.iter();
    let by_title: HashMap<String, &WorkloadPreview> =
        workloads.map(|workload| (workload.title(), workload)).collect();
    for (number, step) in (1..).zip(steps) {
        let Some(workload) = by_title.get(&step.workload) else { continue };
        let number = match step.state {
            State::Done => "done".to_owned(),
            _ => format!("{number}"),
        };
        let hardened = match workload.changes.is_empty() {
            true => "-".to_owned(),
            false => format!("{} of {}", workload.hardened_pods, workload.pods),
        };
        table.row(
            [
                Cell::plain(number),
                Cell::new(step.workload.clone(), BOLD),
                Cell::new(workload.verdict.as_str(), style(workload.verdict)),
                Cell::plain(hardened),
            ],
            now(workload, step.state),
        );
    }
    text.push_str(&table.render(width));
}

fn now(workload: &WorkloadPreview, state: State) -> String {
    match (state, &workload.failing) {
        _ if workload.changes.is_empty() => "nothing to change".to_owned(),
        (State::Fails, Some(failing)) => {
            format!("{} fails: {}: {}", failing.pod, failing.container, failing.message)
        }
        (State::Done, _) if workload.pods == 0 => "opted in, no pods".to_owned(),
        (State::Done, _) => "runs hardened".to_owned(),
        (State::Waits | State::Fails, _) => {
            "opted in, not all pods are hardened and well".to_owned()
        }
        (State::Open, _) => {
            let first = workload.risks.first();
            first
                .map(|risk| format!("{}: {}", named(&risk.container), risk.why))
                .unwrap_or_default()
        }
    }
}

fn commands(text: &mut String, namespace: &NamespacePreview, steps: &[Step], width: Option<usize>) {
    let name = &namespace.name;
    let enforced = namespace.mode == Some("enforce");
    let open = |step: &&Step| step.state != State::Done;
    if namespace.mode.is_none() {
        text.push_str(&format!("\nFirst: until a pod has the label, it is only reviewed.\n  kubectl label namespace {name} {LABEL}=audit\n"));
    }
    for (number, step) in (1..).zip(steps).filter(|(_, step)| open(step)) {
        text.push_str(&format!("\n{BOLD}Step {number}{BOLD:#}: {}\n", clean(&step.workload)));
        for note in &step.notes {
            text.push_str(&paragraph(2, &clean(note), width));
        }
        for command in &step.commands {
            text.push_str(&format!("  {command}\n"));
        }
    }
    let left = steps.iter().filter(open).count();
    if enforced {
        if left > 0 {
            text.push_str("\nThe namespace is on enforce: every new pod is hardened, with or without the label.\n");
        }
        return;
    }
    let last = match left {
        0 => "All of them run hardened. Now for those to come:",
        _ => {
            "After each step, run this again: it shows whether what was labelled runs. At the end:"
        }
    };
    text.push_str(&format!(
        "\n{last}\n  kubectl label namespace {name} {LABEL}=enforce --overwrite\n"
    ));
}
