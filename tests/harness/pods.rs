//! Cases below `rules` and `pods`: a pod goes in; a patch, the patched pod and the outcome
//! come out.

use std::path::Path;

use ironhull::harden::{Context, Scope, harden};
use ironhull::outcome::Outcome;
use ironhull::pod::Pod;
use ironhull::policy::Policy;
use ironhull::remains::{Level, refused};
use ironhull::rule::RuleName;
use serde_json::{Value, json};

use super::settings::{Settings, without_revisions};
use super::{Judge, files, plugin, text};

/// The annotation that `padAnnotation` gives a pod.
const PAD: &str = "example.com/notes";

/// Runs a case.
pub fn run(directory: &Path, judge: &Judge) -> Result<(), String> {
    let settings = Settings::of(directory)?;
    if settings.mode.is_some() || settings.path_policy.is_some() {
        return Err("`mode` and `pathPolicy` are for requests".to_owned());
    }
    let policies = settings.policies(directory)?;
    let policy = settings.choose(&policies);
    let input = files::read(directory, "pod.yaml").ok_or("pod.yaml is missing")?;
    files::check_comment(&input)?;
    let mut pod = files::yaml(&input).map_err(|error| format!("pod.yaml: {error}"))?;
    let pad = "x".repeat(settings.pad_annotation);
    if !pad.is_empty() {
        pod["metadata"]["annotations"][PAD] = json!(pad);
    }

    let first = Hardened::of(&pod, policy, &settings)?;
    if first != Hardened::of(&pod, policy, &settings)? {
        return Err("hardening the same pod again gave something else".to_owned());
    }
    let result = applied(&pod, &first.patch, &settings.root)?;
    if settings.root.is_empty() {
        let patch = serde_json::from_str(&first.patch).map_err(|e| e.to_string())?;
        plugin::removes_only_the_token(&pod, &patch)?;
        returns_no_token(&pod, &result)?;
    }
    for pod in [&pod, &result] {
        refused_as_judged(pod, judge)?;
    }
    let second = Hardened::of(&result, policy, &settings)?;
    if second.patch != "[]" {
        return Err(format!("hardening the hardened pod gave a patch: {}", second.patch));
    }
    // A finding `set` without a patch is a field that was planned and not written.
    if let Some(rule) = second.changes {
        return Err(format!("the hardened pod is said to be changed again, by {}", rule.as_str()));
    }

    let said = |text: &str| {
        let text = without_revisions(&policies, text);
        if pad.is_empty() { text } else { text.replace(&pad, "…") }
    };
    let verdict = match judge.ask(&result) {
        Some(judgement) => text::pod_security(&judgement),
        None => {
            let stored = files::read(directory, "expected.outcome.yaml").unwrap_or_default();
            text::pod_security_of(&stored)
        }
    };
    let yaml = serde_yaml::to_string(&result).unwrap();
    files::compare(
        directory,
        &["pod.yaml", "policy.yaml", "case.yaml"],
        &[
            ("expected.patch.json", said(&text::one_a_line(&first.patch))),
            ("expected.pod.yaml", said(&yaml)),
            ("expected.outcome.yaml", said(&(verdict + &first.outcome))),
        ],
    )
}

/// What `remains` says of a pod at either level is what Kubernetes says of it.
fn refused_as_judged(pod: &Value, judge: &Judge) -> Result<(), String> {
    let Some(judgement) = judge.ask(pod).filter(|judgement| judgement.error.is_none()) else {
        return Ok(());
    };
    let text = pod.to_string();
    let view = Pod::from_json(&text).map_err(|error| error.to_string())?;
    for (level, judged) in
        [(Level::Baseline, &judgement.baseline), (Level::Restricted, &judgement.restricted)]
    {
        let ours = refused(&view, level);
        if ours.is_empty() != judged.allowed {
            return Err(format!(
                "at {} we refuse for {ours:?}, and Kubernetes for {:?}:\n{pod}",
                level.as_str(),
                judged.reasons
            ));
        }
    }
    Ok(())
}

/// What came out.
#[derive(PartialEq, Eq)]
struct Hardened {
    patch: String,
    outcome: String,
    /// A rule with a result that changes the pod.
    changes: Option<RuleName>,
}

impl Hardened {
    fn of(pod: &Value, policy: &Policy, settings: &Settings) -> Result<Self, String> {
        let text = pod.to_string();
        let pod = Pod::from_json(&text).map_err(|error| format!("pod.yaml: {error}"))?;
        let known: Vec<&str> = settings.known.iter().map(String::as_str).collect();
        let reserved: Vec<&str> = settings.reserved_volumes.iter().map(String::as_str).collect();
        let scope = match settings.scope.as_str() {
            "create" => Scope::Create,
            "template" => Scope::Template { complete: true },
            "part" => Scope::Template { complete: false },
            "ephemeral" => Scope::Ephemeral { known: &known },
            other => return Err(format!("case.yaml: there is no scope `{other}`")),
        };
        let context = Context {
            date: settings.date(),
            scope,
            user_namespaces: settings.user_namespaces,
            provenance: settings.provenance,
            root: &settings.root,
            reserved_volumes: &reserved,
            seed_image: settings.seed_image(),
        };
        let outcome = harden(&pod, policy, &context);
        for dry in [false, true] {
            check_limits(&outcome.warnings(dry))?;
        }
        let changes = outcome.findings.iter().find(|finding| finding.result.changes());
        Ok(Self {
            patch: patch_of(&outcome)?,
            outcome: text::outcome(&outcome),
            changes: changes.map(|finding| finding.rule),
        })
    }
}

/// The API server calls the plugin again when a webhook has changed a pod. A token that was taken
/// away does not come back.
fn returns_no_token(pod: &Value, result: &Value) -> Result<(), String> {
    let volumes = |pod: &Value| pod["spec"]["volumes"].as_array().map_or(0, Vec::len);
    let taken = pod["spec"]["automountServiceAccountToken"] != false
        && result["spec"]["automountServiceAccountToken"] == false;
    match taken && volumes(&plugin::admit(result)) != volumes(result) {
        true => Err("the plugin puts a token back".to_owned()),
        false => Ok(()),
    }
}

/// The patch as text.
fn patch_of(outcome: &Outcome<'_>) -> Result<String, String> {
    let patch = outcome.patch.as_json();
    let operations: Vec<Value> = serde_json::from_str(patch).map_err(|e| e.to_string())?;
    if operations.len() != outcome.patch.len() {
        return Err("the patch miscounts its operations".to_owned());
    }
    Ok(patch.to_owned())
}

/// What the API server passes on: 120 characters a warning, 4,096 bytes in all, of which
/// other webhooks want their share; no control characters.
pub fn check_limits(warnings: &[String]) -> Result<(), String> {
    for warning in warnings {
        if warning.chars().count() > 120 || warning.chars().any(char::is_control) {
            return Err(format!("a warning that is too long, or not printable: {warning:?}"));
        }
    }
    match warnings.iter().map(String::len).sum::<usize>() {
        0..=2048 => Ok(()),
        bytes => Err(format!("{bytes} bytes of warnings")),
    }
}

/// The pod with the patch applied to it where it stands in its document.
pub fn applied(pod: &Value, patch: &str, root: &str) -> Result<Value, String> {
    let patch: json_patch::Patch = serde_json::from_str(patch).map_err(|e| e.to_string())?;
    let parts: Vec<&str> = root.split('/').skip(1).collect();
    let mut document = parts.iter().rev().fold(pod.clone(), |inner, part| json!({(*part): inner}));
    json_patch::patch(&mut document, &patch)
        .map_err(|error| format!("the patch does not apply: {error}"))?;
    Ok(document.pointer(root).cloned().unwrap_or_default())
}
