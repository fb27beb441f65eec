//! The attacks. Each goes on until its end is near, and notes what it was answered.

mod connections;
mod requests;
mod reviews;
mod tls;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::client::Resumption;
use serde::Deserialize;

use crate::client::{Answer, Client, Trust};

/// An attack: its name, what it does, and for how long.
#[derive(Deserialize)]
pub struct Attack {
    pub attack: String,
    pub what: String,
    pub seconds: u64,
}

/// What does it.
pub type Way = fn(&Target);

/// Every attack, in the order in which they are made.
pub fn all() -> Vec<(Attack, Way)> {
    let attacks: Vec<Attack> = serde_yaml::from_str(include_str!("attacks.yaml")).unwrap();
    let modules = [connections::by_name, tls::by_name, requests::by_name, reviews::by_name];
    let with_way = |attack: Attack| {
        let way = modules.iter().find_map(|by_name| by_name(&attack.attack));
        let way = way.unwrap_or_else(|| panic!("nothing does `{}`", attack.attack));
        (attack, way)
    };
    attacks.into_iter().map(with_way).collect()
}

/// The server as attackers see it.
pub struct Target {
    server: SocketAddr,
    /// When the attack is to end.
    end: Instant,
    /// How many of what there would be a thousand of: fewer in a short run.
    scale: f64,
    trust: Trust,
    config: Arc<ClientConfig>,
    /// What was answered, and how often.
    pub answers: Mutex<BTreeMap<String, u64>>,
}

/// How long an attacker waits for what should come at once.
const SOON: Duration = Duration::from_millis(500);

/// Does something with less of a claim to the processors than server and good clients have:
/// attackers have machines of their own.
pub fn humbly<T>(work: impl FnOnce() -> T) -> T {
    // In Linux this is the thread's own.
    let _as_it_is = rustix::process::setpriority_process(None, 10);
    work()
}

impl Target {
    /// A server to be attacked until `end`.
    pub fn new(server: SocketAddr, trust: &Trust, end: Instant, scale: f64) -> Self {
        let mut config = trust.config(rustls::DEFAULT_VERSIONS);
        // Whole handshakes, each time.
        config.resumption = Resumption::disabled();
        let (trust, answers) = (trust.clone(), Mutex::default());
        Self { server, end, scale, trust, config: Arc::new(config), answers }
    }

    /// Whether there is time left.
    fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// Waits until the end.
    fn wait(&self) {
        thread::sleep(self.end.saturating_duration_since(Instant::now()));
    }

    /// So many, in a whole run.
    fn many(&self, count: usize) -> usize {
        (count as f64 * self.scale).ceil() as usize
    }

    /// Notes what happened once.
    fn note(&self, what: &str) {
        *self.answers.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }

    /// Notes what a request was answered.
    fn note_answer(&self, answer: &io::Result<Answer>) {
        match answer {
            Ok(answer) => self.note(&answer.status.to_string()),
            Err(error) if is_timeout(error) => self.note("nothing"),
            Err(_) => self.note("closed"),
        }
    }

    /// A connection, with a whole handshake, if it is let in.
    fn connect(&self) -> Option<Client> {
        let client = Client::connect(self.server, &self.config).ok();
        if client.is_none() {
            self.note("not let in");
        }
        client
    }

    /// A connection without TLS on which this is sent, if it is let in.
    fn plain(&self, bytes: &[u8]) -> Option<TcpStream> {
        let connect = || {
            let tcp = TcpStream::connect_timeout(&self.server, SOON)?;
            tcp.set_read_timeout(Some(SOON))?;
            tcp.set_write_timeout(Some(SOON))?;
            io::Result::Ok(tcp)
        };
        let Ok(mut tcp) = connect() else {
            self.note("not let in");
            return None;
        };
        let _may_be_closed = tcp.write_all(bytes);
        Some(tcp)
    }

    /// Does `work` with each of up to `count` connections as soon as it is made, while there is
    /// time, and with one in any case.
    fn each(&self, count: usize, mut work: impl FnMut(Client)) {
        for index in 0..self.many(count) {
            if index > 0 && !self.goes_on() {
                break;
            }
            if let Some(client) = self.connect() {
                work(client);
            }
        }
    }

    /// Sends `part` on each of so many connections, waits, and notes what they were answered.
    fn hold(&self, count: usize, part: &[u8]) {
        self.drip(count, part, b"");
    }

    /// Sends `part` on each of so many connections, then `bytes`, one at a time, until the end.
    fn drip(&self, count: usize, part: &[u8], bytes: &[u8]) {
        let mut clients = Vec::new();
        self.each(count, |mut client| {
            client.set_patience(SOON);
            let _may_be_closed = client.send(part);
            clients.push(client);
        });
        for byte in bytes.chunks(1) {
            for client in &mut clients {
                if self.goes_on() {
                    let _may_be_closed = client.send(byte);
                }
            }
            if self.goes_on() {
                thread::sleep(Duration::from_millis(100));
            }
        }
        self.wait();
        for mut client in clients {
            client.set_patience(Duration::from_millis(2));
            self.note_answer(&client.answer());
        }
    }

    /// Does `one` again and again on two threads until the end, and once in any case.
    fn flood(&self, one: impl Fn() + Sync) {
        let lane = || {
            one();
            while self.goes_on() {
                one();
            }
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| humbly(lane));
            }
        });
    }

    /// Does `one` with each of these in turn, again and again.
    fn flood_with(&self, all: &[Vec<u8>], one: impl Fn(&[u8]) + Sync) {
        self.flood(|| {
            one(&all[0]);
            for next in &all[1..] {
                if self.goes_on() {
                    one(next);
                }
            }
        });
    }

    /// Sends each of these requests on a connection of its own, and notes the answers.
    fn send(&self, requests: &[Vec<u8>]) {
        self.flood_with(requests, |request| {
            if let Some(mut client) = self.connect() {
                client.set_patience(Duration::from_secs(2));
                // The server may answer, and close, before it has all.
                let _ = client.send(request);
                self.note_answer(&client.answer());
            }
        });
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // xorshift64, by Marsaglia.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}
