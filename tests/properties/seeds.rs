//! The init containers that a pod gets to seed its emptyDirs.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::choices::Choices;
use super::facts::{at, list};
use super::{Failure, SEED_IMAGE, ensure};

/// The hardened pod without the init containers that it got: what ironhull made of the author's own.
pub(crate) fn taken_out(before: &Value, after: &Value) -> Value {
    let old = names(before);
    let mut plain = after.clone();
    let init = plain.pointer_mut("/spec/initContainers").and_then(Value::as_array_mut);
    if let Some(init) = init {
        init.retain(|container| old.contains(name(container)));
    }
    // A list that was not there.
    let spec = plain["spec"].as_object_mut();
    if let Some(spec) = spec
        && before["spec"].get("initContainers").is_none()
    {
        spec.remove("initContainers");
    }
    plain
}

fn name(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

fn names(pod: &Value) -> HashSet<&str> {
    list(pod, &["spec", "initContainers"]).map(name).collect()
}

/// What must hold of them. Returns their number.
pub(crate) fn hold(before: &Value, after: &Value) -> Result<usize, Failure> {
    let old = names(before);
    let init: Vec<&Value> = list(after, &["spec", "initContainers"]).collect();
    let new: Vec<usize> =
        (0..init.len()).filter(|index| !old.contains(name(init[*index]))).collect();
    let app = || list(after, &["spec", "containers"]);
    let all: Vec<&str> = init.iter().copied().chain(app()).map(name).collect();
    for &index in &new {
        let container = init[index];
        let name = name(container);
        ensure!(all.iter().filter(|other| **other == name).count() == 1, "{name} is there twice");
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = name.len() <= 63 && name.chars().all(letter) && !name.ends_with('-');
        ensure!(label, "container {name} is no DNS label");
        hard(container)?;
        if container["image"] == SEED_IMAGE.name {
            continue;
        }
        let program = volume_at(container, "/ironhull-seed/bin").unwrap_or_default();
        let installs = |other: &&Value| {
            let args = json!(["seed", "install", "/ironhull-seed/bin"]);
            other["args"] == args && volume_at(other, "/ironhull-seed/bin") == Some(program)
        };
        ensure!(init[..index].iter().any(installs), "{name} has no program");
        fills(after, container, &init[index + 1..])?;
    }
    // Where nothing of the kind was there before, they stand before every other container.
    let seeded = old.iter().any(|name| name.starts_with("ironhull-seed"));
    ensure!(seeded || new.iter().enumerate().all(|(at, index)| at == *index), "not at the front");
    Ok(new.len())
}

/// Each emptyDir that a container fills is another container's, which comes later and has its image,
/// its resources, and its user.
fn fills(after: &Value, container: &Value, later: &[&Value]) -> Result<(), Failure> {
    let app: Vec<&Value> = list(after, &["spec", "containers"]).collect();
    let targets: Vec<&Value> = list(container, &["volumeMounts"]).skip(1).collect();
    ensure!(!targets.is_empty(), "{} fills nothing", name(container));
    for target in targets {
        let path = target["mountPath"].as_str().unwrap_or_default();
        let path = path.strip_prefix("/ironhull-seed/to").unwrap_or_default();
        let owns =
            |other: &&&Value| volume_at(other, path).is_some_and(|volume| target["name"] == volume);
        let owner = later.iter().chain(&app).find(owns);
        let Some(owner) = owner else { return Err(format!("nobody has {target}")) };
        ensure!(owner["image"] == container["image"], "another image than {}", name(owner));
        ensure!(
            owner["imagePullPolicy"] == container["imagePullPolicy"],
            "another pull policy than {}",
            name(owner)
        );
        for key in ["runAsUser", "runAsGroup"] {
            let of_pod = || at(after, &["spec", "securityContext", key]);
            let effective = at(owner, &["securityContext", key]).or_else(of_pod);
            let own = at(container, &["securityContext", key]);
            ensure!(own == effective, "{key} {own:?}, and {} has {effective:?}", name(owner));
        }
        for (kind, resource) in [("requests", "cpu"), ("limits", "memory")] {
            let amount = |of: &Value| of["resources"][kind][resource].clone();
            ensure!(amount(owner) == amount(container), "another {resource} than {}", name(owner));
        }
    }
    Ok(())
}

/// Whether it may be taken for one of ironhull's: its user is not root, and may be any other.
pub(crate) fn own_or_alike(pod: &Value, called: &str) -> bool {
    let mut init = list(pod, &["spec", "initContainers"]);
    let found = init.find(|container| name(container) == called);
    called.starts_with("ironhull-seed") && found.is_some_and(|it| hard(it).is_ok())
}

/// The Pod Security Standard *restricted*, and a read-only root.
fn hard(container: &Value) -> Result<(), Failure> {
    let mut own = container["securityContext"].clone();
    let uid = own.as_object_mut().and_then(|own| own.remove("runAsUser"));
    ensure!(uid.is_none_or(|uid| uid.as_i64().is_some_and(|uid| uid > 0)), "runs as root");
    own.as_object_mut().and_then(|own| own.remove("runAsGroup"));
    let wanted = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    ensure!(own == wanted, "{} has {own}", name(container));
    Ok(())
}

fn volume_at<'v>(container: &'v Value, path: &str) -> Option<&'v str> {
    let mut mounts = list(container, &["volumeMounts"]);
    mounts.find(|mount| mount["mountPath"] == path)?["name"].as_str()
}

/// What has the name of an init container of ironhull's, and something or nothing that ironhull
/// would not write.
pub(crate) fn look_alike(choices: &mut Choices<'_>) -> Value {
    let mut container = json!({
        "name": choices.pick(&["ironhull-seed", "ironhull-seed-web", "ironhull-seed-app"]),
        "image": "registry.corp/evil:1",
        "command": ["/ironhull-seed/bin/ironhull", "seed", "copy"],
        "args": ["/opt/x"],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/ironhull-seed/bin"}],
    });
    let flaws = [
        ("runAsUser", json!(0)),
        ("privileged", json!(true)),
        ("allowPrivilegeEscalation", json!(true)),
        ("capabilities", json!({"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
        ("readOnlyRootFilesystem", json!(false)),
        ("runAsNonRoot", json!(false)),
        ("runAsNonRoot", Value::Null),
        ("seccompProfile", json!({"type": "Unconfined"})),
    ];
    match choices.pick(&[0, 0, 1, 2, 3, 4]) {
        0 => {
            let (key, value) = choices.pick(&flaws);
            container["securityContext"][key] = value;
        }
        1 => container["command"] = json!(["sh"]),
        2 => container["restartPolicy"] = json!("Always"),
        3 => {
            container["securityContext"]["runAsUser"] = json!(70);
            container["securityContext"]["runAsGroup"] = json!(70);
        }
        _ => {}
    }
    container
}
