//! Root containers by name, and those whose user is not known.

use super::chart::badge;
use super::markup::Html;
use super::words::{end, help, link, user};
use super::{counted, end_table, moment, table};
use crate::evidence::check::Check;
use crate::evidence::document::{Cell, ContainerEvidence, Document, State, WorkloadEvidence};

/// The section.
pub(super) fn section(html: &mut Html, document: &Document) {
    let mut root = rows(document, Check::RunAsNonRoot, |it, _| it.is_root());
    // Those that nobody allows come first.
    root.sort_by_key(|(.., cell)| cell.state != State::Fail);
    if root.is_empty() {
        html.raw("<p>No running container is known to run as root.</p>\n");
    } else {
        html.raw(
            "<p>Uid 0 inside the container, by the source named. Those without an exemption come first. \
             <code>ironhull explain POD -n NAMESPACE</code> says of one pod what to do.</p>\n",
        );
        list(html, document, "Running containers that are known to be root", &root);
    }
    let unknown = rows(document, Check::RunAsNonRoot, |it, _| it.user.non_root.is_none());
    html.raw("<h3 id=\"root-unknown\">Containers whose user is not known</h3>\n");
    if unknown.is_empty() {
        html.raw("<p>None: of every running container it is known whether it is root.</p>\n");
    } else {
        html.raw("<p>They may be root. Nothing that can be read tells.</p>\n");
        list(html, document, "Running containers whose user is not known", &unknown);
    }
    privileged(html, document);
}

/// Privileged containers: root of the node, whatever their user.
fn privileged(html: &mut Html, document: &Document) {
    html.raw("<h3 id=\"privileged\">Privileged containers</h3>\n");
    let rows = rows(document, Check::Privileged, |_, cell| !cell.state.holds());
    if rows.is_empty() {
        html.raw("<p>No running container is privileged.</p>\n");
    } else {
        list(html, document, "Running containers that are privileged", &rows);
    }
}

type Row<'d> = (&'d WorkloadEvidence, &'d ContainerEvidence, &'d Cell);

/// The running containers that are wanted, with their cell of a check, if that means something.
fn rows(
    document: &Document,
    check: Check,
    wanted: impl Fn(&ContainerEvidence, &Cell) -> bool,
) -> Vec<Row<'_>> {
    let row = |(workload, container)| {
        let container: &ContainerEvidence = container;
        let cell = container.cell(check)?;
        let shown = cell.state != State::NotApplicable && wanted(container, cell);
        shown.then_some((workload, container, cell))
    };
    document.running().filter_map(row).collect()
}

fn list(html: &mut Html, document: &Document, caption: &str, rows: &[Row<'_>]) {
    let columns =
        ["Container", "Workload", "Namespace", "User", "Result", "Exemption", "What helps"];
    table(html, caption, &columns);
    for (workload, container, cell) in rows {
        html.raw("<tr><th scope=\"row\">").text(&container.name);
        if container.kind != "app" {
            html.raw(" <span class=\"quiet\">").text(container.kind).raw("</span>");
        }
        html.raw("</th><td>");
        link(html, document, workload);
        html.raw("<br><span class=\"quiet\">").text(counted(container.pods, "pod"));
        if let Some(since) = &container.running_since {
            html.text(", since ").text(moment(since));
        }
        html.raw("</span></td><td>").text(&workload.namespace).raw("</td><td>");
        user(html, &container.user);
        html.raw("</td><td>");
        badge(html, cell.state);
        html.raw("</td><td>");
        exemption(html, document, cell);
        html.raw("</td><td>").text(help(workload, container, cell));
        html.raw("</td></tr>\n");
    }
    end_table(html);
}

fn exemption(html: &mut Html, document: &Document, cell: &Cell) {
    let Some((at, exemption)) = document.exemption(cell) else {
        html.raw("<span class=\"quiet\">none</span>");
        return;
    };
    html.link(&format!("#e{at}"), end(exemption));
    if let Some(ticket) = &exemption.ticket {
        html.raw("<br>").text(ticket);
    }
}
