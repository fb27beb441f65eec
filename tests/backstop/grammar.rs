//! Annotations, grants and patterns of images count where the engine counts them.

use ironhull::harden::{Context, Scope, harden};
use ironhull::outcome::Subject;
use ironhull::pod::Pod;
use ironhull::policy::PolicySet;
use ironhull::rule::RuleName;
use serde_json::{Value, json};

use crate::ask::{MADE, ask, created, only, policies, policy};
use crate::judge;

fn pod(annotations: Value, image: &str) -> Value {
    json!({"metadata": {"name": "web", "annotations": annotations}, "spec": {"containers": [
        {"name": "web", "image": image, "securityContext": {"runAsUser": 0,
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}}]}})
}

/// Whether the engine exempts the container `web` from `runAsNonRoot`.
fn engine_exempts(set: &PolicySet, pod: &Value) -> bool {
    let text = pod.to_string();
    let view = Pod::from_json(&text).unwrap();
    let context = Context {
        date: MADE,
        scope: Scope::Create,
        user_namespaces: false,
        provenance: false,
        root: "",
        reserved_volumes: &[],
        seed_image: None,
    };
    let outcome = harden(&view, set.for_namespace("default"), &context);
    outcome.exemptions.iter().any(|exemption| {
        exemption.rules.contains(RuleName::RunAsNonRoot)
            && matches!(exemption.subject, Subject::Pod | Subject::Container(0))
    })
}

/// Asks both about each pod; each answer must be the same.
fn agree(set: &PolicySet, pods: &[Value]) -> (usize, usize) {
    let Some(binary) = judge::binary() else { return (1, 1) };
    let requests: Vec<_> = pods.iter().map(created).collect();
    let mut counts = (0, 0);
    for (pod, decisions) in pods.iter().zip(ask(&binary, set, &requests)) {
        let decision = only(&decisions);
        assert!(!decision.error, "{pod}: {decision:?}");
        let exempt = engine_exempts(set, pod);
        assert_eq!(decision.allowed, exempt, "{pod}: {decision:?}");
        *(if exempt { &mut counts.0 } else { &mut counts.1 }) += 1;
    }
    counts
}

/// Words that values are made of: with what each is followed by.
const WORDS: [&str; 22] = [
    "until=2026-11-30",
    "until=2026-11-29",
    "until=2027-02-28",
    "until=2027-02-29",
    "until=2028-02-29",
    "until=2100-02-29",
    "until=2400-02-29",
    "until=2027-13-01",
    "until=20270101",
    "until=",
    "until=2027-1-01",
    "ticket=OPS-1",
    "ticket=",
    "ticket=a\u{200b}b",
    "expires=2027-01-01",
    "why",
    "a=b",
    "=",
    "5=6",
    "until",
    "a\u{1}=b",
    "\u{e4}=b",
];

#[test]
fn a_value_counts_where_the_engine_counts_it() {
    let spaces = [" ", "\u{a0}", "\t ", "\u{3000}", "\u{85}"];
    let mut values: Vec<String> =
        ["", " ", "\u{200b}", "why\n", "\u{a0}why", "\u{2028}why"].map(String::from).to_vec();
    for (at, first) in WORDS.iter().enumerate() {
        values.push((*first).to_owned());
        for (next, second) in WORDS.iter().enumerate() {
            let space = spaces[(at + next) % spaces.len()];
            values.push(format!("{first}{space}{second}"));
            values.push(format!(" {first}{space}{second} why not"));
            let third = WORDS[(at * 7 + next * 5) % WORDS.len()];
            values.push(format!("{first} {second}{space}{third}\tbecause it must"));
            values.push(format!("{first} why not {second}"));
        }
    }
    values.push(format!("ticket={} why", "x".repeat(63)));
    values.push(format!("ticket={} why", "x".repeat(64)));
    let pods: Vec<_> = values
        .iter()
        .map(|value| pod(json!({"web.exempt.ironhull.dev/runAsNonRoot": value}), "nginx"))
        .collect();
    for limits in [
        json!({}),
        json!({"requireReason": false}),
        json!({"requireUntil": true}),
        json!({"maxDays": 90}),
        json!({"allow": ["capabilities"]}),
    ] {
        let (exempt, void) = agree(&policy(json!({"exemptions": limits})), &pods);
        println!("{limits}: {exempt} exempt, {void} void");
        assert!(void > 0 && (exempt > 0 || limits["allow"].is_array()));
    }
}

#[test]
fn a_key_counts_where_the_engine_counts_it() {
    let keys = [
        "exempt.ironhull.dev/runAsNonRoot",
        "web.exempt.ironhull.dev/runAsNonRoot",
        "exempt.ironhull.dev/all",
        "web.exempt.ironhull.dev/all",
        "other.exempt.ironhull.dev/all",
        "web.exempt.ironhull.dev/runAsUser",
        "web.exempt.ironhull.dev/capabilities",
        "web.exempt.ironhull.dev/runasnonroot",
        "web.ironhull.dev/runAsNonRoot",
        "ironhull.dev/runAsNonRoot",
        "x-exempt.ironhull.dev/all",
        "web.Exempt.ironhull.dev/all",
        "exempt.exempt.ironhull.dev/all",
    ];
    let pods: Vec<_> = keys.iter().map(|key| pod(json!({*key: "why"}), "nginx")).collect();
    let container_rules = json!([
        "privileged",
        "runAsNonRoot",
        "runAsUser",
        "runAsGroup",
        "capabilities",
        "allowPrivilegeEscalation",
        "seccompProfile",
        "readOnlyRootFilesystem"
    ]);
    for (allow, exempt) in [
        (container_rules, 3),
        (json!(["runAsNonRoot"]), 2),
        (json!(["capabilities"]), 0),
        (json!([]), 0),
    ] {
        let set = policy(json!({"exemptions": {"allow": allow}}));
        let (counted, _) = agree(&set, &pods);
        assert!(counted == exempt || judge::binary().is_none(), "{allow}: {counted}");
    }
    agree(&policies(""), &pods);
}

const IMAGES: [&str; 18] = [
    "nginx",
    "nginx:1.27",
    "nginx@sha256:ab",
    "nginx:1@sha256:ab",
    "docker.io/nginx",
    "docker.io/library/nginx:1",
    "index.docker.io/nginx:1",
    "index.docker.io/library/nginx",
    "bitnami/nginx:1",
    "quay.io/nginx:1",
    "localhost/nginx:1",
    "localhost:5000/nginx",
    "registry.corp/hub/nginx:1",
    "registry.corp/hub/bitnami/nginx",
    "registry.corp/pay/api:3",
    "registry.corp/pay@sha256:ab",
    "registry.corp.evil/pay/api:3",
    "a/b/c/d:e",
];

#[test]
fn images_match_where_the_engine_matches_them() {
    let aliases = json!({"registry.corp/": "ghcr.io/", "registry.corp/hub/": "docker.io/"});
    for pattern in [
        "nginx",
        "nginx:*",
        "nginx@*",
        "docker.io/library/nginx:1*",
        "registry.corp/*",
        "ghcr.io/*",
        "ghcr.io/pay/*:3",
        "localhost*/nginx:*",
        "a/*d:e",
        "docker.io/bitnami/*",
    ] {
        for aliases in [json!({}), aliases.clone()] {
            let granted = policy(json!({"registryAliases": aliases, "exempt":
                [{"images": [pattern], "rules": ["runAsNonRoot"], "reason": "why"}]}));
            let pods: Vec<_> = IMAGES.iter().map(|image| pod(json!({}), image)).collect();
            agree(&granted, &pods);
            let limited =
                policy(json!({"registryAliases": aliases, "exemptions": {"images": [pattern]}}));
            let pods: Vec<_> = IMAGES
                .iter()
                .map(|image| pod(json!({"exempt.ironhull.dev/runAsNonRoot": "why"}), image))
                .collect();
            agree(&limited, &pods);
        }
    }
}

#[test]
fn grants_end_and_name_containers() {
    for (grant, exempt) in [
        (json!({"until": "2026-11-30"}), true),
        (json!({"until": "2026-11-29"}), false),
        (json!({"containers": ["web", "x"]}), true),
        (json!({"containers": ["x"]}), false),
        (json!({"rules": ["capabilities"]}), false),
    ] {
        let mut whole = json!({"rules": ["runAsNonRoot"], "reason": "why"});
        whole.as_object_mut().unwrap().extend(grant.as_object().unwrap().clone());
        let set = policy(json!({"exempt": [whole]}));
        let (counted, _) = agree(&set, &[pod(json!({}), "nginx")]);
        assert!(counted == usize::from(exempt) || judge::binary().is_none(), "{grant}");
    }
}

/// The API server says when a pod is created: an exemption that ends tomorrow is void the day after,
/// under the same backstop, and so is a grant.
#[test]
fn the_day_is_that_of_the_request() {
    let Some(binary) = judge::binary() else { return };
    let annotated = pod(json!({"exempt.ironhull.dev/all": "until=2026-12-01 why"}), "nginx");
    let at = |pod: &Value, day: &str| {
        let mut request = created(pod);
        request["now"] = json!(format!("{day}T23:59:59Z"));
        request
    };
    let days = ["2026-12-01", "2026-12-02", "2026-01-01"];
    let allowed = |set: &PolicySet, pod: &Value| {
        let requests: Vec<_> = days.iter().map(|day| at(pod, day)).collect();
        let decided = ask(&binary, set, &requests);
        decided.iter().map(|decisions| only(decisions).allowed).collect::<Vec<_>>()
    };
    assert_eq!(allowed(&policies(""), &annotated), [true, false, true]);
    let granted = policy(
        json!({"exempt": [{"rules": ["runAsNonRoot"], "until": "2026-12-01", "reason": "why"}]}),
    );
    assert_eq!(allowed(&granted, &pod(json!({}), "nginx")), [true, false, true]);
    // Ninety days from the day of the request, whenever the backstop was made.
    let far = policy(json!({"exemptions": {"maxDays": 90}}));
    let annotated = pod(json!({"exempt.ironhull.dev/all": "until=2027-03-02 why"}), "nginx");
    assert_eq!(allowed(&far, &annotated), [false, true, false]);
}
