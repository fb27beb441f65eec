//! Calls go downward only, rules do not know each other, and the core does no input or
//! output.
//!
//! The table is exact: an edge that is not in it fails, and so does one that no code has.
//! Policies hold the rules' settings, so the lower layers know of `rules` the vocabulary
//! and the settings' types, and nothing that acts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that fails says where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each module of the core and what it may call, top-down. `rules!` stands for the
/// vocabulary of `rules` alone.
const TABLE: &[(&str, &[&str])] = &[
    (
        "admission",
        &["exemption", "harden", "json", "outcome", "patch", "pod", "policy", "rules!", "text"],
    ),
    (
        "harden",
        &[
            "exemption",
            "outcome",
            "pass",
            "patch",
            "pod",
            "policy",
            "provenance",
            "remains",
            "rules",
            "sharing",
        ],
    ),
    ("rules", &["image", "outcome", "pass", "patch", "pod", "policy"]),
    (
        "pass",
        &[
            "exemption",
            "image",
            "outcome",
            "patch",
            "pod",
            "policy",
            "provenance",
            "rules!",
            "user",
        ],
    ),
    ("provenance", &["exemption", "json", "outcome", "patch", "pod", "policy", "rules!", "text"]),
    ("user", &["image", "outcome", "pod", "policy", "rules!"]),
    ("exemption", &["image", "outcome", "pod", "policy", "rules!", "text"]),
    ("outcome", &["exemption", "patch", "pod", "rules!", "text"]),
    ("patch", &["json", "pod", "rules!"]),
    ("remains", &["pod"]),
    ("sharing", &["outcome", "pass", "pod"]),
    ("policy", &["image", "pod", "rules!", "text"]),
    ("image", &["pod", "policy"]),
    ("pod", &[]),
    ("json", &[]),
    ("text", &[]),
];

/// What every layer may know of `rules`: names, actions, settings.
const VOCABULARY: &[&str] = &[
    "self",
    "Action",
    "RuleName",
    "RuleScope",
    "RuleSet",
    "Settings",
    "StatedSettings",
    "WhenImageUser",
    "ChangePolicy",
    "Medium",
    "Profile",
];

/// What one rule may know of the module of all rules.
const FOR_RULES: &[&str] = &["Action", "Rule", "RuleName", "RuleScope", "RuleSet"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of a module: `name.rs` and everything in `name/`, without tests.
fn module(name: &str) -> Vec<(PathBuf, String)> {
    let mut paths = vec![source().join(format!("{name}.rs"))];
    let directory = source().join(name);
    if directory.is_dir() {
        files(&directory, &mut paths);
    }
    paths
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            (path, lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

/// Every path that begins with `crate::`, braces spread out: `crate::a::{b, c::d}` is
/// `a::b` and `a::c::d`.
fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        spread("", rest, &mut found);
    }
    found
}

fn spread(prefix: &str, rest: &str, found: &mut BTreeSet<String>) -> usize {
    let end =
        rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(rest.len());
    let here = format!("{prefix}{}", &rest[..end]);
    if !rest[end..].starts_with('{') {
        found.insert(here.trim_end_matches(':').to_owned());
        return end;
    }
    let mut at = end + 1;
    while !rest[at..].starts_with('}') {
        let skipped = rest[at..].find(|c: char| !(c.is_whitespace() || c == ',')).unwrap();
        at += skipped;
        if rest[at..].starts_with('}') {
            break;
        }
        at += spread(&here, &rest[at..], found);
    }
    at + 1
}

#[test]
fn calls_go_downward_only() {
    let mut unused: BTreeMap<&str, BTreeSet<&str>> =
        TABLE.iter().map(|(name, below)| (*name, below.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for (name, below) in TABLE {
        for (file, code) in module(name) {
            for path in paths(&code) {
                let mut parts = path.split("::");
                let target = parts.next().unwrap();
                let last = path.rsplit("::").next().unwrap();
                if target == *name || target.is_empty() {
                    continue;
                }
                let acts = code.contains("RULES") || code.contains("dyn Rule");
                let vocabulary = !acts && target == "rules" && VOCABULARY.contains(&last);
                let edge = match below.iter().find(|edge| **edge == target) {
                    Some(edge) => Some(*edge),
                    None if vocabulary && below.contains(&"rules!") => Some("rules!"),
                    None => None,
                };
                match edge {
                    Some(edge) => {
                        unused.get_mut(name).unwrap().remove(edge);
                    }
                    None => wrong.push(format!("{}: crate::{path}", file.display())),
                }
            }
        }
    }
    unused.retain(|_, edges| !edges.is_empty());
    assert!(wrong.is_empty(), "upward, or not in the table:\n{}", wrong.join("\n"));
    assert!(unused.is_empty(), "in the table, and nothing does it: {unused:?}");
}

#[test]
fn every_module_of_the_core_is_in_the_table() {
    let library = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let core = library.split("pub mod serve;").nth(1).unwrap();
    let declared: BTreeSet<_> = core
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let listed: BTreeSet<_> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, listed);
}

#[test]
fn rules_do_not_know_each_other() {
    for (file, code) in module("rules") {
        if file.ends_with("rules.rs") {
            continue;
        }
        for path in paths(&code) {
            let last = path.rsplit("::").next().unwrap();
            let foreign = path.starts_with("rules::") && !FOR_RULES.contains(&last);
            assert!(!foreign, "{}: crate::{path}", file.display());
        }
        assert!(!code.contains("super::"), "{}: super::", file.display());
    }
}

#[test]
fn the_core_does_no_input_or_output() {
    const FORBIDDEN: &[&str] = &[
        "tokio",
        "actix",
        "rustls",
        "tracing::",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant",
        "println!",
        "eprintln!",
        "dbg!",
        "cli::",
        "serve::",
    ];
    for (name, _) in TABLE {
        for (file, code) in module(name) {
            for word in FORBIDDEN {
                assert!(!code.contains(word), "{}: {word}", file.display());
            }
        }
    }
}

/// What the engine depends on.
#[test]
fn the_cores_dependencies_do_no_input_or_output() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--no-default-features",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<_> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for banned in
        ["tokio", "actix-web", "actix-http", "hyper", "rustls", "tracing", "kube", "mio", "socket2"]
    {
        assert!(!crates.contains(banned), "{banned} is in the core's tree");
    }
    assert!(crates.contains("serde_json"), "the tree is not empty");
}
