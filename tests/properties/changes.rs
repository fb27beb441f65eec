//! What differs between a pod and the hardened pod, and whether DESIGN's rules allow it.

use serde_json::Value;

use super::facts::{self, Container};
use super::rules::Rules;
use super::{Failure, ensure};

/// One difference: where, and the value before and after.
#[derive(Debug)]
pub(crate) struct Change<'v> {
    pub path: Vec<String>,
    pub before: Option<&'v Value>,
    pub after: Option<&'v Value>,
}

/// Values that count as one, whatever they hold: a profile is a union whose members belong
/// to its type, and `add` may be rewritten.
const WHOLE: [&str; 2] = ["seccompProfile", "add"];

/// The annotations that spoke for a pod, and for the container whose name follows.
pub(crate) const LEGACY_SECCOMP: [&str; 2] =
    ["seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"];

/// Every difference. `null` is no value; an object that was missing is compared as empty.
pub(crate) fn changes<'v>(before: &'v Value, after: &'v Value) -> Vec<Change<'v>> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), &mut Vec::new(), &mut found);
    found
}

fn compare<'v>(
    before: Option<&'v Value>,
    after: Option<&'v Value>,
    path: &mut Vec<String>,
    found: &mut Vec<Change<'v>>,
) {
    if before == after {
        return;
    }
    let set = |value: Option<&'v Value>| value.filter(|value| !value.is_null());
    let whole = path.last().is_some_and(|key| WHOLE.contains(&key.as_str()));
    match (set(before), set(after)) {
        (Some(Value::Object(a)), Some(Value::Object(b))) if !whole => {
            let gone = a.keys().filter(|key| !b.contains_key(*key));
            for key in b.keys().chain(gone) {
                path.push(key.clone());
                compare(a.get(key), b.get(key), path, found);
                path.pop();
            }
        }
        (None, Some(Value::Object(b))) if !whole && !b.is_empty() => {
            for (key, value) in b {
                path.push(key.clone());
                compare(None, Some(value), path, found);
                path.pop();
            }
        }
        (a @ (None | Some(Value::Array(_))), Some(Value::Array(b))) if !whole => {
            let a = a.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for index in 0..a.len().max(b.len()) {
                // What is appended is told from what was there by the index `-`.
                path.push(if index < a.len() { index.to_string() } else { "-".to_owned() });
                compare(a.get(index), b.get(index), path, found);
                path.pop();
            }
        }
        (before, after) => found.push(Change { path: path.clone(), before, after }),
    }
}

/// The places that may change, and how. `document` is the policy's.
///
/// | field | may become | where it was |
/// |---|---|---|
/// | `automountServiceAccountToken` | `false` | unset under `fill`, anything under `enforce` |
/// | each rule's | the rule's value | unset under `fill`, unset or weaker under `enforce` |
/// | `runAsNonRoot` | `false` | of a container that is exempt, or whose pod level says `true` |
/// | `hostUsers` | `false` | unset under `fill`, `true` under `enforce`, beside something that may be root |
/// | `volumes`, `volumeMounts`, `sysctls` | longer | anything |
/// | two annotations | anything | anything |
/// | legacy seccomp annotations | what the field beside them is set to | something else |
pub(crate) fn allowed(
    before: &Value,
    after: &Value,
    document: &Value,
    exempt: &dyn Fn(&Container, &str) -> bool,
) -> Result<(), Failure> {
    let rules = Rules { document };
    let containers = ["initContainers", "containers"].map(|list| facts::of_list(before, list));
    for change in changes(before, after) {
        let path: Vec<&str> = change.path.iter().map(String::as_str).collect();
        let place = path.join("/");
        ensure!(change.after.is_some(), "{place} is gone");
        match path.as_slice() {
            ["metadata", "annotations", "ironhull.dev/hardened"] => {}
            [
                "metadata",
                "annotations",
                "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
            ] => {
                let was = change.before.and_then(Value::as_str).unwrap_or_default();
                let now = change.after.and_then(Value::as_str).unwrap_or_default();
                ensure!(was.trim().is_empty() || now.starts_with(was), "{place}: {was} to {now}");
            }
            ["metadata", "annotations", key]
                if LEGACY_SECCOMP.iter().any(|k| key.starts_with(k)) =>
            {
                rules.legacy_seccomp(after, key, &change)?;
            }
            ["spec", "automountServiceAccountToken"] => {
                let rule = "serviceAccountToken";
                let may = rules.acts(rule) && (change.before.is_none() || rules.enforces(rule));
                ensure!(may && change.after == Some(&Value::Bool(false)), "{place}: {change:?}");
            }
            ["spec", "securityContext", rest @ ..] => {
                rules.pod_level(before, rest, &change).map_err(|why| format!("{place}: {why}"))?;
            }
            ["spec", "hostUsers"] => {
                rules
                    .host_users(before, after, &change)
                    .map_err(|why| format!("{place}: {why}"))?;
            }
            // Appended whole: the object's members are told one by one.
            ["spec", "volumes", "-", ..] => {
                ensure!(
                    rules.acts("readOnlyRootFilesystem"),
                    "{place} by a rule that does not act"
                );
            }
            ["spec", list @ ("initContainers" | "containers"), index, rest @ ..] => {
                let containers = &containers[usize::from(*list == "containers")];
                let container = index.parse::<usize>().ok().and_then(|index| containers.get(index));
                let Some(container) = container else { return Err(format!("{place} is new")) };
                rules
                    .container(before, container, rest, &change, exempt)
                    .map_err(|why| format!("{place}: {why}"))?;
            }
            _ => return Err(format!("{place} is not ironhull's to change: {change:?}")),
        }
    }
    Ok(())
}

/// The pod without the `privileged: true` of `containers` that the policy takes away: what the other
/// rules see.
pub(crate) fn unprivileged(
    pod: &Value,
    containers: &[Container],
    document: &Value,
    exempt: &dyn Fn(&Container, &str) -> bool,
) -> Value {
    let mut unprivileged = pod.clone();
    let left_alone = facts::is_windows(pod) || facts::is_mirror(pod);
    if left_alone || !(Rules { document }).enforces("privileged") {
        return unprivileged;
    }
    for container in containers {
        if container.privileged && !exempt(container, "privileged") {
            unprivileged["spec"][container.list][container.index]["securityContext"]["privileged"] =
                false.into();
        }
    }
    unprivileged
}
