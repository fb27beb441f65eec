//! Reviews sent to a server, and how long their answers take.
//!
//! A thread for each connection, which sends the next request when it has the answer to the
//! last one. Client and server share the machine's cores, so requests a second say what both
//! cost together; what the server costs alone says
//! [`Process::cpu`](super::process::Process::cpu).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use rustls::client::Resumption;
use serde_json::{Value, json};

use super::server::Server;
use super::stats::{Spread, percentile};
use crate::client::Client;

/// Which connections requests go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// The same ones all the time, as the API server does it.
    Kept,
    /// One for each request, with a whole handshake.
    New,
    /// One for each request, with a session that is resumed.
    Resumed,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many requests, over all connections together.
    Requests(u64),
    /// After this time.
    Elapsed(Duration),
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Load {
    pub connections: usize,
    pub over: Connections,
    pub until: Until,
    /// The bodies, in turn.
    pub bodies: Vec<Vec<u8>>,
}

/// What one load on one server was: answers a second, latencies (where connections are new, from
/// before the connection is made), what the server spent on a request, and how long it took for
/// it by its own clock.
pub type Slice = BTreeMap<&'static str, f64>;

/// A row with the spread of each figure.
pub fn row(mut row: Value, slices: &[Slice]) -> Value {
    for name in slices[0].keys() {
        row[name] = json!(Spread::of(slices.iter().map(|slice| slice[name])));
    }
    row
}

impl Load {
    /// Sends it all.
    pub fn run(&self, server: &Server) -> anyhow::Result<Slice> {
        let mut config = server.trust.config(rustls::DEFAULT_VERSIONS);
        if self.over != Connections::Resumed {
            config.resumption = Resumption::disabled();
        }
        let config = Arc::new(config);
        let connect = || Client::connect(server.webhook, &config);
        let kept = match self.over {
            Connections::Kept => self.connections,
            Connections::New | Connections::Resumed => 0,
        };
        let mut kept: Vec<Client> = (0..kept).map(|_| connect()).collect::<Result<_, _>>()?;
        let handled = || server.metric("ironhull_review_duration_seconds_sum{mode=\"enforce\"}");
        let (handled_before, cpu_before) = (handled(), server.process().cpu()?);
        let sent = AtomicU64::new(0);
        let started = Instant::now();
        let lane = |mut kept: Option<Client>| {
            let mut latencies = Vec::new();
            loop {
                let number = sent.fetch_add(1, Ordering::Relaxed);
                let over = match self.until {
                    Until::Requests(requests) => number >= requests,
                    Until::Elapsed(time) => started.elapsed() >= time,
                };
                if over {
                    return anyhow::Ok(latencies);
                }
                let body = &self.bodies[number as usize % self.bodies.len()];
                let begun = Instant::now();
                let answer = match &mut kept {
                    Some(client) => client.post("/enforce", body)?,
                    None => connect()?.post("/enforce", body)?,
                };
                latencies.push(begun.elapsed());
                ensure!(answer.status == 200, "a request was answered {}", answer.status);
            }
        };
        let lanes = thread::scope(|scope| {
            let lanes = (0..self.connections).map(|_| kept.pop());
            let lanes: Vec<_> = lanes.map(|kept| scope.spawn(|| lane(kept))).collect();
            let joined = lanes.into_iter().map(thread::ScopedJoinHandle::join);
            joined.collect::<Result<Vec<_>, _>>().map_err(|_| anyhow!("a client panicked"))
        })?;
        let elapsed = started.elapsed();
        let cpu = server.process().cpu()? - cpu_before;
        let handled = handled() - handled_before;
        let mut latencies = lanes.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
        latencies.sort_unstable();
        let (count, at) = (latencies.len() as f64, |share| micros(percentile(&latencies, share)));
        Ok(BTreeMap::from([
            ("rate", count / elapsed.as_secs_f64()),
            ("p50_us", at(0.5)),
            ("p99_us", at(0.99)),
            ("p999_us", at(0.999)),
            ("cpu_us", micros(cpu) / count),
            ("handled_us", handled * 1e6 / count),
        ]))
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
