//! Namespaces, each of which selects one way to harden its pods, all in force at once.

use std::path::Path;

use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::Api;
use super::api::pods;
use crate::hooks::Hooks;
use crate::support::reviews::{ordinary_pod, review};
use crate::support::server::Server;

/// No admission at all, the hooks, the in-tree policy: in the order of the report.
pub const VARIANTS: [&str; 5] = ["none", "constant", "naive", "ironhull", "mutating-policy"];

const POLICY_FILE: &str = include_str!("../../mutating-admission-policy.yaml");

/// Where objects are that change others on admission.
const REGISTRATION: &str = "/apis/admissionregistration.k8s.io/v1";

/// Sets all of them up, and holds what each makes of a pod against the others.
pub async fn start(api: &Api, binary: &Path) -> anyhow::Result<Hooks> {
    for variant in VARIANTS {
        api.namespace(&namespace(variant), variant).await?;
    }
    // What the API server would send: the pod with all its defaults.
    let pod = api.create(&pods(&namespace("none"), true), &ordinary_pod("shop-0")).await?;
    let hooks = Hooks::start(binary, &review(&pod, &namespace("none")))?;
    for (hook, server) in Hooks::NAMES.into_iter().zip(&hooks.servers) {
        register(api, hook, server).await?;
    }
    for document in serde_yaml::Deserializer::from_str(POLICY_FILE) {
        let document = Value::deserialize(document)?;
        let binding = document["kind"] == "MutatingAdmissionPolicyBinding";
        let plural = if binding { "policybindings" } else { "policies" };
        api.create(&format!("{REGISTRATION}/mutatingadmission{plural}"), &document).await?;
    }
    let bare = made(api, "none").await?;
    let mut seen = Vec::new();
    for variant in &VARIANTS[1..] {
        let made = api.eventually(variant, async |api| {
            let made = made(api, variant).await?;
            ensure!(made["spec"] != bare["spec"], "its pods are not changed");
            Ok(made)
        });
        seen.push(made.await?);
    }
    let [constant, naive, ironhull, policys] = &seen[..] else {
        anyhow::bail!("not all were made")
    };
    ensure!(is_hardened(ironhull), "ironhull does not harden: {ironhull}");
    ensure!(constant == ironhull, "the constant hook makes another pod");
    ensure!(naive == ironhull, "the naive hook makes another pod");
    ensure!(policys["spec"] == ironhull["spec"], "the policy makes another spec: {policys}");
    Ok(hooks)
}

/// The namespace of a variant.
pub fn namespace(variant: &str) -> String {
    format!("bench-{variant}")
}

/// Has a server review the pods of all namespaces that choose `variant`.
pub async fn register(api: &Api, variant: &str, server: &Server) -> anyhow::Result<()> {
    let configuration = include_str!("webhook.yaml")
        .replace("VARIANT", variant)
        .replace("ADDRESS", &server.webhook.to_string())
        .replace("CERTIFICATE", &STANDARD.encode(&server.certificate));
    let configuration = serde_yaml::from_str(&configuration)?;
    api.create(&format!("{REGISTRATION}/mutatingwebhookconfigurations"), &configuration).await?;
    Ok(())
}

/// What becomes of the pod in a variant's namespace: its annotations and its spec, without the
/// random part of the volume that the API server adds.
async fn made(api: &Api, variant: &str) -> anyhow::Result<Value> {
    let pod = api.create(&pods(&namespace(variant), true), &ordinary_pod("shop-0")).await?;
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut names = volumes.filter_map(|volume| volume["name"].as_str());
    let kept = json!({"annotations": pod["metadata"]["annotations"], "spec": pod["spec"]});
    let token = names.find(|name| name.starts_with("kube-api-access-"));
    let text = kept.to_string().replace(token.unwrap_or("kube-api-access"), "kube-api-access");
    let mut kept: Value = serde_json::from_str(&text)?;
    // By name: a policy that merges may have another order.
    let sort = |list: &mut Value| {
        if let Some(entries) = list.as_array_mut() {
            entries.sort_by_cached_key(|entry| entry["name"].to_string());
        }
    };
    for list in ["containers", "initContainers"] {
        for container in kept["spec"][list].as_array_mut().into_iter().flatten() {
            sort(&mut container["volumeMounts"]);
        }
    }
    sort(&mut kept["spec"]["volumes"]);
    Ok(kept)
}

/// Whether a pod, or what is kept of one, has what `restricted` sets.
pub fn is_hardened(pod: &Value) -> bool {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let mut contexts = containers.map(|container| &container["securityContext"]);
    let all = contexts.all(|context| {
        context["allowPrivilegeEscalation"] == false
            && context["readOnlyRootFilesystem"] == true
            && context["capabilities"]["drop"] == json!(["ALL"])
    });
    let context = &pod["spec"]["securityContext"];
    all && context["runAsNonRoot"] == true
        && context["runAsUser"] == 1000
        && context["seccompProfile"]["type"] == "RuntimeDefault"
}
