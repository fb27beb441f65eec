//! `-o html`: the report as one page, for people. It needs no script and nothing from elsewhere.
//!
//! | module | what it writes |
//! |---|---|
//! | `markup` | HTML that cannot be broken by what it shows |
//! | `chart` | bars, signs and words of states |
//! | `overview` | the figures, and what needs attention first |
//! | `root` | root containers by name |
//! | `exemptions` | exemptions, and what changed |
//! | `controls` | results by control, and by field |
//! | `workloads` | namespaces and workloads, cell by cell |
//! | `words` | what several sections say |
//! | `method` | how each figure was obtained, and what is not known |

mod chart;
mod controls;
mod exemptions;
mod markup;
mod method;
mod overview;
mod root;
mod words;
mod workloads;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::counted;
use crate::cli::choice::BUILT_IN;
use crate::evidence::document::{Document, Taken};
use markup::Html;

/// The style sheet, all of it.
const STYLE: &str = include_str!("html/style.css");

/// A section: its anchor, its title in the contents, and how many things are in it, in words.
struct Section {
    id: &'static str,
    title: &'static str,
    count: Option<usize>,
    write: fn(&mut Html, &Document),
}

/// The sections of a report, what needs attention first.
fn sections(document: &Document) -> Vec<Section> {
    let section = |id, title, count, write| Section { id, title, count, write };
    let controls = document.controls.iter().map(|framework| framework.controls.len()).sum();
    let mut sections = vec![
        section("overview", "Overview", None, overview::section),
        section("root", "Containers running as root", None, root::section),
        section("exemptions", "Exemptions", Some(document.exemptions.len()), exemptions::section),
        section("controls", "Results by control", Some(controls), controls::section),
        section("fields", "Results by field", Some(document.checks.len()), controls::fields),
        section("namespaces", "Namespaces", Some(document.namespaces.len()), workloads::namespaces),
        section("workloads", "Workloads", Some(document.workloads.len()), workloads::section),
        section("method", "How each figure was obtained", None, method::section),
        section("limits", "What is not known", Some(document.limits.len()), method::limits),
    ];
    if document.changes.is_some() {
        sections.insert(1, section("changes", "What changed", None, exemptions::changes));
    }
    sections
}

/// The page.
pub(super) fn page(document: &Document) -> String {
    let mut html = Html::default();
    let sections = sections(document);
    head(&mut html, &document.taken);
    html.raw("<body>\n<a class=\"skip\" href=\"#main\">Skip to the report</a>\n");
    chart::patterns(&mut html);
    header(&mut html, document);
    html.raw("<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ol>\n");
    for Section { id, title, count, .. } in &sections {
        html.raw("<li>").link(&format!("#{id}"), title);
        if let Some(count) = count {
            html.raw(" <span class=\"quiet\">").text(count).raw("</span>");
        }
        html.raw("</li>\n");
    }
    html.raw("</ol>\n</nav>\n<main id=\"main\" tabindex=\"-1\">\n");
    for Section { id, title, write, .. } in &sections {
        let heading = format!("{id}-title");
        html.open("section", &[("id", id), ("aria-labelledby", &heading)]);
        html.raw("\n").with("h2", &[("id", &heading)], title).raw("\n");
        write(&mut html, document);
        html.raw("</section>\n");
    }
    html.raw("</main>\n");
    footer(&mut html, document);
    html.raw("</body>\n</html>\n");
    html.finish()
}

fn head(html: &mut Html, taken: &Taken) {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    // Nothing may be loaded or run, whatever a name or a reason in the cluster says.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    );
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.open("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
    html.raw(
        "\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>",
    );
    html.text("How containers run: ").text(&taken.server).text(", ").text(day(&taken.at));
    html.raw("</title>\n<style>").raw(STYLE).raw("</style>\n</head>\n");
}

fn header(html: &mut Html, document: &Document) {
    let Taken { at, until, ironhull, server, kubernetes, scope, .. } = &document.taken;
    html.raw("<header>\n<h1>How the containers of this cluster run</h1>\n");
    overview::lead(html, document);
    html.raw("<dl class=\"facts\">\n");
    fact(html, "Cluster", server);
    let version = kubernetes.as_deref().unwrap_or("not known");
    fact(html, "Kubernetes", version);
    fact(html, "Looked at", scope);
    fact(html, "Seen", &format!("{} to {}", moment(at), moment(until)));
    fact(html, "By", &format!("ironhull {ironhull}"));
    let policies = &document.policies;
    let names: Vec<String> = policies
        .policies
        .iter()
        .map(|policy| format!("{}@{}", policy.name, policy.revision))
        .collect();
    let known = if policies.known { "" } else { " (those in force could not be read)" };
    let from = match policies.from.as_str() {
        BUILT_IN => BUILT_IN.to_owned(),
        from => format!("from {from}"),
    };
    fact(html, "Policies", &format!("{}, {from}{known}", names.join(", ")));
    html.raw(
        "</dl>\n<p>A report of what was seen, at one time, in the containers that ran. It is evidence for the \
         fields named, and no statement that a standard is complied with.</p>\n</header>\n",
    );
}

fn fact(html: &mut Html, name: &'static str, value: &str) {
    html.raw("<div>").element("dt", name).element("dd", value).raw("</div>\n");
}

fn footer(html: &mut Html, document: &Document) {
    html.raw("<footer>\n<p>Format ").text(document.format).raw(". The same as data: ");
    html.raw("<code>ironhull report -o json</code>; as rows for a spreadsheet: <code>-o csv</code>.</p>\n</footer>\n");
}

/// The day of a moment.
fn day(moment: &str) -> &str {
    moment.split('T').next().unwrap_or(moment)
}

/// A moment in RFC 3339 as people read it, to the second.
fn moment(moment: &str) -> String {
    match moment.split_once('T') {
        Some((day, time)) => {
            let time = time.trim_end_matches('Z').split('.').next().unwrap_or_default();
            format!("{day} {time} UTC")
        }
        None => moment.to_owned(),
    }
}

/// Opens a table that may be wider than its page, in a box that can be scrolled, by keyboard too.
fn table(html: &mut Html, caption: &str, columns: &[&'static str]) {
    html.open(
        "div",
        &[("class", &"scroll"), ("role", &"group"), ("tabindex", &"0"), ("aria-label", &caption)],
    );
    html.raw("<table>\n").element("caption", caption).raw("\n<thead><tr>");
    for column in columns {
        html.with("th", &[("scope", &"col")], column);
    }
    html.raw("</tr></thead>\n<tbody>\n");
}

/// Closes it.
fn end_table(html: &mut Html) {
    html.raw("</tbody>\n</table></div>\n");
}

#[cfg(test)]
mod tests;
