//! What is to be reached, held against what was measured.

use super::tables::{decimal, mebibytes};
use crate::figures::{ApiServer, Creations, Engine, Growth, Report};
use crate::stats::Spread;

/// A goal, and whether it is met.
pub struct Goal {
    pub what: String,
    pub limit: String,
    pub measured: String,
    pub met: bool,
}

/// Those of all parts that were measured.
pub fn goals(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    if let Some(engine) = &report.engine {
        if let Some(size) = engine.figures.sizes.iter().find(|size| size.containers == 3) {
            let (all, none) = (size.all_ns.map(|ns| ns / 1e3), size.none_ns.map(|ns| ns / 1e3));
            goals.push(most("engine: 3 containers that need everything", all, 10.0, "µs"));
            goals.push(most("engine: 3 containers that need nothing", none, 3.0, "µs"));
        }
        if let Some(power) = power(&engine.figures) {
            goals.push(Goal {
                what: "engine: time grows as a power of the containers, from 10 on, of".to_owned(),
                limit: "at most 1.1".to_owned(),
                measured: format!("{power:.3}"),
                met: power <= 1.1,
            });
        }
    }
    if let Some(https) = &report.https {
        let loads = https.figures.loads.iter().filter(|load| load.hook == "ironhull");
        for load in loads.filter(|load| load.connections > 1) {
            let at = format!("at {} connections", load.connections);
            let (cpu, rate) = (load.cpu_ratio, load.rate_ratio);
            goals.push(most(
                &format!("HTTPS: CPU time a request, to the constant hook's, {at}"),
                cpu,
                1.25,
                "×",
            ));
            goals.push(least(
                &format!("HTTPS: requests a second, to the constant hook's, {at}"),
                rate,
                0.85,
                "×",
            ));
        }
    }
    if let Some(api) = &report.apiserver {
        apiserver(&mut goals, &api.figures);
    }
    if let Some(storm) = &report.storm {
        let storm = &storm.figures;
        let (pods, hardened) = (storm.pods, storm.hardened);
        goals.push(Goal {
            what: format!("storm: all of {pods} pods hardened, nothing refused"),
            limit: format!("{pods} and 0"),
            measured: format!("{hardened} and {}", storm.refused + storm.failed_events as u64),
            met: hardened == pods && storm.refused == 0 && storm.failed_events == 0,
        });
    }
    if let Some(memory) = &report.memory {
        let memory = &memory.figures;
        let more = memory.with_policies.resident.saturating_sub(memory.idle.resident);
        let policies = memory.policies;
        let reviews = memory.reviews;
        goals.push(size("memory: resident, idle", memory.idle.resident, 20));
        goals.push(size(
            &format!("memory: resident, after {reviews} reviews"),
            memory.after.resident,
            30,
        ));
        goals.push(size(&format!("memory: what {policies} policies add"), more, 5));
        let ratio = memory.policies_p50_ratio;
        goals.push(most(
            &format!("latency with {policies} policies, to that with one"),
            ratio,
            1.1,
            "×",
        ));
    }
    if let Some(start) = &report.start {
        let start = &start.figures;
        goals.push(most("start: from exec to ready", start.ready_ms, 100.0, "ms"));
        let more = start.with_policies_ms.median - start.ready_ms.median;
        goals.push(Goal {
            what: format!("start: what {} policies add", start.policies),
            limit: "at most 200 ms".to_owned(),
            measured: format!("{} ms", decimal(more)),
            met: more <= 200.0,
        });
    }
    goals
}

/// The exponent by which the time for a pod grows between ten containers, where what a pod
/// costs by itself no longer shows, and the most that were measured: 1 is a straight line, and
/// n log n would be 1.24 up to a thousand.
fn power(engine: &Engine) -> Option<f64> {
    let few = engine.growth.iter().find(|row| row.containers == 10)?;
    let many = engine.growth.last().filter(|row| row.containers > few.containers)?;
    let a_container = |row: &Growth| row.all_ns_per_container.median;
    let times = many.containers as f64 / few.containers as f64;
    Some(1.0 + (a_container(many) / a_container(few)).ln() / times.ln())
}

fn apiserver(goals: &mut Vec<Goal>, api: &ApiServer) {
    let rows = |variant: &'static str| {
        api.creations.iter().filter(move |row| row.variant == variant && row.dry_run)
    };
    for ironhull in rows("ironhull") {
        let clients = ironhull.clients;
        let at = if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
        let what = format!("API server, {at}: what ironhull adds, to what the constant hook adds");
        goals.push(most(&what, ironhull.ratio, 1.1, "×"));
        let same = |row: &&Creations| row.clients == clients;
        let below = |one: &Creations, other: &Creations, what: String, than: &str| Goal {
            what,
            limit: format!("{than}'s: {} ms", decimal(other.added_ms.median)),
            measured: format!("{} ms", decimal(one.added_ms.median)),
            met: one.added_ms.median <= other.added_ms.median,
        };
        if let Some(policy) = rows("mutating-policy").find(same) {
            let what = format!("API server, {at}: what ironhull adds");
            goals.push(below(ironhull, policy, what, "below MutatingAdmissionPolicy"));
        }
        if let (Some(constant), Some(naive)) =
            (rows("constant").find(same), rows("naive").find(same))
        {
            let what = format!("API server, {at}: what ironhull's patch adds by its shape");
            goals.push(below(constant, naive, what, "not above the naive hook"));
        }
    }
}

fn most(what: &str, value: Spread, limit: f64, unit: &str) -> Goal {
    Goal {
        what: what.to_owned(),
        limit: format!("at most {limit} {unit}"),
        measured: format!("{} {unit}", decimal(value.median)),
        met: value.median <= limit,
    }
}

fn least(what: &str, value: Spread, limit: f64, unit: &str) -> Goal {
    Goal {
        what: what.to_owned(),
        limit: format!("at least {limit} {unit}"),
        measured: format!("{} {unit}", decimal(value.median)),
        met: value.median >= limit,
    }
}

fn size(what: &str, bytes: u64, limit: u64) -> Goal {
    Goal {
        what: what.to_owned(),
        limit: format!("at most {limit} MiB"),
        measured: format!("{} MiB", mebibytes(bytes)),
        met: bytes <= limit << 20,
    }
}
