//! Good clients: they send ordinary reviews at a steady rate, and note how long each took.
//!
//! A latency counts from the moment at which the request was due, so that one that waits behind
//! a slow one is not taken for a quick one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{Client, Trust};
use crate::report::Good;

/// How many clients keep a connection, as a few API servers do.
pub const CLIENTS: usize = 8;

/// The pause between two new connections.
const NEW_PERIOD: Duration = Duration::from_millis(100);

/// An API server gives up on a webhook after this long, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pod of a Deployment, as the API server sends it.
pub const REVIEW: &str = include_str!("../reviews/deployment-pod.json");

/// The clients' threads; dropping it ends them.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    noted: Mutex<[Noted; 2]>,
}

/// Of kept connections, and of new ones.
#[derive(Default)]
struct Noted {
    latencies: Vec<Duration>,
    failed: u64,
}

impl Load {
    /// Starts them all; each sends a request every `period`.
    pub fn start(server: SocketAddr, trust: &Trust, period: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let one = |index: usize| {
            let (shared, trust) = (Arc::clone(&shared), trust.clone());
            thread::spawn(move || {
                if index < CLIENTS {
                    let offset = period * index as u32 / CLIENTS as u32;
                    kept(&shared, server, &trust, (offset, period));
                } else {
                    renewed(&shared, server, &trust);
                }
            })
        };
        let threads = (0..=CLIENTS).map(one).collect();
        Self { shared, threads }
    }

    /// What was noted since the last time.
    pub fn take(&self) -> Good {
        let [kept, new] = std::mem::take(&mut *self.shared.noted.lock().unwrap());
        let (answered, p50_us, p99_us) = quantiles(kept.latencies);
        let (new_answered, _, new_p99_us) = quantiles(new.latencies);
        let (failed, new_failed) = (kept.failed, new.failed);
        Good { answered, failed, p50_us, p99_us, new_answered, new_failed, new_p99_us }
    }

    /// What is noted within `span` from now.
    pub fn measure(&self, span: Duration) -> Good {
        let _before = self.take();
        thread::sleep(span);
        self.take()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn quantiles(mut latencies: Vec<Duration>) -> (u64, u64, u64) {
    latencies.sort_unstable();
    let at = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(0, |latency| latency.as_micros() as u64)
    };
    (latencies.len() as u64, at(50), at(99))
}

impl Shared {
    fn note(&self, which: usize, due: Instant, answered: bool) {
        let noted = &mut self.noted.lock().unwrap()[which];
        if answered {
            noted.latencies.push(due.elapsed());
        } else {
            noted.failed += 1;
        }
    }

    /// Waits until a request is due; false once it is time to stop.
    fn wait(&self, due: Instant) -> bool {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        !self.stop.load(Ordering::Relaxed)
    }
}

fn kept(
    shared: &Shared,
    server: SocketAddr,
    trust: &Trust,
    (offset, period): (Duration, Duration),
) {
    let connect = || trust.connect(server).ok();
    let mut client = connect();
    let mut due = Instant::now() + offset;
    while shared.wait(due) {
        let answered = client.as_mut().is_some_and(is_patched);
        shared.note(0, due, answered);
        if !answered {
            client = connect();
        }
        due += period;
    }
}

fn renewed(shared: &Shared, server: SocketAddr, trust: &Trust) {
    let mut due = Instant::now();
    while shared.wait(due) {
        let client = trust.connect(server).ok();
        shared.note(1, due, client.is_some_and(|mut client| is_patched(&mut client)));
        due += NEW_PERIOD;
    }
}

/// Whether a review is answered as it must be.
fn is_patched(client: &mut Client) -> bool {
    client.set_patience(PATIENCE);
    let answer = client.post("/enforce", REVIEW.as_bytes());
    answer.is_ok_and(|answer| {
        let text = answer.text();
        answer.status == 200 && text.contains("\"allowed\":true") && text.contains("\"patch\":")
    })
}
