//! Good clients: they send ordinary reviews at a steady rate, and note how long each took.
//!
//! A latency counts from the moment at which the request was due, so that one that waits behind
//! a slow one is not taken for a quick one.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::{Client, Trust};
use crate::support::reviews::DEPLOYMENT;
use crate::support::stats::percentile;

/// How many clients keep a connection, as a few API servers do.
pub const CLIENTS: usize = 8;

/// The pause between two new connections.
const NEW_PERIOD: Duration = Duration::from_millis(100);

/// An API server gives up on a webhook after this long, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Good requests in one span of time.
#[derive(Serialize)]
pub struct Good {
    /// Answered with a patch, on connections that were there before.
    pub answered: usize,
    pub failed: usize,
    pub p50_us: u128,
    pub p99_us: u128,
    /// The same, each on a new connection, with the handshake.
    pub new_answered: usize,
    pub new_failed: usize,
    pub new_p99_us: u128,
}

/// What the clients note: whether the connection was new, and the latency unless it failed.
/// Dropping it ends them.
pub struct Load(Receiver<(bool, Option<Duration>)>);

impl Load {
    /// Starts them all; each sends a request every `period`, and one more opens new connections.
    pub fn start(server: SocketAddr, trust: &Trust, period: Duration) -> Self {
        let (note, noted) = mpsc::channel();
        for index in 0..=CLIENTS {
            let (note, trust) = (note.clone(), trust.clone());
            let (new, offset) = (index == CLIENTS, period * index as u32 / CLIENTS as u32);
            let period = if new { NEW_PERIOD } else { period };
            thread::spawn(move || {
                let mut client: Option<Client> = None;
                let mut due = Instant::now() + offset;
                loop {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    client = client.or_else(|| trust.connect(server).ok());
                    let answered = client.as_mut().is_some_and(is_patched);
                    if note.send((new, answered.then(|| due.elapsed()))).is_err() {
                        return;
                    }
                    client = client.filter(|_| answered && !new);
                    due += period;
                }
            });
        }
        Self(noted)
    }

    /// What was noted since the last time.
    pub fn take(&self) -> Good {
        let (new, kept): (Vec<_>, Vec<_>) = self.0.try_iter().partition(|(new, _)| *new);
        let [(kept, failed), (new, new_failed)] = [kept, new].map(|noted| {
            let mut latencies: Vec<_> = noted.iter().filter_map(|(_, latency)| *latency).collect();
            latencies.sort_unstable();
            let failed = noted.len() - latencies.len();
            (latencies, failed)
        });
        let at = |latencies: &[Duration], share| percentile(latencies, share).as_micros();
        Good {
            answered: kept.len(),
            failed,
            p50_us: at(&kept, 0.5),
            p99_us: at(&kept, 0.99),
            new_answered: new.len(),
            new_failed,
            new_p99_us: at(&new, 0.99),
        }
    }

    /// What is noted within `span` from now.
    pub fn measure(&self, span: Duration) -> Good {
        let _before = self.take();
        thread::sleep(span);
        self.take()
    }
}

/// Whether a review is answered as it must be.
fn is_patched(client: &mut Client) -> bool {
    client.set_patience(PATIENCE);
    let answer = client.post("/enforce", DEPLOYMENT.as_bytes());
    answer.is_ok_and(|answer| {
        let text = answer.text();
        answer.status == 200 && text.contains("\"allowed\":true") && text.contains("\"patch\":")
    })
}
