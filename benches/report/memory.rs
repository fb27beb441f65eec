//! What the server holds in memory, how long it takes to start, and what many policies add to
//! both.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Bench;
use crate::support::load::{Connections, Load, Until};
use crate::support::reviews::{deployment, needy_pod, ordinary_pod, review};
use crate::support::server::{Server, serve};
use crate::support::stats::Spread;

/// Measures the memory.
pub fn run(bench: &Bench) -> anyhow::Result<Value> {
    let (reviews, connections) = if bench.smoke { (100, 10) } else { (100_000, 1000) };
    let count = policies(bench);
    // A server that has just started is left alone for a while.
    let settle = || thread::sleep(Duration::from_secs(u64::from(!bench.smoke)));
    let start = |arguments: &[String]| {
        let server = Server::start(serve(&bench.binary, arguments))?;
        settle();
        anyhow::Ok(server)
    };
    bench.say(&format!("idle, and after {reviews} reviews"));
    let plain = start(&[])?;
    let idle = plain.process().memory()?;
    let pods = [ordinary_pod("web"), needy_pod(3)].map(|pod| review(&pod, "shop"));
    let mut load = Load {
        connections: 8,
        over: Connections::Kept,
        until: Until::Requests(reviews),
        bodies: pods.into_iter().chain([deployment()]).collect(),
    };
    load.run(&plain)?;
    let after = plain.process().memory()?;

    bench.say(&format!("{connections} open connections"));
    let (limit, needed) = (getrlimit(Resource::Nofile), connections as u64 + 256);
    if limit.current.is_some_and(|current| current < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?;
    }
    // By default half a thousand are let in.
    let busy = start(&["--max-connections".to_owned(), connections.to_string()])?;
    let open: Vec<_> =
        (0..connections).map(|_| busy.trust.connect(busy.webhook)).collect::<Result<_, _>>()?;
    settle();
    let connected = busy.process().memory()?;
    ensure!(busy.process().open_files()? >= connections, "connections were closed");
    drop((open, busy));

    bench.say(&format!("{count} policies"));
    let (one, many) = (one_policy()?, many_policies(count)?);
    let servers = [start(&with(&one))?, start(&with(&many))?];
    let with_policies = servers[1].process().memory()?;
    ensure!(servers[1].metric("ironhull_policies") as usize == count, "policies are missing");
    let text = String::from_utf8(deployment())?;
    let in_team = |index: usize| {
        let namespace = format!(r#""namespace":"team-{}""#, index * count / 100);
        text.replace(r#""namespace":"shop""#, &namespace).into_bytes()
    };
    load.until = bench.until(1000, 50);
    load.bodies = (0..100).map(in_team).collect();
    for server in &servers {
        load.run(server)?;
    }
    let [one, many] = bench.in_turn(|which| load.run(&servers[which]))?;
    Ok(json!({
        "idle": idle,
        "reviews": reviews,
        "after": after,
        "open_connections": connections,
        "connected": connected,
        "policies": count,
        "with_policies": with_policies,
        "policies_p50_ratio": Spread::of_ratios(&many, &one, |slice| slice["p50_us"]),
        "policies_cpu_ratio": Spread::of_ratios(&many, &one, |slice| slice["cpu_us"]),
    }))
}

/// Measures how long a server takes from exec until it is ready.
pub fn starts(bench: &Bench) -> anyhow::Result<Value> {
    let policies = policies(bench);
    let directory = many_policies(policies)?;
    let arguments = [Vec::new(), with(&directory)];
    let seen: [_; 2] = bench.in_turn(|which| {
        let server = Server::start(serve(&bench.binary, &arguments[which]))?;
        Ok(server.ready_after.as_secs_f64() * 1e3)
    })?;
    let [ready_ms, with_policies_ms] = seen.map(Spread::of);
    Ok(json!({
        "starts": bench.rounds,
        "ready_ms": ready_ms,
        "policies": policies,
        "with_policies_ms": with_policies_ms,
    }))
}

fn policies(bench: &Bench) -> usize {
    if bench.smoke { 3 } else { 1000 }
}

/// The arguments of a server with the policies of that directory.
fn with(directory: &TempDir) -> Vec<String> {
    vec!["--policy".to_owned(), directory.path().display().to_string()]
}

/// A directory with so many policies, a hundred to a file: each for a namespace of its own
/// and a pattern, with images and exemptions.
fn many_policies(count: usize) -> anyhow::Result<TempDir> {
    let directory = tempfile::tempdir()?;
    let documents: Vec<String> = (0..count)
        .map(|index| policy(index, &format!("team-{index}, \"team-{index}-*\"")))
        .collect();
    for (number, documents) in documents.chunks(100).enumerate() {
        let path = directory.path().join(format!("policies-{number}.yaml"));
        fs::write(path, documents.join("---\n"))?;
    }
    Ok(directory)
}

/// One policy that does the same: what is compared is their number.
fn one_policy() -> anyhow::Result<TempDir> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("policy.yaml"), policy(0, "\"*\""))?;
    Ok(directory)
}

fn policy(index: usize, namespaces: &str) -> String {
    let text = include_str!("policy.yaml").replace("NAMESPACES", namespaces);
    text.replace("INDEX", &index.to_string()).replace("UID", &(10_000 + index).to_string())
}
