//! With exemptions exactly the exempt fields differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::ask::{MADE, ask, checks, created, only, policies};
use crate::manifests::{hardened, pods};
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
        if let (Some(with), Some(without)) = (hardened(&pod, MADE), hardened(&shipped, MADE)) {
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
