//! What a run found: `docs/abuse.json`, and the table that `docs/abuse.md` shows of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// ironhull's version.
    pub version: String,
    /// Whether it was built as it is released; other builds need more of everything.
    pub release: bool,
    /// What it ran on.
    pub machine: String,
    /// The memory limit that it ran with, in bytes: the chart's, for a release.
    pub memory_limit: u64,
    /// What held the server to it: `cgroup`, where it would have been killed above, or
    /// `watched`, where the driver only looked.
    pub limit_by: String,
    /// The most that the server's cgroup was charged with, its share of the kernel's memory and
    /// of cached files included; nothing without a cgroup.
    pub cgroup_peak: Option<u64>,
    /// Resident memory before the first attack, in bytes.
    pub idle_memory: u64,
    /// The good clients' connections, and how many requests a second they send in all.
    pub good: (usize, usize),
    /// The attacks, in their order.
    pub attacks: Vec<Row>,
}

/// One attack.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub attack: String,
    /// What it does.
    pub what: String,
    /// How long it went on.
    pub seconds: f64,
    /// What the attackers got, and how often.
    pub answers: BTreeMap<String, u64>,
    /// Good requests before it, while it went on, and right after it.
    pub before: Good,
    /// While it went on.
    pub during: Good,
    /// Right after it.
    pub after: Good,
    /// The most open connections at a time.
    pub connections: u64,
    /// The most resident memory, in bytes.
    pub memory: u64,
}

/// Good requests in one span of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Good {
    /// Answered with a patch, on connections that were there before.
    pub answered: u64,
    /// Not so.
    pub failed: u64,
    /// Their median latency, in microseconds.
    pub p50_us: u64,
    /// Their 99th percentile.
    pub p99_us: u64,
    /// Answered with a patch, each on a new connection.
    pub new_answered: u64,
    /// Not so.
    pub new_failed: u64,
    /// The 99th percentile of those, with the handshake.
    pub new_p99_us: u64,
}

impl Report {
    /// The most resident memory of the run, in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.attacks.iter().map(|row| row.memory).max().unwrap_or_default()
    }

    /// The generated part of the page.
    pub fn page(&self) -> String {
        let mut page = String::new();
        let (connections, rate) = self.good;
        let held = match self.limit_by.as_str() {
            "cgroup" => "a cgroup with a limit of",
            _ => "no cgroup, but watched for a limit of",
        };
        let build = if self.release { "" } else { ", **not built for release**" };
        let _ = writeln!(
            page,
            "ironhull {}{build}, on {}, in {held} {}; {} resident before the first attack, {} at the most.",
            self.version,
            self.machine,
            mebibytes(self.memory_limit),
            mebibytes(self.idle_memory),
            mebibytes(self.memory_peak()),
        );
        if let Some(peak) = self.cgroup_peak {
            let _ = writeln!(
                page,
                "With the kernel's own part and cached files the cgroup was charged with {} at the most.",
                mebibytes(peak)
            );
        }
        let _ = writeln!(
            page,
            "{connections} good clients send {rate} requests a second in all, each on its own connection; one more \
             opens a new connection ten times a second.\n"
        );
        page.push_str(
            "| attack | answered with | p99 before, during, after (ms) | of new connections | \
             good ones failed | open connections | memory |\n|---|---|---|---|---|---|---|\n",
        );
        for row in &self.attacks {
            let spans = [&row.before, &row.during, &row.after];
            let p99 = spans.map(|good| milliseconds(good.p99_us)).join(", ");
            let new = spans.map(|good| milliseconds(good.new_p99_us)).join(", ");
            let _ = writeln!(
                page,
                "| {} | {} | {p99} | {new} | {} | {} | {} |",
                row.attack,
                answers(&row.answers),
                failed(spans),
                row.connections,
                mebibytes(row.memory),
            );
        }
        page.push('\n');
        for row in &self.attacks {
            let _ = writeln!(page, "- **{}** ({:.0} s): {}.", row.attack, row.seconds, row.what);
        }
        page
    }
}

fn failed(spans: [&Good; 3]) -> String {
    let failed: u64 = spans.iter().map(|good| good.failed).sum();
    let answered: u64 = spans.iter().map(|good| good.answered).sum();
    let new: u64 = spans.iter().map(|good| good.new_failed).sum();
    let of_new: u64 = spans.iter().map(|good| good.new_answered).sum();
    format!("{failed} of {}, new {new} of {}", failed + answered, new + of_new)
}

fn answers(answers: &BTreeMap<String, u64>) -> String {
    let mut most: Vec<_> = answers.iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    most.iter().map(|(what, count)| format!("{what} × {count}")).collect::<Vec<_>>().join(", ")
}

fn milliseconds(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let millis = micros as f64 / 1000.0;
    format!("{millis:.1}")
}

fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.1} MiB")
}
