//! The requests that are sent, and the pods in them.

use ironhull::admission::Environment;
use ironhull::harden::{Context, Scope};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

/// The day on which everything is measured: no exemption ends meanwhile.
pub const TODAY: Date = date(2027, 1, 15);

/// What an answer depends on besides request and policies.
pub const ENVIRONMENT: Environment = Environment { date: TODAY, user_namespaces: false };

/// As the webhook hardens a pod that is created.
pub const CREATE: Context<'static> = Context {
    date: TODAY,
    scope: Scope::Create,
    user_namespaces: false,
    provenance: true,
    root: "",
    reserved_volumes: &[],
};

/// A review of a Deployment's pod as the API server sends it, defaults and managed fields
/// included: one container of a root nginx, 3.2 KB.
pub const DEPLOYMENT: &str = include_str!("../reviews/deployment-pod.json");

/// [`DEPLOYMENT`] as it comes: one line.
pub fn deployment() -> Vec<u8> {
    DEPLOYMENT.trim_end().as_bytes().to_vec()
}

/// A pod as people write it, of two containers and an init container that say nothing of
/// their security: what is created through an API server.
pub fn ordinary_pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "shop"}},
        "spec": ordinary_spec(),
    })
}

/// The same as a template's.
pub fn ordinary_spec() -> Value {
    json!({
        "initContainers": [{
            "name": "migrate",
            "image": "registry.example/shop/migrate:1.4.2",
            "command": ["/migrate", "--wait"],
            "env": [{"name": "DATABASE", "value": "shop"}],
        }],
        "containers": [
            {
                "name": "web",
                "image": "registry.example/shop/web:1.4.2",
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": "LOG_LEVEL", "value": "info"}],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "64Mi"},
                    "limits": {"memory": "128Mi"},
                },
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
            },
            {
                "name": "proxy",
                "image": "registry.example/shop/proxy:2.0.1",
                "args": ["--upstream", "localhost:8080"],
                "ports": [{"containerPort": 8443, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
            },
        ],
        // Nobody is to look at it: there is no node.
        "schedulerName": "nobody",
    })
}

/// A pod whose containers need everything: root, on port 80, with a volume.
pub fn needy_pod(containers: usize) -> Value {
    let container = |index: usize| {
        json!({
            "name": format!("web-{index}"),
            "image": format!("registry.example/shop/web-{index}:1.4.2"),
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "env": [{"name": "LOG_LEVEL", "value": "info"}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            "volumeMounts": [
                {"name": "data", "mountPath": "/data"},
                {"name": "kube-api-access-x2v7q", "readOnly": true,
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
            ],
            "securityContext": {"runAsUser": 0},
            "imagePullPolicy": "IfNotPresent",
        })
    };
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"generateName": "web-5f7c9d6b4-", "labels": {"app": "web"}},
        "spec": {
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "kube-api-access-x2v7q", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}},
            ],
            "containers": (0..containers).map(container).collect::<Vec<_>>(),
            "securityContext": {},
        },
    })
}

/// A request to create `pod` in `namespace`.
pub fn review(pod: &Value, namespace: &str) -> Vec<u8> {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "0c4ee6a5-40a1-4c77-b0a5-2c2dcd3bb1a9",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "jo", "groups": ["system:authenticated"]},
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    review.to_string().into_bytes()
}
