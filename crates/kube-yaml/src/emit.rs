//! JSON values as YAML text that means the same to every reader: Kubernetes', and the readers
//! of YAML 1.2.

use serde_json::{Map, Value};

use crate::resolve::{Scalar, untagged};

/// The layout of block collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Indentation of a map, relative to the key before it.
    pub(crate) step: usize,
    /// Indentation of a list's dashes, relative to the key before them.
    pub(crate) dashes: usize,
}

impl Layout {
    /// The layout of kubectl and of most people.
    pub(crate) const COMMON: Self = Self { step: 2, dashes: 0 };
}

/// Quoting in flow collections and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// Only where needed.
    Needed,
    /// Every string but keys: KYAML.
    Strings,
    /// Every string: JSON.
    All,
}

/// A document's value as block YAML, with a newline at its end.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => members(&mut text, map, 0, Layout::COMMON),
        Value::Array(items) if !items.is_empty() => list(&mut text, items, 0, Layout::COMMON),
        other => text.push_str(&scalar(other, 0)),
    }
    text.push('\n');
    text
}

/// One member of a block map with its keys at `column`: the text from the key on, without
/// indentation before it or newline after it.
pub(crate) fn member(key: &str, value: &Value, column: usize, layout: Layout) -> String {
    let mut text = String::new();
    push_member(&mut text, key, value, column, layout);
    text
}

/// The text after the colon of a key at `column`.
pub(crate) fn after_key(value: &Value, column: usize, layout: Layout) -> String {
    let mut text = String::new();
    push_after_key(&mut text, value, column, layout);
    text
}

/// A block list's items or a block map's members, the first without indentation.
pub(crate) fn block(value: &Value, column: usize, layout: Layout) -> String {
    let mut text = String::new();
    push_item(&mut text, value, column, layout);
    text
}

fn push_member(text: &mut String, key: &str, value: &Value, column: usize, layout: Layout) {
    text.push_str(&word(key, Quotes::Needed));
    text.push(':');
    push_after_key(text, value, column, layout);
}

fn push_after_key(text: &mut String, value: &Value, column: usize, layout: Layout) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            new_line(text, column + layout.step);
            members(text, map, column + layout.step, layout);
        }
        Value::Array(items) if !items.is_empty() => {
            new_line(text, column + layout.dashes);
            list(text, items, column + layout.dashes, layout);
        }
        other => {
            text.push(' ');
            text.push_str(&scalar(other, column + layout.step));
        }
    }
}

fn members(text: &mut String, map: &Map<String, Value>, column: usize, layout: Layout) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            new_line(text, column);
        }
        push_member(text, key, value, column, layout);
    }
}

fn list(text: &mut String, items: &[Value], column: usize, layout: Layout) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            new_line(text, column);
        }
        text.push_str("- ");
        push_item(text, item, column + 2, layout);
    }
}

fn push_item(text: &mut String, value: &Value, column: usize, layout: Layout) {
    match value {
        Value::Object(map) if !map.is_empty() => members(text, map, column, layout),
        Value::Array(items) if !items.is_empty() => list(text, items, column, layout),
        other => text.push_str(&scalar(other, column)),
    }
}

fn new_line(text: &mut String, column: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', column));
}

/// A scalar or an empty collection in block context. Text of several lines becomes a
/// literal block at `column`.
fn scalar(value: &Value, column: usize) -> String {
    match value {
        Value::String(text) if is_literal(text) => literal(text, column.max(1)),
        other => flow(other, Quotes::Needed),
    }
}

/// A value on one line.
pub(crate) fn flow(value: &Value, quotes: Quotes) -> String {
    match value {
        Value::String(text) if quotes == Quotes::Needed => word(text, quotes),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, quotes)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", word(key, quotes), flow(value, quotes)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// A value over several lines, one member per line: JSON and KYAML. The first line is not
/// indented, the last is indented by `outer`, those between by one `step` more.
pub(crate) fn tall_flow(value: &Value, outer: &str, step: &str, quotes: Quotes) -> String {
    let inner = format!("{outer}{step}");
    let tall = |open: char, parts: Vec<String>, close: char| {
        // KYAML puts a comma after the last one too; JSON does not allow it.
        let last = if quotes == Quotes::All { "" } else { "," };
        format!("{open}\n{inner}{}{last}\n{outer}{close}", parts.join(&format!(",\n{inner}")))
    };
    match value {
        // KYAML puts the brackets of a list of maps on the maps' own lines.
        Value::Array(items)
            if quotes != Quotes::All && items.iter().any(|item| !is_short_flow(item)) =>
        {
            let part = |item| tall_flow(item, outer, step, quotes);
            format!("[{}]", items.iter().map(part).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) if !items.is_empty() => {
            let parts = items.iter().map(|item| tall_flow(item, &inner, step, quotes)).collect();
            tall('[', parts, ']')
        }
        Value::Object(map) if !map.is_empty() => {
            let part = |(key, value): (&String, &Value)| {
                format!("{}: {}", word(key, quotes), tall_flow(value, &inner, step, quotes))
            };
            tall('{', map.iter().map(part).collect(), '}')
        }
        other => flow(other, quotes),
    }
}

/// Whether a value needs no line of its own in KYAML's lists.
fn is_short_flow(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        _ => true,
    }
}

/// A key, or a string where only some strings are quoted.
pub(crate) fn word(text: &str, quotes: Quotes) -> String {
    if quotes != Quotes::All && is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// A double-quoted string in JSON's form, which YAML accepts too.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Whether YAML accepts the character unescaped. Line and paragraph separators are excluded:
/// YAML 1.1 breaks lines there.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether every reader takes the unquoted text for this very string, in block and in flow
/// context.
fn is_plain(text: &str) -> bool {
    let first_is_safe = match text.chars().next() {
        // Excludes indicators, and what YAML 1.1 and 1.2 readers see numbers and dates in.
        Some(c) => c.is_alphanumeric() || matches!(c, '/' | '_' | '.' | '+' | '$' | '(' | '^'),
        None => false,
    };
    let bare =
        |c: char| !matches!(c, ',' | '[' | ']' | '{' | '}' | '?' | '"' | '\'') && is_printable(c);
    first_is_safe
        && text.chars().all(bare)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !looks_like_a_number(text)
        && matches!(untagged(text), Scalar::Text(_))
}

/// Whether some reader of YAML takes the text for a number or a date. Such a text has only
/// digits, signs and the letters of hexadecimal digits and exponents.
fn looks_like_a_number(text: &str) -> bool {
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    let dotted = text.starts_with(['.', '+', '-']);
    let alone = text.bytes().all(|b| {
        b.is_ascii_hexdigit() || matches!(b, b'.' | b'_' | b':' | b'+' | b'-' | b'x' | b'o' | b'X')
    });
    let starts = text.starts_with(|c: char| c.is_ascii_digit()) || dotted;
    let date = starts && text.bytes().filter(|b| *b == b'-').count() == 2;
    digits && starts && (alone || date)
}

/// Whether the text can stand in a literal block as it is.
fn is_literal(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !text.ends_with("\n\n")
        && !lines.starts_with([' ', '\t', '\n'])
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        && lines.split('\n').all(|line| line.trim_end() == line && !line.starts_with('\t'))
}

fn literal(text: &str, column: usize) -> String {
    let (lines, mark) = match text.strip_suffix('\n') {
        Some(lines) => (lines, "|"),
        None => (text, "|-"),
    };
    let mut block = mark.to_owned();
    for line in lines.split('\n') {
        if line.is_empty() {
            block.push('\n');
        } else {
            new_line(&mut block, column);
            block.push_str(line);
        }
    }
    block
}
