//! `make bench`: measures, and writes `docs/performance.json`, the page and the pictures.
//!
//! | | |
//! |---|---|
//! | `make bench` | every part but `preview` |
//! | `BENCH=engine,https make bench` | these parts; the others keep their figures, and the page says of which run each is |
//! | `BENCH=preview make bench` | the part that takes minutes to fill a cluster |
//! | `cargo test --bench report` | everything but the cluster, a few requests each, nothing written |
//!
//! `BENCH_BINARY` names the binary that is measured, built with the release profile and
//! `--features bench`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a bench that fails says where"
)]

mod cluster;
mod cold;
mod engine;
mod figures;
mod hooks;
mod https;
mod memory;
mod part;
mod render;
mod start;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "tests of the server use the rest of it")]
mod support;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use figures::Report;
use part::Part;
use support::stats;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let binary = env::var_os("BENCH_BINARY").map(PathBuf::from);
    let built_here = || PathBuf::from(env!("CARGO_BIN_EXE_ironhull"));
    if let [inside, section, out] = arguments.as_slice()
        && inside == "--inside"
    {
        let binary = binary.context("BENCH_BINARY is not set")?;
        return part::inside(section, &binary, out.as_ref());
    }
    // As criterion has it: `cargo bench` says that it measures, `cargo test` does not.
    let measures = arguments.iter().any(|argument| argument == "--bench");
    if !measures || env::var_os("BENCH_SMOKE").is_some() {
        return smoke(&binary.unwrap_or_else(built_here));
    }
    let Some(binary) = binary else {
        bail!("BENCH_BINARY is not set: `make bench` builds the binary and names it");
    };
    let parts = Part::asked(env::var("BENCH").ok().as_deref())?;
    let file = format!("{DOCS}/performance.json");
    let mut report = match fs::read_to_string(&file) {
        Ok(text) if parts.len() < Part::DEFAULT.len() => {
            serde_json::from_str(&text).context("docs/performance.json")?
        }
        // Everything is measured anew but for what takes too long for every time.
        Ok(text) => {
            let old: Report = serde_json::from_str(&text).context("docs/performance.json")?;
            Report { preview: old.preview, ..Report::default() }
        }
        Err(_) => Report::default(),
    };
    let begun = Instant::now();
    for part in &parts {
        say(&format!("part {}", part.name()));
        part.measure(&mut report, &binary, false)?;
        // What is measured is kept, whatever becomes of the next part.
        write(&report)?;
    }
    say(&format!("done in {} s: docs/performance.md", begun.elapsed().as_secs()));
    Ok(())
}

/// Everything that needs no cluster, at its smallest.
fn smoke(binary: &std::path::Path) -> anyhow::Result<()> {
    let mut report = Report::default();
    for part in [Part::Engine, Part::Https, Part::Memory, Part::Start] {
        part.measure(&mut report, binary, true)?;
    }
    let again: Report = serde_json::from_str(&serde_json::to_string(&report)?)?;
    let page = render::files(&again).remove(0).1;
    for title in ["## Engine", "## HTTPS", "## Memory", "## Start", "## Goals"] {
        anyhow::ensure!(page.contains(title), "the page has no {title}");
    }
    println!("bench: engine, https, memory, start: each ran; nothing is written");
    Ok(())
}

fn write(report: &Report) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    fs::write(format!("{DOCS}/performance.json"), text)?;
    for (name, text) in render::files(report) {
        fs::write(format!("{DOCS}/{name}"), text)?;
    }
    Ok(())
}

/// Tells whoever waits what goes on.
fn say(what: &str) {
    if env::args().any(|argument| argument == "--bench" || argument == "--inside") {
        eprintln!("bench: {what}");
    }
}
