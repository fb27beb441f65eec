//! What the readers of YAML 1.1 and 1.2 both take, and take for different things.
//!
//! Such a text would be one thing in the cluster and another here, so it is refused.
//! Random texts, read here and by Kubernetes, showed where the two part. This is not all of it:
//! what is left [`super::witness`] finds, but it cannot say as well what to write instead.

use granit_parser::ScalarStyle;

use super::characters::BOM;
use super::tree::{Kind, Node, NodeId, SyntaxError, Tree};

/// What YAML 1.1 and 1.2 both read in a flow collection, and read differently.
pub(super) fn find(tree: &Tree, text: &str) -> Option<SyntaxError> {
    let error = |message: &str, offset| Some(SyntaxError { message: message.to_owned(), offset });
    let check = |id: NodeId, is_key: bool| {
        let node = tree.node(id);
        let after = text.get(node.range.end..)?;
        if is_key && !on_one_line(text, node) {
            return error("a key and its `:` must stand on one line", node.range.start);
        }
        let Kind::Scalar { text, style: ScalarStyle::Plain } = &node.kind else { return None };
        let bare = after.trim_start().strip_prefix(':').unwrap_or_default();
        if is_key && bare.starts_with([',', '[', ']', '{', '}']) {
            return error("there must be a space after this `:`", node.range.end);
        }
        // To YAML 1.1 a `?` ends a word here, wherever it stands.
        if text.contains('?') {
            return error("what has a `?` in it must be quoted here", node.range.start);
        }
        if text.starts_with(':') {
            return error("what begins with `:` must be quoted here", node.range.start);
        }
        if !node.tag.is_empty() && node.range.is_empty() {
            return error("a tag must be followed by a value here", node.range.start);
        }
        None
    };
    tree.nodes.iter().find_map(|node| match &node.kind {
        Kind::Mapping { flow: true, entries } => entries
            .iter()
            .find_map(|&(key, value)| check(key, true).or_else(|| check(value, false))),
        Kind::Sequence { flow: true, items } => items.iter().find_map(|&item| check(item, false)),
        _ => None,
    })
}

/// Whether a key in a flow collection stands on one line, with the colon after it if there
/// is one. A key behind a `?` need not.
fn on_one_line(text: &str, key: &Node) -> bool {
    let start = key.properties.unwrap_or(key.range.start).min(key.range.start);
    let explicit = text.get(..start).is_some_and(|before| before.trim_end().ends_with('?'));
    let mut colon = key.range.end;
    while let Some(rest) = text.get(colon..) {
        colon += rest.len() - rest.trim_start().len();
        match text.get(colon..) {
            Some(rest) if rest.starts_with('#') => {
                colon += rest.find('\n').unwrap_or(rest.len());
            }
            Some(rest) if rest.starts_with(':') => break,
            _ => return true,
        }
    }
    explicit || text.get(start..colon).is_none_or(|text| !text.contains(['\n', '\r']))
}

/// Where a double-quoted text has an escape that YAML 1.2 took over from JSON, and that
/// Kubernetes refuses: `\/`.
pub(super) fn new_escape(tree: &Tree, text: &str) -> Option<usize> {
    tree.nodes.iter().find_map(|node| {
        if !matches!(node.kind, Kind::Scalar { style: ScalarStyle::DoubleQuoted, .. }) {
            return None;
        }
        let mut escaped = false;
        let written = text.get(node.range.clone())?;
        written.char_indices().find_map(|(at, c)| {
            let found = escaped && c == '/';
            escaped = !escaped && c == '\\';
            found.then(|| node.range.start + at - 1)
        })
    })
}

/// Where a document's end, `...`, stands before anything has begun one.
pub(super) fn early_end(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let said = line.trim_start_matches(BOM).trim();
        if said.split([' ', '\t']).next() == Some("...")
            && line.trim_start_matches(BOM).starts_with('.')
        {
            return Some(start);
        }
        if !said.is_empty() && !said.starts_with('#') {
            return None;
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        for text in [
            "{a:}",
            "{a :}",
            "{a:[b]}",
            "{a: {b:,}}",
            "[?a]",
            "{:?}",
            "[:a]",
            "{a: !b, c: d}",
            "a: &b.c d",
        ]
        .into_iter()
        .chain(["{a\n: b}", "{\"a\n\": b}", "{a # c\n : b}", "{x: {.\n: }}"])
        {
            assert!(Tree::parse(text).is_err(), "{text}");
        }
        for text in [
            "{a: b}",
            "{\"a\":b}",
            "{a\n, b: c}",
            "{? a\n: b}",
            "{a : b}",
            "{a:\n b}",
            "{a: , b: c}",
            "{a: !b c}",
            "a: &b-c d",
            "a: ?b",
        ] {
            Tree::parse(text).unwrap();
        }
    }

    #[test]
    fn an_end_before_a_beginning_is_found() {
        for (text, at) in [
            ("...\nkind: Pod\n", Some(0)),
            ("# c\n\n... # d\na: 1\n", Some(5)),
            ("---\n...\n", None),
            ("a: 1\n...\n...\n", None),
            ("...a: 1\n", None),
        ] {
            assert_eq!(early_end(text), at, "{text:?}");
        }
    }

    #[test]
    fn an_escaped_slash_is_found() {
        for (text, at) in [
            (r#"a: "b\\/c""#, None),
            (r#"a: "b\/c""#, Some(5)),
            (r#"[a, "b\\\/c"]"#, Some(8)),
            (r"a: 'b\/c'", None),
            (r"a: b\/c", None),
        ] {
            assert_eq!(new_escape(&Tree::parse(text).unwrap(), text), at, "{text}");
        }
    }
}
