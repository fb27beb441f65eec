#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use std::collections::HashSet;

use super::*;

fn cell(check: Check, state: State) -> Cell {
    Cell {
        check,
        state,
        value: json!(0),
        source: Source::Kubelet,
        set_by: SetBy::Image,
        template: None,
        exemption: None,
        why: "".into(),
    }
}

fn scope(name: &str) -> Scope<'_> {
    Scope { namespace: "shop", api_version: "apps/v1", kind: "Deployment", name, uid: Some("u") }
}

#[test]
fn names_of_workloads_never_meet() {
    let words = [
        ["v1", "Pod", "a-b"],
        ["v1", "Pod-a", "b"],
        ["v1", "pod", "a-b"],
        ["v1", "Pod", "A-b"],
        ["x.dev/v1", "Pod", "a-b"],
    ];
    let name = |[api_version, kind, name]: [&str; 3]| {
        Scope { namespace: "shop", api_version, kind, name, uid: None }.report_name()
    };
    let names: HashSet<String> = words.into_iter().map(name).collect();
    assert_eq!(names.len(), words.len());
    assert_eq!(name(["apps/v1", "Deployment", "a"]), name(["apps/v2", "Deployment", "a"]));
    let long = "x".repeat(253);
    assert!(scope(&long).report_name().len() <= 253);
    assert_ne!(scope(&long).report_name(), scope(&"x".repeat(252)).report_name());
}

/// However many containers there are and whatever is said of them, a report fits into etcd, and says
/// how many it does not name.
#[test]
fn a_report_is_bounded() {
    let long = "\"\u{10348}\\".repeat(400);
    let facts: Vec<Fact> = Check::ALL
        .into_iter()
        .flat_map(|check| State::ALL.map(|state| cell(check, state)))
        .map(|cell| Fact { value: short(&long), why: short(&long), ..Fact::of(&cell, None) })
        .collect();
    assert_eq!(facts.len(), 130);
    let names: Vec<String> = (0..200).map(|at| format!("container-{at:03}")).collect();
    let seen = names
        .iter()
        .flat_map(|name| facts.iter().map(|fact| Seen { container: name, fact, pods: Some(1) }));
    let report = scope(&long).report(seen.collect(), SOURCE, 1);
    let size = report.to_string().len();
    assert!(size < 800_000, "{size}");
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), 130);
    for result in results {
        let containers = result["properties"]["containers"].as_str().unwrap();
        assert!(
            containers.starts_with("container-000, ") && containers.ends_with(" more"),
            "{containers}"
        );
        assert!(containers.len() <= MAX_TEXT);
        let message = result["message"].as_str().unwrap();
        assert!(message.contains(" more: ") && message.len() <= MAX_TEXT, "{message}");
        assert_eq!(result["properties"]["pods"], "200");
    }
}

/// What a report says does not depend on the order in which pods come.
#[test]
fn a_report_is_the_same_in_any_order() {
    let fact = |check, uid| {
        let cell = Cell { value: json!(uid), ..cell(check, State::Fail) };
        Fact::of(&cell, None)
    };
    let facts =
        [fact(Check::RunAsNonRoot, 0), fact(Check::RunAsGroup, 0), fact(Check::RunAsGroup, 7)];
    let mut seen: Vec<Seen<'_>> = ["web", "proxy"]
        .into_iter()
        .flat_map(|container| facts.iter().map(move |fact| Seen { container, fact, pods: None }))
        .collect();
    let one = scope("web").report(seen.clone(), SOURCE, 1);
    seen.reverse();
    assert_eq!(one, scope("web").report(seen, SOURCE, 1));
    assert_eq!(one["results"].as_array().unwrap().len(), 2);
    assert_eq!(one["results"][0]["properties"]["containers"], "proxy, web");
    assert_eq!(one["results"][0]["properties"].get("pods"), None);
}

/// A field that an exemption allows is neither a failure nor a pass.
#[test]
fn an_exempt_field_was_not_asked_for() {
    for (state, scored, other) in [
        (State::Pass, "pass", "pass"),
        (State::Fail, "fail", "warn"),
        (State::Exempt, "skip", "skip"),
        (State::NotApplicable, "skip", "skip"),
        (State::Unknown, "error", "error"),
    ] {
        assert_eq!((outcome(state, true), outcome(state, false)), (scored, other), "{state:?}");
    }
}
