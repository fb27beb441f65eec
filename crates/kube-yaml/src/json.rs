//! The tree of a JSON text. YAML 1.1 is no superset of JSON: go-yaml refuses `\/`, escaped
//! surrogates and keys of more than 1024 characters. Kubernetes reads a stream that begins with
//! `{` by Go's `encoding/json` instead.

use std::borrow::Cow;
use std::ops::Range;

use crate::tree::{Kind, Node, NodeId, Style, Tree};

/// The tree of a text that serde_json has accepted. For any other text, as much as was
/// understood.
pub(crate) fn parse(text: &str) -> Tree<'_> {
    let mut parser = Parser { text, at: 0, line: 0, counted: (0, 0), nodes: Vec::new() };
    let root = parser.value();
    Tree { nodes: parser.nodes, root, unread: None, comments: Vec::new() }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// Start of the line.
    line: usize,
    /// A place, and its column: a whole text may be one line, which is counted once.
    counted: (usize, usize),
    nodes: Vec<Node<'t>>,
}

impl<'t> Parser<'t> {
    /// The next byte that is not blank.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\n' => self.line = self.at + 1,
                b' ' | b'\t' | b'\r' => {}
                byte => return Some(*byte),
            }
            self.at += 1;
        }
        None
    }

    fn takes(&mut self, wanted: u8) -> bool {
        let is = self.next() == Some(wanted);
        self.at += usize::from(is);
        is
    }

    fn push(&mut self, kind: Kind<'t>, range: Range<usize>, column: usize) -> NodeId {
        self.nodes.push(Node::new(kind, range, column));
        self.nodes.len() - 1
    }

    fn value(&mut self) -> Option<NodeId> {
        let first = self.next()?;
        let start = self.at;
        let (from, before) =
            if self.counted.0 >= self.line { self.counted } else { (self.line, 0) };
        let column = before + self.text.get(from..start).map_or(0, |text| text.chars().count());
        self.counted = (start, column);
        match first {
            b'{' => {
                let map = Kind::Mapping { flow: true, entries: Vec::new() };
                let id = self.push(map, start..start, column);
                self.at += 1;
                while !self.takes(b'}') {
                    self.takes(b',');
                    let key = self.value()?;
                    self.takes(b':');
                    let value = self.value()?;
                    if let Some(Kind::Mapping { entries, .. }) = self.kind(id) {
                        entries.push((key, value));
                    }
                }
                self.close(id);
                Some(id)
            }
            b'[' => {
                let list = Kind::Sequence { flow: true, items: Vec::new() };
                let id = self.push(list, start..start, column);
                self.at += 1;
                while !self.takes(b']') {
                    self.takes(b',');
                    let item = self.value()?;
                    if let Some(Kind::Sequence { items, .. }) = self.kind(id) {
                        items.push(item);
                    }
                }
                self.close(id);
                Some(id)
            }
            b'"' => {
                let mut escaped = false;
                let rest = self.text.as_bytes().get(start + 1..)?;
                let end = rest.iter().position(|byte| {
                    let ends = !escaped && *byte == b'"';
                    escaped = !escaped && *byte == b'\\';
                    ends
                })?;
                self.at += end + 2;
                let written = self.text.get(start..self.at)?;
                let inner = self.text.get(start + 1..self.at - 1)?;
                let text = if inner.contains('\\') {
                    Cow::Owned(serde_json::from_str(written).ok()?)
                } else {
                    Cow::Borrowed(inner)
                };
                let style = Style::DoubleQuoted;
                Some(self.push(Kind::Scalar { text, style }, start..self.at, column))
            }
            _ => {
                let rest = self.text.get(start..)?;
                let word = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']);
                let text =
                    rest.get(..word.unwrap_or(rest.len())).filter(|text| !text.is_empty())?;
                self.at += text.len();
                let kind = Kind::Scalar { text: Cow::Borrowed(text), style: Style::Plain };
                Some(self.push(kind, start..self.at, column))
            }
        }
    }

    fn kind(&mut self, id: NodeId) -> Option<&mut Kind<'t>> {
        self.nodes.get_mut(id).map(|node| &mut node.kind)
    }

    fn close(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.range.end = self.at;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_value_is_where_it_stands() {
        let text = "{\n\t\"a\\/b\" :[1.5, \"\\ud83d\\ude00\" ,{}],\n\"c\": null}";
        let tree = parse(text);
        for (pointer, begins) in [
            ("", "{"),
            ("/a~1b/0", "1.5"),
            ("/a~1b/1", "\"\\ud"),
            ("/a~1b/2", "{}"),
            ("/c", "\"c\""),
        ] {
            let offset = tree.offset_of(pointer);
            assert!(text.get(offset..).unwrap().starts_with(begins), "{pointer} {offset}");
        }
        let texts: Vec<_> = tree.nodes.iter().filter_map(Node::key_name).collect();
        assert_eq!(texts, ["a/b", "1.5", "😀", "c"]);
        assert_eq!(tree.node(1).column, 1);
        assert_eq!(tree.node(0).range, 0..text.len());
    }

    #[test]
    fn a_column_is_of_characters_from_the_lines_start() {
        let text = "{\"é\": [\"ü\",\n \"x\", {\"é\":\"😀\"}], \"y\": 1}";
        let tree = parse(text);
        for node in &tree.nodes {
            let before = text.get(..node.range.start).unwrap().rsplit('\n').next().unwrap();
            assert_eq!(node.column, before.chars().count(), "{node:?}");
        }
    }

    #[test]
    fn what_is_no_json_ends_somewhere() {
        for text in ["", "{", "[1", "\"a", "{\"a\" 1}", "[,]", "{]", "nul", "{\"\\x\": 1}"] {
            parse(text);
        }
    }
}
