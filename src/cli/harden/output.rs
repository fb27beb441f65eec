//! The forms in which `harden` writes its result.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::engine::{Change, Hardened};
use crate::cli::pass;
use crate::manifest::{Document, Encoding, Workload};

/// The sources one after the other, with the changed documents in their new text.
pub(super) fn yaml(hardened: &[Hardened]) -> String {
    let mut text = String::new();
    for one in hardened {
        let new = one.new_text();
        if !text.is_empty() {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            // Two sources are two documents, whether or not the second begins with `---`.
            let begins = new.trim_start_matches(BOM).starts_with("---");
            if !begins && !new.is_empty() {
                text.push_str("---\n");
            }
            text.push_str(new.trim_start_matches(BOM));
        } else if one.source.encoding == Encoding::Utf8 {
            text = new;
        } else {
            // The output is UTF-8, and needs no byte-order mark.
            text.push_str(new.trim_start_matches(BOM));
        }
    }
    text
}

/// The byte-order mark. It belongs only at the beginning of a stream.
const BOM: char = '\u{feff}';

/// The objects as kubectl prints them: one by itself, several as a List, lists opened.
pub(super) fn json(hardened: &[Hardened]) -> String {
    let mut objects = Vec::new();
    for value in hardened.iter().flat_map(Hardened::values) {
        open_lists(value, &mut objects);
    }
    let value = match <[Value; 1]>::try_from(objects) {
        Ok([object]) => object,
        Err(objects) => json!({"apiVersion": "v1", "kind": "List", "items": objects}),
    };
    format!("{value:#}\n")
}

fn open_lists(value: &Value, objects: &mut Vec<Value>) {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    match value.get("items") {
        Some(Value::Array(items)) if kind.ends_with("List") => {
            items.iter().for_each(|item| open_lists(item, objects));
        }
        _ if value.is_null() => {}
        _ => objects.push(value.clone()),
    }
}

/// A changed document.
#[derive(Serialize, JsonSchema)]
pub(in crate::cli) struct Patched<'p> {
    /// The file, or `stdin`.
    file: &'p str,
    /// Number of the document in the file, from 1; empty documents count.
    document: Option<usize>,
    /// The document's kind.
    kind: Option<&'p Value>,
    /// The workload's namespace; empty for a list with workloads of several namespaces.
    namespace: &'p str,
    /// Its name; empty for a list.
    name: &'p str,
    /// A JSON Patch (RFC 6902) of the document, with `add` and `replace` only.
    patch: &'p [Value],
}

/// One line for each changed document.
pub(super) fn patches(hardened: &[Hardened]) -> String {
    let mut text = String::new();
    for_each_change(hardened, |one, document, change| {
        let line = Patched {
            file: &one.source.name,
            document: document.number,
            kind: document.value.get("kind"),
            namespace: &change.namespace,
            name: &change.name,
            patch: &change.patch,
        };
        // Strings and JSON values always have a JSON form.
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    });
    text
}

/// One line for each changed document, for people.
pub(super) fn list(hardened: &[Hardened]) -> String {
    let mut text = String::new();
    for_each_change(hardened, |one, document, change| {
        let changes = changes(change.fields());
        let workload =
            document.contents.workloads.first().filter(|workload| workload.at.is_empty());
        let mut place = pass::place(&one.source, document, None);
        if let Some(Workload { kind, name, .. }) = workload {
            place.push_str(&format!(", {}", pass::titled(kind, name)));
        }
        text.push_str(&format!("{place}: {changes}\n"));
    });
    text
}

/// `1 change`, `2 changes`
pub(super) fn changes(fields: usize) -> String {
    if fields == 1 { "1 change".to_owned() } else { format!("{fields} changes") }
}

/// Calls `each` with every document that changes, in order.
pub(super) fn for_each_change(
    hardened: &[Hardened],
    mut each: impl FnMut(&Hardened, &Document, &Change),
) {
    for one in hardened {
        for change in &one.changes {
            if let Some(document) = one.source.documents.get(change.document) {
                each(one, document, change);
            }
        }
    }
}
