//! What a request costs ironhull itself, network and TLS left out.
//!
//! | bench | what it measures |
//! |---|---|
//! | `handler/deployment` | `admission::review` from the request's bytes to the response's: the pod of a Deployment of a root nginx as the API server sends it, about 3 KB |
//! | `handler/hardened` | the same for the pod that comes of it: nothing to do |
//! | `engine/all/N`, `engine/none/N` | `harden` on a pod that is read already, of N containers that need everything, or nothing |
//! | `read/N` | reading a pod of N containers |
//!
//! `cargo bench --bench handler`, for a quick look while working on them; what is published is
//! measured by `make bench`. The goals: `handler/deployment` below 60 µs at the median,
//! `engine/all/3` below 10 µs and `engine/none/3` below 3 µs, on one core of an ordinary
//! server.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench that fails says where"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ironhull::admission::{Endpoint, Mode, review};
use ironhull::harden::harden;
use ironhull::pod::Pod;
use ironhull::policy::{Policy, PolicySet};
use serde_json::Value;

#[path = "support/reviews.rs"]
#[allow(dead_code, reason = "the report sends the rest of them")]
mod reviews;

use reviews::{CREATE, DEPLOYMENT, ENVIRONMENT, needy_pod};

const CONTAINERS: [usize; 4] = [1, 3, 10, 100];

fn handler(criterion: &mut Criterion) {
    let policies = PolicySet::new(Vec::new()).unwrap();
    let endpoint = Endpoint { mode: Mode::Enforce, policy: None };
    // One line, as it comes.
    let request: Value = serde_json::from_str(DEPLOYMENT).unwrap();
    let mut hardened = request.clone();
    harden_in_place(&mut hardened["request"]["object"]);
    let mut group = criterion.benchmark_group("handler");
    for (name, request) in [("deployment", request), ("hardened", hardened)] {
        let body = request.to_string().into_bytes();
        group.bench_function(name, |bencher| {
            bencher.iter(|| review(black_box(&body), endpoint, &policies, ENVIRONMENT).unwrap());
        });
    }
    group.finish();
}

fn engine(criterion: &mut Criterion) {
    let policy = Policy::restricted();
    let mut group = criterion.benchmark_group("engine");
    for containers in CONTAINERS {
        let mut pod = needy_pod(containers);
        for name in ["all", "none"] {
            let text = pod.to_string();
            let view = Pod::from_json(&text).unwrap();
            group.bench_function(BenchmarkId::new(name, containers), |bencher| {
                bencher.iter(|| harden(black_box(&view), policy, &CREATE));
            });
            harden_in_place(&mut pod);
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group("read");
    for containers in CONTAINERS {
        let text = needy_pod(containers).to_string();
        group.bench_function(BenchmarkId::from_parameter(containers), |bencher| {
            bencher.iter(|| Pod::from_json(black_box(&text)).unwrap());
        });
    }
    group.finish();
}

fn harden_in_place(pod: &mut Value) {
    let text = pod.to_string();
    let view = Pod::from_json(&text).unwrap();
    let outcome = harden(&view, Policy::restricted(), &CREATE);
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json()).unwrap();
    json_patch::patch(pod, &patch).unwrap();
}

criterion_group!(benches, handler, engine);
criterion_main!(benches);
