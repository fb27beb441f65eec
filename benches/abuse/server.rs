//! The server under attack: the real program, with given certificates, on loopback, in a
//! cgroup that has the chart's memory limit where this process may make one.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use ironhull::serve::certs::self_signed;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Trust;
use crate::process::Process;

/// The server's process.
pub struct Server {
    child: Child,
    cgroup: Option<Cgroup>,
    _files: TempDir,
    /// Where the webhook listens.
    pub webhook: SocketAddr,
    /// What its clients trust.
    pub trust: Trust,
    ops: SocketAddr,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub fn start(limit: u64) -> Self {
        let pair = self_signed(&["localhost"]).unwrap();
        let files = tempfile::tempdir().unwrap();
        let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
        fs::write(&certificate, &pair.certificate).unwrap();
        fs::write(&key, &pair.key).unwrap();
        let cgroup = Cgroup::new(limit);
        // It waits until it is in its cgroup, so that everything it uses is charged there.
        let mut child = Command::new("sh")
            .args(["-c", "read go && exec \"$@\" </dev/null", "sh"])
            .arg(program())
            .args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"])
            .env("IRONHULL_TLS_CERT", &certificate)
            .env("IRONHULL_TLS_KEY", &key)
            .envs(image_environment())
            // A group of its own: what interrupts the driver must not stop the server first.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(cgroup) = &cgroup {
            cgroup.add(child.id());
        }
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let (webhook, ops) = loop {
            let line = log.next().expect("the server did not start").unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                let address = |key: &str| line[key].as_str().unwrap().parse().unwrap();
                break (address("webhook_addr"), address("ops_addr"));
            }
        };
        // Somebody reads its log, as in a cluster.
        thread::spawn(move || log.for_each(drop));
        let trust = Trust::new([pair.certificate.as_slice()]);
        Self { child, cgroup, _files: files, webhook, trust, ops }
    }

    /// The value of the metric whose name and labels are `series`; 0 where the server is gone.
    pub fn metric(&self, series: &str) -> u64 {
        let text = self.metrics().unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    fn metrics(&self) -> io::Result<String> {
        let mut tcp = TcpStream::connect(self.ops)?;
        tcp.write_all(b"GET /metrics HTTP/1.1\r\nhost: l\r\n\r\n")?;
        let mut text = String::new();
        tcp.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Why it is no longer there, if it is not.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().unwrap()?;
        Some(format!("the server has ended: {status}"))
    }

    /// The process, as the kernel counts it.
    pub fn process(&self) -> Process {
        Process { id: self.child.id() }
    }

    /// The most that the cgroup was charged with.
    pub fn cgroup_peak(&self) -> Option<u64> {
        self.cgroup.as_ref().map(Cgroup::peak)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _may_have_ended = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the program is built as it is released.
pub fn is_release() -> bool {
    !cfg!(debug_assertions) || env::var_os("ABUSE_PROGRAM").is_some()
}

/// The program as it was just built, unless `ABUSE_PROGRAM` names another.
fn program() -> OsString {
    env::var_os("ABUSE_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_ironhull").into())
}

/// What the image sets for the allocator.
fn image_environment() -> Vec<(String, String)> {
    let image = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile")).unwrap();
    let line = image.lines().find_map(|line| line.strip_prefix("ENV MALLOC_"));
    let line = format!("MALLOC_{}", line.expect("the Dockerfile sets nothing for the allocator"));
    let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A memory cgroup, of either version.
struct Cgroup {
    path: PathBuf,
    peak: &'static str,
}

impl Cgroup {
    /// One with this limit, where this process may make it.
    fn new(limit: u64) -> Option<Self> {
        let name = format!("ironhull-abuse-{}", std::process::id());
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.peak"),
        ];
        versions.into_iter().find_map(|(root, max, peak)| {
            let path = Path::new(root).join(&name);
            fs::create_dir(&path).ok()?;
            let cgroup = Self { path, peak };
            // No controller, no file; what cannot be swapped counts in full.
            let limited = cgroup.path.join(max).exists()
                && fs::write(cgroup.path.join(max), limit.to_string()).is_ok();
            let _without_swap = fs::write(cgroup.path.join("memory.swap.max"), "0");
            limited.then_some(cgroup)
        })
    }

    fn add(&self, process: u32) {
        fs::write(self.path.join("cgroup.procs"), process.to_string()).unwrap();
    }

    fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.path.join(self.peak)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ended_before = fs::remove_dir(&self.path);
    }
}
