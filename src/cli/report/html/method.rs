//! How each figure was obtained, and what is not known.

use super::chart::{STATES, badge, word};
use super::markup::Html;
use super::{end_table, table};
use crate::evidence::document::{Document, State};

/// The section.
pub(super) fn section(html: &mut Html, document: &Document) {
    html.raw("<h3>Results</h3>\n<dl class=\"legend\">\n");
    for state in STATES {
        html.raw("<div><dt>");
        badge(html, state);
        html.raw("</dt><dd>").raw(meaning(state)).raw("</dd></div>\n");
    }
    html.raw(
        "</dl>\n<p>A container is one container of one pod: a Deployment of three has three. Only those that run are \
         counted. A green cell is what the live pod shows. The note that ironhull leaves on a pod, and the template, say who \
         set a value, and never what it is.</p>\n<h3>Fields</h3>\n",
    );
    let columns = ["Field", "Passes if", "Known from", "Rule"];
    table(html, "What each field looks at, and how its value is obtained", &columns);
    for summary in &document.checks {
        html.open("tr", &[("id", &format_args!("f-{}", summary.check.as_str()))]);
        html.raw("<th scope=\"row\">").text(summary.check.as_str());
        html.raw("</th><td>").text(summary.passes).raw("</td><td>").text(summary.obtained);
        html.raw("</td><td>").text(summary.rule.unwrap_or("none")).raw("</td></tr>\n");
    }
    end_table(html);
    finished(html, document);
}

fn meaning(state: State) -> &'static str {
    match state {
        State::Pass => "it is as it should be, and that is known",
        State::Fail => "it is not, or it is set so that it need not be",
        State::Exempt => "it is not, and an exemption in force allows that",
        State::Unknown => "it cannot be told from what can be read",
        State::NotApplicable => "it means nothing for this container",
    }
}

/// Pods that are over, which are in no figure.
fn finished(html: &mut Html, document: &Document) {
    if document.finished.is_empty() {
        return;
    }
    html.raw("<h3>Pods that are over</h3>\n<p>They run nothing, and are in no figure.</p>\n");
    table(
        html,
        "Workloads with pods that are over",
        &["Workload", "Namespace", "Succeeded", "Failed"],
    );
    for it in &document.finished {
        html.raw("<tr><th scope=\"row\">")
            .text(format!("{}/{}", it.kind, it.name))
            .raw("</th><td>");
        html.text(&it.namespace).raw("</td><td>").text(it.succeeded).raw("</td><td>");
        html.text(it.failed).raw("</td></tr>\n");
    }
    end_table(html);
}

/// What could not be read, and what no report can know.
pub(super) fn limits(html: &mut Html, document: &Document) {
    let unknown: u32 = document.checks.iter().map(|summary| summary.pods.unknown).sum();
    html.raw("<p>").text(unknown).raw(" cells are ").text(word(State::Unknown));
    html.raw(". None of them was inferred into anything better.</p>\n");
    table(
        html,
        "What is not known, and what follows",
        &["What", "Why", "What follows", "Lifted by more rights"],
    );
    for limit in &document.limits {
        html.raw("<tr><th scope=\"row\">").text(&limit.what).raw("</th><td>").text(&limit.why);
        html.raw("</td><td>").text(&limit.effect).raw("</td><td>");
        html.raw(if limit.for_rights { "yes" } else { "no" }).raw("</td></tr>\n");
    }
    end_table(html);
}
