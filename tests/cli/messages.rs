//! Every message about a policy or a manifest is shown by a case, whole: with the line of the
//! source, the caret and the hint. The messages are taken from the sources, so that a new one
//! without a case fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where messages for whoever writes policies and manifests are made.
const SOURCES: &[&str] = &[
    "crates/engine/src/policy",
    "crates/engine/src/policy.rs",
    "crates/engine/src/image.rs",
    "crates/kube-yaml/src",
    "src/manifest",
    "src/manifest.rs",
    "src/cli/input.rs",
    "src/cli/pass.rs",
    "src/cli/policy_files.rs",
];

/// Texts of these files that no case can show, and why.
const NOT_SHOWN: &[(&str, &str)] = &[
    ("the embedded documents are broken: ", "a test reads them"),
    ("only the names were asked for", "never leaves its module"),
    ("not a patch: ", "the engine writes patches"),
    ("`{path}` has no place in it", "the engine patches what was read"),
    ("the patch does not apply: ", "the engine writes it for this very document"),
    ("the hardened document cannot be written so that it reads back the same", "no text is known"),
    ("no manifests are named", "needs a terminal"),
    ("name files or directories with -f, or - to type here", "needs a terminal"),
    (" at line ", "looked for in a message, not said"),
    (", expected ", "looked for in a message, not said"),
    ("invalid type: ", "looked for in a message, not said"),
    (": document {document}: {}", "for logs; commands render it with its line"),
    ("not an object", "never leaves its module"),
    ("A rule's name.", "a description in the schema"),
];

/// A text with fewer words is a name or a part of a message, and tells nothing.
const WORDS: usize = 3;

#[test]
fn every_message_has_a_case() {
    let shown = expected();
    let mut missing = BTreeSet::new();
    let mut unused: BTreeSet<&str> = NOT_SHOWN.iter().map(|(text, _)| *text).collect();
    let mut count = 0;
    for (file, text) in SOURCES.iter().flat_map(|source| sources(source)) {
        for literal in literals(&text).iter().filter(|text| text.split(' ').count() >= WORDS) {
            count += 1;
            if NOT_SHOWN.iter().any(|(text, _)| literal.starts_with(text)) {
                unused.retain(|text| !literal.starts_with(text));
            } else if !shown.contains(longest_part(literal)) {
                missing.insert(format!("{}: {literal}", file.display()));
            }
        }
    }
    let missing: Vec<_> = missing.into_iter().collect();
    assert!(missing.is_empty(), "no case shows these messages:\n{}", missing.join("\n"));
    assert!(unused.is_empty(), "these are not said any more: {unused:?}");
    assert!(count > 100, "the messages are not found any more: {count}");
}

/// Everything that a case shows, with lines joined and blanks made one.
fn expected() -> String {
    let mut all = String::new();
    for root in ["tests/policy-errors", "tests/manifests"] {
        for case in fs::read_dir(path(root)).unwrap() {
            let case = case.unwrap().path();
            let files = case.is_dir().then(|| fs::read_dir(&case).unwrap());
            for file in files.into_iter().flatten() {
                let file = file.unwrap().path();
                if file.file_name().unwrap().to_string_lossy().starts_with("expected.") {
                    all.push_str(&fs::read_to_string(file).unwrap());
                }
            }
        }
    }
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn sources(name: &str) -> Vec<(PathBuf, String)> {
    let path = path(name);
    if path.is_dir() {
        let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
        let below = entries.map(|entry| format!("{name}/{}", entry.to_string_lossy()));
        return below.flat_map(|name| sources(&name)).collect();
    }
    if path.ends_with("tests.rs") {
        return Vec::new();
    }
    let text = fs::read_to_string(&path).unwrap();
    vec![(PathBuf::from(name), text.split("#[cfg(test)]").next().unwrap().to_owned())]
}

/// The string literals of a Rust source, but for those of comments and attributes.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("#[") || rest.starts_with("#![") {
            let (attribute, after) = attribute(rest);
            // What `thiserror` is given is a message.
            if let Some(message) = attribute.strip_prefix("#[error(") {
                found.extend(literals(message));
            }
            rest = after;
        } else if let Some(after) = rest.strip_prefix("'\"'").or(rest.strip_prefix("'\\\"'")) {
            rest = after;
        } else if first == '"' {
            let (literal, after) = literal(&rest[1..]);
            found.push(literal);
            rest = after;
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// An attribute up to the bracket that closes it, and what comes after.
fn attribute(source: &str) -> (&str, &str) {
    let (mut depth, mut quoted) = (0, false);
    for (at, c) in source.char_indices() {
        match c {
            '"' if !source[..at].ends_with('\\') => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth -= 1,
            _ => {}
        }
        if c == ']' && !quoted && depth == 0 {
            return source.split_at(at + 1);
        }
    }
    (source, "")
}

/// A literal from after its first quote, as it will be, and what comes after.
fn literal(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut rest = source.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return (text, rest.as_str()),
            '\\' => match rest.next() {
                // Goes on at the next line's first character.
                Some('\n') => rest = rest.as_str().trim_start().chars(),
                Some(c) => text.push(if c == 'n' { ' ' } else { c }),
                None => {}
            },
            c => text.push(c),
        }
    }
    (text, "")
}

/// The longest part of a format that is said as it stands, without what could be a line's end.
fn longest_part(format: &str) -> &str {
    let parts = format.split('{').enumerate().map(|(index, part)| {
        let said = if index == 0 { part } else { part.split_once('}').map_or("", |(_, p)| p) };
        said.trim_matches([' ', '`'])
    });
    parts.max_by_key(|part| part.len()).unwrap_or_default()
}

#[test]
fn literals_are_found() {
    let source = "#[expect(a, reason = \"not a message\")] // \"nor this\"\n\
                  #[error(\"this is `{x}`\")] let q = '\"'; f(\"and \\\"this\\\" \\\n      too\", \"\");";
    assert_eq!(literals(source), ["this is `{x}`", "and \"this\" too", ""]);
    assert_eq!(longest_part("`{a}` is one of `{b}`, or not"), "is one of");
}
