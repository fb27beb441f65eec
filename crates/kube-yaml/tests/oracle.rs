//! What YAML 1.1 and 1.2 both read, and read alike: a parser of the latter is the oracle.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where"
)]

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, options};
use kube_yaml::{Kind, Node, Style, Tree};

/// A node: what it is, its tag, whether it has an anchor, and where it begins.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    what: String,
    tag: String,
    anchored: bool,
    /// `None` for what is not written, and for what is in block style: the two readers place
    /// these differently.
    start: Option<usize>,
}

fn ours(text: &str) -> Vec<Seen> {
    let tree = Tree::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let seen = |node: &Node<'_>| {
        let (what, placed) = match &node.kind {
            Kind::Scalar { text, style } => {
                (format!("{style:?} {text:?}"), !matches!(style, Style::Literal | Style::Folded))
            }
            Kind::Sequence { flow, .. } => (format!("sequence {flow}"), *flow),
            // In `[a: b]` the map has no bracket of its own.
            Kind::Mapping { flow, .. } => {
                let bracket =
                    text.get(node.range.start..).is_some_and(|text| text.starts_with('{'));
                (format!("mapping {flow}"), *flow && bracket)
            }
            Kind::Alias { target } => (format!("alias {target}"), true),
        };
        let start = (placed && !node.range.is_empty()).then_some(node.range.start);
        Seen { what, tag: node.tag.to_string(), anchored: node.anchored, start }
    };
    tree.nodes().map(seen).collect()
}

fn theirs(text: &str) -> Vec<Seen> {
    let options = options! { emit_anchor_events: true };
    let mut seen: Vec<Seen> = Vec::new();
    let mut anchors = HashMap::new();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.unwrap_or_else(|error| panic!("{text:?}: {}", error.info()));
        let range = span.byte_range().unwrap_or_default();
        let tag = event.tag().map(|tag| match tag.suffix_in_namespace("tag:yaml.org,2002:") {
            Some(suffix) => suffix.into_owned(),
            None => format!("{}{}", tag.handle(), tag.suffix()),
        });
        let (what, anchor, placed) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let unwritten = range.is_empty() && text == "~";
                let text = if unwritten { "".into() } else { text };
                let placed = !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                (format!("{style:?} {text:?}"), anchor, placed && !unwritten)
            }
            Event::SequenceStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                (format!("sequence {flow}"), anchor, flow)
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                (format!("mapping {flow}"), anchor, flow)
            }
            Event::Alias(anchor) => (format!("alias {}", anchors[&anchor]), 0, true),
            // The text goes on after its first document, and Kubernetes reads no further.
            Event::DocumentEnd => break,
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, seen.len());
        }
        let start = (placed && !range.is_empty()).then_some(range.start);
        seen.push(Seen { what, tag: tag.unwrap_or_default(), anchored: anchor != 0, start });
    }
    seen
}

#[test]
fn what_both_read_alike_is_the_same_tree() {
    for text in [
        // Tabs.
        "a: x\n  \t\nb: 1\n",
        "a:\n  b: x\n   \t\nc: 1\n",
        "a:\tx\nb: 1\n",
        "a:\t\n  b: 1\n",
        "a: {b: c,\n\td: e}\n",
        "a: {} \t\nb: 1\n",
        "a: |\n  x\n  \t\nb: 1\n",
        "a: |\n  x\n  \ty\n",
        "a: \"x\n\ty\"\n",
        "a:\n- x\n \t\n- y\n",
        "a: !!str\tx\n",
        "a: 1\t# c\n",
        "a: x\n\n \t\n\nb: 1\n",
        // What is empty.
        "",
        "# c\n",
        "a:\n",
        "a: !!str\nb: &c\n",
        "- \n-\n",
        "? a\n? b\n",
        "a: [{b: }, {c}, {? d}]\n",
        // Lines.
        "\u{feff}a: 1\n",
        "---\r\na: |\r\n  b\r\n\r\n  c\r\n",
        "a: >\n\n  b\n  c\n\n   d\n  e\n\n\nf: >-\n  g\n",
        "a: |2+\n   b\n\nc: |-\n  d\n\n",
        "a: b\n  c\n\n  d\n",
        "a: \"b \\\n   c\n\n  d\\\n\n  e \"\n",
        "a: 'b\n\n  it''s  '\n",
        "a: 1\n...\nb: [\n",
        // Escapes, anchors, tags, flow.
        r#"a: "\0\a\b\t\n\v\f\r\e\N\_\L\P\x41\u00e9\U0001F600\"\\""#,
        "a: &x {b: 1}\nc: *x\nd: [*x , {<<: *x}]\n",
        "a: !!int '1'\nb: !c d\ne: !<tag:yaml.org,2002:str> 1\nf: ! g\n",
        "{a: b, \"c\":d, 'e' : [f, g: h, ], i, ? j : k}\n",
        "a: [b\n  c, d # e\n  ]\n",
        "? - a\n: b\n",
        "- - a\n  - b: c\n    d:\n    - e\n- f\n",
    ] {
        assert_eq!(ours(text), theirs(text), "{text:?}");
    }
}
