//! A report as CSV (RFC 4180): a row for each container and check, or for each container and control.
//! Columns are only ever added, at the end.

mod controls;

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;

use crate::evidence::document::{
    Cell, ContainerEvidence, Document, ExemptionEvidence, SetBy, WorkloadEvidence, value_text,
};
use crate::text::clean;

/// Columns about a container.
const CONTAINER: [&str; 9] = [
    "namespace",
    "kind",
    "workload",
    "container",
    "containerKind",
    "status",
    "pods",
    "examplePod",
    "image",
];

/// Columns about an exemption.
const EXEMPTION: [&str; 5] = ["exemption", "ticket", "until", "grantedBy", "reason"];

/// Columns about a cell, between those two.
const CELL: [&str; 8] =
    ["check", "state", "value", "source", "setBy", "policy", "templateState", "templateValue"];

/// Columns after them.
const END: [&str; 2] = ["why", "seen"];

pub(super) use controls::write as controls;

/// Writes a row for each container and check.
pub(super) fn checks(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    header(out, &[&CONTAINER, &CELL, &EXEMPTION, &END])?;
    for workload in &document.workloads {
        for container in &workload.containers {
            for cell in &container.cells {
                let exemption = document.exemption(cell).map(|(_, exemption)| exemption);
                let end = [Cow::Borrowed(&*cell.why), Cow::Borrowed(&*document.taken.at)];
                let start = of_container(workload, container);
                row(out, &[&start, &of_cell(container, cell), &of_exemption(exemption), &end])?;
            }
        }
    }
    Ok(())
}

/// The fields of [`CONTAINER`].
fn of_container<'d>(
    workload: &'d WorkloadEvidence,
    container: &'d ContainerEvidence,
) -> [Cow<'d, str>; CONTAINER.len()] {
    [
        Cow::Borrowed(&*workload.namespace),
        Cow::Borrowed(&*workload.kind),
        Cow::Borrowed(&*workload.name),
        Cow::Borrowed(&*container.name),
        container.kind.into(),
        container.status.as_str().into(),
        container.pods.to_string().into(),
        container.pod_names.first().map_or("", String::as_str).into(),
        Cow::Borrowed(&*container.image),
    ]
}

/// The fields of [`EXEMPTION`].
fn of_exemption(exemption: Option<&ExemptionEvidence>) -> [Cow<'_, str>; EXEMPTION.len()] {
    let Some(it) = exemption else { return Default::default() };
    [
        Cow::Borrowed(it.standing.as_str()),
        it.ticket.as_deref().unwrap_or_default().into(),
        it.until.as_deref().unwrap_or_default().into(),
        Cow::Borrowed(&*it.granted_by),
        Cow::Borrowed(&*it.reason),
    ]
}

/// The fields of [`CELL`].
fn of_cell<'d>(container: &'d ContainerEvidence, cell: &'d Cell) -> [Cow<'d, str>; CELL.len()] {
    let policy = container.note.as_ref().filter(|_| cell.set_by == SetBy::Ironhull);
    let policy = policy.map_or("", |note| note.policy.as_str());
    let template = cell.template.as_ref();
    [
        cell.check.as_str().into(),
        cell.state.as_str().into(),
        value(&cell.value).into(),
        cell.source.as_str().into(),
        cell.set_by.as_str().into(),
        policy.into(),
        template.map_or("", |it| it.state.as_str()).into(),
        template.map_or_else(String::new, |it| value(&it.value)).into(),
    ]
}

/// A value as people write it: lists with commas, nothing for null.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        other => value_text(other),
    }
}

fn header(out: &mut dyn Write, columns: &[&[&'static str]]) -> io::Result<()> {
    let columns = columns.iter().flat_map(|group| group.iter().copied());
    row(out, &[&columns.map(Cow::Borrowed).collect::<Vec<_>>()])
}

/// Writes groups of fields as one row.
fn row(out: &mut dyn Write, groups: &[&[Cow<'_, str>]]) -> io::Result<()> {
    for (index, field) in groups.iter().copied().flatten().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{}", quoted(field))?;
    }
    out.write_all(b"\r\n")
}

/// A field, quoted where it has to be. A text from the cluster that a spreadsheet would take for a
/// formula gets an apostrophe before it, which spreadsheets take as the sign of a text.
/// Source: OWASP, "CSV Injection".
fn quoted(field: &str) -> String {
    let text = clean(field);
    let first = field.trim_start_matches([' ', '\u{feff}']).chars().next();
    let formula = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n'));
    let text = if formula { Cow::Owned(format!("'{text}")) } else { text };
    match text.contains([',', '"', ';', '\'', ' ']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula() {
        assert_eq!(quoted("web"), "web");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\""), "\"say \"\"x\"\"\"");
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=x", " =x", "\u{feff}=x", "\n=x"] {
            assert!(quoted(bad).starts_with("\"'"), "{bad:?}: {}", quoted(bad));
        }
        assert!(!quoted("a\r\nb").contains(['\r', '\n']));
    }

    #[test]
    fn a_value_is_written_as_people_write_it() {
        assert_eq!(value(&serde_json::json!(["NET_RAW", 1, true])), "NET_RAW, 1, true");
        assert_eq!(value(&Value::Null), "");
    }
}
