//! What a review costs over HTTPS, straight to the server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::figures::{Handshakes, Https, Load as Row};
use crate::hooks::Hooks;
use crate::say;
use crate::stats::Spread;
use crate::support::load::{Connections, Load, Target, Until};
use crate::support::reviews;
use crate::support::server::Server;

const CONNECTIONS: [usize; 3] = [1, 8, 64];
const CLIENTS: [usize; 2] = [1, 8];

/// More threads than the client has connections are of no use, and more than two take the
/// server's cores away.
const THREADS: usize = 2;

/// How much is measured.
pub struct Extent {
    pub rounds: usize,
    /// How long each hook is loaded in one round.
    pub until: Until,
}

/// What one slice of load was.
struct Slice {
    rate: f64,
    p50: f64,
    p99: f64,
    p999: f64,
    cpu: f64,
    handled: f64,
}

/// Measures all of it.
///
/// # Errors
/// When a hook does not run, or a request fails.
pub fn run(binary: &Path, extent: &Extent) -> anyhow::Result<Https> {
    let review = reviews::deployment();
    let hooks = Hooks::start(binary, &review)?;
    let targets: Vec<_> = hooks.servers.iter().map(Server::target).collect::<Result<_, _>>()?;
    let mut loads = Vec::new();
    for connections in CONNECTIONS {
        say(&format!("{connections} connections, {} rounds", extent.rounds));
        let load = load(connections, Connections::Kept, extent.until);
        // Connections are made, code and caches are warm.
        for (server, target) in hooks.servers.iter().zip(&targets) {
            slice(server, target, &Load { until: Until::Requests(200), ..load.clone() })?;
        }
        let mut seen: [Vec<Slice>; 3] = [vec![], vec![], vec![]];
        for round in 0..extent.rounds {
            for step in 0..3 {
                let hook = (round + step) % 3;
                seen[hook].push(slice(&hooks.servers[hook], &targets[hook], &load)?);
            }
        }
        let constant = &seen[1];
        for (hook, slices) in Hooks::NAMES.into_iter().zip(&seen) {
            loads.push(row(connections, hook, slices, constant));
        }
    }
    let mut handshakes = Vec::new();
    for clients in CLIENTS {
        say(&format!("new connections, {clients} at once"));
        handshakes.extend(measure_handshakes(&hooks.servers[0], &targets[0], clients, extent)?);
    }
    Ok(Https {
        request_bytes: review.len(),
        answer_bytes: hooks.answer_bytes,
        operations: hooks.operations,
        naive_operations: hooks.naive_operations,
        loads,
        handshakes,
    })
}

fn load(connections: usize, over: Connections, until: Until) -> Load {
    Load { connections, threads: THREADS, over, until, ..Load::default() }
}

fn slice(server: &Server, target: &Arc<Target>, load: &Load) -> anyhow::Result<Slice> {
    let handled = || server.metric("ironhull_review_duration_seconds_sum{mode=\"enforce\"}");
    let (handled_before, before) = (handled()?, server.process().cpu()?);
    let answered = load.run(target)?.whole()?;
    let cpu = server.process().cpu()? - before;
    let handled = handled()? - handled_before;
    Ok(Slice {
        rate: answered.rate(),
        p50: micros(answered.latency(0.5)),
        p99: micros(answered.latency(0.99)),
        p999: micros(answered.latency(0.999)),
        cpu: micros(cpu) / answered.latencies.len() as f64,
        handled: handled * 1e6 / answered.latencies.len() as f64,
    })
}

fn row(connections: usize, hook: &str, slices: &[Slice], constant: &[Slice]) -> Row {
    let spread = |of: fn(&Slice) -> f64| Spread::of(slices.iter().map(of));
    let ratio = |of: fn(&Slice) -> f64| {
        Spread::of(slices.iter().zip(constant).map(|(one, floor)| of(one) / of(floor)))
    };
    Row {
        connections,
        hook: hook.to_owned(),
        rate: spread(|slice| slice.rate),
        p50_us: spread(|slice| slice.p50),
        p99_us: spread(|slice| slice.p99),
        p999_us: spread(|slice| slice.p999),
        cpu_us: spread(|slice| slice.cpu),
        handled_us: spread(|slice| slice.handled),
        rate_ratio: ratio(|slice| slice.rate),
        cpu_ratio: ratio(|slice| slice.cpu),
    }
}

fn measure_handshakes(
    server: &Server,
    target: &Arc<Target>,
    clients: usize,
    extent: &Extent,
) -> anyhow::Result<Vec<Handshakes>> {
    let kinds = [Connections::New, Connections::Resumed];
    let mut seen: [Vec<Slice>; 2] = [vec![], vec![]];
    for round in 0..extent.rounds {
        for step in 0..2 {
            let kind = (round + step) % 2;
            let load = load(clients, kinds[kind], extent.until);
            seen[kind].push(slice(server, target, &load)?);
        }
    }
    Ok(seen
        .iter()
        .zip([false, true])
        .map(|(slices, resumed)| {
            let row = row(clients, "", slices, slices);
            Handshakes {
                clients,
                resumed,
                rate: row.rate,
                p50_us: row.p50_us,
                p99_us: row.p99_us,
                cpu_us: row.cpu_us,
            }
        })
        .collect())
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
