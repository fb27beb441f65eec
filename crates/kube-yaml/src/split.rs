//! Splits a stream of manifests into documents, by kubectl's rules.
//!
//! kubectl looks at lines before it looks at YAML: a line that begins with `---` separates
//! two documents, and nothing but a comment may follow on it. A stream whose first
//! character is `{` is first tried as JSON objects, one after the other
//! (`k8s.io/apimachinery/pkg/util/yaml`, `YAMLOrJSONDecoder`).

use std::ops::Range;

use serde_json::Value;

use crate::Syntax;

/// A document's position in the stream. The parts cover the stream without gaps.
#[derive(Debug)]
pub struct Part {
    /// Its bytes, including the `---` before it.
    pub range: Range<usize>,
    /// How it is written.
    pub syntax: Syntax,
    /// Its value, if already known (JSON).
    pub value: Option<Value>,
}

/// A line that begins with `---` and continues with something else.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSeparator {
    /// The first byte of the line.
    pub offset: usize,
}

/// Splits the stream.
///
/// # Errors
/// The first line that begins with `---` and continues with something else.
pub fn split(text: &str) -> Result<Vec<Part>, BadSeparator> {
    let mut parts = Vec::new();
    let mut from = 0;
    if text.trim_start().starts_with('{') {
        let complete = json_objects(text, &mut parts);
        from = parts.last().map_or(0, |part: &Part| part.range.end);
        if complete {
            if let Some(last) = parts.last_mut() {
                last.range.end = text.len();
            }
            return Ok(parts);
        }
        // After one object kubectl still changes its mind, after two it does not. The YAML
        // reader then reports where the text is no longer either.
        if parts.len() == 1 {
            // The rest of the object's line belongs to it.
            let rest = text.get(from..).unwrap_or_default();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            let newline = usize::from(rest.get(blank..).is_some_and(|rest| rest.starts_with('\n')));
            from += blank + newline;
            if let Some(last) = parts.last_mut() {
                last.range.end = from;
            }
        }
    }
    yaml_documents(text, from, &mut parts)?;
    Ok(parts)
}

/// Reads JSON objects from the start of the text. True if they reach its end.
fn json_objects(text: &str, parts: &mut Vec<Part>) -> bool {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut from = 0;
    while let Some(value) = stream.next() {
        let Ok(value) = value else { return false };
        let end = stream.byte_offset();
        parts.push(Part { range: from..end, syntax: Syntax::Json, value: Some(value) });
        from = end;
    }
    true
}

/// Splits what comes after `from` at the lines that begin with `---`.
fn yaml_documents(text: &str, from: usize, parts: &mut Vec<Part>) -> Result<(), BadSeparator> {
    let mut start = from;
    let mut at = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(BadSeparator { offset: at });
            }
            if at > start {
                parts.push(Part { range: start..at, syntax: Syntax::Yaml, value: None });
            }
            start = at;
        }
        at += line.len();
    }
    if at > start {
        parts.push(Part { range: start..at, syntax: Syntax::Yaml, value: None });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        let parts = split(text).unwrap();
        assert_eq!(
            parts.iter().map(|part| &text[part.range.clone()]).collect::<String>(),
            text,
            "without gaps"
        );
        parts.iter().map(|part| &text[part.range.clone()]).collect()
    }

    #[test]
    fn lines_of_three_dashes_part_documents() {
        assert_eq!(texts("a: 1\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(texts("---\na: 1\n--- # two\nb: 2"), ["---\na: 1\n", "--- # two\nb: 2"]);
        assert_eq!(texts("a: 1\r\n---\r\nb: 2\r\n"), ["a: 1\r\n", "---\r\nb: 2\r\n"]);
        assert_eq!(texts("a: |\n  ---\n"), ["a: |\n  ---\n"]);
        assert!(texts("").is_empty());
    }

    #[test]
    fn nothing_may_follow_them() {
        assert_eq!(split("a: 1\n--- {b: 2}\n").unwrap_err(), BadSeparator { offset: 5 });
        assert_eq!(split("----\n").unwrap_err(), BadSeparator { offset: 0 });
    }

    #[test]
    fn json_objects_follow_one_another() {
        assert_eq!(texts("{\"a\":1}\n{\"b\":2}\n\n"), ["{\"a\":1}", "\n{\"b\":2}\n\n"]);
        assert_eq!(texts("{\"a\":1}\n---\nb: 2\n"), ["{\"a\":1}\n", "---\nb: 2\n"]);
        let parts = split("{a: 1}\n---\n{b: 2}\n").unwrap();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.syntax == Syntax::Yaml));
    }
}
