//! What the engine costs, with nothing around it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use ironhull::admission::{self, Endpoint, Mode};
use ironhull::harden::harden;
use ironhull::pod::Pod;
use ironhull::policy::{Policy, PolicySet};
use serde_json::{Value, json};

use crate::Bench;
use crate::cold;
use crate::support::reviews::{CREATE, ENVIRONMENT, needy_pod, review};
use crate::support::stats::Spread;

/// What every review here asks.
pub const ENFORCE: Endpoint<'static> = Endpoint { mode: Mode::Enforce, policy: None };

/// Containers of a pod, up to the most that the server reviews.
const SIZES: [usize; 7] = [1, 3, 10, 30, 100, 300, 1000];
/// Bytes of a pod of three containers.
const DOCUMENTS: [usize; 6] = [1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 19, 1 << 20];

/// What is done with a pod again and again.
type Case = Box<dyn Fn()>;

/// Measures all of it.
pub fn run(bench: &Bench) -> anyhow::Result<Value> {
    let most = if bench.smoke { 100 } else { usize::MAX };
    let sizes = SIZES.into_iter().filter(|size| *size <= most);
    let sizes = sizes.map(|size| (size, needy_pod(size))).collect();
    let documents = DOCUMENTS.into_iter().map(|bytes| (3, padded_pod(bytes))).collect();
    let [sizes, documents] = [rows(sizes, bench)?, rows(documents, bench)?];
    let each = |row: &Value| {
        let containers = row["containers"].as_f64().unwrap();
        (containers, row["all_ns"]["median"].as_f64().unwrap())
    };
    let (few, many) = (each(&sizes[2]), each(&sizes[sizes.len() - 1]));
    Ok(json!({
        "sizes": sizes,
        "documents": documents,
        // The exponent by which the time grows between ten containers, where what a pod costs by
        // itself no longer shows, and the most: 1 is a straight line, and n log n would be 1.24.
        "power": (many.1 / few.1).ln() / (many.0 / few.0).ln(),
        "steps": cold::run(bench)?,
    }))
}

/// Measures these pods, of so many containers.
fn rows(pods: Vec<(usize, Value)>, bench: &Bench) -> anyhow::Result<Vec<Value>> {
    let policies = PolicySet::new(Vec::new()).map_err(|_| anyhow!("no policies"))?;
    let policies: &PolicySet = Box::leak(Box::new(policies));
    let mut cases: Vec<Case> = Vec::new();
    for (_, pod) in &pods {
        let (text, done, body) = (leaked(pod), leaked(&hardened(pod)?), review(pod, "shop"));
        admission::review(&body, ENFORCE, policies, ENVIRONMENT)?;
        cases.push(Box::new(move || drop(black_box(Pod::from_json(black_box(text))))));
        for text in [text, done] {
            let pod: &'static Pod<'_> = Box::leak(Box::new(Pod::from_json(text)?));
            cases.push(Box::new(move || {
                black_box(harden(black_box(pod), Policy::restricted(), &CREATE));
            }));
        }
        cases.push(Box::new(move || {
            drop(black_box(admission::review(black_box(&body), ENFORCE, policies, ENVIRONMENT)));
        }));
    }
    let times = times(&cases, bench);
    let row = |((containers, pod), times): (&(usize, Value), &[Spread])| {
        json!({
            "containers": containers,
            "bytes": pod.to_string().len(),
            "read_ns": times[0],
            "all_ns": times[1],
            "none_ns": times[2],
            "review_ns": times[3],
        })
    };
    Ok(pods.iter().zip(times.chunks(4)).map(row).collect())
}

/// Nanoseconds for each case. Each is measured in every round, in another order each time, so
/// that what disturbs a round disturbs all alike.
fn times(cases: &[Case], bench: &Bench) -> Vec<Spread> {
    let slice = Duration::from_millis(if bench.smoke { 0 } else { 20 }).as_nanos() as f64;
    let warm_up = |case: &Case| {
        case();
        (slice / time(case, 1).max(1.0)).clamp(1.0, 1e6) as u32
    };
    let repeats: Vec<u32> = cases.iter().map(warm_up).collect();
    let mut seen = vec![Vec::new(); cases.len()];
    for round in 0..bench.rounds {
        for step in 0..cases.len() {
            let case = (step + round * 7) % cases.len();
            seen[case].push(time(&cases[case], repeats[case]));
        }
    }
    seen.into_iter().map(Spread::of).collect()
}

/// Nanoseconds for one run, on average.
pub fn time(run: impl Fn(), repeats: u32) -> f64 {
    let begun = Instant::now();
    for _ in 0..repeats {
        run();
    }
    begun.elapsed().as_nanos() as f64 / f64::from(repeats)
}

/// The pod's text, kept to the end of the program.
fn leaked(pod: &Value) -> &'static str {
    Box::leak(pod.to_string().into_boxed_str())
}

/// The pod as ironhull makes it.
fn hardened(pod: &Value) -> anyhow::Result<Value> {
    let text = pod.to_string();
    let view = Pod::from_json(&text)?;
    let outcome = harden(&view, Policy::restricted(), &CREATE);
    patched(pod, serde_json::from_str(outcome.patch.as_json())?)
}

/// The pod with a JSON patch applied.
pub fn patched(pod: &Value, operations: Value) -> anyhow::Result<Value> {
    let patch: json_patch::Patch = serde_json::from_value(operations)?;
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch)?;
    Ok(patched)
}

/// Three containers with so many environment variables that the pod has at least `bytes`.
fn padded_pod(bytes: usize) -> Value {
    let mut pod = needy_pod(3);
    let variable =
        |index: usize| json!({"name": format!("SETTING_{index}"), "value": "x".repeat(64)});
    let each = variable(10_000).to_string().len() + 1;
    for index in 0..bytes.saturating_sub(pod.to_string().len()) / each {
        let container = &mut pod["spec"]["containers"][index % 3];
        container["env"].as_array_mut().unwrap().push(variable(index));
    }
    pod
}
