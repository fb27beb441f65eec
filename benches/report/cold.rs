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

use anyhow::anyhow;
use ironhull::admission;
use ironhull::harden::harden;
use ironhull::pod::Pod;
use ironhull::policy::parse::parse;
use ironhull::policy::{Policy, PolicyFile, PolicySet};
use serde_json::{Value, json};

use crate::Bench;
use crate::engine::{ENFORCE, time};
use crate::hooks::Review;
use crate::support::reviews::{CREATE, ENVIRONMENT, deployment};
use crate::support::stats::Spread;

/// What is gone through, in bytes: as much as a core's second cache holds.
const OTHER_MEMORY: usize = 512 << 10;

/// What is read between two runs.
const POLICY: &str = include_str!("../../policies/restricted.yaml");

/// How often a step is taken in a round; of the times the median counts.
const RUNS: usize = 200;

/// The steps of the review that the HTTPS part sends, warm and cold: `skim` for the uid as the
/// constant hook does, `read` of the pod, `harden`, and `review`, the whole.
pub fn run(bench: &Bench) -> anyhow::Result<Value> {
    let body = deployment();
    let pod = serde_json::from_slice::<Value>(&body)?["request"]["object"].to_string();
    let view = Pod::from_json(&pod)?;
    let policies = PolicySet::new(Vec::new()).map_err(|_| anyhow!("no policies"))?;
    let skim = || drop(black_box(serde_json::from_slice::<Review<'_>>(black_box(&body))));
    let read = || drop(black_box(Pod::from_json(black_box(&pod))));
    let harden = || drop(black_box(harden(black_box(&view), Policy::restricted(), &CREATE)));
    let review =
        || drop(black_box(admission::review(black_box(&body), ENFORCE, &policies, ENVIRONMENT)));
    let steps: [(&str, &dyn Fn()); 4] =
        [("skim", &skim), ("read", &read), ("harden", &harden), ("review", &review)];
    let mut other = Other::start()?;
    // The steps warm, and then the steps cold.
    let seen: [_; 8] = bench.in_turn(|case| {
        let (_, step) = steps[case % 4];
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            if case >= 4 {
                other.turn()?;
            }
            times.push(time(step, 1));
        }
        Ok(Spread::of(times).median)
    })?;
    let seen = seen.map(Spread::of);
    let figures = steps.iter().enumerate().map(|(at, (name, _))| {
        ((*name).to_owned(), json!({"warm_ns": seen[at], "cold_ns": seen[at + 4]}))
    });
    Ok(Value::Object(figures.collect()))
}

/// What is done between two runs.
struct Other {
    thread: UnixStream,
    memory: Vec<u8>,
    file: [PolicyFile; 1],
}

impl Other {
    fn start() -> anyhow::Result<Self> {
        let (thread, mut theirs) = UnixStream::pair()?;
        thread::spawn(move || {
            let mut byte = [0];
            // It ends when the other side is dropped.
            while theirs.read_exact(&mut byte).is_ok() && theirs.write_all(&byte).is_ok() {}
        });
        let file = [PolicyFile { name: "restricted.yaml".to_owned(), text: POLICY.to_owned() }];
        Ok(Self { thread, memory: vec![1; OTHER_MEMORY], file })
    }

    /// Does it once.
    fn turn(&mut self) -> anyhow::Result<()> {
        let mut byte = [7];
        self.thread.write_all(&byte)?;
        self.thread.read_exact(&mut byte)?;
        drop(black_box(parse(&self.file)));
        for place in &mut self.memory {
            *place = place.wrapping_mul(3) ^ byte[0];
        }
        black_box(&self.memory);
        Ok(())
    }
}
