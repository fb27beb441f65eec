//! Annotations of ironhull's on a pod: exemptions, writable paths, the note of an earlier
//! pass.
//!
//! The first line of an input chooses a pod, a policy and whether the pod is hardened
//! already, a digit each; every other line is a key, a space and a value.

use std::sync::LazyLock;

use ironhull::exemption::{Claim, DOMAIN, HARDENED_ANNOTATION, is_for_pods};
use ironhull::harden::{Context, Scope};
use ironhull::policy::{Policy, PolicySet};
use serde_json::{Map, Value, json};

use super::hardening::{Hardened, hardened};
use super::{TODAY, ensure, pick, policies};

static POLICIES: LazyLock<Vec<(Policy, PolicySet)>> = LazyLock::new(policies);

static PODS: LazyLock<[Value; 5]> = LazyLock::new(|| {
    let web = json!({"name": "web", "image": "nginx:1.29", "ports": [{"containerPort": 80}]});
    let setup = json!({"name": "setup", "image": "busybox:1", "securityContext": {"runAsUser": 0}});
    let proxy = json!({"name": "proxy", "image": "istio/proxyv2:1", "restartPolicy": "Always"});
    let debug = json!({"name": "debug", "image": "busybox", "targetContainerName": "web"});
    [
        json!({"spec": {"containers": [&web]}}),
        json!({"spec": {"initContainers": [&setup, &proxy], "containers": [&web]}}),
        // What ironhull leaves of a pod, to which another webhook then adds a container.
        json!({
            "spec": {
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "initContainers": [&proxy],
                "containers": [&web, {"name": "late", "securityContext": {"privileged": true}}],
            },
        }),
        json!({
            "spec": {
                "initContainers": [{"name": "pod", "image": "a"}],
                "containers": [{"name": "exempt", "image": "b"}, {"name": "a.b", "image": "c"}],
                "volumes": [{"name": "ironhull-tmp", "emptyDir": {}}],
            },
        }),
        json!({"spec": {"containers": [&web], "ephemeralContainers": [&debug]}}),
    ]
});

pub fn check(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let &[pod, policy, before, ..] = first.as_bytes() else { return Ok(()) };
    let (policy, _) = pick(&POLICIES, policy);
    let is_ephemeral = usize::from(pod.wrapping_sub(b'0')) % PODS.len() == 4;
    let scope = if is_ephemeral { Scope::Ephemeral { known: &[] } } else { Scope::Create };
    let context = Context {
        date: TODAY,
        scope,
        user_namespaces: false,
        provenance: true,
        root: "",
        reserved_volumes: &[],
        seed_image: super::ENVIRONMENT.seed_image,
    };
    let mut pod = pick(&*PODS, pod).clone();
    if *pick(&[false, true], before) {
        let Some(hardened) = hardened(&pod, policy, &context)? else {
            return Err("the pod cannot be read".to_owned());
        };
        pod = hardened.pod;
    }
    let mut annotations = match pod["metadata"]["annotations"].take() {
        Value::Object(annotations) => annotations,
        _ => Map::new(),
    };
    for line in rest.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        claims_well(value)?;
        annotations.insert(key.to_owned(), json!(value));
    }
    let with = |annotations: &Map<String, Value>| {
        let mut pod = pod.clone();
        pod["metadata"] = json!({"annotations": annotations});
        hardened(&pod, policy, &context)
    };
    let Some(now) = with(&annotations)? else {
        return Err("the pod cannot be read".to_owned());
    };
    let has_changed = now.patch != "[]";
    if has_changed && !is_ephemeral {
        note_is_true(&now)?;
    }
    let without = |drop: &dyn Fn(&str) -> bool| {
        let mut annotations = annotations.clone();
        annotations.retain(|key, _| !drop(key));
        with(&annotations)
    };
    nothing_by_a_note(&now, without(&|key| key == HARDENED_ANNOTATION)?)?;
    // A void exemption exempts nothing.
    let asks_for_paths = annotations.keys().any(|key| key.ends_with("/writable-paths"));
    if now.exemptions == 0 && !asks_for_paths {
        let plain = without(&is_for_pods)?;
        let findings = plain.map(|plain| plain.findings);
        ensure!(findings == Some(now.findings), "a void annotation changes something");
    }
    Ok(())
}

/// What a claim says is what stands there, and fit for a log.
fn claims_well(value: &str) -> Result<(), String> {
    let Ok(claim) = Claim::parse(value) else { return Ok(()) };
    let reason = &claim.reason;
    ensure!(reason.chars().count() <= 200, "a long reason");
    ensure!(!reason.contains(char::is_control), "a control character: {reason:?}");
    let ticket = claim.ticket.map(|ticket| format!("ticket={ticket}"));
    let until = claim.until.map(|until| format!("until={until}"));
    for word in ticket.into_iter().chain(until) {
        ensure!(value.split_whitespace().any(|w| w == word), "nobody wrote {word}");
    }
    Ok(())
}

/// The note of an earlier pass may make ironhull say that a container came later than it
/// did. Anybody can write it, so it may change nothing.
fn nothing_by_a_note(noted: &Hardened, plain: Option<Hardened>) -> Result<(), String> {
    let Some(plain) = plain else { return Err("the pod cannot be read".to_owned()) };
    let bare = |pod: &Value| {
        let mut pod = pod.clone();
        if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
            annotations.shift_remove(HARDENED_ANNOTATION);
        }
        pod
    };
    let (noted, plain) = (bare(&noted.pod), bare(&plain.pod));
    ensure!(noted == plain, "a note decides:\n{noted}\n{plain}");
    Ok(())
}

/// What the note says to have been set stands there.
fn note_is_true(hardened: &Hardened) -> Result<(), String> {
    let Hardened { pod, .. } = hardened;
    let Some(note) = pod["metadata"]["annotations"][HARDENED_ANNOTATION].as_str() else {
        return Ok(());
    };
    let note: Value =
        serde_json::from_str(note).map_err(|error| format!("the note is no JSON: {error}"))?;
    ensure!(note["policy"].as_str().is_some_and(|name| name.contains('@')), "no policy: {note}");
    for (place, rules) in note["set"].as_object().into_iter().flatten() {
        let context = &security_context(pod, place)?;
        let host_users = &pod["spec"]["hostUsers"];
        for rule in rules.as_array().into_iter().flatten() {
            let stands = match rule.as_str().unwrap_or_default() {
                "privileged" => context["privileged"] == false,
                "runAsNonRoot" => context["runAsNonRoot"].is_boolean(),
                "runAsUser" => context["runAsUser"].as_i64().is_some_and(|uid| uid > 0),
                "runAsGroup" => context["runAsGroup"].is_i64(),
                "fsGroup" => context["fsGroup"].is_i64(),
                "capabilities" => context["capabilities"].is_object(),
                "allowPrivilegeEscalation" => context["allowPrivilegeEscalation"] == false,
                "seccompProfile" => context["seccompProfile"]["type"].is_string(),
                "unprivilegedPorts" => context["sysctls"].is_array(),
                "hostUsers" => place == "pod" && *host_users == false,
                "serviceAccountToken" => pod["spec"]["automountServiceAccountToken"] == false,
                "readOnlyRootFilesystem" => true,
                other => return Err(format!("the note names {other}")),
            };
            ensure!(stands, "{place}: the note says {rule}, and there is {context}");
        }
    }
    Ok(())
}

fn security_context(pod: &Value, place: &str) -> Result<Value, String> {
    if place == "pod" {
        return Ok(pod["spec"]["securityContext"].clone());
    }
    let name = place.strip_prefix("containers/").unwrap_or(place);
    let lists = ["initContainers", "containers"].map(|list| &pod["spec"][list]);
    let mut containers = lists.into_iter().filter_map(Value::as_array).flatten();
    match containers.find(|container| container["name"] == name) {
        Some(container) => Ok(container["securityContext"].clone()),
        None => Err(format!("the note of {DOMAIN} speaks of {place}, which is not there")),
    }
}
