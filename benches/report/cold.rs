//! What a review's steps cost when something else was done before, as in a server.
//!
//! A loop keeps code, data and the processor's guesses at branches at hand. In a server a
//! review comes after a read from the kernel, TLS and HTTP, and other processes have had the
//! core. Here each run comes after a message to another thread and back, after other code that
//! is as branched, and after more memory than the first caches hold.

use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use ironhull::admission;
use ironhull::harden::harden;
use ironhull::pod::Pod;
use ironhull::policy::parse::parse;
use ironhull::policy::{Policy, PolicySet, Source};
use serde::Deserialize;
use serde_json::Value;

use crate::engine::ENFORCE;
use crate::figures::Step;
use crate::stats::Spread;
use crate::support::reviews::{CREATE, ENVIRONMENT, deployment};

/// What is gone through, in bytes: as much as a core's second cache holds.
const OTHER_MEMORY: usize = 512 << 10;

/// What is read between two runs.
const POLICY: &str = include_str!("../../policies/restricted.yaml");

/// How often a step is taken in a round; of the times the median counts.
const RUNS: usize = 200;

/// The steps of the review that the HTTPS part sends, warm and cold.
///
/// # Errors
/// When the review cannot be read, or there is no thread.
pub fn run(rounds: usize) -> anyhow::Result<Vec<Step>> {
    let body = deployment();
    let pod = serde_json::from_slice::<Value>(&body)?["request"]["object"].to_string();
    let view = Pod::from_json(&pod)?;
    let policies = PolicySet::new(Vec::new()).map_err(|_| anyhow!("no policies"))?;
    let skim = || drop(black_box(serde_json::from_slice::<Skimmed<'_>>(black_box(&body))));
    let read = || drop(black_box(Pod::from_json(black_box(&pod))));
    let harden = || drop(black_box(harden(black_box(&view), Policy::restricted(), &CREATE)));
    let review =
        || drop(black_box(admission::review(black_box(&body), ENFORCE, &policies, ENVIRONMENT)));
    let steps: [(&str, &dyn Fn()); 4] =
        [("skim", &skim), ("read", &read), ("harden", &harden), ("review", &review)];
    let mut other = Other::start()?;
    let mut seen = steps.map(|_| Seen::default());
    for _ in 0..rounds {
        for ((_, step), seen) in steps.iter().zip(&mut seen) {
            seen.warm.push(median(|| Ok(time(step)))?);
        }
        for ((_, step), seen) in steps.iter().zip(&mut seen) {
            seen.cold.push(median(|| other.turn().map(|()| time(step)))?);
        }
    }
    let figures = steps.iter().zip(seen).map(|((name, _), seen)| Step {
        step: (*name).to_owned(),
        warm_ns: Spread::of(seen.warm),
        cold_ns: Spread::of(seen.cold),
    });
    Ok(figures.collect())
}

/// The nanoseconds of a step, by rounds.
#[derive(Default)]
struct Seen {
    warm: Vec<f64>,
    cold: Vec<f64>,
}

/// What the constant hook reads of a review.
#[derive(Deserialize)]
struct Skimmed<'r> {
    #[serde(borrow)]
    #[expect(dead_code, reason = "reading it is what is measured")]
    request: SkimmedRequest<'r>,
}

#[derive(Deserialize)]
struct SkimmedRequest<'r> {
    #[expect(dead_code, reason = "reading it is what is measured")]
    uid: &'r str,
}

fn time(step: impl Fn()) -> f64 {
    let begun = Instant::now();
    step();
    begun.elapsed().as_nanos() as f64
}

fn median(mut once: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let times = (0..RUNS).map(|_| once()).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Spread::of(times).median)
}

/// What is done between two runs.
struct Other {
    thread: UnixStream,
    memory: Vec<u8>,
    file: Source,
}

impl Other {
    fn start() -> anyhow::Result<Self> {
        let (thread, mut theirs) = UnixStream::pair().context("no pair of sockets")?;
        let echo = move || {
            let mut byte = [0];
            // It ends when the other side is dropped.
            while theirs.read_exact(&mut byte).is_ok() && theirs.write_all(&byte).is_ok() {}
        };
        thread::Builder::new().spawn(echo).context("no thread")?;
        let file = Source { name: "restricted.yaml".to_owned(), text: POLICY.to_owned() };
        Ok(Self { thread, memory: vec![1; OTHER_MEMORY], file })
    }

    /// Does it once.
    fn turn(&mut self) -> anyhow::Result<()> {
        let mut byte = [7];
        self.thread.write_all(&byte)?;
        self.thread.read_exact(&mut byte)?;
        drop(black_box(parse(std::slice::from_ref(&self.file))));
        for place in &mut self.memory {
            *place = place.wrapping_mul(3) ^ byte[0];
        }
        black_box(&self.memory);
        Ok(())
    }
}
