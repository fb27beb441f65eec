//! The tables of `docs/controls.md`, and the schema of a file of controls.

use std::fmt::Write;

use ironhull::evidence::controls::{Control, ControlSet, Extent, Framework};

/// The file of the schema in `docs/schemas/`, and what it holds.
pub fn schema() -> (String, String) {
    let text = serde_json::to_string_pretty(&ControlSet::schema()).unwrap() + "\n";
    ("controls.json".to_owned(), text)
}

/// A chapter for each standard.
pub fn tables() -> String {
    let mut page = String::new();
    for framework in &ControlSet::built_in().frameworks {
        chapter(&mut page, framework);
    }
    page
}

fn chapter(page: &mut String, framework: &Framework) {
    let Framework { name, version, url, read, notes, beyond, controls, unanswered, .. } = framework;
    let _ = write!(page, "\n### {name}, {version}\n\n");
    if !notes.is_empty() {
        let _ = write!(page, "{notes}\n\n");
    }
    if !beyond.is_empty() {
        let _ = write!(page, "Each of these asks beyond the fields, too: {beyond}.\n\n");
    }
    page.push_str("| control | what it asks, in our words | fields | answered | what it asks beyond |\n|---|---|---|---|---|\n");
    for control in controls {
        row(page, control);
    }
    if !unanswered.is_empty() {
        page.push_str("\nNot answered:\n\n");
        for one in unanswered {
            let _ = writeln!(page, "- {}: {}", one.ids, one.why);
        }
    }
    let _ = write!(page, "\nPublished at <{url}>. Read in:\n\n");
    for text in read {
        let _ = writeln!(page, "- {text}");
    }
}

fn row(page: &mut String, control: &Control) {
    let Control { id, group, title, checks, stricter, extent, beyond, source } = control;
    let group = if group.is_empty() { String::new() } else { format!("<br>{group}") };
    let plain = checks.iter().map(|check| format!("`{}`", check.as_str()));
    let strict = stricter.iter().map(|check| format!("`{}` (stricter)", check.as_str()));
    let fields: Vec<String> = plain.chain(strict).collect();
    let extent = match extent {
        Extent::Whole => "whole",
        Extent::Part => "in part",
    };
    let beyond = if beyond.is_empty() { String::new() } else { format!("{beyond}<br>") };
    let _ = writeln!(
        page,
        "| {id}{group} | {title} | {} | {extent} | {beyond}Source: {source} |",
        fields.join(", ")
    );
}
