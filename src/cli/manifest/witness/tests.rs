#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::tree::Tree;
use super::{find, parser};

#[test]
fn what_kubernetes_refuses_is_found_and_said() {
    let long = format!("{}: 1\n", "a".repeat(1100));
    for (text, at, part) in [
        (long.as_str(), 1100, "refuses what begins here"),
        ("a:\n  b\nc\n", 7, "refuses what begins here"),
        ("%TAG ! tag:x\na: 1\n", 0, "refuses what begins here"),
        ("a: %b\n", 3, "refuses what begins here"),
        ("a: @b\n", 3, "refuses what begins here"),
        ("a: - b\n", 3, "refuses what begins here"),
        ("a: ? b\n", 3, "refuses what begins here"),
        ("a: b: c\n", 4, "refuses what begins here"),
        ("a: &b.c d\n", 3, "refuses what begins here"),
        ("a: & b\n", 3, "refuses what begins here"),
        ("a: *b\n", 3, "unknown anchor"),
        ("a: !#seq\n", 3, "no such tag"),
        ("a: !b!c d\n", 3, "no such tag"),
        ("a: !<b c\n", 3, "no such tag"),
        ("a: !! c\n", 3, "no such tag"),
        ("a: !b%20c d\n", 3, "no such tag"),
        ("a: 'b\n---\n'\n", 6, "refuses what begins here"),
        ("a: \"b\n", 3, "refuses what begins here"),
        ("a: \"b\\/\"\n", 5, "refuses what begins here"),
        ("a: \"\\u12\"\n", 4, "refuses what begins here"),
        ("a: \"\\ud83d\\ude00\"\n", 4, "half a character"),
        ("a: |0\n  b\n", 4, "refuses what begins here"),
        ("a: | b\n", 5, "refuses what begins here"),
        ("a: [- b]\n", 4, "refuses what begins here"),
        ("...\na: 1\n", 0, "refuses what begins here"),
        ("- a\nb: c\n", 4, "refuses what begins here"),
        ("a: 'b' 'c'\n", 7, "refuses what begins here"),
        ("a: ['b' 'c']\n", 8, "refuses what begins here"),
        ("a: [? : b]\n", 8, "refuses what begins here"),
        ("a: {'b' 'c'}\n", 8, "refuses what begins here"),
        ("{b: 'c':d}\n", 7, "refuses what begins here"),
    ] {
        let error = parser::parse(text).unwrap_err();
        assert!(error.message.contains(part), "{text:?}: {}", error.message);
        assert_eq!(error.offset, at, "{text:?}: {}", error.message);
    }
    let deep = parser::parse(&"[".repeat(2000)).unwrap_err();
    assert_eq!(deep.message, "the document is nested too deeply");
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
        let error = find(&Tree::parse(text).unwrap(), text).unwrap();
        assert_eq!(error.message, "Kubernetes refuses a tab here", "{text:?}");
        assert_eq!(Some(error.offset), text.find('\t'), "{text:?}");
    }
}

#[test]
fn what_both_read_alike_is_not() {
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
        "---\n",
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
        let found = find(&Tree::parse(text).unwrap(), text);
        assert!(found.is_none(), "{text:?}: {found:?}");
    }
}

/// What the two readers make of one text, played by two texts.
#[test]
fn what_they_read_differently_is_found() {
    for (first, second, at, part) in [
        ("a: 'b  c'\n", "a: 'b c'\n", 3, "reads \"b c\" here, and readers of YAML 1.2 \"b  c\""),
        ("a: 'b'\n", "a: b\n", 3, "reads this otherwise"),
        ("a: [b, c]\n", "a: [b, c, d]\n", 3, "reads this otherwise"),
        ("a: {b: c}\n", "a: {b: c, d: e}\n", 3, "reads this otherwise"),
        ("a: [b]\n", "a: {b}\n", 3, "reads this otherwise"),
        ("a: !!str 1\n", "a: 1\n", 9, "reads this otherwise"),
        ("- &a b\n- &c d\n- *c\n", "- &a b\n- &c d\n- *a\n", 16, "reads this otherwise"),
        ("a:\n", "", 0, "reads this otherwise"),
        ("", "a: b\n", 0, "reads this otherwise"),
    ] {
        let error = find(&Tree::parse(first).unwrap(), second).unwrap();
        assert!(error.message.contains(part), "{first:?}: {}", error.message);
        assert_eq!(error.offset, at, "{first:?}: {}", error.message);
    }
}
