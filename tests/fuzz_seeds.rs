//! The fuzzer's seeds, what it found among them, against the properties that it checks. So
//! what was mended stays so, without the fuzzer.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, and its modules are nobody else's"
)]

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ironhull::rule::RuleName;
use properties::{annotation, layer, manifest, policy, review};
use serde_json::Value;

/// Every input of a target, and where it is.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut seeds: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    seeds.sort();
    assert!(seeds.len() > 10, "the seeds of {target} are not found any more");
    seeds
}

fn replay(target: &str, check: impl Fn(&[u8]) -> Result<(), String>) {
    let mut wrong = String::new();
    for (path, input) in seeds(target) {
        // A panic has printed what it says.
        let checked = catch_unwind(AssertUnwindSafe(|| check(&input)));
        if let Err(message) = checked.unwrap_or_else(|_| Err("a panic".to_owned())) {
            wrong += &format!("{}: {message}\n", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The fuzzer knows each rule by name.
#[test]
fn the_dictionaries_have_every_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries");
    for (file, before, after) in [
        ("annotation.dict", "\"exempt.ironhull.dev/", " \""),
        ("policy.dict", "\"", ": \""),
        ("review.dict", r#""\x22"#, r#"\x22:""#),
    ] {
        let words = fs::read_to_string(root.join(file)).unwrap();
        for rule in RuleName::ALL {
            let word = format!("{before}{}{after}", rule.as_str());
            assert!(words.lines().any(|line| line == word), "{file} lacks {word}");
        }
    }
}

/// The names of all properties in a JSON Schema.
fn properties_of(schema: &Value) -> BTreeSet<String> {
    let own = schema.get("properties").and_then(Value::as_object);
    let own = own.into_iter().flat_map(|own| own.keys().cloned());
    let inner: Vec<&Value> = match schema {
        Value::Object(members) => members.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    own.chain(inner.into_iter().flat_map(properties_of)).collect()
}

/// The fuzzer and whoever reads the pages know each key of a policy.
#[test]
fn each_key_of_a_policy_is_in_the_dictionary_and_on_its_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let schema: Value = serde_json::from_str(&read("policies/schema.json")).unwrap();
    let dictionary = read("fuzz/dictionaries/policy.dict");
    let pages = ["policies", "exemptions", "images"];
    let pages = pages.map(|page| read(&format!("docs/{page}.md"))).concat();
    let keys = properties_of(&schema);
    assert!(keys.len() > 50, "the schema is read wrongly: {keys:?}");
    for key in keys {
        let word = format!("\"{key}: \"");
        assert!(dictionary.lines().any(|line| line == word), "policy.dict lacks {word}");
        let shown = [format!("`{key}`"), format!("{key}:")].iter().any(|word| pages.contains(word));
        // Kubernetes' own metadata need no explanation.
        let own = !["labels", "annotations"].contains(&key.as_str());
        assert!(shown || !own, "docs/policies.md, exemptions.md and images.md lack `{key}`");
    }
}

#[test]
fn reviews() {
    replay("review", review::check);
}

#[test]
fn policies() {
    replay("policy", policy::check);
}

#[test]
fn annotations() {
    replay("annotation", annotation::check);
}

#[test]
fn manifests() {
    replay("manifest", manifest::check);
}

#[test]
fn layers() {
    replay("layer", layer::check);
}

/// A target without a test here, seeds or a dictionary would be one that nobody runs.
#[test]
fn every_target_is_replayed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |directory: &str| -> BTreeSet<String> {
        let paths = fs::read_dir(fuzz.join(directory)).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let expected =
        ["annotation", "layer", "manifest", "policy", "review"].map(str::to_owned).into();
    for directory in ["targets", "seeds", "dictionaries"] {
        assert_eq!(names(directory), expected, "{directory}");
    }
}

/// The crates of a lock file, each with its version.
fn locked(file: &str) -> BTreeSet<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).unwrap();
    let quoted = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.windows(2).filter_map(|pair| match pair {
        [name, version] => Some((quoted(name, "name = ")?, quoted(version, "version = ")?)),
        _ => None,
    });
    pairs.collect()
}

#[test]
fn what_is_fuzzed_is_what_is_released() {
    let (released, fuzzed) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
    let shared = fuzzed.iter().filter(|(name, _)| released.iter().any(|(other, _)| other == name));
    let others: Vec<_> = shared.filter(|krate| !released.contains(krate)).collect();
    assert!(
        others.is_empty(),
        "fuzz/Cargo.lock has other versions than Cargo.lock: {others:?}; copy that file over it, \
         and `cargo metadata --manifest-path fuzz/Cargo.toml` takes out what is too much"
    );
    assert!(fuzzed.len() > 50 && released.len() > fuzzed.len(), "the files are read wrongly");
}
