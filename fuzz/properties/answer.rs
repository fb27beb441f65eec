//! What the API server takes for an answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ironhull::admission::{Answer, Endpoint, Mode};
use serde_json::Value;

use super::ensure;

/// Fit for the body of a 400 and a log.
pub fn one_line(message: &str) -> Result<(), String> {
    ensure!(!message.is_empty() && message.len() < 1000, "{} bytes", message.len());
    ensure!(!message.chars().any(char::is_control), "{message:?}");
    Ok(())
}

/// An answer as the API server reads it
/// (`k8s.io/apiserver/pkg/admission/plugin/webhook/request`, `VerifyAdmissionResponse`):
/// its response, and the patch decoded.
pub fn well(
    bytes: &[u8],
    endpoint: Endpoint<'_>,
    answer: &Answer,
) -> Result<(Value, Option<Value>), String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    ensure!(body["kind"] == "AdmissionReview", "its kind");
    ensure!(body["apiVersion"] == "admission.k8s.io/v1", "its version");
    let response = &body["response"];
    // Bytes that are not JSON throughout still have a uid, where it can be told.
    if let Ok(asked) = serde_json::from_slice::<Value>(bytes) {
        ensure!(response["uid"] == asked["request"]["uid"], "another uid");
    }
    ensure!(response["uid"].as_str().is_some_and(|uid| !uid.is_empty()), "no uid");
    ensure!(response["uid"] == answer.facts.uid.as_str(), "another uid in the facts");
    ensure!(response["allowed"].is_boolean(), "neither allowed nor refused");
    let refused = response["allowed"] == false;
    ensure!(!refused || endpoint.mode == Mode::Enforce, "refused on {:?}", endpoint.mode);
    ensure!(refused == response.get("status").is_some(), "a status");
    let patch = response.get("patch");
    ensure!(patch.is_some() == response.get("patchType").is_some(), "patch without patchType");
    let mut decoded = None;
    if let Some(patch) = patch {
        ensure!(endpoint.mode == Mode::Enforce && !refused, "a patch on {:?}", endpoint.mode);
        ensure!(response["patchType"] == "JSONPatch", "its type");
        let patch = STANDARD.decode(patch.as_str().unwrap_or_default()).unwrap_or_default();
        let patch: Value = serde_json::from_slice(&patch).unwrap_or_default();
        ensure!(patch.as_array().is_some_and(|patch| !patch.is_empty()), "an empty patch");
        decoded = Some(patch);
    }
    let warnings = response.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let warnings: Vec<String> =
        warnings.map(|warning| warning.as_str().unwrap_or_default().to_owned()).collect();
    warnings_are_short(&warnings)?;
    let audit = response.get("auditAnnotations").and_then(Value::as_object);
    for (key, value) in audit.into_iter().flatten() {
        ensure!(key.len() <= 63 && !key.contains('/'), "audit annotation {key}");
        let value = value.as_str().unwrap_or_default();
        ensure!(value.chars().count() <= 1024, "a long audit annotation");
        ensure!(!value.chars().any(char::is_control), "audit annotation {value:?}");
    }
    Ok((response.clone(), decoded))
}

/// What the API server passes on: KEP-1693 and `hasAnyControlCharacters` in
/// `k8s.io/apimachinery/pkg/util/net`.
pub fn warnings_are_short(warnings: &[String]) -> Result<(), String> {
    for warning in warnings {
        ensure!(warning.chars().count() <= 120, "too long: {warning}");
        ensure!(!warning.chars().any(char::is_control), "a control character: {warning:?}");
    }
    let bytes: usize = warnings.iter().map(String::len).sum();
    ensure!(bytes <= 2048, "{bytes} bytes of warnings");
    Ok(())
}
