//! `ironhull report` against what the containers show of themselves.

mod beside;
mod inside;
mod workloads;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::another_webhook::Injector;
use crate::pods::{BUSYBOX, auditor, container, workload};
use crate::world::{Space, World, ironhull, say};
use inside::{Inside, LOOK};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");

/// What came of all cells.
#[derive(Debug, Default)]
struct Count {
    containers: usize,
    /// Cells that were compared with what the container shows.
    seen: usize,
    states: BTreeMap<String, usize>,
    /// Cells that fields decide which show nothing inside.
    unseen: usize,
}

/// Every cell of more than 40 workloads, with the rights of the role `view`. A cell that passes is
/// so inside the container, one that fails or is exempt is not, and none is unknown that can be
/// known.
pub fn every_cell_is_true(world: &'static World) {
    let before = world.namespace("evidence-before", &[]);
    before.pod(&auditor("auditor"));
    before.create(&workload("apps/v1", "Deployment", &auditor("deployed"))).unwrap();
    let enforced = world.namespace("evidence", &[ENFORCE]);
    let plain = world.namespace("evidence-plain", &[]);
    let injected = world.namespace("evidence-injected", &[]);
    let _injector = Injector::install(world, &injected, "aa");
    injected.create(&workload("apps/v1", "Deployment", &auditor("deployed"))).unwrap();
    // A pod of each that was made, and two more of the replicas.
    let (mut many, mut plainly) = (2, 0);
    for (space, objects) in [
        (&enforced, workloads::enforced(LOOK)),
        (&enforced, workloads::in_user_namespaces()),
        (&plain, workloads::plain()),
        (&plain, workloads::in_user_namespaces()),
        (&plain, vec![workloads::node(), workloads::windows()]),
    ] {
        *if space.name == plain.name { &mut plainly } else { &mut many } += objects.len();
        for object in objects {
            space.create(&object).unwrap_or_else(|error| panic!("{error}: {object}"));
        }
    }
    let spaces = [&before, &enforced, &plain, &injected];
    for (space, pods) in spaces.into_iter().zip([2, many, plainly, 1]) {
        // None here runs Windows.
        space.all_run(pods, |pod| pod["metadata"]["name"] != "windows");
    }
    debug(world, &enforced, "debugged");
    debug(world, &plain, "silent");
    before.label(&json!({"ironhull.dev/harden": "enforce"}));

    let kubeconfig = viewer(&plain);
    let mut arguments = vec!["report", "-o", "json"];
    spaces.iter().for_each(|space| arguments.extend(["-n", &space.name]));
    let output = ironhull()
        .args(&arguments)
        .env("KUBECONFIG", kubeconfig.path())
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    say(format!("summary: {}", report["summary"]));
    for limit in report["limits"].as_array().unwrap() {
        assert_eq!(limit["forRights"], false, "{limit}");
    }

    let node = Inside::parse(&plain.exec("node", "app", &["sh", "-c", LOOK]));
    let mut count = Count::default();
    let mut wrong = Vec::new();
    for workload in report["workloads"].as_array().unwrap() {
        let space = spaces.iter().find(|space| workload["namespace"] == *space.name).unwrap();
        for container in workload["containers"].as_array().unwrap() {
            compare(space, workload, container, &node, &mut count, &mut wrong);
        }
    }
    say(format!("{} workloads, {count:?}", report["workloads"].as_array().unwrap().len()));
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(report["workloads"].as_array().unwrap().len() >= 40);
    who_set_what(&report, [&before, &enforced, &plain, &injected]);
    beside::scanners(world, &spaces, &report);
}

/// Compares the cells of a container with what it shows.
fn compare(
    space: &Space,
    workload: &Value,
    container: &Value,
    node: &Inside,
    count: &mut Count,
    wrong: &mut Vec<String>,
) {
    let (pod, name) = (text(&container["podNames"][0]), text(&container["name"]));
    let title = format!("{}/{}/{name}", space.name, text(&workload["name"]));
    let shown = match text(&container["status"]) {
        "running" => space.exec(pod, name, &["sh", "-c", LOOK]),
        "terminated" => space.log(pod, name),
        // It has nothing to show, and nothing about it may be known that only the kubelet checks.
        _ => {
            say(format!("{title} waits: {}", container["user"]));
            assert_eq!(container["user"]["nonRoot"], Value::Null, "{title}");
            return;
        }
    };
    let spec = space.get(pod)["spec"].clone();
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let all = lists.iter().filter_map(|list| spec[list].as_array()).flatten();
    let own = all.into_iter().find(|it| it["name"] == name).unwrap().clone();
    let adds = own["securityContext"]["capabilities"]["add"].as_array().cloned();
    let adds: Vec<&str> = adds.iter().flatten().map(text).collect();
    let truth = Inside::parse(&shown).truth(node, &adds);
    count.containers += 1;
    for cell in container["cells"].as_array().unwrap() {
        let (check, state) = (text(&cell["check"]), text(&cell["state"]));
        *count.states.entry(state.to_owned()).or_default() += 1;
        let Some((_, holds, value)) = truth.iter().find(|(name, ..)| *name == check) else {
            // Decided by fields of the pod alone.
            count.unseen += 1;
            let passes = by_spec(check, &spec, &own, &space.name);
            if (state == "pass") != passes {
                wrong.push(format!("{title} {check}: {state}, by its spec {passes}"));
            }
            continue;
        };
        count.seen += 1;
        let as_it_is = match state {
            "fail" if adds == ["ALL"] && of_capabilities(check) => true,
            "pass" => *holds,
            "fail" | "exempt" => !*holds,
            _ => false,
        };
        if !as_it_is {
            wrong.push(format!(
                "{title} {check}: {cell}; inside {holds} {}",
                shown.replace('\n', " ")
            ));
        }
        if let Some(value) = value.as_ref().filter(|value| **value != sorted(&cell["value"])) {
            wrong.push(format!("{title} {check}: {}, and inside {value}", cell["value"]));
        }
    }
}

/// Whether `drop: [ALL]` beside `add: [ALL]` makes it fail. containerd leaves nothing then, other
/// runtimes need not.
fn of_capabilities(check: &str) -> bool {
    matches!(check, "dropCapabilities" | "addCapabilities" | "netRaw")
}

/// Whether a check passes by the pod's spec, for what shows nothing inside.
fn by_spec(check: &str, spec: &Value, own: &Value, namespace: &str) -> bool {
    match check {
        "hostPorts" => {
            let ports = own["ports"].as_array().cloned().unwrap_or_default();
            ports.iter().all(|port| port["hostPort"].is_null())
        }
        "volumeTypes" => {
            let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
            volumes.iter().all(|volume| volume["hostPath"].is_null())
        }
        "imageDigest" => text(&own["image"]).contains("@sha256:"),
        "defaultNamespace" => namespace != "default",
        "appArmorProfile" => own["securityContext"]["privileged"] != true,
        _ => true,
    }
}

/// A list in order; anything else as it is.
fn sorted(value: &Value) -> Value {
    let Some(list) = value.as_array() else { return value.clone() };
    let mut list: Vec<i64> = list.iter().filter_map(Value::as_i64).collect();
    list.sort_unstable();
    json!(list)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Who set what, and what became of exemptions and notes.
fn who_set_what(report: &Value, [before, enforced, plain, injected]: [&Space; 4]) {
    let container = |space: &Space, workload: &str, name: &str| -> Value {
        let all = report["workloads"].as_array().unwrap();
        let of = |it: &&Value| it["namespace"] == *space.name && it["name"] == workload;
        let found = all.iter().find(of).unwrap_or_else(|| panic!("no {workload}"));
        let containers = found["containers"].as_array().unwrap();
        containers.iter().find(|it| it["name"] == name).unwrap().clone()
    };
    let cell = |container: &Value, check: &str| -> Value {
        let cells = container["cells"].as_array().unwrap();
        cells.iter().find(|cell| cell["check"] == check).unwrap().clone()
    };
    let root = "runAsNonRoot";
    let hardened = cell(&container(enforced, "replicas", "app"), root);
    assert_eq!(hardened["setBy"], "ironhull", "{hardened}");
    assert_eq!(hardened["template"]["state"], "fail", "{hardened}");
    let replicas = container(enforced, "replicas", "app");
    assert_eq!(replicas["pods"], 3, "{replicas}");
    assert_eq!(replicas["note"]["current"], true);
    let authored = container(enforced, "deployed-authored", "app");
    for check in [root, "dropCapabilities", "seccompProfile", "readOnlyRootFilesystem"] {
        assert_eq!(cell(&authored, check)["setBy"], "author", "{check}");
    }
    let exempt = cell(&container(enforced, "deployed-exempt", "app"), root);
    assert_eq!(exempt["state"], "exempt", "{exempt}");
    let expired = cell(&container(enforced, "expired", "app"), root);
    assert_eq!(expired["state"], "pass", "{expired}");
    let forged = container(plain, "forged", "app");
    assert_eq!(forged["note"]["holds"], false, "{}", forged["note"]);
    assert!(forged["cells"].as_array().unwrap().iter().all(|it| it["setBy"] != "ironhull"));
    let nowhere = cell(&container(plain, "exempt-nowhere", "app"), root);
    assert_eq!(nowhere["state"], "fail", "{nowhere}");
    let sidecar = container(injected, "deployed", "injected");
    assert_eq!(sidecar["inTemplate"], false, "{sidecar}");
    let old = cell(&container(before, "deployed", "app"), root);
    assert_eq!((text(&old["state"]), text(&old["setBy"])), ("fail", "author"), "{old}");

    let standing = |name: &str| -> String {
        let all = report["exemptions"].as_array().unwrap();
        let found = all.iter().find(|it| it["name"] == name);
        text(&found.unwrap_or_else(|| panic!("no exemption of {name}"))["standing"]).to_owned()
    };
    for (name, expected) in [
        ("exempt-root", "inForce"),
        ("deployed-exempt", "inForce"),
        ("expired", "ended"),
        ("misspelt", "void"),
        ("exempt-nowhere", "notOptedIn"),
    ] {
        assert_eq!(standing(name), expected, "{name}");
    }
}

/// Puts a root debug container beside the others, and waits until it runs.
fn debug(world: &'static World, space: &Space, name: &str) {
    let mut debugger = container("debugger", BUSYBOX);
    debugger["securityContext"] = json!({"runAsUser": 0});
    space.debug(name, &debugger).unwrap();
    world.eventually(&format!("the debugger of {name} runs"), || {
        let status = &space.get(name)["status"]["ephemeralContainerStatuses"][0];
        status["state"]["running"].is_object().then_some(())
    });
}

/// A kubeconfig of a service account that has the role `view` and nothing else.
fn viewer(space: &Space) -> tempfile::NamedTempFile {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "an-auditor"},
    });
    space.create(&account).unwrap();
    space.create_beside(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("{}-view", space.name)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "an-auditor", "namespace": space.name}],
    }));
    space.account_may("an-auditor", "list", "pods");
    space.kubeconfig_of("an-auditor")
}
