//! A real API server, and what is measured through it.
//!
//! The cluster's network is its own: the part of this program that asks the API server, and
//! the hooks that it asks in turn, run inside, started by `cluster exec`.

mod api;
mod creations;
mod storm;
mod variants;

use std::env;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::Bench;
use api::Api;

/// The parts that need one.
pub const PARTS: [&str; 2] = ["apiserver", "storm"];

/// The argument by which this program is the part inside.
pub const INSIDE: &str = "--inside";

/// Runs this program inside a cluster of its own, to measure a part into a file.
pub fn measure(part: &str, bench: &Bench) -> anyhow::Result<Value> {
    bench.say("a control plane (building it takes minutes the first time)");
    // One that was left behind may have another condition.
    cluster(&["stop"])?;
    let _stopped_at_the_end = Cluster;
    cluster(&["start", "--control-plane-only", "--no-audit"])?;
    let (out, program) = (tempfile::NamedTempFile::new()?, env::current_exe()?);
    let inside = command(&["exec", "--"])
        .arg(program)
        .args([INSIDE, part, &bench.rounds.to_string()])
        .arg(out.path())
        .env("BENCH_BINARY", &bench.binary)
        .status()?;
    ensure!(inside.success(), "measuring `{part}` inside the cluster failed: {inside}");
    serde_json::from_slice(&fs::read(out.path())?).with_context(|| format!("figures of `{part}`"))
}

/// Measures a part that needs the cluster's network, inside it, into a file.
pub fn inside(part: &str, bench: &Bench, out: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = match part {
        "apiserver" => runtime.block_on(creations::run(bench))?,
        "storm" => runtime.block_on(storm::run(bench))?,
        other => bail!("nothing is measured inside for `{other}`"),
    };
    Ok(fs::write(out, figures.to_string())?)
}

/// A control plane, until it is dropped: etcd, API server, controllers, scheduler; no node.
struct Cluster;

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = cluster(&["stop"]) {
            eprintln!("bench: the cluster was not stopped: {error:#}");
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/cluster/cluster"));
    command.args(arguments).env("CLUSTER_NAME", "bench").stdin(Stdio::null());
    command
}

fn cluster(arguments: &[&str]) -> anyhow::Result<()> {
    let status = command(arguments).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "`cluster {}` failed: {status}", arguments.join(" "));
    Ok(())
}
