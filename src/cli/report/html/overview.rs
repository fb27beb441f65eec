//! The figures that people ask for first, and what needs attention.

use super::chart;
use super::counted;
use super::markup::Html;
use crate::evidence::check::Check;
use crate::evidence::document::{Document, Standing, Summary, Tally};

/// What the reader came for, before all else.
pub(super) fn lead(html: &mut Html, document: &Document) {
    let summary = &document.summary;
    let users = users(document);
    html.raw("<figure class=\"lead\">\n<figcaption><strong>");
    html.text(summary.root).raw(" of ").text(counted(summary.containers, "running container"));
    html.raw(if summary.root == 1 { " is" } else { " are" });
    html.raw(" known to run as UID 0</strong>");
    html.raw(
        "<span class=\"quiet\"> · by the user that each container runs as</span></figcaption>\n",
    );
    chart::chart(html, "Running containers by user: root fails", &users);
    html.raw("\n<p>");
    chart::figures(html, &users);
    html.raw("</p>\n</figure>\n");
}

/// The section.
pub(super) fn section(html: &mut Html, document: &Document) {
    tiles(html, &document.summary);
    attention(html, document);
}

/// Running containers by the cell about root.
fn users(document: &Document) -> Tally {
    let check = document.checks.iter().find(|summary| summary.check == Check::RunAsNonRoot);
    check.map(|summary| summary.pods).unwrap_or_default()
}

fn tiles(html: &mut Html, summary: &Summary) {
    html.raw("<dl class=\"tiles\">\n");
    let mut tile = |name: &'static str, number: u32, of: &str| {
        html.raw("<div>").element("dt", name).raw("<dd><strong>").text(number).raw("</strong> ");
        html.with("span", &[("class", &"quiet")], of).raw("</dd></div>\n");
    };
    let containers = format!("of {}", summary.containers);
    tile("Pass Pod Security restricted", summary.restricted, &containers);
    tile("Hardened by ironhull", summary.hardened, &containers);
    tile("Privileged", summary.privileged, &containers);
    tile("User not known", summary.unknown_user, &containers);
    tile(
        "Exemptions in force",
        summary.exemptions,
        &format!(
            "{} {} within 30 days",
            summary.ending,
            if summary.ending == 1 { "ends" } else { "end" }
        ),
    );
    let looked = format!(
        "{}, {}",
        counted(summary.workloads, "workload"),
        counted(summary.namespaces, "namespace")
    );
    tile("Pods", summary.pods, &looked);
    html.raw("</dl>\n");
}

/// What somebody has to act on, the worst first.
fn attention(html: &mut Html, document: &Document) {
    html.raw("<h3>What needs attention first</h3>\n");
    let summary = &document.summary;
    let users = users(document);
    let standing = |wanted: Standing| {
        document.exemptions.iter().filter(|exemption| exemption.standing == wanted).count()
    };
    let wanting = document.limits.iter().filter(|limit| limit.for_rights).count();
    let few = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let items: [(u32, &str, &str, &str, &str); 7] = [
        (
            users.fail,
            "container runs as root, or may, without an exemption",
            "containers run as root, or may, without an exemption",
            "#root",
            "by name",
        ),
        (
            summary.privileged,
            "container is privileged",
            "containers are privileged",
            "#privileged",
            "by name",
        ),
        (
            users.unknown,
            "container runs as a user that is not known",
            "containers run as a user that is not known",
            "#root-unknown",
            "by name",
        ),
        (
            few(standing(Standing::Void)),
            "exemption is void: it exempts nothing",
            "exemptions are void: they exempt nothing",
            "#exemptions",
            "exemptions",
        ),
        (
            few(standing(Standing::Ended)),
            "exemption has ended",
            "exemptions have ended",
            "#exemptions",
            "exemptions",
        ),
        (
            summary.ending,
            "exemption ends within 30 days",
            "exemptions end within 30 days",
            "#exemptions",
            "exemptions",
        ),
        (
            few(wanting),
            "thing could not be read for want of rights",
            "things could not be read for want of rights",
            "#limits",
            "what is not known",
        ),
    ];
    let mut any = false;
    html.raw("<ol class=\"attention\">\n");
    for (count, one, several, link, where_to) in items.iter().filter(|(count, ..)| *count > 0) {
        any = true;
        html.raw("<li><strong>").text(count).raw("</strong> ");
        html.text(if *count == 1 { one } else { several }).raw(": ");
        html.link(link, where_to).raw("</li>\n");
    }
    if !any {
        html.raw("<li>Nothing of what this report looks at.</li>\n");
    }
    html.raw("</ol>\n");
}
