//! The response's bytes.

use crate::json::Json;
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

impl<'r> Response<'r> {
    /// Allowed, and nothing more.
    pub(super) fn allowed(uid: &'r str) -> Self {
        Self { uid, allowed: true, patch: None, warnings: &[], audit: Vec::new(), refusal: None }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let Self { uid, allowed, patch, warnings, audit, refusal } = self;
        let patch = patch.filter(|patch| !patch.is_empty()).map(Patch::as_json);
        let audited: usize = audit.iter().map(|(key, value)| key.len() + value.len()).sum();
        let warned: usize = warnings.iter().map(String::len).sum();
        let mut out = Json::default();
        out.reserve(ENVELOPE + patch.map_or(0, str::len) * 4 / 3 + audited + warned);
        out.object(|review| {
            review.string("kind", "AdmissionReview");
            review.string("apiVersion", "admission.k8s.io/v1");
            review.object("response", |response| {
                response.string("uid", uid);
                response.member("allowed", |out| out.flag(allowed));
                if let Some(message) = refusal {
                    // What the API server's client gets: 422 Unprocessable Entity.
                    response.object("status", |status| {
                        status.string("message", message);
                        status.string("reason", "Invalid");
                        status.member("code", |out| out.number(422));
                    });
                }
                if let Some(patch) = patch {
                    response.string("patchType", "JSONPatch");
                    response.member("patch", |out| out.base64(patch));
                }
                if !warnings.is_empty() {
                    response.member("warnings", |out| {
                        out.array(warnings, |out, warning| out.text(warning));
                    });
                }
                response.some("auditAnnotations", |annotations| {
                    for (key, value) in audit {
                        annotations.string(key, &value);
                    }
                });
            });
        });
        out.into_string().into_bytes()
    }
}

/// What is around a patch, warnings and annotations.
const ENVELOPE: usize = 320;
