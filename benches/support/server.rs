//! `ironhull serve` as a process of its own.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use ironhull::serve::certs::{PemPair, self_signed};
use tempfile::TempDir;

use super::load::Target;
use super::process::Process;

/// How long a server may take until it is ready, on a machine as busy as it may be.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to ask whether it is ready: time to start is measured to this.
const ASKING: Duration = Duration::from_micros(250);

/// What a server is started with, besides addresses and certificate.
#[derive(Clone, Default)]
pub struct Setup {
    /// Further arguments of `ironhull serve`.
    pub arguments: Vec<String>,
    /// Further environment variables.
    pub environment: Vec<(String, String)>,
    /// Where its log goes; to /dev/null otherwise.
    pub log: Option<PathBuf>,
    /// Its certificate and key; made for it otherwise.
    pub certificate: Option<PemPair>,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it takes reviews (HTTPS).
    pub webhook: SocketAddr,
    /// Where it tells of itself (HTTP).
    pub ops: SocketAddr,
    /// What its clients trust, as PEM.
    pub certificate: Vec<u8>,
    /// From just before exec to the first 200 of `/readyz`.
    pub ready_after: Duration,
    _files: TempDir,
}

/// A certificate for a server on a loopback address.
///
/// # Errors
/// When the cryptography does not work.
pub fn certificate() -> anyhow::Result<PemPair> {
    Ok(self_signed(&["localhost", "127.0.0.1"])?)
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready after a minute.
    pub fn start(binary: &Path, setup: &Setup) -> anyhow::Result<Self> {
        let pair = setup.certificate.clone().map_or_else(certificate, Ok)?;
        let files = tempfile::tempdir()?;
        let (cert, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
        fs::write(&cert, &pair.certificate)?;
        fs::write(&key, &pair.key)?;
        let [webhook, ops] = free_addresses()?;
        let log = match &setup.log {
            Some(path) => Stdio::from(File::create(path)?),
            None => Stdio::null(),
        };
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .args(["--listen", &webhook.to_string(), "--ops-listen", &ops.to_string()])
            .arg("--tls-cert")
            .arg(&cert)
            .arg("--tls-key")
            .arg(&key)
            .args(&setup.arguments)
            .envs(setup.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::inherit());
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {}", binary.display()))?;
        let mut server = Self {
            child,
            webhook,
            ops,
            certificate: pair.certificate,
            ready_after: Duration::ZERO,
            _files: files,
        };
        server.wait(started)?;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// What a client needs to reach it.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn target(&self) -> anyhow::Result<Arc<Target>> {
        Target::new(self.webhook, &self.certificate)
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process { id: self.child.id() }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The metric whose name and labels are `series`; 0 where there is none.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn metric(&self, series: &str) -> anyhow::Result<f64> {
        let (_, text) = get(self.ops, "/metrics")?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.map(str::trim).map_or(Ok(0.0), str::parse)?)
    }

    fn wait(&mut self, started: Instant) -> anyhow::Result<()> {
        loop {
            if let Ok((200, _)) = get(self.ops, "/readyz") {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            if started.elapsed() > PATIENCE {
                bail!("the server is not ready after {PATIENCE:?}");
            }
            std::thread::sleep(ASKING);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _may_have_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The status and the body of a GET over plain HTTP.
///
/// # Errors
/// When nobody listens, or what comes is not HTTP.
pub fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| anyhow!("not HTTP: {text}"))?;
    let status = head.split(' ').nth(1).ok_or_else(|| anyhow!("not HTTP: {head}"))?;
    Ok((status.parse()?, body.to_owned()))
}

/// Two loopback addresses that nobody listens on. They are held together, so that they
/// differ, and let go just before the server takes them.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let held = [
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
    ];
    Ok([held[0].local_addr()?, held[1].local_addr()?])
}
