//! A report for the terminal: what needs somebody, and where the rest is.

use clap::builder::styling::{AnsiColor, Style};

use super::counted;
use crate::cli::pass::titled;
use crate::evidence::changes::{Changes, ContainerRef};
use crate::evidence::check::{Check, Standard};
use crate::evidence::document::{ContainerEvidence, Document, ExemptionEvidence, Standing, Tally};
use crate::terminal::table::{BOLD, Cell, DIM, Table, paragraph};
use crate::text::clean;

const BAD: Style = AnsiColor::Red.on_default();
const GOOD: Style = AnsiColor::Green.on_default();

/// Maximum number of rows of one list. `-o csv` has all.
const ROWS: usize = 40;

/// The text for a terminal of `width` columns, or for a pipe.
pub(super) fn table(document: &Document, width: Option<usize>) -> String {
    let taken = &document.taken;
    let mut text = format!(
        "{DIM}{}, Kubernetes {}, policies: {}{DIM:#}\n\n",
        taken.at,
        clean(taken.kubernetes.as_deref().unwrap_or("of unknown version")),
        clean(&document.policies.from)
    );
    for line in head(document) {
        text.push_str(&paragraph(0, &line, width));
    }
    namespaces(&mut text, document, width);
    checks(&mut text, document, width);
    named(&mut text, document, width, "root", ContainerEvidence::is_root);
    named(&mut text, document, width, "of an unknown user", is_unknown);
    exemptions(&mut text, document, width);
    if let Some(changes) = &document.changes {
        self::changes(&mut text, changes, width);
    }
    limits(&mut text, document, width);
    text
}

/// Totals in sentences.
pub(super) fn head(document: &Document) -> Vec<String> {
    let it = &document.summary;
    let inside = match it.root_in_user_namespace {
        0 => String::new(),
        count => format!(" ({count} in a user namespace)"),
    };
    let mut lines = vec![
        format!(
            "{} run in {} of {}.",
            counted(it.containers, "container"),
            counted(it.pods, "pod"),
            counted(it.workloads, "workload")
        ),
        format!(
            "{} root{inside}, {} unknown user, {} privileged.",
            it.root, it.unknown_user, it.privileged
        ),
        format!(
            "{} pass Pod Security restricted; ironhull set something in {}.",
            it.restricted, it.hardened
        ),
    ];
    if it.exemptions > 0 {
        lines.push(format!(
            "{} in force, {} within 30 days.",
            counted(it.exemptions, "exemption"),
            if it.ending == 1 { "1 ends".to_owned() } else { format!("{} end", it.ending) }
        ));
    }
    let finished = document.finished.iter().map(|it| it.succeeded + it.failed).sum::<u32>();
    if it.not_running + finished > 0 {
        lines.push(format!(
            "Not counted: {} not running, {} over.",
            counted(it.not_running, "container"),
            counted(finished, "pod")
        ));
    }
    lines
}

fn is_unknown(container: &ContainerEvidence) -> bool {
    container.user.non_root.is_none()
}

fn heading(text: &mut String, words: &str) {
    text.push_str(&format!("\n{BOLD}{words}{BOLD:#}\n"));
}

fn namespaces(text: &mut String, document: &Document, width: Option<usize>) {
    heading(text, "Namespaces");
    let mut table = Table::new(["NAMESPACE", "MODE", "CONTAINERS", "ROOT", "RESTRICTED"], "POLICY");
    for it in &document.namespaces {
        let root = if it.root > 0 { BAD } else { GOOD };
        table.row(
            [
                Cell::new(&it.name, BOLD),
                Cell::plain(it.mode_in_words()),
                Cell::plain(it.containers.to_string()),
                Cell::new(it.root.to_string(), root),
                Cell::plain(it.restricted.to_string()),
            ],
            match &it.slip {
                Some(slip) => format!("{}; {slip}", it.policy),
                None => it.policy.clone(),
            },
        );
    }
    text.push_str(&table.render(width));
}

fn checks(text: &mut String, document: &Document, width: Option<usize>) {
    heading(text, "Checks of running containers");
    let titles = ["CHECK", "PASS", "FAIL", "EXEMPT", "UNKNOWN", "TEMPLATES FAIL"];
    let mut table = Table::new(titles, "WHAT");
    for it in &document.checks {
        let Tally { pass, fail, exempt, unknown, .. } = it.pods;
        // What nobody has to meet is no failure.
        let style = if fail > 0 && it.standard != Standard::Other { BAD } else { Style::new() };
        table.row(
            [
                Cell::plain(it.check.as_str()),
                Cell::plain(pass.to_string()),
                Cell::new(fail.to_string(), style),
                Cell::plain(exempt.to_string()),
                Cell::plain(unknown.to_string()),
                Cell::plain(it.templates.fail.to_string()),
            ],
            it.title,
        );
    }
    text.push_str(&table.render(width));
}

fn named(
    text: &mut String,
    document: &Document,
    width: Option<usize>,
    what: &str,
    is: fn(&ContainerEvidence) -> bool,
) {
    let all: Vec<_> = document.running().filter(|(_, container)| is(container)).collect();
    if all.is_empty() {
        return;
    }
    heading(text, &format!("Containers that are {what}"));
    let mut table = Table::new(["WORKLOAD", "CONTAINER", "PODS", "STATE", "KNOWN FROM"], "WHY");
    for (workload, container) in all.iter().take(ROWS) {
        let cell = container.cell(Check::RunAsNonRoot);
        let titled = titled(&workload.kind, &workload.name);
        let state = cell.map_or("", |cell| cell.state.as_str());
        table.row(
            [
                Cell::new(format!("{}/{titled}", workload.namespace), BOLD),
                Cell::plain(&container.name),
                Cell::plain(container.pods.to_string()),
                Cell::new(state, if state == "fail" { BAD } else { Style::new() }),
                Cell::plain(container.user.source.as_str()),
            ],
            why(document, container),
        );
    }
    text.push_str(&table.render(width));
    more(text, all.len());
}

/// Why a container is root, in words: its exemption, else what the cell says.
pub(super) fn why(document: &Document, container: &ContainerEvidence) -> String {
    let cell = container.cell(Check::RunAsNonRoot);
    match (cell.and_then(|cell| document.exemption(cell)), cell) {
        (Some((_, exemption)), _) => said(exemption),
        (None, Some(cell)) if !cell.why.is_empty() => cell.why.to_string(),
        (None, _) => match container.user.uid {
            Some(uid) => format!("uid {uid}"),
            None => String::new(),
        },
    }
}

/// An exemption in words.
pub(super) fn said(it: &ExemptionEvidence) -> String {
    let mut words = Vec::new();
    words.push(match it.standing {
        Standing::InForce => format!("exempt by the {}", it.by.as_str()),
        Standing::NotOptedIn | Standing::Unconfirmed | Standing::Ended | Standing::Void => {
            format!("exemption of no effect: {}", it.why)
        }
    });
    words.extend(it.ticket.clone());
    words.extend(it.until.as_ref().map(|until| format!("until {until}")));
    words.extend(Some(it.reason.clone()).filter(|reason| !reason.is_empty()));
    if it.in_template == Some(false) {
        words.push("not in the template: it was put on the pod".to_owned());
    }
    words.join(", ")
}

fn exemptions(text: &mut String, document: &Document, width: Option<usize>) {
    let all = || document.exemptions.iter();
    let ending = all().filter(|it| it.ends_soon()).collect();
    exemptions_of(text, "Exemptions that end within 30 days", ending, width);
    let others = all().filter(|it| it.standing != Standing::InForce).collect();
    exemptions_of(text, "Exemptions that are not in force", others, width);
}

fn exemptions_of(
    text: &mut String,
    title: &str,
    all: Vec<&ExemptionEvidence>,
    width: Option<usize>,
) {
    if all.is_empty() {
        return;
    }
    heading(text, title);
    let mut table = Table::new(["WORKLOAD", "CONTAINER", "RULES", "DAYS LEFT"], "WHY");
    for it in all.iter().take(ROWS) {
        let rules = match it.rules.as_slice() {
            [] => "?".to_owned(),
            rules if rules.len() > 3 => "all".to_owned(),
            rules => rules.join(", "),
        };
        table.row(
            [
                Cell::new(format!("{}/{}", it.namespace, titled(&it.kind, &it.name)), BOLD),
                Cell::plain(it.container.as_deref().unwrap_or("(pod)")),
                Cell::plain(rules),
                Cell::plain(it.days_left.map_or("-".to_owned(), |left| left.to_string())),
            ],
            said(it),
        );
    }
    text.push_str(&table.render(width));
    more(text, all.len());
}

fn changes(text: &mut String, changes: &Changes, width: Option<usize>) {
    heading(text, &format!("Since {}", clean(&changes.since)));
    let lines = change_lines(changes);
    if lines.is_empty() {
        text.push_str("  nothing changed\n");
    }
    for (title, items) in lines {
        let (few, rest) = (items.len().min(ROWS), items.len().saturating_sub(ROWS));
        let mut said = items.get(..few).unwrap_or_default().join(", ");
        if rest > 0 {
            said = format!("{said} and {rest} more");
        }
        text.push_str(&paragraph(2, &clean(&format!("{title}: {said}")), width));
    }
}

/// What changed, each kind of change with its names.
pub(super) fn change_lines(changes: &Changes) -> Vec<(&'static str, Vec<String>)> {
    let of = |all: &[ContainerRef]| all.iter().map(reference).collect::<Vec<_>>();
    let cells = |all: &[crate::evidence::changes::CellRef]| -> Vec<String> {
        let said =
            all.iter().map(|it| format!("{} {}", reference(&it.container), it.check.as_str()));
        said.collect()
    };
    let all = [
        (
            "not compared, because only one of the reports looked there",
            changes.not_compared.clone(),
        ),
        ("new root containers", of(&changes.new_root)),
        ("no longer root", of(&changes.no_longer_root)),
        ("fails now", cells(&changes.worse)),
        ("passes now", cells(&changes.better)),
        ("new workloads", changes.new_workloads.clone()),
        ("workloads gone", changes.gone_workloads.clone()),
        ("new exemptions", changes.new_exemptions.clone()),
        ("exemptions no longer in force", changes.ended_exemptions.clone()),
        ("exemptions that end within 30 days", changes.ending_exemptions.clone()),
    ];
    all.into_iter().filter(|(_, items)| !items.is_empty()).collect()
}

fn reference(it: &ContainerRef) -> String {
    format!("{}/{} {}", it.namespace, titled(&it.kind, &it.name), it.container)
}

fn limits(text: &mut String, document: &Document, width: Option<usize>) {
    let missing: Vec<_> = document.limits.iter().filter(|it| it.for_rights).collect();
    if !missing.is_empty() {
        heading(text, "Could not be read");
        for it in missing {
            let said = format!("{}: {}; {}", it.what, it.why, it.effect);
            text.push_str(&paragraph(2, &clean(&said), width));
        }
    }
    heading(text, "No report of this kind knows");
    for it in document.limits.iter().filter(|it| !it.for_rights) {
        text.push_str(&paragraph(2, &clean(&format!("{}: {}", it.what, it.effect)), width));
    }
}

/// How many are not listed.
fn more(text: &mut String, all: usize) {
    if let Some(rest) = all.checked_sub(ROWS).filter(|rest| *rest > 0) {
        text.push_str(&format!("  {DIM}and {rest} more: -o csv has all{DIM:#}\n"));
    }
}
