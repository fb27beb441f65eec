//! Real workloads, as they ship, through the engine.
//!
//! The corpus is a directory of manifests named by `IRONHULL_CORPUS`; it is not part of
//! the project. What Kubernetes itself says of the pods, before and after, is the judge's
//! word, not ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]
#![cfg(feature = "server")]

#[path = "support/judge.rs"]
mod judge;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironhull::cli::manifest::Source;
use ironhull::harden::{Context, Scope, harden};
use ironhull::outcome::{Outcome, RuleResult};
use ironhull::pod::Pod;
use ironhull::policy::{Policy, PolicySet, diagnostic};
use serde_json::Value;

/// One pod of the corpus.
struct Shipped {
    /// File, document and workload.
    id: String,
    pod: Value,
    reserved: Vec<String>,
}

/// Where the corpus is; a loud note where it is not, a failure in CI.
fn corpus() -> Option<PathBuf> {
    let directory = std::env::var_os("IRONHULL_CORPUS").map(PathBuf::from);
    if directory.is_none() {
        assert!(std::env::var_os("CI").is_none(), "IRONHULL_CORPUS is not set");
        eprintln!("NOT RUN: IRONHULL_CORPUS names no directory of real manifests");
    }
    directory
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            found.push(path);
        }
    }
}

/// Every pod and pod template; and the files that cannot be read, with the reason.
fn shipped(directory: &Path) -> (Vec<Shipped>, Vec<String>) {
    let mut paths = Vec::new();
    files(directory, &mut paths);
    let mut pods = Vec::new();
    let mut unreadable = Vec::new();
    for path in paths {
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let source = match Source::read(&name, text) {
            Ok(source) => source,
            Err(errors) => {
                unreadable.extend(errors.iter().map(ToString::to_string));
                continue;
            }
        };
        for document in &source.documents {
            for workload in &document.contents.workloads {
                let Some(pod) = document.value.pointer(&workload.pod) else { continue };
                pods.push(Shipped {
                    id: format!(
                        "{name}#{} {} {}",
                        document.number.unwrap(),
                        workload.kind,
                        workload.name
                    ),
                    pod: pod.clone(),
                    reserved: workload.reserved_volumes.clone(),
                });
            }
        }
    }
    (pods, unreadable)
}

/// Hardens a pod and applies the patch with an independent implementation of RFC 6902.
fn hardened<T>(
    shipped: &Shipped,
    pod: &Value,
    policy: &Policy,
    see: impl FnOnce(&Outcome<'_>) -> T,
) -> Result<(Value, T), String> {
    let text = pod.to_string();
    let view = Pod::from_json(text.as_bytes()).map_err(|error| error.to_string())?;
    let reserved: Vec<&str> = shipped.reserved.iter().map(String::as_str).collect();
    let context = Context {
        date: jiff::civil::date(2026, 11, 22),
        scope: Scope::Create,
        provenance: true,
        root: "",
        reserved_volumes: &reserved,
    };
    let outcome = harden(&view, policy, &context);
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json()).unwrap();
    let mut after = pod.clone();
    json_patch::patch(&mut after, &patch)
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", shipped.id, outcome.patch.as_json()));
    Ok((after, see(&outcome)))
}

fn policy_file(name: &str) -> PolicySet {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let source = diagnostic::Source { name: name.to_owned(), text };
    PolicySet::load(&[source], None).unwrap().0
}

#[test]
fn every_workload_is_hardened_once() {
    let Some(directory) = corpus() else { return };
    let (pods, unreadable) = shipped(&directory);
    let set = policy_file("fill-only.yaml");
    let fill_only = set.by_name("fill-only").unwrap();
    let mut errors = unreadable;
    for policy in [Policy::restricted(), fill_only] {
        for shipped in &pods {
            match hardened(shipped, &shipped.pod, policy, |_| ()) {
                Ok((once, ())) => {
                    let (twice, patch) = hardened(shipped, &once, policy, |outcome| {
                        outcome.patch.as_json().to_owned()
                    })
                    .unwrap();
                    assert_eq!(
                        patch, "[]",
                        "{} under {} is hardened twice",
                        shipped.id, policy.name
                    );
                    assert_eq!(once, twice);
                }
                Err(error) => errors.push(format!("{}: {error}", shipped.id)),
            }
        }
    }
    errors.sort();
    errors.dedup();
    println!("{} pods; not read:\n  {}", pods.len(), errors.join("\n  "));
}

#[test]
fn what_passes_baseline_comes_out_passing_restricted() {
    let (Some(directory), Some(binary)) = (corpus(), judge::binary()) else { return };
    let (pods, _) = shipped(&directory);
    let pods: Vec<_> = pods
        .iter()
        .filter_map(|shipped| {
            let words = |outcome: &Outcome<'_>| words(outcome);
            let (after, words) =
                hardened(shipped, &shipped.pod, Policy::restricted(), words).ok()?;
            Some((shipped, after, words))
        })
        .collect();
    let before: Vec<Value> = pods.iter().map(|(shipped, ..)| shipped.pod.clone()).collect();
    let after: Vec<Value> = pods.iter().map(|(_, after, _)| after.clone()).collect();
    let before = judge::judge(&binary, &before);
    let after = judge::judge(&binary, &after);
    let mut baseline = 0;
    let mut restricted = 0;
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (((shipped, _, words), before), after) in pods.iter().zip(&before).zip(&after) {
        if !before.baseline.allowed {
            continue;
        }
        baseline += 1;
        if after.restricted.allowed {
            restricted += 1;
            assert!(after.error.is_none());
        } else {
            let why = format!("{} | {words}", after.restricted.reasons.join("; "));
            reasons.entry(why).or_default().push(shipped.id.clone());
        }
    }
    println!(
        "{} pods, {baseline} pass baseline as shipped, {restricted} of them come out passing restricted",
        pods.len()
    );
    for (reason, ids) in &reasons {
        println!("{:4} {reason}\n       {}", ids.len(), ids.join("\n       "));
    }
}

/// The rules that left something alone, and why.
fn words(outcome: &Outcome<'_>) -> String {
    let mut words: Vec<String> = outcome
        .findings
        .iter()
        .filter_map(|finding| match finding.result {
            RuleResult::Skipped(skip) => Some(skip.as_str().to_owned()),
            _ => None,
        })
        .collect();
    words.sort();
    words.dedup();
    words.join(",")
}
