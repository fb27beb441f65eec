//! The tables in `docs/versions.md`, of what `make versions` recorded, and that the record is of what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;

use super::path;

/// What ran on one Kubernetes, as `e2e/suite/record.rs` writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    date: String,
    node: Node,
    /// By name: `passed`, `failed`, or what it needs and the cluster had not.
    scenarios: BTreeMap<String, String>,
}

/// Versions that the node told of itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    kubelet: String,
    runtime: String,
    kernel: String,
}

/// What is recorded, by minor version.
fn recorded() -> BTreeMap<String, Record> {
    serde_json::from_str(&read("docs/versions.json")).unwrap()
}

/// Each Kubernetes that can be started, by minor version, the newest first; `None` where nothing ran yet.
fn columns() -> Vec<(String, Option<Record>)> {
    let mut recorded = recorded();
    let mut columns: Vec<_> = modules()
        .into_keys()
        .map(|version| {
            let record = recorded.remove(&version);
            (version, record)
        })
        .collect();
    columns.sort_by_key(|(version, _)| std::cmp::Reverse(minor(version)));
    columns
}

/// 30 of `1.30`.
fn minor(version: &str) -> u32 {
    version.strip_prefix("1.").unwrap_or_else(|| panic!("`{version}`")).parse().unwrap()
}

/// A column for each version, a row for each group of scenarios, with how many passed.
pub fn table() -> String {
    let columns = columns();
    let records = || columns.iter().filter_map(|(_, record)| record.as_ref());
    let row = |name: &str, cell: &dyn Fn(&Record) -> String| {
        let cell = |record: &Option<Record>| record.as_ref().map_or_else(|| "–".to_owned(), cell);
        let cells: Vec<_> = columns.iter().map(|(_, record)| cell(record)).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let versions: Vec<_> = columns.iter().map(|(version, _)| version.as_str()).collect();
    let mut table =
        format!("| | {} |\n|---|{}\n", versions.join(" | "), "---|".repeat(versions.len()));
    table += &row("kubelet", &|record| record.node.kubelet.clone());
    table += &row("runtime", &|record| record.node.runtime.replace("://", " "));
    table += &row("run on", &|record| record.date.clone());
    let groups: BTreeSet<_> =
        records().flat_map(|record| record.scenarios.keys()).map(|name| group(name)).collect();
    for name in groups {
        table += &row(&format!("`{name}`"), &|record| passed(record, |it| group(it) == name));
    }
    table += &row("all", &|record| passed(record, |_| true));
    let mut missing: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (version, record) in &columns {
        let Some(record) = record else { continue };
        for (name, what) in record.scenarios.iter().filter(|(_, what)| *what != "passed") {
            missing.entry((what, name)).or_default().push(version);
        }
    }
    if !missing.is_empty() {
        table += "\nNot run, for what the cluster had not:\n\n";
    }
    for ((what, name), versions) in missing {
        let _ = writeln!(table, "- `{name}` {what}: {}", versions.join(", "));
    }
    table
}

/// How many of those scenarios passed, and of how many if not all did.
fn passed(record: &Record, is_meant: impl Fn(&str) -> bool) -> String {
    let those: Vec<_> = record.scenarios.iter().filter(|(name, _)| is_meant(name)).collect();
    let passed = those.iter().filter(|(_, what)| *what == "passed").count();
    match (those.len(), passed) {
        (0, _) => "–".to_owned(),
        (all, passed) if all == passed => passed.to_string(),
        (all, passed) => format!("{passed} of {all}"),
    }
}

/// The first part of a scenario's name.
fn group(name: &str) -> &str {
    name.split("::").next().unwrap_or(name)
}

/// What is recorded is of the versions that the modules have, did not fail, and is still in the suite; and each of them runs
/// every night.
pub fn check() {
    let (versions, recorded) = (modules(), recorded());
    let suite = read("e2e/suite/scenarios.rs");
    for (version, record) in &recorded {
        let remedy =
            format!("Kubernetes {version} is to run anew: `make versions VERSIONS={version}`");
        assert_eq!(Some(&record.node.kubelet), versions.get(version), "{remedy}");
        assert!(!record.node.kernel.is_empty() && !record.scenarios.is_empty(), "{remedy}");
        for (name, what) in &record.scenarios {
            assert!(what == "passed" || what.starts_with("needs "), "{name} {what}. {remedy}");
            assert!(suite.contains(&format!("\"{name}\"")), "no scenario {name}. {remedy}");
        }
    }
    let nightly: serde_yaml::Value =
        serde_yaml::from_str(&read(".github/workflows/nightly.yml")).unwrap();
    let matrix = &nightly["jobs"]["versions"]["strategy"]["matrix"]["version"];
    let nightly: BTreeSet<_> =
        matrix.as_sequence().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    assert_eq!(nightly, versions.into_keys().collect());
}

/// The versions of Kubernetes in `e2e/cluster`: the full one by minor version.
fn modules() -> BTreeMap<String, String> {
    let directories = std::fs::read_dir(path("e2e/cluster")).unwrap();
    directories
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name == "kubernetes" || name.starts_with("kubernetes-"))
        .map(|name| {
            let module = read(&format!("e2e/cluster/{name}/go.mod"));
            let line = module.lines().find_map(|it| it.trim().strip_prefix("k8s.io/kubernetes "));
            let full = line.unwrap_or_else(|| panic!("{name} requires no k8s.io/kubernetes"));
            let (minor, _patch) = full.trim_start_matches('v').rsplit_once('.').unwrap();
            (minor.to_owned(), full.to_owned())
        })
        .collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
