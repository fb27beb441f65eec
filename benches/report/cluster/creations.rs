//! Creating pods through a real API server, with nothing and with each way to harden them.
//!
//! One client: the variants take turns request by request. Eight: in slices, so that the rate
//! is one variant's alone, and in several a round, since what eight at once have to wait for
//! each other, and for the disk, differs more than the variants do. Pods that are really
//! created stay until the cluster is removed: deleting them would disturb what is measured next.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use http::Method;

use super::api::{Api, pods};
use super::variants::{VARIANTS, Variants, namespace};
use crate::figures::{ApiServer, Creations};
use crate::say;
use crate::stats::{Spread, percentile};
use crate::support::reviews::ordinary_pod;

const CLIENTS: usize = 8;

/// How much is measured.
pub struct Extent {
    pub rounds: usize,
    /// Requests of each variant in a round, by one client; eight send twice as many together
    /// in a slice.
    pub requests: usize,
    /// Slices of each variant in a round of eight clients' dry runs; half as many of real
    /// creations, of which something stays.
    pub slices: usize,
}

/// One variant in one round.
#[derive(Clone, Copy)]
struct Slice {
    /// Milliseconds.
    median: f64,
    rate: f64,
}

/// One variant in all rounds.
type Seen = [Vec<Slice>; VARIANTS.len()];

/// Measures all of it.
///
/// # Errors
/// When a variant does not do what it should, or a creation fails.
pub async fn run(binary: &Path, extent: &Extent) -> anyhow::Result<ApiServer> {
    let clients = Api::several(CLIENTS).await?;
    let [api, ..] = clients.as_slice() else { anyhow::bail!("no client") };
    let variants = Variants::start(api, binary).await?;
    let mut creations = Vec::new();
    for dry_run in [true, false] {
        let kind = if dry_run { "dry run" } else { "real" };
        say(&format!("{kind}, one client, {} rounds", extent.rounds));
        creations.extend(rows(&one(api, dry_run, extent).await?, dry_run, 1)?);
        say(&format!("{kind}, {CLIENTS} clients, {} rounds", extent.rounds));
        creations.extend(rows(&eight(&clients, dry_run, extent).await?, dry_run, CLIENTS)?);
    }
    Ok(ApiServer {
        version: version(api).await?,
        operations: variants.hooks.operations,
        naive_operations: variants.hooks.naive_operations,
        creations,
    })
}

/// The API server's version.
pub async fn version(api: &Api) -> anyhow::Result<String> {
    let version = api.get("/version").await?;
    Ok(version["gitVersion"].as_str().context("it has no version")?.to_owned())
}

async fn one(api: &Api, dry_run: bool, extent: &Extent) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    // The round before the first one warms up.
    for round in 0..=extent.rounds {
        let mut latencies: [Vec<Duration>; VARIANTS.len()] = Default::default();
        for request in 0..extent.requests {
            for step in 0..VARIANTS.len() {
                let variant = (request + step) % VARIANTS.len();
                let name = format!("one-{round}-{request}");
                latencies[variant].push(create(api, VARIANTS[variant], &name, dry_run).await?);
            }
        }
        if round > 0 {
            for (seen, latencies) in seen.iter_mut().zip(&mut latencies) {
                let all: Duration = latencies.iter().sum();
                seen.push(slice(latencies, all));
            }
        }
    }
    Ok(seen)
}

async fn eight(clients: &[Api], dry_run: bool, extent: &Extent) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let slices = if dry_run { extent.slices } else { extent.slices.div_ceil(2) };
    for round in 0..=extent.rounds {
        let mut latencies: [Vec<Duration>; VARIANTS.len()] = Default::default();
        let mut took = [Duration::ZERO; VARIANTS.len()];
        for turn in 0..slices {
            for step in 0..VARIANTS.len() {
                let variant = (round + turn + step) % VARIANTS.len();
                let begun = Instant::now();
                let each = clients.iter().enumerate().map(async |(client, api)| {
                    let mut latencies = Vec::new();
                    for request in 0..extent.requests * 2 / clients.len() {
                        let name = format!("eight-{round}-{turn}-{client}-{request}");
                        latencies.push(create(api, VARIANTS[variant], &name, dry_run).await?);
                    }
                    anyhow::Ok(latencies)
                });
                latencies[variant].extend(try_join_all(each).await?.into_iter().flatten());
                took[variant] += begun.elapsed();
            }
        }
        if round > 0 {
            for ((seen, latencies), took) in seen.iter_mut().zip(&mut latencies).zip(took) {
                seen.push(slice(latencies, took));
            }
        }
    }
    Ok(seen)
}

async fn create(api: &Api, variant: &str, name: &str, dry_run: bool) -> anyhow::Result<Duration> {
    let body = ordinary_pod(name).to_string().into_bytes();
    let path = pods(&namespace(variant), dry_run);
    let begun = Instant::now();
    api.send(Method::POST, &path, body).await?;
    Ok(begun.elapsed())
}

fn slice(latencies: &mut [Duration], all: Duration) -> Slice {
    latencies.sort_unstable();
    Slice {
        median: percentile(latencies, 0.5).as_secs_f64() * 1e3,
        rate: latencies.len() as f64 / all.as_secs_f64(),
    }
}

fn rows(seen: &Seen, dry_run: bool, clients: usize) -> anyhow::Result<Vec<Creations>> {
    let [none, constant, ..] = seen;
    let added = |slices: &[Slice]| -> Vec<f64> {
        slices.iter().zip(none).map(|(slice, none)| slice.median - none.median).collect()
    };
    let floor = added(constant);
    Ok(VARIANTS
        .into_iter()
        .zip(seen)
        .map(|(variant, slices)| {
            let added = added(slices);
            Creations {
                dry_run,
                clients,
                variant: variant.to_owned(),
                latency_ms: Spread::of(slices.iter().map(|slice| slice.median)),
                ratio: Spread::of(added.iter().zip(&floor).map(|(added, floor)| added / floor)),
                added_ms: Spread::of(added),
                rate: Spread::of(slices.iter().map(|slice| slice.rate)),
            }
        })
        .collect())
}
