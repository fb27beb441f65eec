//! Root containers by name, and those whose user is not known.

use super::chart::badge;
use super::markup::Html;
use super::words::{end, help, link, user};
use super::{counted, end_table, moment, table};
use crate::evidence::check::Check;
use crate::evidence::document::{
    Cell, ContainerEvidence, ContainerState, Document, State, User, WorkloadEvidence,
};

/// The section.
pub(super) fn section(html: &mut Html, document: &Document) {
    let mut root = rows(document, Check::RunAsNonRoot, |user, _| user.uid == Some(0));
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
    let unknown = rows(document, Check::RunAsNonRoot, |user, _| {
        user.uid != Some(0) && user.non_root.is_none()
    });
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
    let fails = |cell: &Cell| !matches!(cell.state, State::Pass | State::NotApplicable);
    let rows = rows(document, Check::Privileged, |_, cell| fails(cell));
    if rows.is_empty() {
        html.raw("<p>No running container is privileged.</p>\n");
    } else {
        list(html, document, "Running containers that are privileged", &rows);
    }
}

type Row<'d> = (&'d WorkloadEvidence, &'d ContainerEvidence, &'d Cell);

fn rows(document: &Document, check: Check, wanted: impl Fn(&User, &Cell) -> bool) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for workload in &document.workloads {
        for container in &workload.containers {
            let cell = container.cells.iter().find(|cell| cell.check == check);
            if let Some(cell) = cell
                && container.status == ContainerState::Running
                && cell.state != State::NotApplicable
                && wanted(&container.user, cell)
            {
                rows.push((workload, container, cell));
            }
        }
    }
    rows
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
    let found = cell
        .exemption
        .as_ref()
        .and_then(|id| document.exemptions.iter().position(|exemption| exemption.id == *id));
    let Some((at, exemption)) =
        found.and_then(|at| document.exemptions.get(at).map(|exemption| (at, exemption)))
    else {
        html.raw("<span class=\"quiet\">none</span>");
        return;
    };
    html.link(&format!("#e{at}"), end(exemption));
    if let Some(ticket) = &exemption.ticket {
        html.raw("<br>").text(ticket);
    }
}
