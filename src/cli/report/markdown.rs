//! A report as Markdown, for a comment or a ticket: totals, then what fails.

use std::fmt::Write as _;

use super::csv::value;
use super::table::{change_lines, head, said, why};
use crate::cli::markdown::{Page, code, escaped};
use crate::cli::pass::titled;
use crate::evidence::check::{Check, Standard};
use crate::evidence::document::{
    Cell, ContainerEvidence, Document, SetBy, State, WorkloadEvidence,
};
use crate::text::clean;

/// The whole report, cut to the length of a comment.
pub(super) fn markdown(document: &Document) -> String {
    let mut text = "### ironhull report\n\n".to_owned();
    for line in head(document) {
        let _ = writeln!(text, "{}  ", escaped(&line));
    }
    let mut page = Page::new(text);
    checks(&mut page, document);
    root(&mut page, document);
    findings(&mut page, document);
    exemptions(&mut page, document);
    if let Some(changes) = &document.changes {
        page.head(&format!("\n#### Since {}\n\n", escaped(&changes.since)));
        for (title, items) in change_lines(changes) {
            let items: Vec<String> = items.iter().map(|item| code(item)).collect();
            page.add(&format!("- {title}: {}\n", items.join(", ")));
        }
    }
    end(page, document)
}

fn checks(page: &mut Page, document: &Document) {
    page.head(
        "\n| check | pass | fail | exempt | unknown | templates fail |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for it in &document.checks {
        let pods = it.pods;
        page.add(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            it.title, pods.pass, pods.fail, pods.exempt, pods.unknown, it.templates.fail
        ));
    }
}

fn root(page: &mut Page, document: &Document) {
    let all: Vec<_> = document.running().filter(|(_, container)| container.is_root()).collect();
    if all.is_empty() {
        return;
    }
    page.head("\n#### Root containers\n\n| container | pods | state | known from | why |\n|---|--:|---|---|---|\n");
    for (workload, container) in all {
        let state = container.state(Check::RunAsNonRoot).as_str();
        page.add(&format!(
            "| {} | {} | {} | {} | {} |\n",
            named(workload, container),
            container.pods,
            mark(state),
            container.user.source.as_str(),
            escaped(&why(document, container)),
        ));
    }
}

/// What fails of Pod Security, by container.
fn findings(page: &mut Page, document: &Document) {
    let fails =
        |cell: &&Cell| cell.state == State::Fail && cell.check.about().standard != Standard::Other;
    let mut first = true;
    for (workload, container) in document.running() {
        let cells: Vec<&Cell> = container.cells.iter().filter(fails).collect();
        if cells.is_empty() {
            continue;
        }
        if std::mem::take(&mut first) {
            page.head(
                "\n#### Fails Pod Security restricted\n\n| container | checks |\n|---|---|\n",
            );
        }
        let cells: Vec<String> = cells.iter().map(|cell| words(cell)).collect();
        page.add(&format!("| {} | {} |\n", named(workload, container), cells.join("<br>")));
    }
}

/// `addCapabilities: NET_RAW, set by the author`
fn words(cell: &Cell) -> String {
    let mut text = cell.check.as_str().to_owned();
    let value = value(&cell.value);
    if !value.is_empty() {
        let _ = write!(text, ": {}", code(&value));
    }
    let by = match cell.set_by {
        SetBy::Other => ", set by another webhook or by hand",
        SetBy::Author => ", set by the author",
        SetBy::Image => ", by the image",
        SetBy::Ironhull | SetBy::Default | SetBy::Unknown => "",
    };
    text.push_str(by);
    if value.is_empty() && !cell.why.is_empty() {
        let _ = write!(text, " ({})", escaped(&cell.why));
    }
    text
}

fn exemptions(page: &mut Page, document: &Document) {
    if document.exemptions.is_empty() {
        return;
    }
    page.head("\n#### Exemptions\n\n| of | rules | standing | granted by | what it says |\n|---|---|---|---|---|\n");
    for it in &document.exemptions {
        let container = it.container.as_deref().unwrap_or("the whole pod");
        let workload = format!("{}/{}", it.namespace, titled(&it.kind, &it.name));
        let rules: Vec<String> = it.rules.iter().map(|rule| code(rule)).collect();
        page.add(&format!(
            "| {}, {} | {} | {} | {} | {} |\n",
            code(&workload),
            escaped(container),
            rules.join(" "),
            it.standing.as_str(),
            code(&it.granted_by),
            escaped(&said(it)),
        ));
    }
}

fn end(page: Page, document: &Document) -> String {
    let left_out = page.left_out;
    let mut text = page.text;
    if left_out > 0 {
        let _ = writeln!(
            text,
            "\nThere was no room for {left_out} lines: `ironhull report -o csv` has all."
        );
    }
    let missing: Vec<String> =
        document.limits.iter().filter(|it| it.for_rights).map(|it| code(&it.what)).collect();
    if !missing.is_empty() {
        let _ = writeln!(text, "\nCould not be read: {}.", missing.join(", "));
    }
    let taken = &document.taken;
    let _ = write!(
        text,
        "\n<sub>{}, Kubernetes {}, {}. Policies: {}. Exemptions as of {}. ironhull {}.</sub>\n",
        taken.at,
        escaped(taken.kubernetes.as_deref().unwrap_or("of unknown version")),
        escaped(&taken.scope),
        code(&document.policies.from),
        taken.date,
        taken.ironhull,
    );
    text
}

fn named(workload: &WorkloadEvidence, container: &ContainerEvidence) -> String {
    let titled = titled(&workload.kind, &workload.name);
    code(&clean(&format!("{}/{titled} {}", workload.namespace, container.name)))
}

fn mark(state: &'static str) -> String {
    if state == "fail" { "**fail**".to_owned() } else { state.to_owned() }
}
