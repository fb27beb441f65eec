#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::parse;
use crate::error::ErrorKind::*;

#[test]
fn what_kubernetes_refuses_is_refused_with_its_place() {
    let long = format!("{}: 1\n", "a".repeat(1100));
    for (text, at, kind) in [
        (long.as_str(), 1100, Value),
        ("a:\n  b\nc\n", 7, NoColon),
        ("%TAG ! tag:x\na: 1\n", 0, Directive),
        ("a: %b\n", 3, NoToken),
        ("a: @b\n", 3, NoToken),
        ("a: - b\n", 3, Entry),
        ("a: ? b\n", 3, Key),
        ("a: b: c\n", 4, Value),
        ("a: &b.c d\n", 3, Name),
        ("a: & b\n", 3, Name),
        ("a: *b\n", 3, UnknownAnchor("b".to_owned())),
        ("a: !#seq\n", 3, Tag),
        ("a: !b!c d\n", 3, Tag),
        ("a: !<b c\n", 3, Tag),
        ("a: !! c\n", 3, Tag),
        ("a: !b%20c d\n", 3, Tag),
        ("a: 'b\n---\n'\n", 6, MarkerInQuotes),
        ("a: \"b\n", 3, OpenQuotes),
        ("a: \"b\\/\"\n", 5, Escape('/')),
        ("a: \"\\u12\"\n", 4, Escape('u')),
        ("a: [b, {c: d\n]\n", 13, InFlowMapping),
        ("a: [b, {c: d\n", 7, OpenBracket('{')),
        ("a: [b, [\n\n", 7, OpenBracket('[')),
        ("a: \"\\ud83d\\ude00\"\n", 4, EscapedSurrogate),
        ("a: |0\n  b\n", 4, ZeroIndentation),
        ("a: | b\n", 5, BlockHeader),
        ("a: [- b]\n", 4, NoContent),
        ("...\na: 1\n", 0, EarlyEnd),
        ("- a\nb: c\n", 4, InBlockSequence),
        ("a: 'b' 'c'\n", 7, InBlockMapping),
        ("a: ['b' 'c']\n", 8, InFlowSequence),
        ("a: [? : b]\n", 8, InFlowSequence),
        ("a: {'b' 'c'}\n", 8, InFlowMapping),
        ("{b: 'c':d}\n", 7, InFlowMapping),
        ("{a:[b]}\n", 3, InFlowMapping),
        ("{a\n: b}\n", 3, InFlowMapping),
        ("{a: 1} b: c\n", 7, InBlockMapping),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.offset, error.kind), (at, kind), "{text:?}");
    }
    assert_eq!(parse(&"[".repeat(2000)).unwrap_err().kind, TooDeep);
}

#[test]
fn a_tab_that_kubernetes_refuses_is_found() {
    for text in [
        "a: \"x\"\n\t\nb: 1\n",
        "a: x\n\t\nb: 1\n",
        "a:\n  - x\n  \t\nb: 1\n",
        "a:\n  b: x\n  \t\nc: 1\n",
        "a: \"x\"\n  \t\nb: 1\n",
        "a:\n-\tx\n",
        "a:\n- \tx\n",
        "a:\n-\t b: 1\n",
        "a:\n-\t\n  b: 1\n",
        "a:\n-\t\r\n  b: 1\r\n",
        "? a\n:\t\n  b: 1\n",
        "a: 1\n\t# c\nb: 1\n",
        "a: {}\n\t\nb: 1\n",
        "a: [b\r\t\n  0]\n",
        "a: |\n  x\n\t\nb: 1\n",
        "a: |\n  x\n \t\nb: 1\n",
        "a: x # c\n  \t\nb: 1\n",
        "a:\n\t\n  b: 1\n",
        "\t\na: 1\n",
        "a:\n- x\n\t\n- y\n",
        "? \tx\n: y\n",
        "a: 1\n\t",
        "a:\n  \t",
        "a: x\r\t\nb: 1\n",
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((Some(error.offset), error.kind), (text.find('\t'), Tab), "{text:?}");
    }
}

/// Text that YAML 1.2 readers read differently, or not at all.
#[test]
fn what_is_yaml_1_1_alone_is_read() {
    for (text, expected) in [
        ("{a:}", json!({"a:": null})),
        ("{a :}", json!({"a :": null})),
        ("[?a]", json!([{"a": null}])),
        ("a: 1\n...\n][", json!({"a": 1})),
    ] {
        let tree = parse(text).unwrap();
        assert_eq!(crate::decode::decode(&tree).unwrap().0, expected, "{text}");
    }
}
