//! Pods as an API server would have stored them, and as a kubelet would report them.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use jiff::civil::{Date, date};
use serde_json::{Map, Value, json};

use crate::plugin::admit;
use crate::{judge, manifests};

/// The date by which exemptions end.
const TODAY: Date = date(2026, 11, 22);

/// The corpus as it ships and hardened, and Pod Security's own fixtures, each pod under a name of its
/// own, as far as they have something to look at that none before them has.
pub(crate) fn all(corpus: &Path) -> Vec<Value> {
    let shipped = read(corpus);
    let hardened = shipped.iter().filter_map(|pod| manifests::hardened(pod, TODAY));
    let hardened: Vec<_> = hardened.collect();
    let mut all = Vec::new();
    let mut known = HashSet::new();
    for (kind, pods) in [("shipped", shipped), ("hardened", hardened), ("fixture", fixtures())] {
        assert!(!pods.is_empty(), "no pods: {kind}");
        let pods = pods.iter().enumerate().map(|(at, pod)| running(pod, &format!("{kind}-{at}")));
        all.extend(pods.filter(|pod| is_new(&mut known, pod)));
    }
    all
}

/// Places of the pods that have something to look at which none before them has.
pub(crate) fn distinct(pods: &[Value]) -> Vec<usize> {
    let mut known = HashSet::new();
    (0..pods.len()).filter(|at| is_new(&mut known, &bare(&pods[*at]))).collect()
}

/// Whether a pod has something that is not yet known. The scanners take a quarter of a second for each, and
/// most pods of real manifests are alike.
fn is_new(known: &mut HashSet<String>, pod: &Value) -> bool {
    let before = known.len();
    known.extend(features(pod));
    known.len() > before
}

/// What checks look at: of the pod as a whole, and of each container with what it takes from the pod.
fn features(pod: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let annotations = &pod["metadata"]["annotations"];
    let volumes = list(&spec["volumes"]);
    let kinds = volumes.iter().flat_map(|it| it.as_object().unwrap().keys().cloned());
    let kinds: BTreeSet<_> = kinds.filter(|key| key != "name").collect();
    let flags = ["hostNetwork", "hostPID", "hostIPC", "hostUsers", "os"];
    let flags: Vec<_> = flags.iter().map(|key| spec[*key].clone()).collect();
    let default = pod["metadata"]["namespace"] == "default";
    let token = spec["automountServiceAccountToken"] != false;
    let outer = &spec["securityContext"];
    let mut features =
        vec![json!([outer, flags, default, token]).to_string(), json!(kinds).to_string()];
    for key in ["initContainers", "containers"] {
        for container in list(&spec[key]) {
            let ports = list(&container["ports"]);
            let host_port = ports.iter().any(|port| !port["hostPort"].is_null());
            let own = &container["securityContext"];
            let profiles = annotations.is_object().then(|| (annotations, &container["name"]));
            features.push(json!([key, outer, own, host_port, spec["os"], profiles]).to_string());
        }
    }
    features
}

/// Only what a check may look at: the scanners take the longer the more there is.
pub(crate) fn bare(pod: &Value) -> Value {
    let mut bare = json!({"spec": {}});
    let annotations = pod["metadata"]["annotations"].as_object().into_iter().flatten();
    let profiles: Map<_, _> = annotations
        .filter(|(key, _)| key.contains("apparmor.") || key.contains("seccomp."))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !profiles.is_empty() {
        bare["metadata"] = json!({"annotations": profiles});
    }
    if let Some(namespace) = pod["metadata"]["namespace"].as_str() {
        bare["metadata"]["namespace"] = namespace.into();
    }
    for key in OF_POD {
        take(&pod["spec"], &mut bare["spec"], key);
    }
    for list in ["initContainers", "containers"] {
        let Some(containers) = pod["spec"][list].as_array() else { continue };
        let each = containers.iter().map(|container| {
            let mut bare = json!({});
            for key in ["name", "image", "securityContext", "ports"] {
                take(container, &mut bare, key);
            }
            bare
        });
        bare["spec"][list] = each.collect();
    }
    bare
}

/// Fields of a pod that a check may look at, besides its containers.
const OF_POD: [&str; 8] = [
    "securityContext",
    "volumes",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostUsers",
    "automountServiceAccountToken",
    "os",
];

fn take(from: &Value, to: &mut Value, key: &str) {
    if let Some(value) = from.get(key).filter(|value| !value.is_null()) {
        to[key] = value.clone();
    }
}

/// The pods and templates of the manifests in a directory.
fn read(directory: &Path) -> Vec<Value> {
    let pods = manifests::pods(directory).into_iter().map(|(_, pod)| pod);
    let pods: Vec<Value> = pods.filter(|pod| pod["spec"]["containers"].is_array()).collect();
    let readable = readable(&pods, (0..pods.len()).collect());
    readable.into_iter().map(|at| pods[at].clone()).collect()
}

/// Of these places those whose pods Kubernetes can decode: no cluster has the others.
pub(crate) fn readable(pods: &[Value], places: Vec<usize>) -> Vec<usize> {
    let Some(judge) = judge::binary() else { return Vec::new() };
    let asked: Vec<Value> = places.iter().map(|at| pods[*at].clone()).collect();
    let judged = judge::judge(&judge, &asked);
    let readable = places.into_iter().zip(judged).filter(|(_, judged)| judged.error.is_none());
    readable.map(|(at, _)| at).collect()
}

/// Pod Security's own fixtures, of the newest version.
fn fixtures() -> Vec<Value> {
    let Some(data) = crate::fixtures::directory() else { return Vec::new() };
    ["baseline/v1.35", "restricted/v1.35"]
        .iter()
        .flat_map(|level| read(&data.join(level)))
        .collect()
}

/// The pod as it is stored and runs. What the API server adds that a check looks at is added: volumes
/// without a source are emptyDirs, ports on the node's network are the node's, and containers mount
/// the token.
fn running(pod: &Value, name: &str) -> Value {
    let mut pod = bare(pod);
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
    let annotations = pod["metadata"]["annotations"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({"name": name, "namespace": namespace});
    if annotations.is_object() {
        pod["metadata"]["annotations"] = annotations;
    }
    let spec = &mut pod["spec"];
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        let volume = volume.as_object_mut().unwrap();
        if volume.iter().all(|(key, source)| key == "name" || source.is_null()) {
            volume.insert("emptyDir".to_owned(), json!({}));
        }
    }
    let on_node = spec["hostNetwork"] == true;
    let mut statuses = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            statuses.push(json!({
                "name": container["name"], "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
            }));
            for port in container["ports"].as_array_mut().into_iter().flatten() {
                if on_node && port["hostPort"].is_null() {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
    pod["status"] = json!({"phase": "Running", "containerStatuses": statuses});
    admit(&pod)
}
