//! `ironhull serve` as a process of its own, on loopback.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ironhull::serve::certs::self_signed;
use tempfile::TempDir;

use super::process::Process;
use crate::client::Trust;

/// How long a server may take until it is ready, on a machine as busy as it may be.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to ask whether it is ready: time to start is measured to this.
const ASKING: Duration = Duration::from_micros(250);

/// A server that runs until it is dropped.
pub struct Server {
    child: Child,
    /// Where it takes reviews (HTTPS).
    pub webhook: SocketAddr,
    /// Where it tells of itself (HTTP).
    pub ops: SocketAddr,
    /// What its clients trust.
    pub trust: Trust,
    /// The same as PEM.
    pub certificate: Vec<u8>,
    /// From just before exec to the first 200 of `/readyz`.
    pub ready_after: Duration,
    _files: TempDir,
}

/// A command that serves with these arguments; its log goes to /dev/null.
pub fn serve(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").args(arguments).stdout(Stdio::null());
    command
}

impl Server {
    /// Runs the command with addresses and a certificate in its environment, and waits until
    /// the server is ready. Where its output is piped, somebody reads it, as in a cluster.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let pair = self_signed(&["localhost", "127.0.0.1"])?;
        let files = tempfile::tempdir()?;
        let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
        std::fs::write(&certificate, &pair.certificate)?;
        std::fs::write(&key, &pair.key)?;
        let [webhook, ops] = free_addresses()?;
        command
            .env("IRONHULL_LISTEN", webhook.to_string())
            .env("IRONHULL_OPS_LISTEN", ops.to_string())
            .env("IRONHULL_TLS_CERT", &certificate)
            .env("IRONHULL_TLS_KEY", &key)
            .stdin(Stdio::null());
        let trust = Trust::new([pair.certificate.as_slice()]);
        let certificate = pair.certificate;
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        if let Some(mut log) = child.stdout.take() {
            thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        }
        let ready_after = Duration::ZERO;
        let mut server =
            Self { child, webhook, ops, trust, certificate, ready_after, _files: files };
        while !server.ask("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            ensure!(server.ended().is_none(), "the server ended at once");
            ensure!(started.elapsed() < PATIENCE, "the server is not ready after {PATIENCE:?}");
            thread::sleep(ASKING);
        }
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process { id: self.child.id() }
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its metrics, as series and values; none where it is gone.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        let text = self.ask("/metrics").unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect()
    }

    /// The metric whose name and labels are `series`; 0 where there is none.
    pub fn metric(&self, series: &str) -> f64 {
        self.metrics().iter().find(|(name, _)| name == series).map_or(0.0, |(_, value)| *value)
    }

    /// The whole answer to a GET over plain HTTP.
    fn ask(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.ops)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _may_have_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Two loopback addresses that nobody listens on. They are held together, so that they
/// differ, and let go just before the server takes them.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let held = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([held[0].local_addr()?, held[1].local_addr()?])
}
