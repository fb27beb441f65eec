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

/// The columns.
const COLUMNS: [&str; 24] = [
    "namespace",
    "kind",
    "workload",
    "container",
    "containerKind",
    "status",
    "pods",
    "examplePod",
    "image",
    "check",
    "state",
    "value",
    "source",
    "setBy",
    "policy",
    "templateState",
    "templateValue",
    "exemption",
    "ticket",
    "until",
    "grantedBy",
    "reason",
    "why",
    "seen",
];

pub(super) use controls::write as controls;

/// Writes a row for each container and check.
pub(super) fn checks(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    row(out, &COLUMNS.map(Cow::Borrowed))?;
    for workload in &document.workloads {
        for container in &workload.containers {
            for cell in &container.cells {
                row(out, &fields(document, workload, container, cell))?;
            }
        }
    }
    Ok(())
}

fn fields<'d>(
    document: &'d Document,
    workload: &'d WorkloadEvidence,
    container: &'d ContainerEvidence,
    cell: &'d Cell,
) -> [Cow<'d, str>; COLUMNS.len()] {
    let exemption = document.exemption(cell).map(|(_, exemption)| exemption);
    let of = |text: fn(&'d ExemptionEvidence) -> Option<&'d str>| {
        exemption.and_then(text).map_or(Cow::Borrowed(""), Cow::Borrowed)
    };
    let policy = container.note.as_ref().filter(|_| cell.set_by == SetBy::Ironhull);
    let policy = policy.map_or("", |note| note.policy.as_str());
    let template = cell.template.as_ref();
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
        cell.check.as_str().into(),
        cell.state.as_str().into(),
        value(&cell.value).into(),
        cell.source.as_str().into(),
        cell.set_by.as_str().into(),
        policy.into(),
        template.map_or("", |it| it.state.as_str()).into(),
        template.map_or_else(String::new, |it| value(&it.value)).into(),
        of(|it| Some(it.standing.as_str())),
        of(|it| it.ticket.as_deref()),
        of(|it| it.until.as_deref()),
        of(|it| Some(&*it.granted_by)),
        of(|it| Some(&*it.reason)),
        Cow::Borrowed(&*cell.why),
        Cow::Borrowed(&*document.taken.at),
    ]
}

/// A value as people write it: lists with commas, nothing for null.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        other => value_text(other),
    }
}

fn row(out: &mut dyn Write, fields: &[Cow<'_, str>]) -> io::Result<()> {
    for (index, field) in fields.iter().enumerate() {
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
