//! `ironhull watch` as a process, and what it tells.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long to wait for what must come: the next list may be 5 seconds away.
const PATIENCE: Duration = Duration::from_secs(40);

pub struct Process {
    child: Child,
    pub ops: SocketAddr,
    log: Arc<Mutex<String>>,
    _files: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Process {
    /// Watches the API server at this address.
    pub fn start(api: SocketAddr, arguments: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let kubeconfig = files.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: \"http://{api}\"}}}}]\n\
             users: [{{name: test, user: {{token: x}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n"
        );
        fs::write(&kubeconfig, text).unwrap();
        let binary = std::env::var_os("IRONHULL_BINARY");
        let mut child = Command::new(binary.unwrap_or(env!("CARGO_BIN_EXE_ironhull").into()))
            .args(["watch", "--ops-listen", "127.0.0.1:0"])
            .args(["--poll-interval", "100ms", "--kubeconfig"])
            .arg(&kubeconfig)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let ops = loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "{}", log.lock().unwrap());
            log.lock().unwrap().push_str(&line);
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break line["ops_addr"].as_str().unwrap().parse().unwrap();
            }
        };
        let written = Arc::clone(&log);
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                written.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, ops, log, _files: files }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A status and a body.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.ops, path)
    }

    /// The value of a series, as it stands; none where it is not there.
    pub fn metric(&self, series: &str) -> Option<i64> {
        let (_, text) = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.trim().parse().unwrap())
    }

    pub fn eventually(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < end,
                "{what}: not within {PATIENCE:?}\n{}\n{}\n{}",
                self.get("/readyz").1,
                self.get("/metrics").1,
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a series has this value.
    pub fn reaches(&self, series: &str, value: i64) {
        self.eventually(&format!("{series} {value}"), || self.metric(series) == Some(value));
    }

    /// Waits until the first lists are through.
    pub fn ready(&self) {
        self.eventually("ready", || self.get("/readyz").0 == 200);
    }

    /// The most memory it ever had, and how much of it is the program's own file, in KiB: a debug
    /// build is mapped from some 120 MB, and the kernel takes those pages back when it needs them.
    pub fn peak(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap()
        };
        (of("VmHWM:"), of("RssFile:"))
    }

    /// The processor time it has used.
    pub fn seconds(&self) -> f64 {
        let (_, text) = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
        line.unwrap().parse().unwrap()
    }

    /// Tells it to stop: its exit code, and how long that took.
    pub fn stop(mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        (self.child.wait().unwrap().code(), began.elapsed())
    }
}

/// A status and a body.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
