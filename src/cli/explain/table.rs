//! The table of `explain`.

use clap::builder::styling::{AnsiColor, Style};
use serde_json::Value;

use super::{Explained, KnownImage, Row};
use crate::cli::preview::report::RiskPreview;
use crate::cli::preview::table as preview;
use crate::terminal::table::{BOLD, Cell, DIM, Table, paragraph};
use crate::text::named;

/// Width at which a long list of values is cut. The JSON form has the whole of it.
const WIDEST_VALUE: usize = 44;

const TITLES: [&str; 5] = ["CONTAINER", "KIND", "RULE", "RESULT", "BEFORE → AFTER"];

/// The tables of all workloads, for a terminal of `width` columns, or for a pipe.
pub(super) fn table(explained: &[Explained], width: Option<usize>) -> String {
    let mut text = String::new();
    for (index, one) in explained.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        workload(&mut text, one, width);
    }
    text
}

fn workload(text: &mut String, one: &Explained, width: Option<usize>) {
    let name = named(&one.name);
    let document = one.document.map(|number| format!(", document {number}")).unwrap_or_default();
    let which = one.template.as_ref().map(|which| format!(" ({which})")).unwrap_or_default();
    let title = format!("{}/{name}{which}", one.kind);
    let about = format!("namespace {}, policy {}", one.namespace, one.policy);
    let file = format!("{}{document}", one.file);
    // A file that does not fit gets a line of its own.
    let length = [&title, &about, &file].map(|part| part.chars().count() + 2).iter().sum::<usize>();
    let part = if width.is_some_and(|width| length > width + 2) { "\n" } else { "" };
    text.push_str(&format!("{BOLD}{title}{BOLD:#}  {about}{part}  {DIM}{file}{DIM:#}\n"));
    if let Some(reason) = one.left_alone {
        text.push_str(&format!("  left alone as a whole: {reason}\n"));
    }
    let mut table = Table::new(TITLES, "WHY");
    let mut before: Option<&Row> = None;
    for finding in &one.findings {
        let same = before.is_some_and(|before| {
            (&before.container, before.container_kind)
                == (&finding.container, finding.container_kind)
        });
        before = Some(finding);
        table.row(cells(finding, !same), finding.why.as_str());
    }
    text.push_str(&table.render(width));
    for exemption in &one.exemptions {
        text.push_str(&paragraph(2, &exemption.text, width));
    }
    for void in &one.void {
        text.push_str(&paragraph(2, &format!("annotation {}", void.text()), width));
    }
    for KnownImage { container, reason } in &one.images {
        text.push_str(&format!(
            "  {DIM}{}: the policy knows the image: {reason}{DIM:#}\n",
            named(container)
        ));
    }
    if !one.restricted.is_empty() {
        let fields = one.restricted.join(", ");
        let said = format!("Pod Security restricted would still refuse: {fields}");
        text.push_str(&paragraph(2, &said, width));
    }
    for remark in &one.remarks {
        text.push_str(&paragraph(2, remark, width));
    }
    text.push_str(&format!("  {DIM}{}{DIM:#}\n", summary(&one.findings)));
    outlook(text, one, width);
}

/// Whether it will start, what speaks against it, and what helps.
fn outlook(text: &mut String, one: &Explained, width: Option<usize>) {
    let Some(verdict) = one.verdict else { return };
    let (style, word) = (preview::style(verdict), verdict.as_str());
    text.push_str(&format!("  {BOLD}verdict:{BOLD:#} {style}{word}{style:#}\n"));
    for RiskPreview { container, why, .. } in &one.risks {
        text.push_str(&paragraph(4, &format!("{}: {why}", named(container)), width));
    }
    if !one.risks.is_empty() {
        preview::what_helps(text, &one.remedy, &one.policy, width);
    }
}

/// The cells of a finding. A container is named only in its first row.
fn cells(row: &Row, first: bool) -> [Cell; 5] {
    let unset = || "unset".to_owned();
    let was = row.was.as_ref().map_or_else(unset, value);
    let values = match &row.now {
        Some(now) => {
            let pod =
                if row.level == Some("pod") && row.container.is_some() { " (pod)" } else { "" };
            format!("{was} → {}{pod}", value(now))
        }
        None => was,
    };
    let (container, kind) = match &row.container {
        _ if !first => ("", ""),
        Some(container) => (named(container), row.container_kind),
        None => ("(pod)", ""),
    };
    [
        Cell::new(container, BOLD),
        Cell::plain(kind),
        Cell::plain(row.rule),
        Cell::new(row.result, style(row.result)),
        Cell::plain(values),
    ]
}

pub(super) fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    };
    if text.chars().count() <= WIDEST_VALUE {
        return text;
    }
    text.chars().take(WIDEST_VALUE - 1).chain(['…']).collect()
}

pub(super) fn style(result: &str) -> Style {
    let colour = match result {
        "set" => AnsiColor::Green,
        "replaced" => AnsiColor::Yellow,
        "ironhull" => AnsiColor::Green,
        "kept" | "missing" => AnsiColor::Red,
        "exempt" => AnsiColor::Magenta,
        "skipped" => AnsiColor::Cyan,
        _ => return DIM,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// `7 set, 1 replaced, 2 compliant`
fn summary(rows: &[Row]) -> String {
    let counts = crate::outcome::RuleResult::WORDS.map(|word| {
        let count = rows.iter().filter(|row| row.result == word).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "nothing to check".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let long = Value::from(vec!["CAPABILITY"; 9]);
        assert_eq!(value(&long).chars().count(), WIDEST_VALUE);
    }
}
