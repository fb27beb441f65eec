//! How long reading takes.

use std::time::{Duration, Instant};

use ironhull::policy::{Policy, PolicySet};

use super::{SAMPLE, set, source};

/// A release build takes a fraction of this; the bound is for a debug build on a busy
/// machine.
#[test]
fn a_thousand_policies_load_quickly() {
    let files: Vec<_> = (0..1_000)
        .map(|n| {
            // Half of them do not allow what some known images add.
            let allowed =
                if n % 2 == 0 { "allowedAdd: []" } else { "allowedAdd: [NET_BIND_SERVICE]" };
            let text = SAMPLE
                .replace("allowedAdd: [NET_BIND_SERVICE]", allowed)
                .replace("name: payments", &format!("name: payments-{n}"))
                .replace("[payments, \"payments-*\"]", &format!("[p{n}, \"p{n}-*\"]"));
            source(&format!("{n}.yaml"), &text)
        })
        .collect();
    Policy::restricted();
    let start = Instant::now();
    let set = set(&files);
    let took = start.elapsed();
    println!("1,000 policies: {took:?}");
    assert_eq!(set.policies().len(), 1_000);
    assert_eq!(set.for_namespace("p77-x").name, "payments-77");
    assert!(took.as_secs() < 10, "{took:?}");
}

/// The shortest of three times that it takes to load a policy file.
fn load_time(text: &str) -> Duration {
    let files = [source("facts.yaml", text)];
    let once = || {
        let started = Instant::now();
        PolicySet::load(&files, None).unwrap();
        started.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap()
}

/// A megabyte in one line is read as fast as in many: the column of each place in it is not counted from
/// the line's start. That made it a hundred times slower.
#[test]
fn a_file_of_one_line_is_read_as_fast_as_one_of_many() {
    let image = |n: usize| {
        serde_json::json!({
            "image": format!("r.corp/app-{n}:1"), "user": "app", "uid": n, "gid": n,
            "entrypoint": ["/entrypoint.sh", "serve"], "ports": ["8080/tcp"], "home": "/home/app",
        })
    };
    let images: Vec<_> = (1..5000).map(image).collect();
    let facts = serde_json::json!({
        "apiVersion": "ironhull.dev/v1alpha1", "kind": "ImageFacts", "images": images,
    });
    let (one, many) = (facts.to_string(), format!("{facts:#}"));
    let flow = format!("# not JSON\n{one}");
    let usual = load_time(&many);
    for text in [one, flow] {
        let time = load_time(&text);
        assert!(time < usual * 10, "{time:?}, and {usual:?} in many lines");
    }
}
