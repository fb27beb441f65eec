//! `ironhull demo`: the webhook at work, with no cluster and no files.
//!
//! Starts the real server on a free loopback port, with a certificate made on the spot and
//! the compiled-in policy, and sends it what an API server would send for a handful of
//! workloads.

mod client;
mod show;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::core::admission::{AdmissionRequest, AdmissionReview, Operation};
use kube::core::{DynamicObject, GroupVersionKind, GroupVersionResource, TypeMeta};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::manifest::{ManifestFile, to_yaml};
use crate::serve::certs::self_signed;
use crate::serve::{self, Certificate, Config};
use client::Client;

/// The workloads: what each shows, and its manifest.
const WORKLOADS: [(&str, &str); 5] = [
    ("a web server that runs as root", include_str!("demo/web.yaml")),
    (
        "a database with a root init container, exempt by annotation",
        include_str!("demo/database.yaml"),
    ),
    ("an image that gives its user by name", include_str!("demo/named-user.yaml")),
    ("a pod that meets the standard already", include_str!("demo/hardened.yaml")),
    ("a pod for Windows nodes", include_str!("demo/windows.yaml")),
];

/// Namespace in which the pods are said to be created.
const NAMESPACE: &str = "shop";

/// One pod's way through the webhook.
struct Reviewed {
    name: String,
    title: &'static str,
    before: String,
    after: String,
    warnings: Vec<String>,
    /// Number of rules that changed something.
    rules: usize,
    took: Duration,
}

/// Runs the demo.
///
/// # Errors
/// When the server cannot be started or does not answer, or `out` cannot be written.
pub fn run(out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let certificate = self_signed(&["localhost"])?;
    let trusted = certificate.certificate.clone();
    let started = Instant::now();
    let server = serve::start(Config::on_loopback(Certificate::Given(certificate)))?;
    show::introduction(out, server.webhook_addr, started.elapsed())?;
    let mut client = Client::connect(server.webhook_addr, &trusted)?;
    let mut all = Vec::with_capacity(WORKLOADS.len());
    for (title, manifest) in WORKLOADS {
        let pod = pod(manifest).with_context(|| format!("in the demo's manifest of {title}"))?;
        let reviewed = review(&mut client, title, pod)?;
        show::reviewed(out, all.len() + 1, WORKLOADS.len(), &reviewed)?;
        all.push(reviewed);
    }
    drop(client);
    server.stop()?;
    show::summary(out, &all)?;
    Ok(ExitCode::SUCCESS)
}

/// The pod that a controller would create for the workload in `manifest`.
fn pod(manifest: &str) -> anyhow::Result<Value> {
    let source = ManifestFile::read("demo", manifest.to_owned()).map_err(|errors| {
        anyhow!("{}", errors.iter().map(ToString::to_string).collect::<String>())
    })?;
    let document = source.documents.first().context("it is empty")?;
    let workload = document.contents.workloads.first().context("it holds no workload")?;
    let mut pod = workload.pod.clone();
    let whole = pod.as_object_mut().context("its pod is not a map")?;
    whole.shift_insert(0, "apiVersion".to_owned(), json!("v1"));
    whole.shift_insert(1, "kind".to_owned(), json!("Pod"));
    let metadata = pod.pointer_mut("/metadata").and_then(Value::as_object_mut);
    let metadata = metadata.context("its pod has no metadata")?;
    metadata.shift_insert(0, "generateName".to_owned(), json!(format!("{}-", workload.name)));
    metadata.shift_insert(1, "namespace".to_owned(), json!(NAMESPACE));
    Ok(pod)
}

fn review(client: &mut Client, title: &'static str, pod: Value) -> anyhow::Result<Reviewed> {
    let request = serde_json::to_vec(&admission_review(&pod)?)?;
    let begin = Instant::now();
    let answer = client.post("/enforce", &request)?;
    let took = begin.elapsed();
    let Answer { response } = serde_json::from_slice(&answer).context("not an AdmissionReview")?;
    let mut after = pod.clone();
    if let Some(patch) = &response.patch {
        let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch)?)?;
        json_patch::patch(&mut after, &patch).context("the patch cannot be applied")?;
    }
    let name = pod.pointer("/metadata/generateName").and_then(Value::as_str);
    Ok(Reviewed {
        name: name.unwrap_or_default().trim_end_matches('-').to_owned(),
        title,
        before: to_yaml(&pod),
        after: to_yaml(&after),
        rules: response.audit_annotations.set.split("; ").filter(|rule| !rule.is_empty()).count(),
        warnings: response.warnings,
        took,
    })
}

/// The request that an API server sends when a controller creates `pod`.
fn admission_review(pod: &Value) -> anyhow::Result<AdmissionReview<DynamicObject>> {
    let types = TypeMeta {
        api_version: "admission.k8s.io/v1".to_owned(),
        kind: "AdmissionReview".to_owned(),
    };
    let kind = GroupVersionKind::gvk("", "v1", "Pod");
    let resource = GroupVersionResource::gvr("", "v1", "pods");
    let request = AdmissionRequest {
        types: types.clone(),
        uid: "00000000-0000-4000-8000-000000000001".to_owned(),
        kind: kind.clone(),
        resource: resource.clone(),
        sub_resource: None,
        request_kind: Some(kind),
        request_resource: Some(resource),
        request_sub_resource: None,
        name: String::new(),
        namespace: Some(NAMESPACE.to_owned()),
        operation: Operation::Create,
        user_info: Default::default(),
        object: Some(serde_json::from_value(pod.clone())?),
        old_object: None,
        dry_run: false,
        options: None,
    };
    Ok(AdmissionReview { types, request: Some(request), response: None })
}

/// The part of the answer that is shown. (kube's own type reads a patch as a list of numbers, and
/// needs a status.)
#[derive(Deserialize)]
struct Answer {
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    patch: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    audit_annotations: AuditAnnotations,
}

#[derive(Default, Deserialize)]
struct AuditAnnotations {
    /// `runAsNonRoot: pod; capabilities: nginx`
    #[serde(default)]
    set: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn shows_each_workload_plainly() {
        let mut out = Vec::new();
        run(&mut out).unwrap();
        let shown = anstream::adapter::strip_bytes(&out).into_vec();
        let shown = String::from_utf8(shown).unwrap();
        for (title, _) in WORKLOADS {
            assert!(shown.contains(title), "{title} in\n{shown}");
        }
        for part in [
            "-    runAsUser: 0",
            "+    runAsNonRoot: true",
            "runAsUser 0 replaced by",
            "fix-permissions",
            "OPS-42",
            "nothing to change",
        ] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }
}
