//! Parsing the request.
#![expect(unreachable_pub, reason = "the macro behind the views writes `pub`")]

use serde::Deserialize;

use super::NotAReview;
use crate::pod::{Fill as _, Pod, Raw, Text, view};

view! {
    /// What a review asks, without its objects.
    pub struct Request<'a> {
        uid: Text<'a> = "uid",
        kind: Kind<'a> = "kind",
        resource: Resource<'a> = "resource",
        sub_resource: Text<'a> = "subResource",
        name: Text<'a> = "name",
        namespace: Text<'a> = "namespace",
        operation: Text<'a> = "operation",
        dry_run: bool = "dryRun",
    }
}

view! {
    /// `request.kind`
    pub struct Kind<'a> {
        group: Text<'a> = "group",
        kind: Text<'a> = "kind",
    }
}

view! {
    /// `request.resource`
    pub struct Resource<'a> {
        resource: Text<'a> = "resource",
    }
}

view! {
    pub struct Envelope<'a> {
        api_version: Text<'a> = "apiVersion",
        kind: Text<'a> = "kind",
        request: Option<Request<'a>> = "request",
    }
}

/// Defines a review whose objects are read as one type, and the function that reads it. It has
/// the members of [`Request`] and two more.
macro_rules! review_of {
    ($read:ident, $review:ident, $request:ident, $object:ident) => {
        view! {
            pub struct $review<'a> {
                api_version: Text<'a> = "apiVersion",
                kind: Text<'a> = "kind",
                request: Option<$request<'a>> = "request",
            }
        }

        view! {
            pub struct $request<'a> {
                uid: Text<'a> = "uid",
                kind: Kind<'a> = "kind",
                resource: Resource<'a> = "resource",
                sub_resource: Text<'a> = "subResource",
                name: Text<'a> = "name",
                namespace: Text<'a> = "namespace",
                operation: Text<'a> = "operation",
                dry_run: bool = "dryRun",
                object: Option<$object<'a>> = "object",
                old_object: Option<$object<'a>> = "oldObject",
            }
        }

        impl<'a> $request<'a> {
            fn split(self) -> Read<'a, $object<'a>> {
                let request = Request {
                    uid: self.uid,
                    kind: self.kind,
                    resource: self.resource,
                    sub_resource: self.sub_resource,
                    name: self.name,
                    namespace: self.namespace,
                    operation: self.operation,
                    dry_run: self.dry_run,
                    has_members: self.has_members,
                    has_unknown: self.has_unknown,
                };
                (request, self.object, self.old_object)
            }
        }

        pub(super) fn $read(
            body: &[u8],
        ) -> Result<Result<Read<'_, $object<'_>>, Unreadable<'_>>, NotAReview> {
            let body = text(body)?;
            let mut review = $review::default();
            let mut json = serde_json::Deserializer::from_str(body);
            match review.fill(&mut json).and_then(|()| json.end()) {
                Ok(()) => {
                    let $review { api_version, kind, request, .. } = review;
                    let request = checked(&api_version, &kind, request, |request| &request.uid)?;
                    Ok(Ok(request.split()))
                }
                Err(error) => unreadable(body, &error).map(Err),
            }
        }
    };
}

review_of!(pod_request, PodReview, PodRequest, Pod);

review_of!(workload_request, WorkloadReview, WorkloadRequest, Raw);

/// A request with its object and its old object.
pub(super) type Read<'a, T> = (Request<'a>, Option<T>, Option<T>);

/// A well-formed review whose object cannot be read.
pub(super) struct Unreadable<'a> {
    pub(super) request: Request<'a>,
    pub(super) why: String,
}

/// What a request asks of ironhull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// CREATE of a pod.
    CreatePod,
    /// UPDATE of a pod's ephemeral containers.
    DebugPod,
    /// UPDATE of a pod. Never patched: most fields of a pod cannot be changed, and a webhook that
    /// patches updates makes old pods impossible to update. But images can be changed.
    UpdatePod,
    /// Anything else.
    Other,
}

impl Request<'_> {
    pub(super) fn asks(&self) -> Asks {
        match (&*self.resource.resource, &*self.sub_resource, &*self.operation) {
            ("pods", "", "CREATE") => Asks::CreatePod,
            ("pods", "ephemeralcontainers", "UPDATE") => Asks::DebugPod,
            ("pods", "", "UPDATE") => Asks::UpdatePod,
            _ => Asks::Other,
        }
    }
}

/// The body as text. JSON is UTF-8 (RFC 8259, section 8.1), and the API server sends nothing
/// else. Checking the whole body once costs a tenth of checking each of its strings.
fn text(body: &[u8]) -> Result<&str, NotAReview> {
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        NotAReview(format!("not an AdmissionReview: not UTF-8 from byte {at} on"))
    })
}

/// Parses a review again without its objects, to tell an unreadable object from input that is
/// no review at all.
fn unreadable<'a>(body: &'a str, error: &serde_json::Error) -> Result<Unreadable<'a>, NotAReview> {
    Ok(Unreadable { request: without_objects(body)?, why: error.to_string() })
}

/// The request of a review, without its objects.
pub(super) fn envelope(body: &[u8]) -> Result<Request<'_>, NotAReview> {
    without_objects(text(body)?)
}

fn without_objects(body: &str) -> Result<Request<'_>, NotAReview> {
    let mut json = serde_json::Deserializer::from_str(body);
    let envelope = Envelope::deserialize(&mut json)
        .and_then(|envelope| json.end().map(|()| envelope))
        .map_err(|error| NotAReview(format!("not an AdmissionReview: {}", said(&error))))?;
    checked(&envelope.api_version, &envelope.kind, envelope.request, |request| &request.uid)
}

/// The error message, cut because it may quote a value of any length.
fn said(error: &serde_json::Error) -> String {
    crate::text::printable(&error.to_string(), 200).into_owned()
}

/// Checks kind, version and uid of an AdmissionReview, and returns its request.
fn checked<T>(
    api_version: &str,
    kind: &str,
    request: Option<T>,
    uid: impl Fn(&T) -> &str,
) -> Result<T, NotAReview> {
    let printable = |text| crate::text::printable(text, 63).into_owned();
    if kind != "AdmissionReview" {
        let kind = printable(kind);
        return Err(NotAReview(format!("not an AdmissionReview: kind is `{kind}`")));
    }
    if api_version != "admission.k8s.io/v1" {
        let version = printable(api_version);
        return Err(NotAReview(format!(
            "AdmissionReview of `{version}` is not supported: admission.k8s.io/v1 is"
        )));
    }
    match request {
        Some(request) if !uid(&request).is_empty() => Ok(request),
        Some(_) => Err(NotAReview("AdmissionReview without request.uid".to_owned())),
        None => Err(NotAReview("AdmissionReview without request".to_owned())),
    }
}
