//! The report beside scanners, on live pods.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::disagreements::reason;
use crate::scanners::{self, PAIRS};
use crate::world::{Space, World, say};

/// Holds the report against what scanners find in the pods of these namespaces. Where the scanners are not
/// built, that is said and nothing is compared.
pub(super) fn scanners(world: &World, spaces: &[&Space], report: &Value) {
    let Some(binary) = scanners::binary() else { return };
    let mut pods = Vec::new();
    for space in spaces {
        let all = world.kubectl(&["get", "pods", "-n", &space.name, "-o", "json"]);
        let all: Value = serde_json::from_str(&all).unwrap();
        pods.extend(all["items"].as_array().unwrap().clone());
    }
    let found = scanners::scan(&binary, PAIRS.iter().map(|pair| pair.id), &pods);
    let verdicts = scanners::verdicts(report, &pods, &found);
    let others: Vec<_> = verdicts.iter().filter(|verdict| !verdict.agree()).collect();
    say(format!(
        "scanners: {} pods, {} verdicts, {} disagreements",
        pods.len(),
        verdicts.len(),
        others.len()
    ));
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for verdict in others {
        match reason(verdict) {
            Some(class) => *reasons.entry(class.name).or_default() += 1,
            None => unexplained.push(verdict.to_string()),
        }
    }
    say(format!("{reasons:?}"));
    assert!(unexplained.is_empty(), "have no reason:\n{}", unexplained.join("\n"));
}
