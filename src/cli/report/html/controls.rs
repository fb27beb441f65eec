//! Results by control of a standard, and by field.

use super::chart;
use super::markup::Html;
use super::{end_table, table};
use crate::evidence::check::{Check, Standard};
use crate::evidence::controls::{ControlResult, FrameworkResult};
use crate::evidence::document::{CheckSummary, Document};

/// The section.
pub(super) fn section(html: &mut Html, document: &Document) {
    html.raw(
        "<p>Running containers by what their fields say of a control. The worst field decides. \
         <strong>Whole</strong>: the fields are all that the control asks of a running container. \
         <strong>Part</strong>: it asks more, which is named. A control whose fields ask for more than it does \
         is <em>unknown</em> where they fail: somebody has to look. List of controls: ",
    );
    html.text(&document.controls_from).raw(".</p>\n");
    for framework in &document.controls {
        of_framework(html, framework);
    }
}

fn of_framework(html: &mut Html, framework: &FrameworkResult) {
    let failing = framework.controls.iter().filter(|control| control.containers.fail > 0).count();
    let open =
        framework.controls.iter().filter(|it| it.containers.fail == 0 && it.containers.unknown > 0);
    let open = open.count();
    html.raw("<details class=\"framework\"><summary><h3>").text(&framework.name);
    html.raw("</h3> <span class=\"quiet\">").text(&framework.version).raw("</span> ");
    html.raw("<span class=\"figures\"><span>")
        .text(framework.controls.len())
        .raw(" answered</span> ");
    if failing > 0 {
        html.raw("<span class=\"state fail\"><span aria-hidden=\"true\">✗</span> ");
        html.text(failing).raw(" with failures</span> ");
    }
    if open > 0 {
        html.raw("<span class=\"state unknown\"><span aria-hidden=\"true\">?</span> ");
        html.text(open).raw(" open</span> ");
    }
    html.raw("</span></summary>\n");
    if !framework.notes.is_empty() {
        html.element("p", &framework.notes).raw("\n");
    }
    let caption =
        format!("{} {}, running containers by control", framework.name, framework.version);
    table(html, &caption, &["Control", "Result", "Fields", "Answers", "Asks beyond"]);
    for control in &framework.controls {
        row(html, control);
    }
    end_table(html);
    if !framework.unanswered.is_empty() {
        html.raw("<p><strong>Says nothing about:</strong></p>\n<ul>\n");
        for unanswered in &framework.unanswered {
            html.raw("<li>").text(&unanswered.ids).raw(": ").text(&unanswered.why).raw("</li>\n");
        }
        html.raw("</ul>\n");
    }
    html.raw("<p class=\"quiet\">Published at ");
    html.link(&framework.url, &framework.url).raw(". Read in: ");
    html.text(framework.read.join("; ")).raw(".</p>\n</details>\n");
}

fn row(html: &mut Html, control: &ControlResult) {
    html.raw("<tr><th scope=\"row\">").text(&control.id);
    if !control.group.is_empty() {
        html.raw(" <span class=\"quiet\">").text(&control.group).raw("</span>");
    }
    html.raw("<br><span class=\"title\">").text(&control.title).raw("</span></th><td>");
    chart::bar(html, &control.containers);
    html.raw("<br>");
    chart::figures(html, &control.containers);
    html.raw("</td><td>");
    for (at, decided) in control.decided_by.iter().enumerate() {
        if at > 0 {
            html.raw("<br>");
        }
        field(html, decided.check);
        let strict = control.stricter.contains(&decided.check);
        let fails = if strict { "open" } else { "fail" };
        let parts =
            [(decided.fail, fails), (decided.unknown, "unknown"), (decided.exempt, "exempt")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        if !parts.is_empty() {
            html.raw(" <span class=\"quiet\">").text(parts.join(", ")).raw("</span>");
        }
    }
    html.raw("</td><td>");
    html.raw(control.extent.as_str());
    html.raw("</td><td>");
    match control.beyond.is_empty() {
        true => html.raw("<span class=\"quiet\">nothing</span>"),
        false => html.text(&control.beyond),
    };
    html.raw("<br><span class=\"quiet\">").text(&control.source).raw("</span></td></tr>\n");
}

/// A field, with a link to how it was obtained.
pub(super) fn field(html: &mut Html, check: Check) {
    html.raw("<span class=\"field\">").link(&format!("#f-{}", check.as_str()), check.as_str());
    html.raw("</span>");
}

/// Results by field: in the live pods, and in the templates that scanners judge.
pub(super) fn fields(html: &mut Html, document: &Document) {
    html.raw(
        "<p>The live pods are what runs. The templates are what scanners of manifests see: a webhook never \
         changes them, so a container that is hardened at admission stays red there.</p>\n",
    );
    let columns = ["Field", "Standard", "Live pods", "Templates"];
    table(html, "Running containers by field, in live pods and in templates", &columns);
    let mut rows: Vec<&CheckSummary> = document.checks.iter().collect();
    rows.sort_by_key(|summary| std::cmp::Reverse((summary.pods.fail, summary.pods.unknown)));
    for summary in rows {
        html.raw("<tr><th scope=\"row\">");
        field(html, summary.check);
        html.raw("<br><span class=\"title\">").text(summary.title).raw("</span></th><td>");
        html.raw(match summary.standard {
            Standard::Baseline => "baseline",
            Standard::Restricted => "restricted",
            Standard::Other => "other",
        });
        for tally in [&summary.pods, &summary.templates] {
            html.raw("</td><td>");
            chart::bar(html, tally);
            html.raw("<br>");
            chart::figures(html, tally);
        }
        html.raw("</td></tr>\n");
    }
    end_table(html);
}
