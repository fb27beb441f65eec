//! The YAML editor on texts that nobody wrote: mutated manifests, and generated ones in
//! every layout that YAML has.
//!
//! As an ordinary test it runs for some seconds from a fixed seed. `make fuzz-editor
//! FUZZ_SECONDS=600` runs it for longer, from another one each time; what it finds it leaves
//! in target/fuzz-editor, as small as it can make it. It is blind to which code a text
//! reaches. What it knows instead is what manifests look like.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "a test stops at the first surprise, and its modules are nobody else's"
)]

mod check;
mod generate;
mod mutate;
mod random;

#[path = "../support/judge.rs"]
#[allow(dead_code, reason = "other tests judge pods, this one readings")]
mod judge;
#[path = "../support/reader.rs"]
mod reader;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use check::{Checker, Verdict};
use random::Random;

/// How long it runs among the other tests.
const SECONDS: u64 = 12;

/// The manifests of this project, each a text to begin with.
fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    let mut directories = vec![root.join("tests/manifests"), root.join("docs/examples")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
                seeds.extend(fs::read_to_string(path));
            }
        }
    }
    seeds.sort();
    assert!(seeds.len() > 40, "the seeds are not found any more");
    seeds
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: `{text}` is not a number")))
}

/// What is wrong with a text, if anything; a panic is.
fn wrong_with(checker: &mut Checker, text: &str) -> (Option<String>, Verdict) {
    match catch_unwind(AssertUnwindSafe(|| checker.check(text))) {
        Ok(Ok(verdict)) => (None, verdict),
        Ok(Err(wrong)) => (Some(wrong), Verdict::Changed),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            (Some(format!("panic: {}", message.unwrap_or_default())), Verdict::Changed)
        }
    }
}

/// The kind of a finding: what it says, without what it says of this text.
fn kind(wrong: &str) -> &str {
    wrong.split(':').next().unwrap_or_default()
}

/// The text without what it does not need to be wrong in the same way.
fn smallest(checker: &mut Checker, text: &str, wrong: &str) -> String {
    let mut text = text.to_owned();
    let mut size = text.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < text.len() {
            let end = (at + size).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                let shorter = format!("{}{}", &text[..at], &text[end..]);
                let (now, _) = wrong_with(checker, &shorter);
                if now.is_some_and(|now| kind(&now) == kind(wrong)) {
                    text = shorter;
                    continue;
                }
            }
            at += size;
        }
        size /= 2;
    }
    text
}

fn keep(number: usize, text: &str, wrong: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz-editor");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("finding-{number}.yaml"));
    fs::write(&path, text).unwrap();
    fs::write(path.with_extension("txt"), wrong).unwrap();
    path
}

#[test]
fn texts_that_nobody_wrote() {
    let duration = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(SECONDS));
    let clock = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let seed = number("FUZZ_SEED")
        .unwrap_or_else(|| if number("FUZZ_SECONDS").is_some() { clock() } else { 1 });
    println!("FUZZ_SEED={seed}");
    let seeds = seeds();
    let mut random = Random::new(seed);
    let mut checker = Checker::new(judge::binary());
    let mut counts: BTreeMap<Verdict, u64> = BTreeMap::new();
    let mut findings: BTreeMap<String, PathBuf> = BTreeMap::new();
    let start = Instant::now();
    let mut executions = 0_u64;
    // Every seed as it is, and then what becomes of them.
    while start.elapsed() < duration || executions < seeds.len() as u64 {
        let text = match usize::try_from(executions).ok().and_then(|n| seeds.get(n)) {
            Some(seed) => seed.clone(),
            None if random.one_in(2) => generate::manifest(&mut random),
            None => mutate::mutated(&mut random, &seeds),
        };
        executions += 1;
        let (wrong, verdict) = wrong_with(&mut checker, &text);
        *counts.entry(verdict).or_default() += 1;
        if let Some(wrong) = wrong
            && !findings.contains_key(kind(&wrong))
        {
            let text = smallest(&mut checker, &text, &wrong);
            let wrong = wrong_with(&mut checker, &text).0.unwrap_or(wrong);
            let path = keep(findings.len(), &text, &wrong);
            println!("{wrong}\n{text}\n--- {}", path.display());
            findings.insert(kind(&wrong).to_owned(), path);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{executions} texts in {seconds:.0} s: {counts:?}; {} kinds of findings",
        findings.len()
    );
    let changed = counts.get(&Verdict::Changed).copied().unwrap_or_default();
    assert!(changed * 10 > executions, "most texts never reach the editor: {counts:?}");
    let refused = counts.get(&Verdict::Refused).copied().unwrap_or_default();
    assert!(refused * 100 < executions, "too many are refused: {counts:?}");
    assert!(findings.is_empty(), "FUZZ_SEED={seed}: {findings:#?}");
}
