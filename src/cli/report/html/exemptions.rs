//! Exemptions with owner and end, and what changed since an earlier report.

use super::markup::Html;
use super::words::end;
use super::{counted, end_table, moment, table};
use crate::evidence::changes::{CellRef, ContainerRef};
use crate::evidence::document::{Document, ExemptionEvidence, Grantor, Standing};

/// The section.
pub(super) fn section(html: &mut Html, document: &Document) {
    if document.exemptions.is_empty() {
        html.raw("<p>No workload declares an exemption, and no policy grants one.</p>\n");
        return;
    }
    html.raw(
        "<p>An annotation is written by whoever may change the workload, and confirmed only by the policy that allows it. \
         Those that end soonest come first.</p>\n",
    );
    let mut rows: Vec<(usize, &ExemptionEvidence)> =
        document.exemptions.iter().enumerate().collect();
    rows.sort_by_key(|(_, exemption)| {
        (order(exemption.standing), exemption.days_left.unwrap_or(i64::MAX))
    });
    let columns = ["Workload", "Rules", "Stands", "Ends", "Reason", "Granted by"];
    table(html, "Exemptions, declared or granted", &columns);
    for (at, exemption) in rows {
        html.open("tr", &[("id", &format_args!("e{at}"))]);
        html.raw("<th scope=\"row\">").text(format!("{}/{}", exemption.kind, exemption.name));
        html.raw("<br><span class=\"quiet\">").text(&exemption.namespace).raw(", ");
        match &exemption.container {
            Some(container) => html.text("container ").text(container),
            None => html.text("the whole pod"),
        };
        html.raw(", ").text(counted(exemption.pods, "pod")).raw("</span></th><td>");
        html.text(if exemption.rules.is_empty() {
            "not known".to_owned()
        } else {
            exemption.rules.join(", ")
        });
        html.raw("</td><td>");
        standing(html, exemption);
        html.raw("</td><td>").text(end(exemption));
        if let Some(left) = exemption.days_left.filter(|_| exemption.standing == Standing::InForce)
        {
            html.raw("<br><span class=\"quiet\">").text(left).raw(" days left</span>");
        }
        html.raw("</td><td>");
        match exemption.reason.is_empty() {
            true => html.raw("<span class=\"quiet\">none given</span>"),
            false => html.text(&exemption.reason),
        };
        if let Some(ticket) = &exemption.ticket {
            html.raw("<br>").text(ticket);
        }
        html.raw("</td><td>");
        html.raw(match exemption.by {
            Grantor::Annotation => "annotation ",
            Grantor::Policy => "policy ",
        });
        html.raw("<code>").text(&exemption.granted_by).raw("</code>");
        match exemption.in_template {
            Some(false) => html.raw("<br><strong>on the pod itself, not in the template</strong>"),
            _ => html.raw(""),
        };
        html.raw("</td></tr>\n");
    }
    end_table(html);
}

fn order(standing: Standing) -> u8 {
    match standing {
        Standing::Void => 0,
        Standing::Ended => 1,
        Standing::Unconfirmed => 2,
        Standing::InForce => 3,
        Standing::NotOptedIn => 4,
    }
}

fn standing(html: &mut Html, exemption: &ExemptionEvidence) {
    html.raw(match exemption.standing {
        Standing::InForce => "in force",
        Standing::Ended => "<strong>ended</strong>",
        Standing::Void => "<strong>void</strong>",
        Standing::NotOptedIn => "without effect: the namespace has not opted in",
        Standing::Unconfirmed => "not confirmed: the policies could not be read",
    });
    if !exemption.why.is_empty() {
        html.raw("<br><span class=\"quiet\">").text(&exemption.why).raw("</span>");
    }
}

/// Most items of a list of changes. The JSON has all.
const MOST: usize = 50;

/// What changed since an earlier report.
pub(super) fn changes(html: &mut Html, document: &Document) {
    let Some(changes) = &document.changes else { return };
    html.raw("<p>Since the report of ").text(moment(&changes.since)).raw(".</p>\n");
    let containers = |list: &[ContainerRef]| list.iter().map(container).collect::<Vec<_>>();
    let cells = |list: &[CellRef]| {
        let cell = |it: &CellRef| format!("{}: {}", container(&it.container), it.check.as_str());
        list.iter().map(cell).collect::<Vec<_>>()
    };
    let exemptions =
        |ids: &[String]| ids.iter().map(|id| exemption(document, id)).collect::<Vec<_>>();
    let lists = [
        ("New root containers", containers(&changes.new_root)),
        ("No longer root", containers(&changes.no_longer_root)),
        ("Fields that fail and did not", cells(&changes.worse)),
        ("Fields that failed and pass", cells(&changes.better)),
        ("New exemptions", exemptions(&changes.new_exemptions)),
        ("Exemptions that are over", exemptions(&changes.ended_exemptions)),
        ("Exemptions that end within 30 days", exemptions(&changes.ending_exemptions)),
        ("New workloads", changes.new_workloads.clone()),
        ("Workloads that are gone", changes.gone_workloads.clone()),
    ];
    if lists.iter().all(|(_, list)| list.is_empty()) {
        html.raw("<p>Nothing changed of what this report looks at.</p>\n");
    }
    for (title, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        html.raw("<details class=\"change\"><summary>").text(title);
        html.raw(" <span class=\"quiet\">").text(list.len()).raw("</span></summary>\n<ul>\n");
        for item in list.iter().take(MOST) {
            html.element("li", item).raw("\n");
        }
        if list.len() > MOST {
            html.raw("<li>and ").text(list.len() - MOST).raw(" more: see the JSON</li>\n");
        }
        html.raw("</ul></details>\n");
    }
}

fn container(of: &ContainerRef) -> String {
    format!("{} of {}/{} in {}", of.container, of.kind, of.name, of.namespace)
}

/// An exemption in words; its identity where it is no longer there.
fn exemption(document: &Document, id: &str) -> String {
    match document.exemptions.iter().find(|exemption| exemption.id == *id) {
        Some(it) => {
            let rules = it.rules.join(", ");
            format!("{}/{} in {}: {rules}, {}", it.kind, it.name, it.namespace, end(it))
        }
        None => id.to_owned(),
    }
}
