//! What must hold of the hardening of any pod.

use ironhull::harden::{Context, harden};
use ironhull::pod::Pod;
use ironhull::policy::Policy;
use serde_json::Value;

use super::answer::warnings_are_short;
use super::ensure;
use super::plugin::removes_only_the_token;

/// A hardened pod.
pub struct Hardened {
    pub pod: Value,
    pub patch: String,
    /// Every finding, in words, but for the note.
    pub findings: String,
    /// How many exemptions are in force.
    pub exemptions: usize,
}

/// The pod hardened, once, or what is wrong with how it was; none for a pod that cannot be
/// read.
pub fn hardened(
    pod: &Value,
    policy: &Policy,
    context: &Context<'_>,
) -> Result<Option<Hardened>, String> {
    let Some(first) = once(pod, policy, context)? else { return Ok(None) };
    let Some(second) = once(&first.pod, policy, context)? else {
        return Err(format!("it cannot be read any more: {}", first.pod));
    };
    ensure!(
        second.patch == "[]",
        "hardened again it changes again:\n{}\n{}\nto {}",
        first.patch,
        second.patch,
        first.pod
    );
    Ok(Some(first))
}

fn once(pod: &Value, policy: &Policy, context: &Context<'_>) -> Result<Option<Hardened>, String> {
    let text = pod.to_string();
    let Ok(view) = Pod::from_json(&text) else { return Ok(None) };
    let outcome = harden(&view, policy, context);
    let patch = outcome.patch.as_json().to_owned();
    for dry in [false, true] {
        warnings_are_short(&outcome.warnings(dry))?;
    }
    ensure!(outcome.changes() == (patch != "[]"), "it miscounts its changes");
    let findings = format!("{:?}", outcome.findings);
    let exemptions = outcome.exemptions.len();
    let pod = patched(pod, &serde_json::from_str(&patch).map_err(|e| e.to_string())?)?;
    Ok(Some(Hardened { pod, patch, findings, exemptions }))
}

/// Applies a patch by another implementation of RFC 6902, and looks at where it goes.
pub fn patched(object: &Value, patch: &Value) -> Result<Value, String> {
    removes_only_the_token(object, patch)?;
    for operation in patch.as_array().into_iter().flatten() {
        let path = operation["path"].as_str().unwrap_or_default();
        ensure!(is_ours(path), "it changes {path}");
    }
    let operations: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| error.to_string())?;
    let mut object = object.clone();
    json_patch::patch(&mut object, &operations)
        .map_err(|error| format!("the patch does not apply: {error}\n{patch}\nto {object}"))?;
    Ok(object)
}

/// Whether hardening may go there.
fn is_ours(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match *parts.as_slice() {
        ["metadata"] => true,
        ["metadata", "annotations", ..] => true,
        ["spec", "securityContext" | "volumes", ..] => true,
        ["spec", "hostUsers"] => true,
        ["spec", "automountServiceAccountToken"] => true,
        // What seeds is inserted; an image of one that is there may be corrected.
        ["spec", "initContainers"] => true,
        ["spec", "initContainers", index] | ["spec", "initContainers", index, "image"] => {
            index.parse::<usize>().is_ok()
        }
        [
            "spec",
            "initContainers" | "containers" | "ephemeralContainers",
            index,
            "securityContext" | "volumeMounts",
            ..,
        ] => index.parse::<usize>().is_ok(),
        _ => false,
    }
}
