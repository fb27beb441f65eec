//! The requests that are sent, and the pods in them.

use std::sync::LazyLock;

use ironhull::admission::Environment;
use ironhull::harden::{Context, Scope};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

/// The day on which everything is measured: no exemption ends meanwhile.
pub const TODAY: Date = date(2027, 1, 15);

/// What an answer depends on besides request and policies.
pub const ENVIRONMENT: Environment<'static> =
    Environment { date: TODAY, user_namespaces: false, seed_image: None };

/// As the webhook hardens a pod that is created.
pub const CREATE: Context<'static> = Context {
    date: TODAY,
    scope: Scope::Create,
    user_namespaces: false,
    provenance: true,
    root: "",
    reserved_volumes: &[],
    seed_image: None,
};

/// A review of a Deployment's pod as the API server sends it, defaults and managed fields
/// included: one container of a root nginx, 3.2 KB.
pub const DEPLOYMENT: &str = include_str!("../reviews/deployment-pod.json");

/// [`DEPLOYMENT`] as it comes: one line.
pub fn deployment() -> Vec<u8> {
    DEPLOYMENT.trim_end().as_bytes().to_vec()
}

/// A pod as people write it, of this name.
pub fn ordinary_pod(name: &str) -> Value {
    static POD: LazyLock<Value> = LazyLock::new(|| {
        serde_yaml::from_str(include_str!("../reviews/ordinary-pod.yaml")).unwrap()
    });
    let mut pod = POD.clone();
    pod["metadata"]["name"] = name.into();
    pod
}

/// A pod whose containers, so many, need everything.
pub fn needy_pod(containers: usize) -> Value {
    let text = include_str!("../reviews/needy-pod.yaml");
    let mut pod: Value = serde_yaml::from_str(text).unwrap();
    let container = pod["spec"]["containers"][0].to_string();
    let numbered = |index: usize| -> Value {
        serde_json::from_str(&container.replace("web-N", &format!("web-{index}"))).unwrap()
    };
    pod["spec"]["containers"] = (0..containers).map(numbered).collect();
    pod
}

/// A person's request to create `pod` in `namespace`.
pub fn review(pod: &Value, namespace: &str) -> Vec<u8> {
    let mut review: Value = serde_json::from_str(DEPLOYMENT).unwrap();
    let request = &mut review["request"];
    request["namespace"] = namespace.into();
    request["userInfo"] = json!({"username": "jo", "groups": ["system:authenticated"]});
    request["object"] = pod.clone();
    review.to_string().into_bytes()
}
