//! The workloads that are reported: each with what an auditor may meet.

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, NAMED_USER, auditor, container, pod, workload};

/// The same as [`BUSYBOX`] with `USER 1234`.
const NUMERIC_USER: &str = "localhost/busybox-numeric-user:local";

/// Prints what [`super::inside::LOOK`] shows, and ends.
fn init(name: &str, look: &str) -> Value {
    let mut init = container(name, BUSYBOX);
    init["command"] = json!(["sh", "-c", look]);
    init
}

fn silent(name: &str) -> Value {
    pod(name, &[container("app", BUSYBOX)])
}

fn of_image(name: &str, image: &str) -> Value {
    pod(name, &[container("app", image)])
}

/// A pod whose only container has this security context.
fn with(name: &str, context: Value) -> Value {
    let mut pod = silent(name);
    pod["spec"]["containers"][0]["securityContext"] = context;
    pod
}

/// A pod with these members of its spec.
fn spec(name: &str, members: Value) -> Value {
    let mut pod = silent(name);
    for (key, value) in members.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    pod
}

/// A pod with these annotations.
fn annotated(mut pod: Value, annotations: Value) -> Value {
    pod["metadata"]["annotations"] = annotations;
    pod
}

/// Everything that *restricted* asks for, by its author.
fn authored(name: &str) -> Value {
    let mut pod = with(
        name,
        json!({
            "runAsNonRoot": true, "runAsUser": 2000, "runAsGroup": 2000,
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        }),
    );
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod
}

/// A Deployment whose template has this pod's annotations, too.
fn deployment(pod: &Value) -> Value {
    let mut made = workload("apps/v1", "Deployment", pod);
    made["spec"]["template"]["metadata"]["annotations"] = pod["metadata"]["annotations"].clone();
    made
}

/// Those of a namespace that enforces.
pub(super) fn enforced(look: &str) -> Vec<Value> {
    let exempt = |rule: &str, value: &str| json!({format!("exempt.ironhull.dev/{rule}"): value});
    let mut several = silent("several");
    let mut sidecar = container("sidecar", BUSYBOX);
    sidecar["restartPolicy"] = json!("Always");
    several["spec"]["initContainers"] = json!([init("init", look), sidecar]);
    let mut replicas = deployment(&silent("replicas"));
    replicas["spec"]["replicas"] = json!(3);
    let mut stateful = workload("apps/v1", "StatefulSet", &silent("stateful"));
    stateful["spec"]["serviceName"] = json!("stateful");
    let mut job = workload("batch/v1", "Job", &spec("job", json!({"restartPolicy": "Never"})));
    job["spec"].as_object_mut().unwrap().remove("selector");
    vec![
        silent("silent"),
        auditor("auditor"),
        replicas,
        deployment(&auditor("deployed-root")),
        deployment(&authored("deployed-authored")),
        stateful,
        workload("apps/v1", "DaemonSet", &silent("daemon")),
        job,
        authored("authored"),
        of_image("named-user", NAMED_USER),
        of_image("numeric-user", NUMERIC_USER),
        annotated(auditor("exempt-root"), exempt("runAsNonRoot", "ticket=SEC-1 root for now")),
        annotated(silent("exempt-read-only"), exempt("readOnlyRootFilesystem", "a cache")),
        annotated(auditor("exempt-all"), exempt("all", "an appliance")),
        annotated(auditor("expired"), exempt("runAsNonRoot", "until=2026-01-01 too late")),
        annotated(auditor("misspelt"), exempt("runAsNonroot", "misspelt")),
        deployment(&annotated(
            auditor("deployed-exempt"),
            json!({"app.exempt.ironhull.dev/runAsNonRoot": "ticket=SEC-2 until=2099-01-01 chown"}),
        )),
        with("binds", json!({"capabilities": {"add": ["NET_BIND_SERVICE"]}})),
        spec("groups", json!({"securityContext": {"supplementalGroups": [5000], "fsGroup": 3000}})),
        spec(
            "strict",
            json!({"securityContext": {
                "runAsUser": 1001, "runAsGroup": 1002, "supplementalGroups": [7],
                "supplementalGroupsPolicy": "Strict",
            }}),
        ),
        several,
        silent("debugged"),
    ]
}

/// Those of a namespace that has not opted in.
pub(super) fn plain() -> Vec<Value> {
    let note = json!({
        "policy": "restricted@0000",
        "set": {"app": ["runAsNonRoot", "runAsUser", "capabilities", "readOnlyRootFilesystem",
            "allowPrivilegeEscalation", "seccompProfile"]},
    });
    let mut hidden = spec(
        "host-path",
        json!({
            "volumes": [{"name": "node", "hostPath": {"path": "/etc"}}],
        }),
    );
    hidden["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "node", "mountPath": "/node", "readOnly": true}]);
    vec![
        silent("silent"),
        auditor("auditor"),
        deployment(&silent("deployed")),
        of_image("named-user", NAMED_USER),
        of_image("numeric-user", NUMERIC_USER),
        {
            let mut checked = of_image("checked", NUMERIC_USER);
            checked["spec"]["securityContext"] = json!({"runAsNonRoot": true});
            checked
        },
        with("root-group", json!({"runAsUser": 1001, "runAsGroup": 0})),
        spec(
            "extra-root-group",
            json!({"securityContext": {
                "runAsUser": 1001, "runAsGroup": 1001, "supplementalGroups": [0],
            }}),
        ),
        with("privileged", json!({"privileged": true})),
        with(
            "privileged-in-green",
            json!({
                "privileged": true, "readOnlyRootFilesystem": true,
                "seccompProfile": {"type": "RuntimeDefault"}, "capabilities": {"drop": ["ALL"]},
            }),
        ),
        with("adds", json!({"capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]}})),
        with("drops-and-adds-all", json!({"capabilities": {"drop": ["ALL"], "add": ["ALL"]}})),
        with("drops-one", json!({"capabilities": {"drop": ["NET_RAW"]}})),
        with("no-escalation", json!({"allowPrivilegeEscalation": false})),
        with("filtered", json!({"seccompProfile": {"type": "RuntimeDefault"}})),
        with("unconfined", json!({"seccompProfile": {"type": "Unconfined"}})),
        with("read-only", json!({"readOnlyRootFilesystem": true})),
        annotated(silent("forged"), json!({"ironhull.dev/hardened": note.to_string()})),
        annotated(auditor("exempt-nowhere"), json!({"exempt.ironhull.dev/all": "we know"})),
        spec("host-network", json!({"hostNetwork": true})),
        spec("host-pid", json!({"hostPID": true})),
        spec("host-ipc", json!({"hostIPC": true})),
        hidden,
        spec("no-token", json!({"automountServiceAccountToken": false})),
    ]
}

/// Those with a user namespace of their own.
pub(super) fn in_user_namespaces() -> Vec<Value> {
    let mut unmasked = spec("unmasked", json!({"hostUsers": false}));
    unmasked["spec"]["containers"][0]["securityContext"] = json!({"procMount": "Unmasked"});
    vec![
        spec("mapped", json!({"hostUsers": false})),
        spec("mapped-root", json!({"hostUsers": false, "securityContext": {"runAsUser": 0}})),
        unmasked,
    ]
}

/// A pod with every namespace of the node, to compare others with.
pub(super) fn node() -> Value {
    spec("node", json!({"hostNetwork": true, "hostPID": true, "hostIPC": true}))
}

/// One that no node here can run.
pub(super) fn windows() -> Value {
    spec(
        "windows",
        json!({
            "os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/os": "windows"},
        }),
    )
}
