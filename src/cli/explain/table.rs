//! The table of `explain`.

use clap::builder::styling::{AnsiColor, Style};
use serde_json::Value;

use super::{Explained, Row};

/// What stands between two columns.
const GAP: usize = 2;
/// Below this many columns the last one is no place to read: it goes on lines of its own.
const NARROWEST_WHY: usize = 24;
/// A long list of values is cut here: the whole of it is in the JSON form.
const WIDEST_VALUE: usize = 44;

const HEADER: [&str; 5] = ["CONTAINER", "KIND", "RULE", "RESULT", "BEFORE → AFTER"];
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The tables of all workloads, for a terminal of so many columns, or for a pipe.
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
    let name = if one.name.is_empty() { "(no name)" } else { &one.name };
    let document = one.document.map(|number| format!(", document {number}")).unwrap_or_default();
    text.push_str(&format!(
        "{BOLD}{}/{name}{BOLD:#}  namespace {}, policy {}  {DIM}{}{document}{DIM:#}\n",
        one.kind, one.namespace, one.policy, one.file,
    ));
    if let Some(reason) = one.left_alone {
        text.push_str(&format!("  left alone as a whole: {reason}\n"));
    }
    let cells: Vec<[String; 5]> = one.findings.iter().map(cells).collect();
    let mut widths = HEADER.map(|title| title.chars().count());
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if !cells.is_empty() {
        line(text, &HEADER.map(str::to_owned), &widths, [DIM; 5], "WHY", width);
    }
    let mut before: Option<&Row> = None;
    for (mut row, finding) in cells.into_iter().zip(&one.findings) {
        let same = before.is_some_and(|before| {
            (&before.container, before.container_kind)
                == (&finding.container, finding.container_kind)
        });
        if same {
            // A container is named once, at its first row.
            let [container, kind, ..] = &mut row;
            container.clear();
            kind.clear();
        }
        before = Some(finding);
        let style = style(finding.result);
        let styles = [BOLD, Style::new(), Style::new(), style, Style::new()];
        line(text, &row, &widths, styles, &finding.why, width);
    }
    for exemption in &one.exemptions {
        text.push_str(&format!("  {}\n", exemption.text));
    }
    for void in &one.void {
        text.push_str(&format!("  annotation {} is void: {}\n", void.key, void.why));
    }
    for remark in &one.remarks {
        text.push_str(&format!("  {remark}\n"));
    }
    text.push_str(&format!("  {DIM}{}{DIM:#}\n", summary(&one.findings)));
}

fn cells(row: &Row) -> [String; 5] {
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
    [
        row.container.clone().unwrap_or_else(|| "(pod)".to_owned()),
        if row.container.is_some() { row.container_kind.to_owned() } else { String::new() },
        row.rule.to_owned(),
        row.result.to_owned(),
        values,
    ]
}

fn value(value: &Value) -> String {
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

/// One row: the columns, then what is last, broken over several lines where the
/// terminal is narrow.
fn line(
    text: &mut String,
    cells: &[String; 5],
    widths: &[usize; 5],
    styles: [Style; 5],
    why: &str,
    width: Option<usize>,
) {
    let mut row = String::from("  ");
    for ((cell, cell_width), style) in cells.iter().zip(widths).zip(styles) {
        let blank = cell_width - cell.chars().count().min(*cell_width) + GAP;
        if !cell.is_empty() {
            row.push_str(&format!("{style}{cell}{style:#}"));
        }
        row.push_str(&" ".repeat(blank));
    }
    let start = 2 + widths.iter().map(|width| width + GAP).sum::<usize>();
    let room = width.map(|width| width.saturating_sub(start));
    let (indent, room) = match room {
        Some(room) if room < NARROWEST_WHY => {
            let title = why == "WHY";
            text.push_str(row.trim_end());
            text.push('\n');
            if why.is_empty() || title {
                return;
            }
            row = "      ".to_owned();
            (6, width.map(|width| width.saturating_sub(6).max(NARROWEST_WHY)))
        }
        room => (start, room),
    };
    let style = if why == "WHY" { DIM } else { Style::new() };
    for (index, part) in wrap(why, room).into_iter().enumerate() {
        if index > 0 {
            row = " ".repeat(indent);
        }
        text.push_str(format!("{row}{style}{part}{style:#}").trim_end());
        text.push('\n');
    }
}

/// Breaks a text at spaces into lines of at most `room` characters where it can.
fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        let needed = last.chars().count() + 1 + word.chars().count();
        if last.is_empty() {
            last.push_str(word);
        } else if room.is_some_and(|room| needed > room) {
            lines.push(word.to_owned());
        } else {
            last.push(' ');
            last.push_str(word);
        }
    }
    lines
}

fn style(result: &str) -> Style {
    let colour = match result {
        "set" => AnsiColor::Green,
        "replaced" => AnsiColor::Yellow,
        "kept" => AnsiColor::Red,
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
    if counts.is_empty() { "nothing to look at".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(why: &str, width: Option<usize>) -> String {
        let cells = ["web", "app", "capabilities", "kept", "[NET_ADMIN]"].map(str::to_owned);
        let mut text = String::new();
        line(&mut text, &cells, &[9, 4, 24, 9, 14], [Style::new(); 5], why, width);
        text
    }

    #[test]
    fn a_wide_terminal_has_the_reason_in_its_column() {
        let start = "  web        app   capabilities              kept       [NET_ADMIN]     ";
        let below = " ".repeat(start.len());
        let why = "explicit, and the policy does not enforce";
        assert_eq!(print(why, None), format!("{start}{why}\n"));
        let narrow = print(why, Some(start.len() + 26));
        assert_eq!(narrow, format!("{start}explicit, and the policy\n{below}does not enforce\n"));
    }

    #[test]
    fn a_narrow_one_has_it_below() {
        let row = "  web        app   capabilities              kept       [NET_ADMIN]\n";
        assert_eq!(print("", Some(80)), row);
        assert_eq!(print("a reason", Some(80)), format!("{row}      a reason\n"));
        assert_eq!(print("WHY", Some(80)), row);
    }

    #[test]
    fn a_long_list_is_cut() {
        let long = Value::from(vec!["CAPABILITY"; 9]);
        assert_eq!(value(&long).chars().count(), WIDEST_VALUE);
    }
}
