//! How much is measured, in which order, and on what machine.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::support::load::Until;
use crate::support::process::processor;

/// What every part needs to know.
pub struct Bench {
    /// The program that is measured.
    pub binary: PathBuf,
    pub rounds: usize,
    /// Whether as little as is possible is done, to see that it works.
    pub smoke: bool,
}

impl Bench {
    /// So many rounds, or as many as `BENCH_ROUNDS` says for trying out.
    pub fn new(rounds: usize, smoke: bool) -> anyhow::Result<Self> {
        let asked = env::var("BENCH_ROUNDS").map_or(Ok(rounds), |asked| asked.parse::<usize>());
        let asked = asked.context("BENCH_ROUNDS wants a number")?.max(1);
        let binary = env::var_os("BENCH_BINARY").map(PathBuf::from);
        let built_here = smoke.then(|| env!("CARGO_BIN_EXE_ironhull").into());
        let binary =
            binary.or(built_here).context("`make bench` builds the binary and names it")?;
        Ok(Self { binary, rounds: if smoke { 1 } else { rounds.min(asked) }, smoke })
    }

    /// Tells whoever waits what goes on.
    pub fn say(&self, what: &str) {
        if !self.smoke {
            eprintln!("bench: {what}");
        }
    }

    pub fn until(&self, millis: u64, requests: u64) -> Until {
        match self.smoke {
            true => Until::Requests(requests),
            false => Until::Elapsed(Duration::from_millis(millis)),
        }
    }

    /// Measures each of `N` in every round, another one first each time.
    pub fn in_turn<T, const N: usize>(
        &self,
        mut measure: impl FnMut(usize) -> anyhow::Result<T>,
    ) -> anyhow::Result<[Vec<T>; N]> {
        let mut seen = [const { Vec::new() }; N];
        for round in 0..self.rounds {
            for step in 0..N {
                let which = (round + step) % N;
                seen[which].push(measure(which)?);
            }
        }
        Ok(seen)
    }

    /// When and where it is measured.
    pub fn when(&self) -> anyhow::Result<Value> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| path.to_owned());
        let memory = read("/proc/meminfo")?;
        let kibibytes: u64 = memory.split_whitespace().nth(1).unwrap_or_default().parse()?;
        // With `+` where files differ from it.
        let commit = ["describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"];
        Ok(json!({
            "date": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%MZ").to_string(),
            "commit": said("git", &commit)?,
            "processor": processor(),
            "cores": thread::available_parallelism()?.get(),
            "memory_mib": kibibytes / 1024,
            "kernel": read("/proc/sys/kernel/osrelease")?.trim(),
            "rustc": said("rustc", &["--version"])?,
            // The average of one minute: others at work disturb.
            "load_before": read("/proc/loadavg")?.split(' ').next(),
            "rounds": self.rounds,
        }))
    }
}

fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
