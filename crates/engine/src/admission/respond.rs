//! Writing the response.

use crate::json::Json;
use crate::patch::Patch;

/// The content of a response.
pub(super) struct Response<'r> {
    pub(super) uid: &'r str,
    pub(super) allowed: bool,
    pub(super) patch: Option<&'r Patch>,
    pub(super) warnings: &'r [String],
    /// Keys have no `/` and at most 63 characters: the API server prefixes them with the
    /// webhook's name.
    pub(super) audit: Vec<(&'static str, String)>,
    /// The refusal, if any.
    pub(super) refusal: Option<&'r Refusal>,
}

/// Why a request is refused, as the API server's client sees it.
pub(super) struct Refusal {
    pub(super) message: String,
    /// `reason` of a `metav1.Status`.
    reason: &'static str,
    /// The HTTP status that goes with it.
    code: i64,
}

impl Refusal {
    /// The object cannot be read.
    pub(super) fn invalid(message: String) -> Self {
        Self { message, reason: "Invalid", code: 422 }
    }

    /// The object exceeds what is reviewed.
    pub(super) fn too_large(message: String) -> Self {
        Self { message, reason: "RequestEntityTooLarge", code: 413 }
    }

    /// The policy forbids it.
    pub(super) fn forbidden(message: String) -> Self {
        Self { message, reason: "Forbidden", code: 403 }
    }
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
                if let Some(Refusal { message, reason, code }) = refusal {
                    response.object("status", |status| {
                        status.string("message", message);
                        status.string("reason", reason);
                        status.member("code", |out| out.number(*code));
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

/// Size of a response without patch, warnings and annotations, in bytes.
const ENVELOPE: usize = 320;
