//! With exemptions exactly the exempt fields differ, and an annotation counts where the engine counts it.

use std::collections::BTreeSet;

use ironhull::harden::{Context, Scope, harden};
use ironhull::outcome::Subject;
use ironhull::pod::Pod;
use ironhull::policy::PolicySet;
use ironhull::rule::RuleName;
use serde_json::{Map, Value, json};

use crate::ask::{MADE, ask, checks, created, only, policies, policy};
use crate::standard::{hardened, pods};
use crate::{judge, support};

const KINDS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The rules that *restricted* knows of, and two that it does not.
const RULES: [&str; 8] = [
    "privileged",
    "runAsNonRoot",
    "capabilities",
    "allowPrivilegeEscalation",
    "seccompProfile",
    "all",
    "runAsUser",
    "readOnlyRootFilesystem",
];

/// Capabilities that an exempt root keeps, by default.
const ROOT_KEEPS: [&str; 7] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "KILL", "NET_BIND_SERVICE"];

/// The pod as Pod Security would see it if the first container (or all of them) had nothing to be
/// exempt from: another way to say what an exemption from `rule` leaves out.
fn healed(pod: &Value, rule: &str, everyone: bool) -> Value {
    let mut pod = pod.clone();
    let outer = pod["spec"]["securityContext"].as_object().cloned().unwrap_or_default();
    let mut inherits = BTreeSet::new();
    let mut first = true;
    for kind in KINDS {
        let Some(containers) = pod["spec"][kind].as_array_mut() else { continue };
        for container in containers {
            let exempt = everyone || std::mem::take(&mut first);
            if !container["securityContext"].is_object() {
                container["securityContext"] = json!({});
            }
            let own = container["securityContext"].as_object_mut().unwrap();
            let privileged = own.get("privileged") == Some(&json!(true));
            let rule = match rule {
                "all" => "all",
                "privileged" if privileged => "all",
                rule => rule,
            };
            for field in ["runAsNonRoot", "runAsUser", "seccompProfile"] {
                if own.get(field).is_none_or(Value::is_null) {
                    own.remove(field);
                    if exempt
                        && (rule == "all"
                            || field.starts_with(rule)
                            || rule == "runAsNonRoot" && field == "runAsUser")
                    {
                        inherits.insert(field);
                    }
                    // What it inherits becomes its own: the pod level may go.
                    if let Some(value) = outer.get(field).filter(|value| !value.is_null()) {
                        own.insert(field.to_owned(), value.clone());
                    }
                }
            }
            if exempt {
                heal(own, rule);
            }
        }
    }
    for field in inherits {
        if let Some(outer) = pod["spec"]["securityContext"].as_object_mut() {
            outer.remove(field);
        }
    }
    pod
}

fn heal(own: &mut Map<String, Value>, rule: &str) {
    let of = |name: &str| rule == name || rule == "all";
    if of("privileged") {
        own.remove("privileged");
    }
    if of("allowPrivilegeEscalation") {
        own.insert("allowPrivilegeEscalation".to_owned(), json!(false));
    }
    if of("seccompProfile") {
        own.insert("seccompProfile".to_owned(), json!({"type": "RuntimeDefault"}));
    }
    if of("runAsNonRoot") {
        own.insert("runAsNonRoot".to_owned(), json!(true));
        if own.get("runAsUser") == Some(&json!(0)) {
            own.remove("runAsUser");
        }
        let add = own.get_mut("capabilities").and_then(|it| it.get_mut("add"));
        if let Some(add) = add.and_then(Value::as_array_mut) {
            add.retain(|name| !ROOT_KEEPS.contains(&name.as_str().unwrap()));
        }
    }
    if of("capabilities") {
        own.insert("capabilities".to_owned(), json!({"drop": ["ALL"]}));
    }
}

#[test]
fn exactly_the_exempt_fields_differ() {
    let (Some(binary), Some(directory)) = (judge::binary(), support::directory()) else { return };
    let mut questions = Vec::new();
    let mut healthy = Vec::new();
    // Every fourth pod, with every rule in turn: some thousand of each.
    for (index, (id, pod)) in pods(&directory).iter().enumerate() {
        for (rule, name) in RULES.iter().enumerate() {
            let everyone = (index + rule) % 2 == 0;
            if (index + rule / 2) % 4 != 0 {
                continue;
            }
            let mut named = KINDS.iter().filter_map(|kind| pod["spec"][kind][0]["name"].as_str());
            let Some(first) = named.next() else { continue };
            let scope = if everyone { String::new() } else { format!("{first}.") };
            let mut pod = pod.clone();
            if !pod["metadata"]["annotations"].is_object() {
                pod["metadata"]["annotations"] = json!({});
            }
            let key = format!("{scope}exempt.ironhull.dev/{name}");
            pod["metadata"]["annotations"][&key] = json!("a reason that is one");
            healthy.push(healed(&pod, name, everyone));
            questions.push((format!("{id} {key}"), pod));
        }
    }
    let judged = judge::judge(&binary, &healthy);
    let requests: Vec<_> = questions.iter().map(|(_, pod)| created(pod)).collect();
    let decided = ask_readable(&binary, &requests, &judged);
    let mut different = Vec::new();
    let mut compared = 0;
    for (((id, _), judged), decision) in questions.iter().zip(&judged).zip(decided) {
        let Some(ours) = decision else { continue };
        compared += 1;
        let theirs = checks(&judged.restricted.reasons);
        if ours != theirs {
            different.push(format!("{id}: {ours:?}, expected {theirs:?}"));
        }
    }
    println!("{compared} exemptions, {} differences", different.len());
    assert!(compared > 2000, "{compared}");
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

/// What ironhull hardens, the backstop lets through: with an exemption, what is left of a pod's faults
/// is no more than without one.
#[test]
fn what_is_hardened_passes_with_its_exemption() {
    let (Some(binary), Some(directory)) = (judge::binary(), support::directory()) else { return };
    let (mut names, mut exempt, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (id, shipped)) in pods(&directory).into_iter().enumerate() {
        let rule = RULES[index % 6];
        let mut pod = shipped.clone();
        if !pod["metadata"]["annotations"].is_object() {
            pod["metadata"]["annotations"] = json!({});
        }
        let Some(first) = KINDS.iter().find_map(|kind| shipped["spec"][kind][0]["name"].as_str())
        else {
            continue;
        };
        let key = format!("{first}.exempt.ironhull.dev/{rule}");
        pod["metadata"]["annotations"][&key] = json!("a reason that is one");
        if let (Some(with), Some(without)) = (hardened(&pod), hardened(&shipped)) {
            names.push(format!("{id} {key}"));
            exempt.push(with);
            plain.push(without);
        }
    }
    let judged = judge::judge(&binary, &plain);
    let requests: Vec<_> = exempt.iter().map(created).collect();
    let mut compared = 0;
    let decided = ask_readable(&binary, &requests, &judged);
    for ((id, judged), ours) in names.iter().zip(&judged).zip(decided) {
        let Some(ours) = ours else { continue };
        compared += 1;
        let left = checks(&judged.restricted.reasons);
        assert!(ours.is_subset(&left), "{id}: {ours:?}, without the exemption {left:?}");
    }
    println!("{compared} hardened pods with an exemption");
    assert!(compared > 1500, "{compared}");
}

fn ask_readable(
    binary: &std::path::PathBuf,
    requests: &[Value],
    judged: &[judge::Judgement],
) -> Vec<Option<BTreeSet<String>>> {
    let readable: Vec<Value> = requests
        .iter()
        .zip(judged)
        .filter(|(_, judged)| judged.error.is_none())
        .map(|(request, _)| request.clone())
        .collect();
    let mut answers = ask(binary, &policies(""), &readable).into_iter();
    judged
        .iter()
        .map(|judged| judged.error.is_none().then(|| only(&answers.next().unwrap()).refused()))
        .collect()
}

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
