//! The program as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ironhull::serve::certs::PemPair;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Trust;
use crate::fixture::{PATIENCE, certificate, eventually};

/// A running `ironhull serve`; dropping it ends it.
pub(crate) struct Process {
    pub child: Child,
    /// Its log from where it listens; taken by who reads it.
    pub log: Option<BufReader<ChildStdout>>,
    pub webhook: SocketAddr,
    pub ops: SocketAddr,
    pub trust: Trust,
    /// The lines of its log until then.
    pub started: Vec<Value>,
    files: TempDir,
}

pub(crate) fn command(pair: &PemPair) -> (Command, TempDir) {
    let files = tempfile::tempdir().unwrap();
    let [cert, key] = write(&files, pair);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ironhull"));
    command
        .arg("serve")
        .env("IRONHULL_LISTEN", "127.0.0.1:0")
        .env("IRONHULL_OPS_LISTEN", "127.0.0.1:0")
        .env("IRONHULL_TLS_CERT", &cert)
        .env("IRONHULL_TLS_KEY", &key)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    (command, files)
}

fn write(files: &TempDir, pair: &PemPair) -> [PathBuf; 2] {
    let [cert, key] = ["tls.crt", "tls.key"].map(|name| files.path().join(name));
    fs::write(&cert, &pair.certificate).unwrap();
    fs::write(&key, &pair.key).unwrap();
    [cert, key]
}

pub(crate) fn start(arguments: &[&str]) -> Process {
    start_with(&certificate(), |command| {
        command.args(arguments);
    })
}

/// Starts it with this certificate, set up by `change`, and waits until it listens.
pub(crate) fn start_with(pair: &PemPair, change: impl FnOnce(&mut Command)) -> Process {
    let trust = Trust::new([pair.certificate.as_slice()]);
    let (mut command, files) = command(pair);
    change(&mut command);
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap());
    let mut started = Vec::new();
    let (webhook, ops) = loop {
        let line = line(&mut log);
        started.push(line.clone());
        if line["message"] == "listening" {
            let address = |key: &str| line[key].as_str().unwrap().parse().unwrap();
            break (address("webhook_addr"), address("ops_addr"));
        }
    };
    Process { child, log: Some(log), webhook, ops, trust, started, files }
}

/// Starts it at these addresses, for whom its log cannot say them, and waits until it is ready.
pub(crate) fn start_at(
    webhook: SocketAddr,
    ops: SocketAddr,
    change: impl FnOnce(&mut Command),
) -> Process {
    let pair = certificate();
    let trust = Trust::new([pair.certificate.as_slice()]);
    let (mut command, files) = command(&pair);
    let addresses = [webhook, ops].map(|address| address.to_string());
    command.args(["--listen", &addresses[0], "--ops-listen", &addresses[1]]);
    change(&mut command);
    let child = command.spawn().unwrap();
    let process = Process { child, log: None, webhook, ops, trust, started: Vec::new(), files };
    eventually("it listens", || TcpStream::connect(ops).is_ok());
    process
}

pub(crate) fn line(log: &mut impl BufRead) -> Value {
    let mut line = String::new();
    assert!(log.read_line(&mut line).unwrap() > 0, "the log has ended");
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"))
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Writes another certificate where it reads it.
    pub(crate) fn renew(&self, pair: &PemPair) {
        write(&self.files, pair);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}
