//! Abuse: attacks on the running server, while good clients go on.
//!
//! `make abuse` builds ironhull as it is released, starts it in a cgroup with the memory limit of
//! the chart, makes one attack after another, and measures good requests before, during and after
//! each. It fails when the server ends, when it needs more memory than the limit, or when a good
//! request on a connection that was there before gets no patch. What it found goes to
//! `docs/abuse.json`, and from there to `docs/abuse.md`. `ABUSE=NAME` makes only the attacks
//! whose name contains NAME, and writes nothing. `ABUSE_PROGRAM` names a release that is there
//! already.
//!
//! Among the other tests it runs for some seconds, with a few attackers each, against the
//! program as it was built for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a bench that fails says where"
)]

mod attacks;
#[path = "../../tests/server/client.rs"]
#[allow(dead_code, reason = "the tests of the server need more of it")]
mod client;
mod good;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "`make bench` measures more")]
mod process;
mod report;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attacks::{Attack, Target, humbly};
use good::Load;
use report::{Report, Row};
use server::Server;

/// How an attack is made.
struct Plan {
    /// How long good requests are measured before an attack, and after it.
    around: Duration,
    /// The longest time for one.
    longest: Duration,
    /// How many attackers there are, of those that there would be.
    scale: f64,
    /// Only attacks that take this many seconds at the most: those that take more send much.
    heaviest: u64,
    /// The pause between two requests of a good client.
    period: Duration,
    /// How many times the chart's limit the server may have: not built for release it needs more.
    limits: u64,
}

const WHOLE: Plan = Plan {
    around: Duration::from_millis(1500),
    longest: Duration::from_secs(60),
    scale: 1.0,
    heaviest: u64::MAX,
    period: Duration::from_millis(20),
    limits: 1,
};

const SHORT: Plan = Plan {
    around: Duration::from_millis(50),
    longest: Duration::from_millis(200),
    scale: 0.01,
    heaviest: 4,
    period: Duration::from_millis(100),
    limits: 4,
};

/// Attackers' connections may take this long to be gone.
const DRAIN: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    // Cargo says so when it is run as a bench, and not among the tests.
    let whole = std::env::args().any(|argument| argument == "--bench");
    let only = std::env::var("ABUSE").unwrap_or_default();
    let plan = if whole { WHOLE } else { SHORT };
    let limit = memory_limit() * plan.limits;
    let mut server = Server::start(limit);
    let load = Load::start(server.webhook, &server.trust, plan.period);
    // Everything is in place, and no buffer grows for the first time.
    load.measure(plan.around);
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        release: server::is_release(),
        machine: machine(),
        memory_limit: limit,
        limit_by: if server.cgroup_peak().is_some() { "cgroup" } else { "watched" }.to_owned(),
        cgroup_peak: None,
        idle_memory: server.process().memory().unwrap().resident,
        good: (good::CLIENTS, good::CLIENTS * (1000 / plan.period.as_millis() as usize)),
        attacks: Vec::new(),
    };
    let mut wrong = Vec::new();
    let chosen = |attack: &Attack| attack.name.contains(&only) && attack.seconds <= plan.heaviest;
    for attack in attacks::all().filter(chosen) {
        let row = make(&plan, &attack, &mut server, &load);
        wrong.extend(complaints(&row, limit, &mut server));
        println!("{}", show(&row));
        report.attacks.push(row);
        if server.ended().is_some() {
            break;
        }
    }
    drop(load);
    report.cgroup_peak = server.cgroup_peak();
    if whole && only.is_empty() && wrong.is_empty() {
        let text = serde_json::to_string_pretty(&report).unwrap() + "\n";
        fs::write(project("docs/abuse.json"), text).unwrap();
        replace_page(&report);
    }
    for complaint in &wrong {
        eprintln!("WRONG: {complaint}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes one attack.
fn make(plan: &Plan, attack: &Attack, server: &mut Server, load: &Load) -> Row {
    let before = load.measure(plan.around);
    server.process().reset_peak().unwrap();
    let span = Duration::from_secs(attack.seconds).min(plan.longest);
    let begin = Instant::now();
    let target = Target::new(server.webhook, &server.trust, begin + span, plan.scale);
    let (over, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let (answers, seconds) = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(server.metric("ironhull_connections"), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let run = scope.spawn(|| humbly(|| (attack.run)(&target)));
        let answers = run.join();
        over.store(true, Ordering::Relaxed);
        (answers.expect("the attack failed"), begin.elapsed().as_secs_f64())
    });
    let during = load.take();
    let after = load.measure(plan.around);
    let memory = server.process().memory().map_or(0, |memory| memory.peak);
    let row = Row {
        attack: attack.name.to_owned(),
        what: attack.what.to_owned(),
        seconds,
        answers,
        before,
        during,
        after,
        connections: most.into_inner(),
        memory,
    };
    let end = Instant::now() + DRAIN;
    while server.metric("ironhull_connections") > good::CLIENTS as u64 + 1 && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    row
}

/// What must not be.
fn complaints(row: &Row, limit: u64, server: &mut Server) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = &row.attack;
    if row.memory > limit {
        wrong.push(format!("{name}: {} bytes resident, and the limit is {limit}", row.memory));
    }
    let failed = row.before.failed + row.during.failed + row.after.failed;
    if failed > 0 {
        wrong.push(format!("{name}: {failed} good requests failed"));
    }
    if row.before.new_failed + row.after.new_failed > 0 {
        wrong.push(format!("{name}: good clients were not let in when it was not going on"));
    }
    if row.during.answered == 0 || row.answers.is_empty() {
        wrong.push(format!("{name}: nothing was measured"));
    }
    wrong.extend(server.ended().map(|how| format!("{name}: {how}")));
    wrong
}

fn show(row: &Row) -> String {
    format!(
        "{:<34} {:>3.0} s  p99 {:>6} {:>6} {:>6} µs  failed {} new {}/{}  connections {:>4}  {:>5.1} MiB  {:?}",
        row.attack,
        row.seconds,
        row.before.p99_us,
        row.during.p99_us,
        row.after.p99_us,
        row.during.failed,
        row.during.new_failed,
        row.during.new_failed + row.during.new_answered,
        row.connections,
        row.memory as f64 / f64::from(1 << 20),
        row.answers,
    )
}

/// The memory limit in the chart's values: `limits: {memory: 64Mi}`.
fn memory_limit() -> u64 {
    let values = fs::read_to_string(project("deploy/chart/values.yaml")).unwrap();
    let line = values.lines().find_map(|line| line.trim().strip_prefix("limits: {memory: "));
    let mebibytes = line.and_then(|line| line.strip_suffix("Mi}")).expect("the chart has no limit");
    mebibytes.parse::<u64>().unwrap() << 20
}

/// The processor, and how many of them.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = thread::available_parallelism().map_or(1, usize::from);
    let model = model.map_or("an unknown processor", |(_, model)| model);
    format!("{count} processors ({model})")
}

fn replace_page(report: &Report) {
    let path = project("docs/abuse.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- begin abuse -->\n", "<!-- end abuse -->");
    let (before, rest) = text.split_once(begin).expect("the page has no place for it");
    let (_, after) = rest.split_once(end).expect("the page has no place for it");
    fs::write(path, format!("{before}{begin}\n{}\n{end}{after}", report.page())).unwrap();
}

fn project(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}
