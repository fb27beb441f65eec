//! Requests to a server over TLS, and how long their answers take.
//!
//! A few threads, each with its own connections; a connection sends the next request when it
//! has the answer to the last one. Client and server share the machine's cores, so requests a
//! second say what both cost together; what the server costs alone says
//! [`Process::cpu`](super::process::Process::cpu).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::stats::percentile;

/// An answer that takes longer counts as a failure: the API server waits no longer either.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and what is trusted of it.
#[derive(Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Handshakes are always whole.
    full: Arc<ClientConfig>,
    /// Sessions are resumed where the server gives tickets.
    resuming: Arc<ClientConfig>,
}

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
    /// How many requests are under way at once.
    pub connections: usize,
    /// How many threads send them.
    pub threads: usize,
    /// Which connections they go over.
    pub over: Connections,
    /// When it ends.
    pub until: Until,
    /// The path of every request.
    pub path: String,
    /// The bodies, in turn.
    pub bodies: Vec<Bytes>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            connections: 1,
            threads: 1,
            over: Connections::Kept,
            until: Until::Requests(1),
            path: "/enforce".to_owned(),
            bodies: vec![super::reviews::deployment().into()],
        }
    }
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// From request to answer, of every request answered with 200, the shortest first. Where
    /// connections are new, from before the connection is made.
    pub latencies: Vec<Duration>,
    /// From the first request to the last answer; connections that are kept are made before.
    pub elapsed: Duration,
    /// What went wrong instead, and how often.
    pub failures: BTreeMap<String, u64>,
    /// How many handshakes resumed a session.
    pub resumed: u64,
}

impl Answered {
    /// The latency that `share` of the answers are below; zero if there is none.
    pub fn latency(&self, share: f64) -> Duration {
        if self.latencies.is_empty() { Duration::ZERO } else { percentile(&self.latencies, share) }
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// This, unless a request failed.
    ///
    /// # Errors
    /// When one failed.
    pub fn whole(self) -> anyhow::Result<Self> {
        match self.failures.is_empty() {
            true => Ok(self),
            false => bail!("requests failed: {:?}", self.failures),
        }
    }

    fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.elapsed = self.elapsed.max(other.elapsed);
        self.resumed += other.resumed;
        for (why, count) in other.failures {
            *self.failures.entry(why).or_default() += count;
        }
    }
}

impl Target {
    /// A server at `address` that shows this PEM certificate, for `localhost`.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn new(address: SocketAddr, certificate: &[u8]) -> anyhow::Result<Arc<Self>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let resuming = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut full = resuming.clone();
        full.resumption = Resumption::disabled();
        Ok(Arc::new(Self { address, full: Arc::new(full), resuming: Arc::new(resuming) }))
    }

    /// One request, and the status and body of its answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, path: &str, body: impl Into<Bytes>) -> anyhow::Result<(u16, Bytes)> {
        let body = body.into();
        block_on(async {
            let mut connection = Connection::open(self, &self.full).await?;
            connection.post(path, &body).await
        })
    }

    /// Connections on which nothing is sent, open until the guard is dropped; with them,
    /// whether each got through its handshake.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn idle(self: &Arc<Self>, count: usize) -> anyhow::Result<Idle> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            let made = runtime.block_on(tls(self, &self.full));
            connections.push(made.with_context(|| format!("after {}", connections.len()))?);
        }
        Ok(Idle { _connections: connections, _runtime: runtime })
    }
}

/// Connections that are open.
#[derive(Debug)]
pub struct Idle {
    _connections: Vec<Tls>,
    _runtime: tokio::runtime::Runtime,
}

impl Load {
    /// Sends it all.
    ///
    /// # Errors
    /// When the client itself does not work: what the server does wrong is counted.
    pub fn run(&self, target: &Arc<Target>) -> anyhow::Result<Answered> {
        let threads = self.threads.clamp(1, self.connections.max(1));
        let sent = Arc::new(AtomicU64::new(0));
        let begin = Arc::new(std::sync::Barrier::new(threads));
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (load, target) = (self.clone(), Arc::clone(target));
                let (sent, begin) = (Arc::clone(&sent), Arc::clone(&begin));
                let connections = (thread..self.connections).step_by(threads).count();
                std::thread::spawn(move || load.thread(&target, connections, &sent, &begin))
            })
            .collect();
        let mut all = Answered::default();
        for thread in running {
            all.merge(thread.join().map_err(|_| anyhow!("a client's thread panicked"))??);
        }
        all.latencies.sort_unstable();
        Ok(all)
    }

    fn thread(
        &self,
        target: &Arc<Target>,
        connections: usize,
        sent: &Arc<AtomicU64>,
        begin: &std::sync::Barrier,
    ) -> anyhow::Result<Answered> {
        block_on(async {
            let mut made = Vec::with_capacity(connections);
            for _ in 0..connections {
                made.push(match self.over {
                    Connections::Kept => Connection::open(target, &target.full).await.ok(),
                    Connections::New | Connections::Resumed => None,
                });
            }
            begin.wait();
            let started = Instant::now();
            let tasks = LocalSet::new();
            let handles: Vec<_> = made
                .into_iter()
                .map(|connection| {
                    let (load, target) = (self.clone(), Arc::clone(target));
                    let sent = Arc::clone(sent);
                    tasks.spawn_local(async move {
                        load.connection(&target, connection, &sent, started).await
                    })
                })
                .collect();
            tasks.await;
            let mut all = Answered::default();
            for handle in handles {
                all.merge(handle.await?);
            }
            all.elapsed = started.elapsed();
            Ok(all)
        })
    }

    async fn connection(
        &self,
        target: &Target,
        mut connection: Option<Connection>,
        sent: &AtomicU64,
        started: Instant,
    ) -> Answered {
        let mut answered = Answered::default();
        loop {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            let over = match self.until {
                Until::Requests(requests) => number >= requests,
                Until::Elapsed(time) => started.elapsed() >= time,
            };
            if over {
                return answered;
            }
            let body = &self.bodies[number as usize % self.bodies.len()];
            let begun = Instant::now();
            let one = timeout(PATIENCE, self.one(target, &mut connection, body, &mut answered));
            match one.await {
                Ok(Ok(200)) => answered.latencies.push(begun.elapsed()),
                Ok(Ok(status)) => answered.fail(format!("HTTP {status}")),
                Ok(Err(error)) => {
                    connection = None;
                    answered.fail(format!("{error:#}"));
                }
                Err(_) => {
                    connection = None;
                    answered.fail(format!("no answer within {PATIENCE:?}"));
                }
            }
        }
    }

    async fn one(
        &self,
        target: &Target,
        kept: &mut Option<Connection>,
        body: &Bytes,
        answered: &mut Answered,
    ) -> anyhow::Result<u16> {
        let config = match self.over {
            Connections::Kept => {
                let connection = match kept {
                    Some(connection) => connection,
                    // The last one was lost.
                    None => kept.insert(Connection::open(target, &target.full).await?),
                };
                return Ok(connection.post(&self.path, body).await?.0);
            }
            Connections::New => &target.full,
            Connections::Resumed => &target.resuming,
        };
        let mut connection = Connection::open(target, config).await?;
        answered.resumed += u64::from(connection.resumed);
        Ok(connection.post(&self.path, body).await?.0)
    }
}

impl Answered {
    fn fail(&mut self, why: String) {
        *self.failures.entry(why).or_default() += 1;
    }
}

type Tls = tokio_rustls::client::TlsStream<TcpStream>;

async fn tls(target: &Target, config: &Arc<ClientConfig>) -> anyhow::Result<Tls> {
    let tcp = TcpStream::connect(target.address).await.context("cannot connect")?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let connector = TlsConnector::from(Arc::clone(config));
    connector.connect(name, tcp).await.context("no TLS")
}

/// One connection that speaks HTTP/1.1; its task ends with it.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    resumed: bool,
    task: tokio::task::JoinHandle<()>,
}

impl Connection {
    async fn open(target: &Target, config: &Arc<ClientConfig>) -> anyhow::Result<Self> {
        let stream = tls(target, config).await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = tokio::spawn(async move {
            let _said_to_who_waits = connection.await;
        });
        Ok(Self { sender, resumed, task })
    }

    async fn post(&mut self, path: &str, body: &Bytes) -> anyhow::Result<(u16, Bytes)> {
        self.sender.ready().await.context("the connection is closed")?;
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))?;
        let answer = self.sender.send_request(request).await.context("no answer")?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.context("half an answer")?;
        Ok((status, body.to_bytes()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
