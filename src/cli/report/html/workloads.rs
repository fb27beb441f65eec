//! Namespaces and workloads. Of a container, every field that does not pass has a row; those that do
//! are named together, by where they are known from.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::chart::{self, badge};
use super::controls::field;
use super::markup::Html;
use super::words::{help, source, user};
use super::{counted, end_table, moment, table};
use crate::cluster::namespaces::can_opt_in;
use crate::evidence::check::Check;
use crate::evidence::document::{
    Cell, ContainerEvidence, ContainerState, Document, SetBy, State, Tally, TemplateStanding,
    WorkloadEvidence, value_text,
};

/// The section of namespaces.
pub(super) fn namespaces(html: &mut Html, document: &Document) {
    let columns = [
        "Namespace",
        "Mode",
        "Policy",
        "Pod Security",
        "Workloads",
        "Root",
        "Pass restricted",
        "Fields of both standards",
    ];
    table(html, "Namespaces, with their running containers", &columns);
    for (at, it) in document.namespaces.iter().enumerate() {
        html.raw("<tr><th scope=\"row\">").link(&format!("#n{at}"), &it.name).raw("</th><td>");
        match it.mode {
            Some(mode) => html.text(mode),
            None => html.raw("<span class=\"quiet\">").text(it.mode_in_words()).raw("</span>"),
        };
        if let Some(slip) = &it.slip {
            html.raw("<br><strong>").text(slip).raw("</strong>");
        }
        html.raw("</td><td><code>").text(&it.policy).raw("</code></td><td>");
        html.text(it.pod_security.as_deref().unwrap_or("not enforced")).raw("</td><td>");
        html.text(it.workloads).raw("</td><td>").text(it.root).raw("</td><td>");
        html.text(format!("{} of {}", it.restricted, it.containers)).raw("</td><td>");
        chart::bar(html, &it.cells);
        html.raw("<br>");
        chart::figures(html, &it.cells);
        html.raw("</td></tr>\n");
    }
    end_table(html);
}

/// The section of workloads, by namespace.
pub(super) fn section(html: &mut Html, document: &Document) {
    html.raw(
        "<p>Each workload with the fields of its running containers that do not pass. Containers that are alike are \
         shown once, with the number of their pods. Printed, a workload that passes both levels of Pod Security is a line.</p>\n",
    );
    let mut order: Vec<(usize, &str, Vec<Counted<'_>>, Tally)> = Vec::new();
    for (at, namespace) in document.namespaces.iter().enumerate() {
        let mut workloads: Vec<Counted<'_>> = of(document, &namespace.name).collect();
        if workloads.is_empty() {
            continue;
        }
        workloads.sort_by_key(|(.., tally)| Reverse((tally.fail, tally.unknown)));
        let mut sum = Tally::default();
        for (.., tally) in &workloads {
            State::ALL.into_iter().for_each(|state| sum.add(state, tally.of(state)));
        }
        order.push((at, &namespace.name, workloads, sum));
    }
    order.sort_by_key(|(.., tally)| Reverse((tally.fail, tally.unknown)));
    for (at, name, workloads, tally) in order {
        html.open("details", &[("class", &"namespace"), ("id", &format_args!("n{at}"))]);
        html.raw("<summary><h3>").text(name).raw("</h3> <span class=\"quiet\">");
        let number = u32::try_from(workloads.len()).unwrap_or(u32::MAX);
        html.text(counted(number, "workload")).raw("</span> ");
        chart::figures(html, &tally);
        html.raw("</summary>\n");
        for workload in workloads {
            of_workload(html, &workload);
        }
        html.raw("</details>\n");
    }
}

/// A workload, its place among all of them, and the cells of its running containers by state.
type Counted<'d> = (usize, &'d WorkloadEvidence, Tally);

/// The workloads of a namespace.
fn of<'d>(document: &'d Document, namespace: &str) -> impl Iterator<Item = Counted<'d>> {
    let all = document.workloads.iter().enumerate();
    let all = all.filter(move |(_, workload)| workload.namespace == namespace);
    all.map(|(at, workload)| (at, workload, cells(workload)))
}

fn of_workload(html: &mut Html, (at, workload, tally): &Counted<'_>) {
    // Printed with its fields, and not as a line, if something of Pod Security does not pass.
    let class = if wanting(workload) { "workload wanting" } else { "workload" };
    html.open("details", &[("class", &class), ("id", &format_args!("w{at}"))]);
    html.raw("<summary><h4>").text(&workload.kind).raw("/<wbr>").text(&workload.name).raw("</h4> ");
    html.raw("<span class=\"quiet\">").text(counted(workload.pods, "pod")).raw("</span> ");
    chart::figures(html, tally);
    html.raw("</summary>\n<p class=\"quiet\">");
    html.text(match workload.mode {
        Some(mode) => format!("Mode {mode}. "),
        None if can_opt_in(&workload.namespace) => "Not opted in. ".to_owned(),
        None => "Its namespace cannot opt in. ".to_owned(),
    });
    html.raw(match workload.template {
        TemplateStanding::Compared => "Compared with its template.",
        TemplateStanding::None => {
            "It has no template: the pod is what was sent, as admission changed it."
        }
        TemplateStanding::Changed => {
            "Its template has changed since its pods were made, so who set a value is not known."
        }
        TemplateStanding::Unreadable => {
            "Its template could not be read, so who set a value is not known."
        }
    });
    if let Some(owner) = &workload.managed_by {
        html.raw(" Managed by ").text(owner).raw(".");
    }
    if workload.is_static {
        html.raw(" Its pods are static: a file on the node makes them.");
    }
    html.raw("</p>\n");
    for container in &workload.containers {
        match container.status {
            ContainerState::Running => of_container(html, workload, container),
            ContainerState::Terminated | ContainerState::Waiting => {
                html.raw("<p class=\"quiet\">")
                    .text(&container.name)
                    .raw(": ")
                    .text(container.kind);
                html.raw(match container.status {
                    ContainerState::Waiting => " container, waits, and is in no figure.</p>\n",
                    _ => " container, has ended, and is in no figure.</p>\n",
                });
            }
        }
    }
    html.raw("</details>\n");
}

/// Whether a running container has a cell of Pod Security that does not pass.
fn wanting(workload: &WorkloadEvidence) -> bool {
    !workload.running().all(ContainerEvidence::is_restricted)
}

fn of_container(html: &mut Html, workload: &WorkloadEvidence, container: &ContainerEvidence) {
    html.raw("<div class=\"container\">\n<p><strong>").text(&container.name).raw("</strong> ");
    html.raw("<span class=\"quiet\">").text(container.kind).raw(", ");
    html.text(counted(container.pods, "pod"));
    if let Some(since) = &container.running_since {
        html.raw(", since ").text(moment(since));
    }
    if container.in_template == Some(false) {
        html.raw(", not in the template");
    }
    html.raw("</span><br>User: ");
    user(html, &container.user);
    html.raw("<br>Image: <code>").text(&container.image).raw("</code>");
    if let Some(id) = &container.image_id {
        html.raw("<br><span class=\"quiet\">runs <code>").text(id).raw("</code></span>");
    }
    if let Some(note) = &container.note {
        html.raw("<br><span class=\"quiet\">Note of ").text(&note.policy);
        html.raw(match (note.holds, note.current) {
            (false, _) => ", which does not hold: nothing is put down to ironhull",
            (true, true) => ", which holds",
            (true, false) => ", which holds; the policy has changed since",
        });
        html.raw("</span>");
    }
    html.raw("<br><span class=\"quiet\">Pods: ").text(container.pod_names.join(", "));
    let named = u32::try_from(container.pod_names.len()).unwrap_or(u32::MAX);
    if container.pods > named {
        html.text(format!(" and {} more", container.pods - named));
    }
    html.raw("</span></p>\n");
    let wanting: Vec<&Cell> = container.cells.iter().filter(|cell| !cell.state.holds()).collect();
    if !wanting.is_empty() {
        let WorkloadEvidence { kind, name, .. } = workload;
        let caption = format!("{} of {kind}/{name}: fields that do not pass", container.name);
        table(html, &caption, &["Field", "Result", "Value", "Set by", "Why, and what helps"]);
        for cell in wanting {
            row(html, workload, container, cell);
        }
        end_table(html);
    }
    passing(html, container);
    html.raw("</div>\n");
}

fn row(html: &mut Html, workload: &WorkloadEvidence, container: &ContainerEvidence, cell: &Cell) {
    html.raw("<tr><th scope=\"row\">");
    field(html, cell.check);
    html.raw("</th><td>");
    badge(html, cell.state);
    html.raw("</td><td><code>").text(value(&cell.value)).raw("</code><br><span class=\"quiet\">");
    html.text(source(cell.source));
    if let Some(template) = &cell.template {
        html.raw("; template: ").text(value(&template.value));
    }
    html.raw("</span></td><td>").raw(set_by(cell.set_by)).raw("</td><td>");
    if !cell.why.is_empty() {
        html.text(&cell.why).raw("<br>");
    }
    if cell.state == State::Fail {
        html.raw("<span class=\"quiet\">").text(help(workload, container, cell)).raw("</span>");
    }
    html.raw("</td></tr>\n");
}

/// Fields that pass, or mean nothing here, in a line for each source and who set them.
fn passing(html: &mut Html, container: &ContainerEvidence) {
    let mut groups: BTreeMap<(bool, &str, &str), Vec<Check>> = BTreeMap::new();
    for cell in &container.cells {
        match cell.state {
            State::Pass => groups.entry((false, set_by(cell.set_by), source(cell.source))),
            State::NotApplicable => groups.entry((true, "", "")),
            _ => continue,
        }
        .or_default()
        .push(cell.check);
    }
    if groups.is_empty() {
        return;
    }
    html.raw("<ul class=\"passing\">\n");
    for ((meaningless, set_by, source), checks) in groups {
        html.raw("<li>");
        badge(html, if meaningless { State::NotApplicable } else { State::Pass });
        if !meaningless {
            html.raw(" <span class=\"quiet\">")
                .text(source)
                .raw(", set by ")
                .text(set_by)
                .raw("</span>");
        }
        html.raw(": ");
        for (at, check) in checks.into_iter().enumerate() {
            if at > 0 {
                html.raw(", ");
            }
            html.text(check.as_str());
        }
        html.raw("</li>\n");
    }
    html.raw("</ul>\n");
}

fn set_by(who: SetBy) -> &'static str {
    match who {
        SetBy::Author => "the author",
        SetBy::Ironhull => "ironhull",
        SetBy::Other => "another webhook or hand",
        SetBy::Default => "nobody: a default",
        SetBy::Image => "the image or runtime",
        SetBy::Unknown => "not known",
    }
}

/// A value as people write it; `unset` for none.
fn value(value: &serde_json::Value) -> String {
    if value.is_null() { "unset".to_owned() } else { value_text(value) }
}

/// Cells of a workload's running containers, by state.
fn cells(workload: &WorkloadEvidence) -> Tally {
    let mut tally = Tally::default();
    for container in workload.running() {
        for cell in &container.cells {
            tally.add(cell.state, container.pods);
        }
    }
    tally
}
