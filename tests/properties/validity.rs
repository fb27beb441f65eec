//! What the API server refuses. A pod that it takes must not become one that it does not.
//!
//! Each check is named by its function in `k8s.io/kubernetes/pkg/apis/core/validation`
//! where it has one.

use std::collections::HashSet;

use serde_json::Value;

use super::facts::{self, at, list, normal};
use super::{Failure, ensure};

/// `TotalAnnotationSizeLimitB`
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Everything the hardened pod must not have got.
pub(crate) fn nothing_refused(
    before: &Value,
    after: &Value,
    reserved: &[&str],
) -> Result<(), Failure> {
    escalation(before, after)?;
    volumes(before, after, reserved)?;
    mounts(before, after)?;
    mounted(before, after)?;
    groups(before, after)?;
    seccomp(before, after)?;
    sysctls(before, after)?;
    user_namespace(before, after, reserved)?;
    ensure!(
        facts::annotations_size(before) > ANNOTATIONS_LIMIT
            || facts::annotations_size(after) <= ANNOTATIONS_LIMIT,
        "the annotations are too large together"
    );
    Ok(())
}

/// `ValidateSecurityContext`
fn escalation(before: &Value, after: &Value) -> Result<(), Failure> {
    let refused = |pod: &Value| -> Vec<bool> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        let containers = lists.into_iter().flat_map(|name| facts::of_list(pod, name));
        containers
            .map(|container| {
                let admin = container.effective.add.iter().any(|name| name == "CAP_SYS_ADMIN");
                container.effective.escalation == Some(false) && (container.privileged || admin)
            })
            .collect()
    };
    for (was, is) in refused(before).into_iter().zip(refused(after)) {
        ensure!(was || !is, "allowPrivilegeEscalation: false where the API server refuses it");
    }
    Ok(())
}

/// Names of volumes: DNS labels, unique.
fn volumes(before: &Value, after: &Value, reserved: &[&str]) -> Result<(), Failure> {
    let name = |volume: &Value| volume["name"].as_str().unwrap_or_default().to_owned();
    let old = list(before, &["spec", "volumes"]).count();
    let mut names: HashSet<String> = reserved.iter().map(|name| (*name).to_owned()).collect();
    names.extend(list(before, &["spec", "volumes"]).map(name));
    for volume in list(after, &["spec", "volumes"]).skip(old) {
        let name = name(volume);
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = name.len() <= 63
            && !name.is_empty()
            && name.chars().all(inner)
            && !name.starts_with('-')
            && !name.ends_with('-');
        ensure!(label, "volume {name} is no DNS label");
        ensure!(names.insert(name.clone()), "volume {name} is there twice");
        let containers = ["initContainers", "containers"].into_iter();
        let mounts = containers
            .flat_map(|name| list(after, &["spec", name]))
            .flat_map(|container| list(container, &["volumeMounts"]))
            .filter(|mount| mount["name"] == name.as_str());
        // That of the program is mounted by what seeds alone.
        let program = name.starts_with("ironhull-seed");
        ensure!(program || mounts.count() == 1, "volume {name} is not mounted once");
        ensure!(at(volume, &["emptyDir"]).is_some(), "volume {name} is no emptyDir");
    }
    Ok(())
}

/// No two mounts at one place because of us, none at `/`, none with a `:`.
fn mounts(before: &Value, after: &Value) -> Result<(), Failure> {
    for name in ["initContainers", "containers"] {
        let pairs = list(before, &["spec", name]).zip(list(after, &["spec", name]));
        for (before, after) in pairs {
            let old = list(before, &["volumeMounts"]).count();
            let paths: Vec<_> = list(after, &["volumeMounts"])
                .map(|mount| mount["mountPath"].as_str().unwrap_or_default())
                .collect();
            for (index, path) in paths.iter().enumerate().skip(old) {
                let twice = paths.iter().take(index).any(|other| normal(other) == normal(path));
                ensure!(!twice, "a second mount at {path}");
                ensure!(path.starts_with('/') && normal(path) == *path, "mount path {path}");
                ensure!(*path != "/" && !path.contains(':'), "mount path {path}");
            }
        }
    }
    Ok(())
}

/// `ValidateVolumeMounts`: a mount is of a volume of the pod.
fn mounted(before: &Value, after: &Value) -> Result<(), Failure> {
    let lost = |pod: &Value| -> HashSet<String> {
        let name = |it: &Value| it["name"].as_str().unwrap_or_default().to_owned();
        let volumes: HashSet<String> = list(pod, &["spec", "volumes"]).map(name).collect();
        let containers = ["initContainers", "containers", "ephemeralContainers"].into_iter();
        let containers = containers.flat_map(|name| list(pod, &["spec", name]));
        let mounts = containers.flat_map(|container| list(container, &["volumeMounts"])).map(name);
        mounts.filter(|name| !volumes.contains(name)).collect()
    };
    let (was, is) = (lost(before), lost(after));
    ensure!(is.is_subset(&was), "mounts of volumes that are gone: {is:?}");
    Ok(())
}

/// containerd never starts a pod whose pod level has a group and no user.
fn groups(before: &Value, after: &Value) -> Result<(), Failure> {
    let lonely = |pod: &Value| {
        let context = |key| at(pod, &["spec", "securityContext", key]).is_some();
        context("runAsGroup") && !context("runAsUser")
    };
    ensure!(lonely(before) || !lonely(after), "a pod-level group without a user");
    Ok(())
}

/// `validateSeccompAnnotationsAndFields`
fn seccomp(before: &Value, after: &Value) -> Result<(), Failure> {
    let matches = |annotation: &str, field: &Value| match field["type"].as_str() {
        Some("Unconfined") => annotation == "unconfined",
        Some("RuntimeDefault") => matches!(annotation, "runtime/default" | "docker/default"),
        Some("Localhost") => {
            let profile = field["localhostProfile"].as_str();
            annotation.strip_prefix("localhost/").is_some_and(|name| Some(name) == profile)
        }
        _ => true,
    };
    let conflict = |pod: &Value, key: &str, field: Option<&Value>| {
        let annotation = facts::annotation(pod, key);
        annotation.zip(field).is_some_and(|(annotation, field)| !matches(annotation, field))
    };
    let conflicts = |pod: &Value| -> Vec<bool> {
        let field = at(pod, &["spec", "securityContext", "seccompProfile"]);
        let outer = conflict(pod, "seccomp.security.alpha.kubernetes.io/pod", field);
        let containers = facts::containers(pod);
        let inner = containers.iter().map(|container| {
            let key = format!("container.seccomp.security.alpha.kubernetes.io/{}", container.name);
            let field = at(container.json(pod), &["securityContext", "seccompProfile"]);
            conflict(pod, &key, field)
        });
        std::iter::once(outer).chain(inner).collect()
    };
    for (was, is) in conflicts(before).into_iter().zip(conflicts(after)) {
        ensure!(was || !is, "a seccompProfile beside a legacy annotation that says something else");
    }
    Ok(())
}

/// `validateHostNetwork…`: no network sysctl on the host's network, none twice.
fn sysctls(before: &Value, after: &Value) -> Result<(), Failure> {
    let names = |pod| -> Vec<String> {
        let sysctls = list(pod, &["spec", "securityContext", "sysctls"]);
        sysctls.map(|s| s["name"].as_str().unwrap_or_default().replace('/', ".")).collect()
    };
    let (was, is) = (names(before), names(after));
    ensure!(
        is.len() == was.len() || !facts::on_host_network(before),
        "a sysctl on the host's network"
    );
    for name in is.iter().skip(was.len()) {
        ensure!(name == "net.ipv4.ip_unprivileged_port_start", "the sysctl {name}");
        ensure!(!was.contains(name), "the sysctl {name} is there twice");
    }
    Ok(())
}

/// `validateHostUsers`, and what the kubelet and the runtime refuse. A uid of 65,536 or more does
/// not start in a user namespace.
fn user_namespace(before: &Value, after: &Value, reserved: &[&str]) -> Result<(), Failure> {
    if !facts::has_user_namespace(before) {
        return if facts::has_user_namespace(after) {
            new_user_namespace(after, reserved)
        } else {
            Ok(())
        };
    }
    if !facts::has_user_namespace(after) {
        return Ok(());
    }
    for (was, is) in facts::containers(before).iter().zip(facts::containers(after)) {
        let (was, is) = (was.effective.user.uid, is.effective.user.uid);
        ensure!(was == is || is < Some(65_536), "the uid {is:?} in a user namespace");
    }
    Ok(())
}

/// Of a pod that got its user namespace from ironhull.
fn new_user_namespace(pod: &Value, reserved: &[&str]) -> Result<(), Failure> {
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        ensure!(at(pod, &["spec", field]) != Some(&Value::Bool(true)), "beside {field}");
    }
    let groups = list(pod, &["spec", "securityContext", "supplementalGroups"]).cloned();
    let fs_group = at(pod, &["spec", "securityContext", "fsGroup"]).cloned();
    let mut ids: Vec<_> = groups.chain(fs_group).filter_map(|id| id.as_i64()).collect();
    for container in facts::containers(pod) {
        let user = &container.effective.user;
        ids.extend([user.uid, user.gid].into_iter().flatten());
        let json = container.json(pod);
        ensure!(list(json, &["volumeDevices"]).next().is_none(), "beside a raw device");
        let masked = at(json, &["securityContext", "procMount"]).is_none_or(|it| it == "Default");
        ensure!(masked, "beside procMount");
        // A claim template takes the place of a volume of its name.
        let claimed = |mount: &&Value| reserved.iter().any(|name| mount["name"] == *name);
        for mount in list(json, &["volumeMounts"]).filter(|mount| !claimed(mount)) {
            let mut volumes = list(pod, &["spec", "volumes"]);
            let volume = volumes.find(|volume| volume["name"] == mount["name"]);
            let never =
                ["nfs", "cephfs", "glusterfs", "hostPath", "csi", "flexVolume", "azureFile"];
            let found =
                never.into_iter().find(|kind| volume.is_some_and(|it| at(it, &[kind]).is_some()));
            ensure!(found.is_none(), "beside a mounted {found:?}");
        }
    }
    ensure!(ids.iter().all(|id| *id < 65_536), "beside an id of {ids:?}");
    Ok(())
}
