//! `make bench`: measures, and writes `docs/performance.json`, the page and the pictures.
//!
//! | | |
//! |---|---|
//! | `make bench` | every part |
//! | `BENCH=engine,https make bench` | these parts; the others keep their figures, and the page says of which run each is |
//! | `cargo test --bench report` | everything but the cluster, a few requests each, nothing written |
//!
//! `BENCH_BINARY` names the binary that is measured, built with the release profile.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a bench that fails says where"
)]

#[path = "../../tests/server/client.rs"]
#[allow(dead_code, reason = "the tests of the server need more of it")]
mod client;
mod cluster;
mod cold;
mod engine;
mod facts;
#[path = "../../tests/images/fake.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of images need more of it")]
mod fake;
mod hooks;
mod https;
#[path = "../../tests/support/image.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of images need more of it")]
mod image;
mod memory;
mod render;
mod run;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "abuse needs the rest of it")]
mod support;
#[path = "../../tests/support/tar.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of images need more of it")]
mod tar;

use std::env;
use std::fs;
use std::time::Instant;

use anyhow::ensure;
use run::Bench;
use serde_json::{Value, json};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

/// A part of the report: its name, how many rounds it has, and what measures it. An odd number
/// of rounds has a median that was seen.
type Part = (&'static str, usize, fn(&Bench) -> anyhow::Result<Value>);

const PARTS: [Part; 7] = [
    ("engine", 9, engine::run),
    ("https", 9, https::run),
    ("apiserver", 7, |bench| cluster::measure("apiserver", bench)),
    ("storm", 1, |bench| cluster::measure("storm", bench)),
    ("memory", 9, memory::run),
    ("start", 25, memory::starts),
    ("facts", 9, facts::run),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [hooks::TOLD, review, patch] => return hooks::answer_as_told(review, patch),
        [cluster::INSIDE, part, rounds, out] => {
            return cluster::inside(part, &Bench::new(rounds.parse()?, false)?, out);
        }
        _ => {}
    }
    // As criterion has it: `cargo bench` says that it measures, `cargo test` does not. Then
    // everything that needs no cluster is done at its smallest.
    let smoke = !arguments.iter().any(|argument| argument == "--bench");
    let asked = env::var("BENCH").unwrap_or_default();
    let asked: Vec<_> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let known = |name: &&str| PARTS.iter().any(|(part, ..)| part == name);
    ensure!(asked.iter().all(known), "BENCH: of the parts {asked:?} not all are there");
    let at = format!("{DOCS}/performance.json");
    let mut report: Value = match fs::read_to_string(&at) {
        Ok(text) if !asked.is_empty() && !smoke => serde_json::from_str(&text)?,
        _ => json!({}),
    };
    for (name, rounds, run) in PARTS {
        let wanted = if smoke { !cluster::PARTS.contains(&name) } else { asked.contains(&name) };
        if !wanted && (smoke || !asked.is_empty()) {
            continue;
        }
        let bench = Bench::new(rounds, smoke)?;
        bench.say(&format!("part {name}, {} rounds", bench.rounds));
        let (mut when, begun) = (bench.when()?, Instant::now());
        let figures = run(&bench)?;
        when["seconds"] = begun.elapsed().as_secs().into();
        report[name] = json!({"run": when, "figures": figures});
        // What is measured is kept, whatever becomes of the next part.
        let files = render::files(&report)?;
        if !smoke {
            fs::write(&at, serde_json::to_string_pretty(&report)? + "\n")?;
            for (name, text) in files {
                fs::write(format!("{DOCS}/{name}"), text)?;
            }
        }
    }
    if smoke {
        let page = render::files(&report)?.remove(0).1;
        for title in
            ["## Goals", "## Engine", "## HTTPS", "## Memory", "## Start", "## Image facts"]
        {
            ensure!(page.contains(title), "the page has no {title}");
        }
        println!("bench: each part that needs no cluster ran; nothing is written");
    }
    Ok(())
}
