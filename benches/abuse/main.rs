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
mod cgroup;
#[path = "../../tests/server/client.rs"]
#[allow(dead_code, reason = "the tests of the server need more of it")]
mod client;
mod good;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "`make bench` measures more")]
mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attacks::{Attack, Target, Way, humbly};
use cgroup::Cgroup;
use good::{Good, Load};
use serde::Serialize;
use serde_json::{Value, json};
use support::process::processor;
use support::server::Server;

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
    around: ms(1500),
    longest: ms(60_000),
    scale: 1.0,
    heaviest: 60,
    period: ms(20),
    limits: 1,
};

const SHORT: Plan =
    Plan { around: ms(50), longest: ms(200), scale: 0.01, heaviest: 4, period: ms(100), limits: 4 };

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Attackers' connections may take this long to be gone.
const DRAIN: Duration = Duration::from_secs(15);

/// What came of one attack.
#[derive(Serialize)]
struct Row {
    attack: String,
    what: String,
    seconds: f64,
    /// What the attackers got, and how often.
    answers: BTreeMap<String, u64>,
    /// Good requests before it, while it went on, and right after it.
    before: Good,
    during: Good,
    after: Good,
    /// The most open connections at a time.
    connections: u64,
    /// The most resident memory, in bytes.
    memory: u64,
}

fn main() -> ExitCode {
    // Cargo says so when it is run as a bench, and not among the tests.
    let whole = env::args().any(|argument| argument == "--bench");
    let only = env::var("ABUSE").unwrap_or_default();
    let plan = if whole { WHOLE } else { SHORT };
    let limit = memory_limit() * plan.limits;
    let cgroup = Cgroup::new(limit);
    let mut server = Server::start(program(cgroup.as_ref())).unwrap();
    let load = Load::start(server.webhook, &server.trust, plan.period);
    // Everything is in place, and no buffer grows for the first time.
    load.measure(plan.around);
    let idle = server.process().memory().unwrap().resident;
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (attack, run) in attacks::all() {
        if !attack.attack.contains(&only) || attack.seconds > plan.heaviest {
            continue;
        }
        let row = make(&plan, attack, run, &server, &load);
        wrong.extend(complaints(&row, limit, &mut server));
        println!("{}", show(&row));
        rows.push(row);
        if server.ended().is_some() {
            break;
        }
    }
    drop((load, server));
    let rate = good::CLIENTS * (1000 / plan.period.as_millis() as usize);
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "release": !cfg!(debug_assertions) || env::var_os("ABUSE_PROGRAM").is_some(),
        "machine": format!("{} processors ({})", thread::available_parallelism().unwrap(), processor()),
        "memory_limit": limit,
        // What held the server to it: a cgroup, where it would have been killed above, or
        // nothing but a look.
        "limit_by": if cgroup.is_some() { "cgroup" } else { "watched" },
        // The kernel's memory and cached files included.
        "cgroup_peak": cgroup.as_ref().map(Cgroup::peak),
        "idle_memory": idle,
        "good": [good::CLIENTS, rate],
        "attacks": rows,
    });
    // Only for a look whether it can be made where it is not written.
    let page = support::page::page(include_str!("page.md.jinja"), &report).unwrap();
    if whole && only.is_empty() && wrong.is_empty() {
        write(&report, &page);
    }
    for complaint in &wrong {
        eprintln!("WRONG: {complaint}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes one attack.
fn make(plan: &Plan, made: Attack, run: Way, server: &Server, load: &Load) -> Row {
    let before = load.measure(plan.around);
    server.process().reset_peak().unwrap();
    let span = Duration::from_secs(made.seconds).min(plan.longest);
    let begin = Instant::now();
    let target = Target::new(server.webhook, &server.trust, begin + span, plan.scale);
    let connections = || server.metric("ironhull_connections") as u64;
    let (over, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let seconds = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(connections(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let done = scope.spawn(|| humbly(|| run(&target))).join();
        over.store(true, Ordering::Relaxed);
        done.expect("the attack failed");
        begin.elapsed().as_secs_f64()
    });
    let during = load.take();
    let after = load.measure(plan.around);
    let memory = server.process().memory().map_or(0, |memory| memory.peak);
    let end = Instant::now() + DRAIN;
    while connections() > good::CLIENTS as u64 + 1 && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    let (answers, connections) = (target.answers.into_inner().unwrap(), most.into_inner());
    let Attack { attack, what, .. } = made;
    Row { attack, what, seconds, answers, before, during, after, connections, memory }
}

/// What must not be.
fn complaints(row: &Row, limit: u64, server: &mut Server) -> Vec<String> {
    let failed = row.before.failed + row.during.failed + row.after.failed;
    let kept_out = row.before.new_failed + row.after.new_failed;
    let ended = server.ended();
    let complaints = [
        (row.memory > limit, format!("{} bytes resident, the limit is {limit}", row.memory)),
        (failed > 0, format!("{failed} good requests failed")),
        (kept_out > 0, format!("{kept_out} good clients were kept out when it did not go on")),
        (row.during.answered == 0 || row.answers.is_empty(), "nothing was measured".to_owned()),
        (ended.is_some(), format!("the server has ended: {ended:?}")),
    ];
    let wrong = complaints.into_iter().filter(|(is_wrong, _)| *is_wrong);
    wrong.map(|(_, what)| format!("{}: {what}", row.attack)).collect()
}

fn show(Row { attack, before, during, after, answers, memory, .. }: &Row) -> String {
    let p99 = [before, during, after].map(|good| good.p99_us);
    let (failed, new_failed) = (during.failed, during.new_failed);
    format!("{attack}: p99 {p99:?} µs, failed {failed}, new {new_failed}, {memory} B, {answers:?}")
}

/// The program as it was just built, unless `ABUSE_PROGRAM` names another, as it is in the
/// image. Before it begins it is in its cgroup, so that everything it uses is charged there.
fn program(cgroup: Option<&Cgroup>) -> Command {
    let program = env::var_os("ABUSE_PROGRAM");
    let image = fs::read_to_string(project("Dockerfile")).unwrap();
    let allocator = image
        .lines()
        .find_map(|line| line.strip_prefix("ENV ").filter(|rest| rest.starts_with("MALLOC_")));
    let allocator = allocator.expect("the Dockerfile sets nothing for the allocator").split(' ');
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
        .arg(cgroup.map_or_else(|| "/dev/null".into(), Cgroup::door))
        .arg(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_ironhull").into()))
        .arg("serve")
        .envs(allocator.filter_map(|pair| pair.split_once('=')))
        // A group of its own: what interrupts the driver must not stop the server first.
        .process_group(0)
        .stdout(Stdio::piped());
    command
}

/// The memory limit in the chart's values: `limits: {memory: 64Mi}`.
fn memory_limit() -> u64 {
    let values = fs::read_to_string(project("deploy/chart/values.yaml")).unwrap();
    let line = values.lines().find_map(|line| line.trim().strip_prefix("limits: {memory: "));
    let mebibytes = line.and_then(|line| line.strip_suffix("Mi}")).expect("the chart has no limit");
    mebibytes.parse::<u64>().unwrap() << 20
}

fn write(report: &Value, page: &str) {
    let text = serde_json::to_string_pretty(report).unwrap() + "\n";
    fs::write(project("docs/abuse.json"), text).unwrap();
    let path = project("docs/abuse.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- begin abuse -->\n", "<!-- end abuse -->");
    let (before, rest) = text.split_once(begin).expect("the page has no place for it");
    let (_, after) = rest.split_once(end).expect("the page has no place for it");
    fs::write(path, format!("{before}{begin}\n{page}\n{end}{after}")).unwrap();
}

fn project(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}
