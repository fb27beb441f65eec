//! What enforced pods have of the Pod Security Standard *restricted*.

use super::*;

/// What passes *baseline* by simple criteria has every field of *restricted* afterwards.
#[test]
fn enforced_pods_are_restricted() {
    let looked_at = Share::default();
    check("enforced_pods_are_restricted", 6_000, cases(Flavour::All("enforce")), |case| {
        let Case { pod, document, policy, .. } = &case;
        let first = hardened(pod, policy, &CREATE);
        let plain = is_plain(pod, document) && first.exemptions == 0;
        looked_at.count(plain);
        if plain { restricted(&first.plain, document) } else { Ok(()) }
    });
    looked_at.at_least(15.0, "plain enough to become restricted");
}

/// No reason to leave anything alone.
fn is_plain(pod: &Value, document: &Value) -> bool {
    let legacy = |key: &String| key.contains("seccomp.security") || key.contains("config.mirror");
    let annotations = at(pod, &["metadata", "annotations"]).and_then(Value::as_object);
    let adds = words(document["spec"]["rules"]["capabilities"].get("allowedAdd"));
    !is_windows(pod)
        && !has_user_namespace(pod)
        && !annotations.is_some_and(|annotations| annotations.keys().any(legacy))
        // What a policy lets containers add may be more than *restricted* does.
        && adds.iter().all(|name| name == "NET_BIND_SERVICE")
}

/// The fields of the Pod Security Standard *restricted*, and a numeric user that is not root.
fn restricted(pod: &Value, document: &Value) -> Result<(), Failure> {
    let outer = |key| at(pod, &["spec", "securityContext", key]);
    ensure!(outer("runAsNonRoot") != Some(&json!(false)), "runAsNonRoot: false on the pod");
    ensure!(outer("runAsUser") != Some(&json!(0)), "runAsUser: 0 on the pod");
    let profile = outer("seccompProfile").and_then(|profile| profile["type"].as_str());
    ensure!(profile.is_none_or(|kind| kind != "Unconfined"), "Unconfined on the pod");
    let overrides = document["spec"]["rules"]["runAsUser"]["whenImageUser"] == "override";
    for container in facts::containers(pod) {
        let Container { effective, own, name, privileged, .. } = &container;
        ensure!(!privileged, "{name} is privileged");
        let user = &effective.user;
        ensure!(user.non_root == Some(true), "{name} may run as root");
        ensure!(own.uid != Some(0) && user.uid != Some(0), "{name} runs as root");
        let keeps_its_user =
            || document["spec"]["images"] != json!([]) || seeds::own_or_alike(pod, name);
        ensure!(user.uid.is_some() || !overrides || keeps_its_user(), "{name} has no uid");
        ensure!(effective.drop.iter().any(|name| name == "ALL"), "{name} does not drop ALL");
        let added = |name: &String| name == "NET_BIND_SERVICE";
        ensure!(effective.add.iter().all(added), "{name} adds {:?}", effective.add);
        ensure!(effective.escalation == Some(false), "{name} may escalate");
        writable(pod, document, &container)?;
        let profile = effective.seccomp_type();
        ensure!(matches!(profile, Some("RuntimeDefault" | "Localhost")), "{name}: {profile:?}");
    }
    Ok(())
}

/// The root file system is read-only, and every writable path is one, unless it cannot be.
fn writable(pod: &Value, document: &Value, container: &Container) -> Result<(), Failure> {
    let Container { effective, name, mounts, .. } = container;
    let below = |path: &str, mount: &str| {
        path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'))
    };
    let settings = &document["spec"]["rules"]["readOnlyRootFilesystem"];
    let paths = words(settings.get("writablePaths"));
    // What an image's entry or an annotation asks for is not known here.
    let images = &document["spec"]["images"];
    let known = container.image == "registry.corp/pay/api:3" && *images == json!([]);
    if effective.read_only == Some(true) {
        for path in paths.iter().filter(|_| known) {
            let covers = |mount: &String| mount == path || mount != "/" && below(path, mount);
            ensure!(mounts.iter().any(covers), "{path} of {name} is not writable");
        }
        return Ok(());
    }
    let asked = at(pod, &["metadata", "annotations"]).is_some_and(|annotations| {
        annotations.as_object().unwrap().keys().any(|key| key.contains("writable-paths"))
    });
    let unavailable = mounts.iter().any(|mount| paths.iter().any(|path| below(path, mount)));
    ensure!(unavailable || asked || !known, "the root of {name} is not read-only");
    Ok(())
}
