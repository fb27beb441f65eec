#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Edited;
use crate::emit::{self, Quotes};
use crate::tree::escape;
use crate::{Error, Syntax, read, split};

/// How a text's first document is written, and its value.
fn first(text: &str) -> Result<(Syntax, Value), Error> {
    let part = split(text).unwrap().swap_remove(0);
    read(&text[part.range], part.syntax).map(|document| (part.syntax, document.value))
}

/// Applies one patch to a text of one document.
fn apply(text: &str, patch: Value) -> Edited {
    let (syntax, value) = first(text).unwrap();
    super::apply(text, syntax, &value, patch.as_array().unwrap()).unwrap()
}

fn add(text: &str, path: &str, value: Value) -> String {
    let edited = apply(text, json!([{"op": "add", "path": path, "value": value}]));
    assert_eq!(edited.rewritten, Vec::<String>::new(), "{text}");
    edited.text
}

/// A scalar that keeps its last lines owns them, whatever comes below it.
#[test]
fn what_a_scalar_keeps_stays_its_own() {
    for (text, path, expected) in [
        ("a:\n  x: |+\n    1\n\nb: 2 # b\n", "/a/z", "a:\n  x: |+\n    1\n\n  z: 0\nb: 2 # b\n"),
        (
            "a:\n  - x: >+\n      1\n\n  # b\n  - b: 2\n",
            "/a/0/z",
            "a:\n  - x: >+\n      1\n\n    z: 0\n  # b\n  - b: 2\n",
        ),
        (
            "a:\n  x:\n  - |+ # c\n    1\n\n  z: 2\n",
            "/a/x/-",
            "a:\n  x:\n  - |+ # c\n    1\n\n  - 0\n  z: 2\n",
        ),
        ("a:\n  x: |2+\n     1\n\n\n", "/a/z", "a:\n  x: |2+\n     1\n\n\n  z: 0\n"),
        (
            "a:\n  x: |+\n    1\n  \n      \nb: 2\n",
            "/a/z",
            "a:\n  x: |+\n    1\n  \n      \n  z: 0\nb: 2\n",
        ),
        ("a:\n  x: |+\n    1\nb: 2\n", "/a/z", "a:\n  x: |+\n    1\n  z: 0\nb: 2\n"),
        (
            "a:\r\n  x: |+\r\n    1\r\n\r\nb: 2\r\n",
            "/a/z",
            "a:\r\n  x: |+\r\n    1\r\n\r\n  z: 0\r\nb: 2\r\n",
        ),
        ("a:\n  x: |+\n\nb: 2\n", "/a/z", "a:\n  x: |+\n\n  z: 0\nb: 2\n"),
    ] {
        assert_eq!(add(text, path, json!(0)), expected, "{text}");
    }
}

#[test]
fn a_member_comes_after_the_last_one() {
    for (text, expected) in [
        ("a: 1\n", "a: 1\nb:\n  c: 2\n"),
        ("a: 1", "a: 1\nb:\n  c: 2"),
        ("a: 1 # one\n# two\n", "a: 1 # one\nb:\n  c: 2\n# two\n"),
        ("a: x # one\n     # goes on\n", "a: x # one\n     # goes on\nb:\n  c: 2\n"),
        ("a:\n    x: 1\n\n\n", "a:\n    x: 1\nb:\n    c: 2\n\n\n"),
        ("a: |\n  x\n\n# two\n", "a: |\n  x\nb:\n  c: 2\n\n# two\n"),
        ("a: |+\n  x\n\n", "a: |+\n  x\n\nb:\n  c: 2\n"),
        ("a: >-\n  x\n  y\n", "a: >-\n  x\n  y\nb:\n  c: 2\n"),
        ("a:\n- 1\n", "a:\n- 1\nb:\n  c: 2\n"),
        ("a:\n", "a:\nb:\n  c: 2\n"),
        ("---\na: 1\n...\n", "---\na: 1\nb:\n  c: 2\n...\n"),
        ("{a: 1}\n", "{a: 1, b: {c: 2}}\n"),
        ("{a: 1,}\n", "{a: 1, b: {c: 2},}\n"),
        ("{\n  a: 1, # one\n}\n", "{\n  a: 1, # one\n  b: {\n    c: 2,\n  },\n}\n"),
        ("{\n  a: 1 # one\n}\n", "{\n  a: 1, # one\n  b: {\n    c: 2,\n  }\n}\n"),
        ("{\"a\":1}", "{\"a\":1,\"b\":{\"c\":2}}"),
        ("{\n\t\"a\": 1\n}", "{\n\t\"a\": 1,\n\t\"b\": {\n\t\t\"c\": 2\n\t}\n}"),
    ] {
        assert_eq!(add(text, "/b", json!({"c": 2})), expected, "{text:?}");
    }
}

#[test]
fn what_is_empty_is_filled_where_it_stands() {
    for (text, expected) in [
        ("a:\nz: 1\n", "a:\n  b: 1\nz: 1\n"),
        ("a: # why\nz: 1\n", "a: # why\n  b: 1\nz: 1\n"),
        ("a: null   # why\nz: 1\n", "a:   # why\n  b: 1\nz: 1\n"),
        ("a: {}\nz: 1\n", "a:\n  b: 1\nz: 1\n"),
        ("a:\n  {}\nz: 1\n", "a:\n  b: 1\nz: 1\n"),
        ("{a: , z: 1}\n", "{a: {b: 1} , z: 1}\n"),
        ("{a: {}, z: 1}\n", "{a: {b: 1}, z: 1}\n"),
        ("{\"a\":null}", "{\"a\":{\"b\":1}}"),
        ("a: { # none\n}\nz: 1\n", "a: {b: 1 # none\n}\nz: 1\n"),
        ("{a: { # none\n  }, z: 1}\n", "{a: {b: 1 # none\n  }, z: 1}\n"),
    ] {
        assert_eq!(add(text, "/a", json!({"b": 1})), expected, "{text:?}");
    }
}

#[test]
fn an_item_comes_after_the_last_one() {
    for (text, expected) in [
        ("a:\n- x\nz: 1\n", "a:\n- x\n- k: 1\n  m: 2\nz: 1\n"),
        ("a:\n  - x # one\n  # end\n", "a:\n  - x # one\n  - k: 1\n    m: 2\n  # end\n"),
        ("a:\n  -   x: 1\n      y: 2\n", "a:\n  -   x: 1\n      y: 2\n  -   k: 1\n      m: 2\n"),
        ("a:\n-\n  x: 1\n", "a:\n-\n  x: 1\n- k: 1\n  m: 2\n"),
        ("a:\n  - # one\n    x: 1\n", "a:\n  - # one\n    x: 1\n  - k: 1\n    m: 2\n"),
        ("a:\n- &x y\n- *x\n", "a:\n- &x y\n- *x\n- k: 1\n  m: 2\n"),
        ("a: [x, y]\n", "a: [x, y, {k: 1, m: 2}]\n"),
    ] {
        assert_eq!(add(text, "/a/-", json!({"k": 1, "m": 2})), expected, "{text:?}");
    }
}

/// Before the first item, and before what is said of it.
#[test]
fn an_item_comes_where_it_is_inserted() {
    for (text, at, expected) in [
        ("a:\n# b\n- b: 1\n- c\n", 0, "a:\n- 0\n# b\n- b: 1\n- c\n"),
        ("x:\n  a: # of a\n    -  b # of b\n", 0, "x:\n  a: # of a\n    -  0\n    -  b # of b\n"),
        ("a:\n- b\n  # of b\n# of c\n- c\n", 1, "a:\n- b\n  # of b\n- 0\n# of c\n- c\n"),
        ("a:\n- b\n", 1, "a:\n- b\n- 0\n"),
        ("a: [b, c]\n", 0, "a: [0, b, c]\n"),
        ("a: [b, c]\n", 1, "a: [b, 0, c]\n"),
        (
            "{\n  \"a\": [\n    {\"b\": 1}\n  ]\n}\n",
            0,
            "{\n  \"a\": [\n    0,\n    {\"b\": 1}\n  ]\n}\n",
        ),
        ("{\"a\":[{\"b\":1}]}", 0, "{\"a\":[0,{\"b\":1}]}"),
        ("a: &a\n- &b b\nc: *a\n", 0, "a: &a\n- 0\n- &b b\nc: *a\n"),
    ] {
        let path = if text.starts_with('x') { "/x/a" } else { "/a" };
        let edited =
            apply(text, json!([{"op": "add", "path": format!("{path}/{at}"), "value": 0}]));
        if text.contains("*a") {
            assert_ne!(edited.rewritten, Vec::<String>::new(), "{text}");
            continue;
        }
        assert_eq!((edited.text.as_str(), edited.rewritten.len()), (expected, 0), "{text}");
    }
    // Both in their order, one after the other.
    let patch = json!([
        {"op": "add", "path": "/a/0", "value": {"x": 1}},
        {"op": "add", "path": "/a/1", "value": {"z": 2}},
    ]);
    let edited = apply("a:\n# b\n- b: 1\n", patch);
    assert_eq!(edited.text, "a:\n- x: 1\n- z: 2\n# b\n- b: 1\n");
}

#[test]
fn a_scalar_is_replaced_alone() {
    for (text, expected) in [
        ("a: 0 # root\n", "a: 1000 # root\n"),
        ("a:   0\n", "a:   1000\n"),
        ("\"a\" : 0\n", "\"a\" : 1000\n"),
        ("{a: 0}\n", "{a: 1000}\n"),
        ("a: 0\na: 1\n", "a: 0\na: 1000\n"),
        ("a: !!int '0'\n", "a: !!int 1000\n"),
    ] {
        let edited = apply(text, json!([{"op": "replace", "path": "/a", "value": 1000}]));
        assert_eq!((edited.text.as_str(), edited.rewritten.len()), (expected, 0), "{text:?}");
    }
}

#[test]
fn a_list_loses_only_what_it_must() {
    let replace = |text, value: Value| {
        let edited = apply(text, json!([{"op": "replace", "path": "/a", "value": value}]));
        assert!(edited.rewritten.is_empty(), "{}", edited.text);
        edited.text
    };
    let text = "a:\n- x # one\n- v\n# z\n- z\nb: 1\n";
    assert_eq!(replace(text, json!(["v", "z"])), "a:\n# one\n- v\n# z\n- z\nb: 1\n");
    assert_eq!(replace(text, json!(["x"])), "a:\n- x # one\n# z\nb: 1\n");
    assert_eq!(replace(text, json!(["v", "w"])), "a:\n# one\n- v\n- w\n# z\nb: 1\n");
    assert_eq!(replace(text, json!([])), "a: []\n# one\n# z\nb: 1\n");
    assert_eq!(replace(text, json!(["w"])), "a:\n- w # one\n# z\nb: 1\n");
    assert_eq!(replace("a: [x, v]\n", json!(["v"])), "a: [v]\n");
}

#[test]
fn what_cannot_be_edited_is_written_anew_and_said() {
    // An explicit key has no place after it that this editor knows.
    let text = "# top\nx:\n  ? a\n  : 1\ny: 2 # two\n";
    let edited = apply(text, json!([{"op": "replace", "path": "/x/a", "value": {"b": 1}}]));
    assert_eq!(edited.text, "# top\nx:\n  a:\n    b: 1\ny: 2 # two\n");
    assert_eq!(edited.rewritten, ["/x"]);
}

#[test]
fn a_patch_that_does_not_apply_changes_nothing() {
    let patch = [json!({"op": "add", "path": "/x/y", "value": 1})];
    assert!(super::apply("a: 1\n", Syntax::Yaml, &json!({"a": 1}), &patch).is_err());
}

/// Texts that some reader misreads, and ordinary ones.
fn text() -> impl Strategy<Value = String> {
    const TRICKY: &[&str] = &[
        "",
        "yes",
        "No",
        "on",
        "y",
        "~",
        "null",
        "0644",
        "0o17",
        "1e3",
        "1_000",
        "0x1f",
        "12:30",
        "2001-01-01",
        ".5",
        ".inf",
        "+1",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "a:",
        ": a",
        "'a'",
        "\"a\"",
        "{a}",
        "[a",
        "a, b",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "?",
        "<<",
        "=",
        " a",
        "a ",
        "a\nb",
        "a\nb\n",
        "\n",
        "a\n\n\nb\n\n",
        "\ta",
        "a\tb",
        "é",
        "\u{1f600}",
        "\u{7f}",
        "\u{feff}a",
        "\u{2028}",
        "a\\b",
        "/tmp",
        "10m",
        "1Gi",
        "---",
        "...",
        "a\r\nb",
    ];
    prop_oneof![prop::sample::select(TRICKY).prop_map(str::to_owned), "[a-z]{1,8}", ".{0,12}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every place in a value where something can be added or replaced.
fn places(value: &Value, pointer: &str, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            places.push(format!("{pointer}/new"));
            for (key, value) in map {
                let pointer = format!("{pointer}/{}", escape(key));
                places.push(pointer.clone());
                self::places(value, &pointer, places);
            }
        }
        Value::Array(items) => {
            places.push(format!("{pointer}/-"));
            for (index, item) in items.iter().enumerate() {
                self::places(item, &format!("{pointer}/{index}"), places);
            }
        }
        _ => {}
    }
}

/// The value written in one of several ways, each line of block style with a comment.
fn written(value: &Value, way: u8) -> String {
    match way % 6 {
        0 => emit::document(value),
        1 => format!("---\n{}\n", emit::flow(value, Quotes::Needed)),
        2 => format!("---\n{}\n", emit::tall_flow(value, "", "  ", Quotes::Strings)),
        3 => format!("{value:#}\n"),
        4 => value.to_string(),
        _ => emit::document(value).replace('\n', "\r\n"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_is_written_reads_back(value in value(), way in 0..6u8) {
        let value = json!({"a": value});
        let text = written(&value, way);
        prop_assert_eq!(first(&text).map(|(_, value)| value), Ok(value), "{}", text);
    }

    #[test]
    fn an_edit_touches_only_its_place(
        members in prop::collection::vec((text(), value()), 1..5),
        new in value(),
        pick in any::<prop::sample::Index>(),
        way in 0..6u8,
    ) {
        let value = Value::Object(members.into_iter().collect());
        let text = written(&value, way);
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let path = pick.get(&all).clone();
        let edited = apply(&text, json!([{"op": "add", "path": path, "value": new}]));
        prop_assert_eq!(&first(&edited.text).unwrap().1, &edited.value);
        // The document's other members keep their text.
        let first = path.split('/').nth(1).unwrap();
        for (key, member) in value.as_object().unwrap() {
            let simple = member.is_i64() && way % 6 == 0 && escape(key) != first;
            let line = format!("{}\n", emit::member(key, member, 0, emit::Layout::COMMON));
            prop_assert!(!simple || edited.text.contains(&line), "{} lost from\n{}", line, edited.text);
        }
    }

    #[test]
    fn any_text_whatever_is_read_or_refused(text in "[-a-z:{}\\[\\],&*!|>?#'\" \\n\\t~<0-9]{0,60}") {
        for part in split(&text).into_iter().flatten() {
            let text = &text[part.range];
            let Ok(document) = read(text, part.syntax) else { continue };
            let mut all = Vec::new();
            places(&document.value, "", &mut all);
            for path in all {
                let patch = [json!({"op": "add", "path": path, "value": {"a": ["b"]}})];
                if let Ok(edited) = super::apply(text, part.syntax, &document.value, &patch) {
                    let again = read(&edited.text, part.syntax).unwrap();
                    prop_assert_eq!(&again.value, &edited.value);
                }
            }
        }
    }
}
