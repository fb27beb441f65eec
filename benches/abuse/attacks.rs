//! The attacks. Each goes on until its end is near, and tells what it was answered.

mod bodies;
mod connections;
mod heads;
mod reviews;
mod tls;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::client::{Answer, Client, Trust};

/// An attack.
pub struct Attack {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// For how long.
    pub seconds: u64,
    /// Does it.
    pub run: fn(&Target) -> Answers,
}

/// Every attack, in the order in which they are made.
pub fn all() -> impl Iterator<Item = Attack> {
    [connections::ATTACKS, tls::ATTACKS, heads::ATTACKS, bodies::ATTACKS, reviews::ATTACKS]
        .into_iter()
        .flat_map(|attacks| attacks.iter())
        .map(|Attack { name, what, seconds, run }| Attack {
            name,
            what,
            seconds: *seconds,
            run: *run,
        })
}

/// What was answered, and how often.
pub type Answers = BTreeMap<String, u64>;

/// The server as attackers see it.
#[derive(Clone)]
pub struct Target {
    /// Where it listens.
    pub server: SocketAddr,
    /// When the attack is to end.
    pub end: Instant,
    /// How many of what there would be a thousand of: fewer in a short run.
    pub scale: f64,
    trust: Trust,
    config: Arc<ClientConfig>,
}

/// How long an attacker waits for what should come at once.
const SOON: Duration = Duration::from_millis(500);

impl Target {
    /// A server to be attacked until `end`.
    pub fn new(server: SocketAddr, trust: &Trust, end: Instant, scale: f64) -> Self {
        let mut config = trust.config(rustls::DEFAULT_VERSIONS);
        // Whole handshakes, each time.
        config.resumption = Resumption::disabled();
        Self { server, end, scale, trust: trust.clone(), config: Arc::new(config) }
    }

    /// Whether there is time left.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// So many, in a whole run.
    pub fn many(&self, count: usize) -> usize {
        (count as f64 * self.scale).ceil() as usize
    }

    /// A connection, with a whole handshake.
    pub fn connect(&self) -> io::Result<Client> {
        Client::connect(self.server, &self.config)
    }

    /// A connection without TLS.
    pub fn plain(&self) -> io::Result<TcpStream> {
        let tcp = TcpStream::connect_timeout(&self.server, SOON)?;
        tcp.set_read_timeout(Some(SOON))?;
        tcp.set_write_timeout(Some(SOON))?;
        Ok(tcp)
    }

    /// Up to `count` connections, while there is time, and one in any case.
    pub fn connections(&self, count: usize, answers: &mut Answers) -> Vec<Client> {
        let mut clients = Vec::new();
        self.each(count, answers, |client| clients.push(client));
        clients
    }

    /// Does `work` with each of those connections as soon as it is made.
    pub fn each(&self, count: usize, answers: &mut Answers, mut work: impl FnMut(Client)) {
        for index in 0..self.many(count) {
            if index > 0 && !self.goes_on() {
                break;
            }
            match self.connect() {
                Ok(client) => work(client),
                Err(_) => note(answers, "not let in"),
            }
        }
    }

    /// Waits until the end.
    pub fn wait(&self) {
        thread::sleep(self.end.saturating_duration_since(Instant::now()));
    }

    /// Does `one` again and again on two threads until the end, and once in any case.
    pub fn flood(&self, one: impl Fn(&Self, &mut Answers) + Sync) -> Answers {
        let lane = || {
            let mut answers = Answers::new();
            loop {
                one(self, &mut answers);
                if !self.goes_on() {
                    return answers;
                }
            }
        };
        let lanes = thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| humbly(lane)));
            both.map(|lane| lane.join().unwrap())
        });
        let mut all = Answers::new();
        for (what, count) in lanes.into_iter().flatten() {
            *all.entry(what).or_default() += count;
        }
        all
    }
}

/// Does something with less of a claim to the processors than server and good clients have:
/// attackers have machines of their own.
pub fn humbly<T>(work: impl FnOnce() -> T) -> T {
    // In Linux this is the thread's own.
    let _as_it_is = rustix::process::setpriority_process(None, 10);
    work()
}

/// Notes what happened once.
pub fn note(answers: &mut Answers, what: &str) {
    *answers.entry(what.to_owned()).or_default() += 1;
}

/// Notes what a request was answered.
pub fn note_answer(answers: &mut Answers, answer: &io::Result<Answer>) {
    match answer {
        Ok(answer) => note(answers, &answer.status.to_string()),
        Err(error) if is_timeout(error) => note(answers, "nothing"),
        Err(_) => note(answers, "closed"),
    }
}

/// Notes what `clients` have been answered by now.
pub fn note_each(answers: &mut Answers, clients: Vec<Client>) {
    for mut client in clients {
        client.set_patience(Duration::from_millis(2));
        note_answer(answers, &client.answer());
    }
}

/// Sends a request on a connection of its own, and notes the answer.
pub fn send(target: &Target, answers: &mut Answers, request: &[u8]) {
    let Ok(mut client) = target.connect() else {
        return note(answers, "not let in");
    };
    client.set_patience(Duration::from_secs(2));
    // The server may answer, and close, before it has all.
    let _ = client.send(request);
    note_answer(answers, &client.answer());
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Numbers that look like chance and are the same in every run.
pub struct Chance(pub u64);

impl Chance {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        // xorshift64, by Marsaglia.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}
