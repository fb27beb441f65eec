use kube_yaml::BOM;

use super::*;

/// The caret below a character of two, three and four bytes.
#[test]
fn a_place_is_of_whole_characters() {
    for wide in ['\u{a0}', '\u{2028}', '\u{1f6a2}'] {
        for text in [
            format!("kind: a\n---\n  name: x\n {wide} rules: 1\n"),
            format!("a: b\n...\n{wide}: c\n"),
            format!("a: 'b\n{wide}"),
            format!("a: {{b\n{wide}"),
            format!("--- {wide}\n"),
        ] {
            let mut decoder = Decoder::new("policy.yaml");
            documents(&text, &mut decoder);
            for found in &decoder.diagnostics {
                let place = &found.place;
                assert!(text.get(place.span.clone()).is_some(), "{text:?}: {place:?}");
            }
        }
    }
}

#[test]
fn text_that_begins_like_a_number_is_text() {
    for (text, number) in [
        ("0x1f", true),
        ("0o17", true),
        ("-1.5e3", true),
        ("0x", false),
        ("0ount nothing", false),
        ("0xanadu", false),
        ("0o18", false),
        ("3 of 4", false),
    ] {
        let mut decoder = Decoder::new("policy.yaml");
        let document = format!("a: {text}\n");
        let read = documents(&document, &mut decoder);
        let value = read.first().and_then(|node| node.get("a")).unwrap();
        assert_eq!(value.is_number(), number, "{text}");
    }
}

#[test]
fn columns_are_characters_however_long_a_line_is() {
    let line = "\u{feff}a: é, ".to_owned() + &"ü\u{1f6a2}x".repeat(400) + "\n\u{feff}c: ü\n";
    for text in [line.as_str(), "", "x", &"x".repeat(1024), &"é".repeat(1024)] {
        let lines = Lines::of(text);
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let before = text.get(..at).unwrap().rsplit('\n').next().unwrap();
            let column = before.trim_start_matches(BOM).chars().count() + 1;
            assert_eq!(lines.span(at..at).column, column, "{at}");
        }
    }
}

#[test]
fn aliases_are_counted_over_all_documents_of_a_file() {
    let items = "a, ".repeat(100);
    let aliases = "*x, ".repeat(60);
    let document = format!("---\nx: &x [{items}]\ny: [{aliases}]\n");
    for (copies, errors) in [(1, 0), (2, 1), (3, 1)] {
        let mut decoder = Decoder::new("policy.yaml");
        documents(&document.repeat(copies), &mut decoder);
        assert_eq!(decoder.diagnostics.len(), errors, "{copies}");
    }
}
