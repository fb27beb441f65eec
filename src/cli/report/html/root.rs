//! Root containers by name, and those whose user is not known.

use super::chart::badge;
use super::markup::Html;
use super::{counted, end_table, moment, table, workloads};
use crate::evidence::check::Check;
use crate::evidence::document::{
    Cell, ContainerEvidence, ContainerState, Document, ExemptionEvidence, Source, State, User,
    WorkloadEvidence,
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
        workloads::link(html, document, workload);
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
        html.raw("</td><td>").text(help(workload, container, cell.check));
        html.raw("</td></tr>\n");
    }
    end_table(html);
}

/// Who a container runs as, and where that is known from.
pub(super) fn user(html: &mut Html, user: &User) {
    match (user.uid, user.non_root) {
        (Some(uid), _) => html.raw("uid ").text(uid),
        (None, Some(true)) => html.raw("not root; uid not known"),
        (None, _) => html.raw("not known"),
    };
    html.raw("<br><span class=\"quiet\">").text(source(user.source));
    if user.user_namespace {
        html.raw("; in a user namespace of the pod's own");
    }
    if !user.why.is_empty() {
        html.raw("; ").text(&user.why);
    }
    html.raw("</span>");
}

/// Where a value is known from, in words.
pub(super) fn source(source: Source) -> &'static str {
    match source {
        Source::Kubelet => "reported by the kubelet",
        Source::PodSpec => "from the pod's spec",
        Source::ImageFacts => "from facts of the image",
        Source::Default => "by default",
        Source::None => "nothing tells",
    }
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

/// When an exemption ends, in words.
pub(super) fn end(exemption: &ExemptionEvidence) -> String {
    match &exemption.until {
        Some(until) => format!("until {until}"),
        None => "without an end".to_owned(),
    }
}

/// What helps a container whose check does not pass: what the policy would do about it today.
pub(super) fn help(
    workload: &WorkloadEvidence,
    container: &ContainerEvidence,
    check: Check,
) -> String {
    let Some(rule) = check.about().rule.map(|rule| rule.as_str()) else {
        return "no rule sets it: change the template".to_owned();
    };
    if workload.is_static {
        return "a static pod: change its file on the node".to_owned();
    }
    if container.kind == "ephemeral" {
        return "ends with its pod: recreate the pod".to_owned();
    }
    let today = container.rules.get(rule).map(|word| word.as_ref());
    match (workload.mode, today) {
        (None, _) => "its namespace has not opted in: label it ironhull.dev/harden".to_owned(),
        (Some("audit"), Some("set" | "replaced")) => {
            format!("the namespace is on audit; under enforce the rule {rule} would set it")
        }
        (Some(_), Some("set" | "replaced")) => {
            format!("the rule {rule} would set it today: make the pods anew")
        }
        (Some(_), Some("exempt")) => format!("exempt from the rule {rule}"),
        (Some(_), Some("kept")) => {
            format!("the rule {rule} keeps what the author set: change the template")
        }
        (Some(_), Some(word)) if word.starts_with("skipped") => {
            format!("the rule {rule} leaves it alone ({word}): change the template")
        }
        (Some(_), _) => "change the template".to_owned(),
    }
}
