//! Words that several sections say of containers and workloads.

use super::markup::Html;
use crate::cluster::namespaces::can_opt_in;
use crate::evidence::check::Check;
use crate::evidence::document::{
    Cell, ContainerEvidence, Document, ExemptionEvidence, Source, State, User, WorkloadEvidence,
};

/// A link to a workload.
pub(super) fn link(html: &mut Html, document: &Document, workload: &WorkloadEvidence) {
    let at = document.workloads.iter().position(|other| std::ptr::eq(other, workload));
    let text = format!("{}/{}", workload.kind, workload.name);
    match at {
        Some(at) => html.link(&format!("#w{at}"), text),
        None => html.text(text),
    };
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
    cell: &Cell,
) -> String {
    if cell.state == State::Exempt {
        return "allowed until its exemption ends".to_owned();
    }
    if cell.state == State::Unknown && cell.check == Check::RunAsNonRoot {
        return "say runAsUser or runAsNonRoot, or give facts of the image (--facts)".to_owned();
    }
    let Some(rule) = cell.check.about().rule.map(|rule| rule.as_str()) else {
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
        (None, _) if !can_opt_in(&workload.namespace) => {
            "its namespace can never opt in: change the template".to_owned()
        }
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
