//! A real API server, and what is measured through it.
//!
//! The cluster's network is its own: the part of this program that asks the API server, and
//! the hooks that it asks in turn, run inside, started by `cluster exec`.

pub mod api;
pub mod creations;
pub mod preview;
pub mod storm;
mod variants;

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::say;

/// The name of the cluster, and of no other.
const NAME: &str = "bench";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/cluster/cluster");

/// A control plane that runs until it is dropped.
pub struct Cluster {
    away: Option<Child>,
}

impl Cluster {
    /// Starts it: etcd, API server, controllers, scheduler; no node, no audit log.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start() -> anyhow::Result<Self> {
        say("a control plane (building it takes minutes the first time)");
        // One that was left behind may have another condition.
        run(&["stop"])?;
        let cluster = Self { away: None };
        run(&["start", "--control-plane-only", "--no-audit"])?;
        Ok(cluster)
    }

    /// Has the controllers stay away for half an hour, or as long as the cluster is there.
    ///
    /// # Errors
    /// When the cluster's program cannot be run.
    pub fn without_controllers(&mut self) -> anyhow::Result<()> {
        let arguments = ["restart", "--down", "30m", "kube-controller-manager"];
        self.away = Some(command(&arguments).stdout(Stdio::null()).spawn()?);
        Ok(())
    }

    /// Runs this program inside, to measure `section` into a file, and reads that.
    ///
    /// # Errors
    /// When it fails.
    pub fn measure<T: serde::de::DeserializeOwned>(
        &self,
        section: &str,
        binary: &Path,
    ) -> anyhow::Result<T> {
        let out = tempfile::NamedTempFile::new()?;
        let program = env::current_exe()?;
        let status = command(&["exec", "--"])
            .arg(program)
            .arg("--inside")
            .arg(section)
            .arg(out.path())
            .env("BENCH_BINARY", binary)
            .status()?;
        ensure!(status.success(), "measuring `{section}` inside the cluster failed: {status}");
        let text = std::fs::read_to_string(out.path())?;
        serde_json::from_str(&text).with_context(|| format!("figures of `{section}`"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut away) = self.away.take() {
            let _may_have_ended = away.kill();
            let _reaped = away.wait();
        }
        if let Err(error) = run(&["stop"]) {
            eprintln!("bench: the cluster was not stopped: {error:#}");
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(SCRIPT);
    command.args(arguments).env("CLUSTER_NAME", NAME).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let status = command(arguments).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "`cluster {}` failed: {status}", arguments.join(" "));
    Ok(())
}
