//! What the server holds in memory, and what many policies add to it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use hyper::body::Bytes as Body;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::figures::{Bytes, Memory};
use crate::https::micros;
use crate::say;
use crate::stats::Spread;
use crate::support::load::{Load, Until};
use crate::support::reviews::{deployment, needy_pod, ordinary_pod, review};
use crate::support::server::{Server, Setup};

pub const POLICIES: usize = 1000;

/// How much is measured.
pub struct Extent {
    pub rounds: usize,
    pub reviews: u64,
    pub connections: usize,
    pub policies: usize,
    /// How long each server is loaded in one round.
    pub until: Until,
    /// How long a server that has just started is left alone.
    pub settle: Duration,
}

/// Measures all of it.
///
/// # Errors
/// When a server does not run, or a request fails.
pub fn run(binary: &Path, extent: &Extent) -> anyhow::Result<Memory> {
    let start = |setup: &Setup| {
        let server = Server::start(binary, setup)?;
        std::thread::sleep(extent.settle);
        anyhow::Ok(server)
    };
    say(&format!("idle, and after {} reviews", extent.reviews));
    let plain = start(&Setup::default())?;
    let idle = bytes(&plain)?;
    let ordinary = Load {
        connections: 8,
        threads: 2,
        until: Until::Requests(extent.reviews),
        bodies: vec![
            deployment().into(),
            review(&ordinary_pod("web"), "shop").into(),
            review(&needy_pod(3), "shop").into(),
        ],
        ..Load::default()
    };
    ordinary.run(&plain.target()?)?.whole()?;
    let after = bytes(&plain)?;

    say(&format!("{} open connections", extent.connections));
    room_for(extent.connections as u64 + 256)?;
    // By default half a thousand are let in.
    let limit = ["--max-connections".to_owned(), extent.connections.to_string()];
    let busy = start(&Setup { arguments: limit.into(), ..Setup::default() })?;
    let open = busy.target()?.idle(extent.connections)?;
    std::thread::sleep(extent.settle);
    let connected = bytes(&busy)?;
    ensure!(busy.process().open_files()? >= extent.connections, "connections were closed");
    drop(open);
    drop(busy);

    say(&format!("{} policies", extent.policies));
    let directory = policies(extent.policies)?;
    let setup = self::with_policies(&directory);
    let many = start(&setup)?;
    let with_policies = bytes(&many)?;
    ensure!(many.metric("ironhull_policies")? as usize == extent.policies, "policies are missing");
    let namespaces = (0..100).map(|index| format!("team-{}", index * extent.policies / 100));
    let load = Load {
        connections: 8,
        threads: 2,
        until: extent.until,
        bodies: namespaces.map(|namespace| in_namespace(&namespace)).collect(),
        ..Load::default()
    };
    // One policy that does the same: what is compared is their number.
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("policy.yaml"), policy(0, "\"*\""))?;
    let one = start(&self::with_policies(&directory))?;
    let servers = [&one, &many];
    let targets = [one.target()?, many.target()?];
    let mut seen: [Vec<(f64, f64)>; 2] = [vec![], vec![]];
    for round in 0..=extent.rounds {
        for step in 0..2 {
            let which = (round + step) % 2;
            let before = servers[which].process().cpu()?;
            let answered = load.run(&targets[which])?.whole()?;
            let cpu = servers[which].process().cpu()? - before;
            // The first round warms up.
            if round > 0 {
                let requests = answered.latencies.len() as f64;
                seen[which].push((micros(answered.latency(0.5)), micros(cpu) / requests));
            }
        }
    }
    let ratio = |of: fn(&(f64, f64)) -> f64| {
        Spread::of(seen[1].iter().zip(&seen[0]).map(|(many, one)| of(many) / of(one)))
    };
    Ok(Memory {
        idle,
        reviews: extent.reviews,
        after,
        open_connections: extent.connections,
        connected,
        policies: extent.policies,
        with_policies,
        policies_p50_ratio: ratio(|(latency, _)| *latency),
        policies_cpu_ratio: ratio(|(_, cpu)| *cpu),
    })
}

/// A directory with so many policies, a hundred to a file: each for a namespace of its own
/// and a pattern, with images and exemptions.
///
/// # Errors
/// When it cannot be written.
pub fn policies(count: usize) -> anyhow::Result<TempDir> {
    let directory = tempfile::tempdir()?;
    let names = |index| format!("team-{index}, \"team-{index}-*\"");
    let documents: Vec<String> = (0..count).map(|index| policy(index, &names(index))).collect();
    for (number, documents) in documents.chunks(100).enumerate() {
        let path = directory.path().join(format!("policies-{number}.yaml"));
        fs::write(path, documents.join("---\n"))?;
    }
    Ok(directory)
}

fn policy(index: usize, namespaces: &str) -> String {
    format!(
        "apiVersion: ironhull.dev/v1alpha1\n\
         kind: HardeningPolicy\n\
         metadata:\n  name: team-{index}\n\
         spec:\n\
         \x20 namespaces: [{namespaces}]\n\
         \x20 rules:\n\
         \x20   readOnlyRootFilesystem: enforce\n\
         \x20   runAsUser: {{action: enforce, value: {uid}}}\n\
         \x20 images:\n\
         \x20 - match: [\"registry.example/team-{index}/*\"]\n\
         \x20   runAsUser: image\n\
         \x20 exemptions:\n\
         \x20   allow: [runAsNonRoot, capabilities]\n\
         \x20   maxDays: 90\n",
        uid = 10_000 + index,
    )
}

/// A server with the policies of that directory.
pub fn with_policies(directory: &TempDir) -> Setup {
    let arguments = vec!["--policy".to_owned(), directory.path().display().to_string()];
    Setup { arguments, ..Setup::default() }
}

fn in_namespace(namespace: &str) -> Body {
    String::from_utf8_lossy(&deployment())
        .replace(r#""namespace":"shop""#, &format!(r#""namespace":"{namespace}""#))
        .into_bytes()
        .into()
}

fn bytes(server: &Server) -> anyhow::Result<Bytes> {
    let memory = server.process().memory()?;
    Ok(Bytes { resident: memory.resident, proportional: memory.proportional, peak: memory.peak })
}

/// Raises the limit on open files of this process, if it is lower.
fn room_for(files: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < files) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: limit.maximum })?;
    }
    Ok(())
}
