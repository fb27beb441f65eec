//! What the compiler cannot say of the modules: they form no circles, rules do not know each
//! other, and the engine and the reader of YAML do no input or output.

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

/// A module by the names of its path: `["policy", "tree"]`.
type Module = Vec<String>;

const ROOT: &str = "src";
const ENGINE: &str = "crates/engine/src";
const KUBE_YAML: &str = "crates/kube-yaml/src";

/// An edge that closes a circle, and why it may.
struct Exception {
    /// The directory of the crate's sources.
    crate_: &'static str,
    from: &'static str,
    to: &'static str,
    /// The only items that may be used, each of which is.
    items: &'static [&'static str],
    why: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        crate_: ENGINE,
        from: "policy",
        to: "rules",
        items: &["Settings", "Stated"],
        why: "a policy holds the settings of each rule, and these stand in the rule's file",
    },
    Exception {
        crate_: ENGINE,
        from: "patch",
        to: "rules",
        items: &["ChangePolicy", "Medium", "Profile"],
        why: "the patch writes the values of settings",
    },
    Exception {
        crate_: ENGINE,
        from: "user",
        to: "rules",
        items: &["WhenImageUser"],
        why: "who a container runs as depends on a setting of `runAsUser`",
    },
    Exception {
        crate_: ENGINE,
        from: "image",
        to: "policy",
        items: &["Capability", "GroupId", "NonRootId", "Writable", "WritablePath"],
        why: "an image's entry is a part of a policy, with a policy's values",
    },
    Exception {
        crate_: ENGINE,
        from: "outcome",
        to: "exemption",
        items: &["By", "Exemption", "Void"],
        why: "an outcome lists the exemptions in force, which name the containers of the outcome",
    },
    Exception {
        crate_: ENGINE,
        from: "policy::tree",
        to: "policy::decode",
        items: &["Decoder"],
        why: "what is wrong with the text is reported where what is wrong with its values is",
    },
    Exception {
        crate_: KUBE_YAML,
        from: "tree",
        to: "parser",
        items: &["parser"],
        why: "a tree is built by reading a text",
    },
    Exception {
        crate_: KUBE_YAML,
        from: "tree",
        to: "json",
        items: &["json"],
        why: "a tree is built by reading a text",
    },
];

/// What one rule may know of the module of all rules.
const FOR_RULES: &[&str] = &["Rule"];

fn directory(crate_: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_)
}

/// The modules of a crate, each with its code: without tests, without comments.
fn modules(crate_: &str) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    collect(&directory(crate_), &mut Vec::new(), &mut found);
    assert!(found.len() > 5, "{crate_} has modules");
    found
}

fn collect(directory: &Path, parent: &mut Module, found: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        parent.push(name.clone());
        if path.is_dir() {
            collect(&path, parent, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !["lib", "main", "tests"].contains(&&*name)
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            found.insert(parent.clone(), lines.collect::<Vec<_>>().join("\n"));
        }
        parent.pop();
    }
}

/// Every path in the code of `module` that begins with `crate::` or `super::`, from the
/// crate's root on and with braces spread out: `crate::a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(module: &Module, code: &str) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for (start, word) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        if code[..start].ends_with("super::") {
            continue;
        }
        let mut rest = &code[start..];
        let mut base = match word {
            "crate::" => Vec::new(),
            _ => module.clone(),
        };
        while let Some(above) = rest.strip_prefix("super::") {
            base.pop();
            rest = above;
        }
        rest = rest.strip_prefix("crate::").unwrap_or(rest);
        spread(&base, rest, &mut found);
    }
    found
}

fn spread(base: &Module, rest: &str, found: &mut BTreeSet<Module>) -> usize {
    let end =
        rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(rest.len());
    let names = rest[..end].split("::").filter(|name| !name.is_empty());
    let here: Module = base.iter().cloned().chain(names.map(str::to_owned)).collect();
    if !rest[end..].starts_with('{') {
        found.insert(here);
        return end;
    }
    let mut at = end + 1;
    loop {
        at += rest[at..].find(|c: char| !(c.is_whitespace() || c == ',')).unwrap();
        if rest[at..].starts_with('}') {
            return at + 1;
        }
        at += spread(&here, &rest[at..], found).max(1);
    }
}

/// The edges between the modules of one crate. Two modules that stand somewhere below the
/// siblings `a::b` and `a::c` are an edge between these siblings. A parent and its own
/// children are one thing.
fn edges(crate_: &str) -> BTreeMap<(String, String), BTreeSet<String>> {
    let modules = modules(crate_);
    let mut edges: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (module, code) in &modules {
        for path in paths(module, code) {
            let known = (1..=path.len()).rev().map(|end| &path[..end]);
            let Some(target) = known.into_iter().find(|path| modules.contains_key(*path)) else {
                continue;
            };
            let common = module.iter().zip(target).take_while(|(a, b)| a == b).count();
            if common < module.len() && common < target.len() {
                let edge = (module[..=common].join("::"), target[..=common].join("::"));
                edges.entry(edge).or_default().insert(path.last().unwrap().clone());
            }
        }
    }
    edges
}

/// A circle among the edges, if there is one.
fn circle(edges: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        edges: &BTreeSet<(String, String)>,
        open: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = open.iter().position(|module| module == at) {
            return Some(open[start..].to_vec());
        }
        if !done.insert(at.to_owned()) {
            return None;
        }
        open.push(at.to_owned());
        let below = edges.iter().filter(|(from, _)| from == at);
        let found = below.into_iter().find_map(|(_, to)| visit(to, edges, open, done));
        open.pop();
        found
    }
    let mut done = BTreeSet::new();
    edges.iter().find_map(|(from, _)| visit(from, edges, &mut Vec::new(), &mut done))
}

#[test]
fn modules_form_no_circles() {
    for crate_ in [ROOT, ENGINE, KUBE_YAML] {
        let edges = edges(crate_);
        assert!(!edges.is_empty(), "{crate_}");
        let mut downward: BTreeSet<_> = edges.keys().cloned().collect();
        for Exception { from, to, items, why, .. } in
            EXCEPTIONS.iter().filter(|exception| exception.crate_ == crate_)
        {
            let edge = ((*from).to_owned(), (*to).to_owned());
            let used = edges.get(&edge).unwrap_or_else(|| panic!("{from} → {to}: not needed"));
            let others: Vec<_> = used.iter().filter(|item| !items.contains(&&***item)).collect();
            assert!(others.is_empty(), "{from} → {to} is for {items:?} ({why}), not {others:?}");
            let unused: Vec<_> = items.iter().filter(|item| !used.contains(**item)).collect();
            assert!(unused.is_empty(), "{from} → {to}: nothing uses {unused:?}");
            downward.remove(&edge);
            assert!(
                circle(&downward.iter().cloned().chain([edge]).collect()).is_some(),
                "{from} → {to} closes no circle"
            );
        }
        let circle = circle(&downward);
        assert!(circle.is_none(), "{crate_}: {}", circle.unwrap().join(" → "));
    }
}

/// Commands print. What several rooms need is in a room of its own.
#[test]
fn nothing_depends_on_the_commands() {
    for ((from, to), items) in edges(ROOT) {
        assert!(to != "cli", "{from} uses {items:?} of the command line");
    }
}

#[test]
fn rules_do_not_know_each_other() {
    for ((from, to), items) in edges(ENGINE) {
        let rule =
            |module: &str| module.strip_prefix("rules::")?.split("::").next().map(str::to_owned);
        let siblings = rule(&from).zip(rule(&to)).is_some_and(|(one, other)| one != other);
        assert!(!siblings, "{from} uses {items:?} of {to}");
    }
    for (module, code) in modules(ENGINE) {
        if module[0] == "rules" && module.len() > 1 {
            let others = |path: &&Vec<String>| path[0] == "rules" && path.get(1) != module.get(1);
            for path in paths(&module, &code).iter().filter(others) {
                assert!(FOR_RULES.contains(&&**path.last().unwrap()), "{module:?}: {path:?}");
            }
        }
    }
}

#[test]
fn the_engine_and_the_reader_do_no_input_or_output() {
    const FORBIDDEN: &[&str] = &[
        "std::fs",
        "std::net",
        "std::env",
        "std::io",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant",
        "println!",
        "eprintln!",
        "dbg!",
    ];
    for crate_ in [ENGINE, KUBE_YAML] {
        for (module, code) in modules(crate_) {
            for word in FORBIDDEN {
                assert!(!code.contains(word), "{crate_}: {}: {word}", module.join("::"));
            }
        }
    }
}

/// What the two crates depend on, in their own trees.
#[test]
fn the_engine_and_the_reader_build_without_a_runtime() {
    const BANNED: &[&str] = &[
        "actix-http",
        "actix-web",
        "aws-lc-rs",
        "clap",
        "http",
        "hyper",
        "kube",
        "mio",
        "rustls",
        "socket2",
        "tokio",
        "tracing",
    ];
    for (package, expected) in [("ironhull-engine", "kube-yaml"), ("kube-yaml", "serde_json")] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--offline", "--package", package])
            .args(["--edges", "normal", "--prefix", "none"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        let crates: BTreeSet<_> =
            tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(crates.contains(expected), "{package}: the tree is not empty");
        for banned in BANNED {
            assert!(!crates.contains(banned), "{banned} is in the tree of {package}");
        }
    }
}
