//! What pods refer to and the API server looks up before it accepts them: ServiceAccounts
//! in the namespace, priority and runtime classes in the cluster.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::oracle::Oracle;
use super::shipped::Shipped;
use crate::pods::auditor;
use crate::world::{Space, World, say};

/// Makes all of it. Classes that the cluster has are used as they are, and stay; what is made
/// goes with the namespace.
pub fn prepare(world: &World, space: &Space, oracle: &Oracle, pods: &[Shipped]) {
    let there = world.kubectl(&["get", "priorityclasses,runtimeclasses", "--output", "name"]);
    let missing = |kind: &str, name: &str| {
        !there.lines().any(|line| line.starts_with(kind) && line.ends_with(&format!("/{name}")))
    };
    for name in named(pods, &["runtimeClassName"]) {
        if missing("runtimeclass", name) {
            space.create_beside(&runtime_class(name));
        }
    }
    for name in named(pods, &["priorityClassName"]) {
        if missing("priorityclass", name) {
            space.create_beside(&priority_class(name, pods));
            known(world, oracle, name);
        }
    }
    let account =
        |name| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    let mut names = named(pods, &["serviceAccountName", "serviceAccount"]);
    names.remove("default");
    let accounts: Vec<Value> = names.iter().map(account).collect();
    for (name, answer) in names.iter().zip(oracle.create("serviceaccounts", &accounts)) {
        // Some are placeholders, which no account can have as its name.
        if let Err(refusal) = answer.pod {
            say(format!("no ServiceAccount `{name}`: {}", refusal.message));
        }
    }
}

/// What the pods have in these fields.
fn named<'p>(pods: &'p [Shipped], fields: &[&str]) -> BTreeSet<&'p str> {
    let specs = pods.iter().map(|shipped| &shipped.pod["spec"]);
    let names = specs.flat_map(|spec| fields.iter().filter_map(|field| spec[*field].as_str()));
    names.filter(|name| !name.is_empty()).collect()
}

/// Of no overhead: the API server would add it to the pods.
fn runtime_class(name: &str) -> Value {
    json!({
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name},
        "handler": "runc",
    })
}

/// A pod that says how it preempts must say what its class says.
fn priority_class(name: &str, pods: &[Shipped]) -> Value {
    let specs = pods.iter().map(|shipped| &shipped.pod["spec"]);
    let mut specs = specs.filter(|spec| spec["priorityClassName"] == name);
    let policy = specs.find_map(|spec| spec["preemptionPolicy"].as_str());
    json!({
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": 1000,
        "preemptionPolicy": policy.unwrap_or("PreemptLowerPriority"),
    })
}

/// Waits until the API server's own admission has heard of a class: it refuses pods of others.
fn known(world: &World, oracle: &Oracle, class: &str) {
    let mut probe = auditor("probe");
    probe["spec"]["priorityClassName"] = json!(class);
    let probe = [probe];
    world.eventually(&format!("the class {class} is known"), || {
        oracle.dry_run(&probe).remove(0).pod.ok()
    });
}
