//! Creating pods through a real API server, with nothing and with each way to harden them.
//!
//! One client: the variants take turns request by request. Eight: in slices, so that the rate
//! is one variant's alone, and in several a round, since what eight at once have to wait for
//! each other, and for the disk, differs more than the variants do. Pods that are really
//! created stay until the cluster is removed: deleting them would disturb what is measured next.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use http::Method;
use serde_json::{Value, json};

use super::Api;
use super::api::pods;
use super::variants::{self, VARIANTS, namespace};
use crate::Bench;
use crate::support::reviews::ordinary_pod;
use crate::support::stats::{Spread, percentile};

const CLIENTS: usize = 8;

/// How many pods of each variant one client creates in a round; eight create twice as many
/// together in a slice.
const REQUESTS: usize = 80;

/// One variant in one round.
#[derive(Default)]
struct Round {
    latencies: Vec<Duration>,
    took: Duration,
}

/// Measures all of it.
pub async fn run(bench: &Bench) -> anyhow::Result<Value> {
    let clients = try_join_all((0..CLIENTS).map(|_| Api::connect())).await?;
    let hooks = variants::start(&clients[0], &bench.binary).await?;
    let mut creations = Vec::new();
    for dry_run in [true, false] {
        // Of real creations something stays.
        let slices = if dry_run { 6 } else { 3 };
        for (clients, turns) in [(&clients[..1], REQUESTS), (&clients[..], slices)] {
            bench.say(&format!("{} clients, dry run: {dry_run}", clients.len()));
            let mut seen: [Vec<Round>; VARIANTS.len()] = Default::default();
            // The round before the first one warms up.
            for round in 0..=bench.rounds {
                let these = self::round(clients, dry_run, round, turns).await?;
                for (seen, this) in seen.iter_mut().zip(these).filter(|_| round > 0) {
                    seen.push(this);
                }
            }
            creations.extend(rows(&seen, dry_run, clients.len()));
        }
    }
    Ok(json!({
        "version": clients[0].version().await?,
        "operations": hooks.operations,
        "naive_operations": hooks.naive_operations,
        "creations": creations,
    }))
}

/// All variants in so many turns, another one first each time.
async fn round(
    clients: &[Api],
    dry_run: bool,
    round: usize,
    turns: usize,
) -> anyhow::Result<[Round; VARIANTS.len()]> {
    let mut seen: [Round; VARIANTS.len()] = Default::default();
    let requests = if clients.len() == 1 { 1 } else { REQUESTS * 2 / clients.len() };
    for turn in 0..turns {
        for step in 0..VARIANTS.len() {
            let which = (round + turn + step) % VARIANTS.len();
            let begun = Instant::now();
            let each = clients.iter().enumerate().map(async |(client, api)| {
                let mut latencies = Vec::new();
                for request in 0..requests {
                    let of = clients.len();
                    let name = format!("of-{of}-{round}-{turn}-{client}-{request}");
                    let body = ordinary_pod(&name).to_string().into_bytes();
                    let path = pods(&namespace(VARIANTS[which]), dry_run);
                    let begun = Instant::now();
                    api.send(Method::POST, &path, body).await?;
                    latencies.push(begun.elapsed());
                }
                anyhow::Ok(latencies)
            });
            seen[which].latencies.extend(try_join_all(each).await?.concat());
            seen[which].took += begun.elapsed();
        }
    }
    for variant in &mut seen {
        variant.latencies.sort_unstable();
    }
    Ok(seen)
}

fn rows(seen: &[Vec<Round>], dry_run: bool, clients: usize) -> Vec<Value> {
    let median = |round: &Round| percentile(&round.latencies, 0.5).as_secs_f64() * 1e3;
    let added = |rounds: &[Round]| -> Vec<f64> {
        rounds.iter().zip(&seen[0]).map(|(round, none)| median(round) - median(none)).collect()
    };
    let constant = added(&seen[1]);
    let rate = |round: &Round| round.latencies.len() as f64 / round.took.as_secs_f64();
    let row = |(variant, rounds): (&str, &Vec<Round>)| {
        let added = added(rounds);
        json!({
            "dry_run": dry_run,
            "clients": clients,
            "variant": variant,
            "latency_ms": Spread::of(rounds.iter().map(median)),
            "added_ms": Spread::of(added.iter().copied()),
            // What is added, to what the constant hook adds in the same round.
            "ratio": Spread::of_ratios(&added, &constant, |added| *added),
            "rate": Spread::of(rounds.iter().map(rate)),
        })
    };
    VARIANTS.into_iter().zip(seen).map(row).collect()
}
