//! The response's bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::patch::Patch;

/// What a response says.
pub(super) struct Response<'r> {
    pub(super) uid: &'r str,
    pub(super) allowed: bool,
    pub(super) patch: Option<&'r Patch>,
    pub(super) warnings: &'r [String],
    /// Keys without `/`, of at most 63 characters: the API server puts the webhook's name
    /// before them.
    pub(super) audit: Vec<(&'static str, String)>,
    /// The message of a refusal.
    pub(super) refusal: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'r> {
    kind: &'static str,
    api_version: &'static str,
    response: Wire<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'r> {
    uid: &'r str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'r [String],
    #[serde(skip_serializing_if = "AuditAnnotations::is_empty")]
    audit_annotations: AuditAnnotations,
}

#[derive(Serialize)]
struct Status<'r> {
    message: &'r str,
    reason: &'static str,
    code: u16,
}

struct AuditAnnotations(Vec<(&'static str, String)>);

impl AuditAnnotations {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for AuditAnnotations {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'r> Response<'r> {
    /// Allowed, and nothing more.
    pub(super) fn allowed(uid: &'r str) -> Self {
        Self { uid, allowed: true, patch: None, warnings: &[], audit: Vec::new(), refusal: None }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let Self { uid, allowed, patch, warnings, audit, refusal } = self;
        let patch = patch.filter(|patch| !patch.is_empty());
        let review = Review {
            kind: "AdmissionReview",
            api_version: "admission.k8s.io/v1",
            response: Wire {
                uid,
                allowed,
                // What the API server's client gets: 422 Unprocessable Entity.
                status: refusal.map(|message| Status { message, reason: "Invalid", code: 422 }),
                patch_type: patch.map(|_| "JSONPatch"),
                patch: patch.map(|patch| STANDARD.encode(patch.as_json())),
                warnings,
                audit_annotations: AuditAnnotations(audit),
            },
        };
        // Strings and booleans always have a JSON form.
        serde_json::to_vec(&review).unwrap_or_default()
    }
}
