//! Explicit values that are strong enough stay.

use serde_json::Value;

use super::facts::{self, Container, at};
use super::rules::Rules;
use super::{Failure, ensure};

/// Every explicit value that is at least as strong as its rule stays as it is, at either
/// level. `exempt` containers may lose `runAsNonRoot: true`.
pub(crate) fn strong_values_stay(
    before: &Value,
    after: &Value,
    document: &Value,
    exempt: &dyn Fn(&Container, &str) -> bool,
) -> Result<(), Failure> {
    let allowed = Rules { document }.allowed_adds();
    let pod = ["spec".to_owned(), "securityContext".to_owned()];
    strong_level(before, after, &pod, false)?;
    let now = ["initContainers", "containers"].map(|list| facts::of_list(after, list));
    for container in facts::containers(before) {
        let path = [&container.path()[..], &["securityContext".to_owned()]].concat();
        let may_undo = exempt(&container, "runAsNonRoot");
        strong_level(before, after, &path, may_undo)?;
        let now = &now[usize::from(container.list == "containers")];
        let Some(now) = now.get(container.index) else { return Err("a container is gone".into()) };
        let (was, now) = (&container.effective, &now.effective);
        ensure!(now.drop.starts_with(&was.drop), "a drop of {} changed", container.name);
        for name in was.add.iter().filter(|name| allowed.contains(name)) {
            ensure!(now.add.contains(name), "{} lost the allowed add {name}", container.name);
        }
        // A uid above 0 is the author's, and so is its gid, also gid 0.
        if was.user.uid > Some(0) {
            ensure!(now.user.uid == was.user.uid, "the uid of {} changed", container.name);
            ensure!(now.user.gid == was.user.gid, "the gid of {} changed", container.name);
        }
    }
    Ok(())
}

fn strong_level(
    before: &Value,
    after: &Value,
    path: &[String],
    may_undo: bool,
) -> Result<(), Failure> {
    let pointer = format!("/{}", path.join("/"));
    let (Some(was), now) = (before.pointer(&pointer), after.pointer(&pointer)) else {
        return Ok(());
    };
    let now = now.unwrap_or(&Value::Null);
    let number = |key| at(was, &[key]).and_then(Value::as_i64);
    let strong = [
        ("runAsNonRoot", was["runAsNonRoot"] == true && !may_undo),
        ("runAsUser", number("runAsUser") > Some(0)),
        ("runAsGroup", number("runAsGroup") > Some(0)),
        ("fsGroup", number("fsGroup").is_some()),
        ("fsGroupChangePolicy", at(was, &["fsGroupChangePolicy"]).is_some()),
        ("allowPrivilegeEscalation", was["allowPrivilegeEscalation"] == false),
        ("readOnlyRootFilesystem", was["readOnlyRootFilesystem"] == true),
        (
            "seccompProfile",
            matches!(was["seccompProfile"]["type"].as_str(), Some("RuntimeDefault" | "Localhost")),
        ),
        ("privileged", true),
    ];
    for (key, strong) in strong {
        let same = was.get(key) == now.get(key);
        ensure!(!strong || same, "{}/{key} was strong and changed", path.join("/"));
    }
    Ok(())
}
