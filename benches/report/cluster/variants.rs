//! Namespaces, each of which selects one way to harden its pods, all in force at once.

use std::path::Path;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::api::{Api, pods};
use crate::hooks::Hooks;
use crate::support::reviews::{ordinary_pod, review};
use crate::support::server::Server;

/// The label by which a namespace chooses.
pub const LABEL: &str = "bench.ironhull.dev/variant";

/// No admission at all.
pub const NONE: &str = "none";
/// The in-tree policy.
pub const POLICY: &str = "mutating-policy";

/// All of them, in the order of the report.
pub const VARIANTS: [&str; 5] = [NONE, "constant", "naive", "ironhull", POLICY];

const POLICY_FILE: &str = include_str!("../../mutating-admission-policy.yaml");

/// What runs for them.
pub struct Variants {
    pub hooks: Hooks,
}

impl Variants {
    /// Sets all of them up, and holds what each makes of a pod against the others.
    ///
    /// # Errors
    /// When one does not come into force, or does something else.
    pub async fn start(api: &Api, binary: &Path) -> anyhow::Result<Self> {
        for variant in VARIANTS {
            api.namespace(&namespace(variant), variant).await?;
        }
        // What the API server would send: the pod with all its defaults.
        let pod = api.create(&pods(&namespace(NONE), true), &ordinary_pod("shop-0")).await?;
        let hooks = Hooks::start(binary, &review(&pod, &namespace(NONE)))?;
        for (hook, server) in Hooks::NAMES.into_iter().zip(&hooks.servers) {
            register(api, hook, server).await?;
        }
        apply_policy(api).await?;
        let variants = Self { hooks };
        variants.check(api).await?;
        Ok(variants)
    }

    async fn check(&self, api: &Api) -> anyhow::Result<()> {
        let bare = made(api, NONE).await?;
        let mut seen = Vec::new();
        for variant in VARIANTS.into_iter().filter(|variant| *variant != NONE) {
            let made = api.eventually(variant, async |api| {
                let made = made(api, variant).await?;
                ensure!(made["spec"] != bare["spec"], "its pods are not changed");
                Ok(made)
            });
            seen.push((variant, made.await?));
        }
        let of = |name: &str| seen.iter().find(|(variant, _)| *variant == name).map(|(_, pod)| pod);
        let ironhull = of("ironhull").context("ironhull is missing")?;
        ensure!(is_hardened(ironhull), "ironhull does not harden: {ironhull}");
        ensure!(of("constant") == Some(ironhull), "the constant hook makes another pod");
        ensure!(of("naive") == Some(ironhull), "the naive hook makes another pod");
        let policys = of(POLICY).context("the policy is missing")?;
        ensure!(policys["spec"] == ironhull["spec"], "the policy makes another spec: {policys}");
        Ok(())
    }
}

/// The namespace of a variant.
pub fn namespace(variant: &str) -> String {
    format!("bench-{variant}")
}

/// Has a server review the pods of all namespaces that choose `variant`.
pub async fn register(api: &Api, variant: &str, server: &Server) -> anyhow::Result<()> {
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": format!("bench-{variant}")},
        "webhooks": [{
            "name": format!("{variant}.bench.ironhull.dev"),
            "clientConfig": {
                "url": format!("https://{}/enforce", server.webhook),
                "caBundle": STANDARD.encode(&server.certificate),
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
                "operations": ["CREATE"]}],
            "namespaceSelector": {"matchLabels": {LABEL: variant}},
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
        }],
    });
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    api.create(path, &configuration).await?;
    Ok(())
}

async fn apply_policy(api: &Api) -> anyhow::Result<()> {
    for document in serde_yaml::Deserializer::from_str(POLICY_FILE) {
        let document = Value::deserialize(document)?;
        let kind = document["kind"].as_str().unwrap_or_default();
        let path = match kind {
            "MutatingAdmissionPolicy" => "mutatingadmissionpolicies",
            _ => "mutatingadmissionpolicybindings",
        };
        let path = format!("/apis/admissionregistration.k8s.io/v1/{path}");
        api.send(Method::POST, &path, document.to_string().into_bytes()).await?;
    }
    Ok(())
}

/// What becomes of the pod in a variant's namespace: its annotations and its spec, without the
/// random part of the volume that the API server adds.
async fn made(api: &Api, variant: &str) -> anyhow::Result<Value> {
    let pod = api.create(&pods(&namespace(variant), true), &ordinary_pod("shop-0")).await?;
    let token = pod["spec"]["volumes"].as_array().into_iter().flatten().find_map(|volume| {
        volume["name"].as_str().filter(|name| name.starts_with("kube-api-access-"))
    });
    let kept = json!({"annotations": pod["metadata"]["annotations"], "spec": pod["spec"]});
    let text = match token {
        Some(token) => kept.to_string().replace(token, "kube-api-access"),
        None => kept.to_string(),
    };
    let mut kept: Value = serde_json::from_str(&text)?;
    // By name: a policy that merges may have another order.
    for list in ["containers", "initContainers"] {
        for container in kept["spec"][list].as_array_mut().into_iter().flatten() {
            sort(&mut container["volumeMounts"]);
        }
    }
    sort(&mut kept["spec"]["volumes"]);
    Ok(kept)
}

fn sort(list: &mut Value) {
    if let Some(entries) = list.as_array_mut() {
        entries.sort_by_cached_key(|entry| entry["name"].to_string());
    }
}

/// Whether a pod, or what is kept of one, has what `restricted` sets.
pub fn is_hardened(pod: &Value) -> bool {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let mut all = true;
    for container in containers {
        let context = &container["securityContext"];
        all &= context["allowPrivilegeEscalation"] == false
            && context["readOnlyRootFilesystem"] == true
            && context["capabilities"]["drop"] == json!(["ALL"]);
    }
    let context = &pod["spec"]["securityContext"];
    all && context["runAsNonRoot"] == true
        && context["runAsUser"] == 1000
        && context["seccompProfile"]["type"] == "RuntimeDefault"
}
