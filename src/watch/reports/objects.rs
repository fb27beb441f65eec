//! Reports in the cluster: listed, read, applied and deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use kube::Client;
use kube::api::ListParams;
use kube::api::Request as ApiRequest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::object::{Draft, Found, MANAGER, MadeBy};
use super::running::MAX_WORKLOADS;
use crate::cluster::{Page, Resource, message_of};
use crate::evidence::openreports::{MANAGED_BY, SOURCE};
use crate::text::hex;
use crate::watch::key::Key;

/// Annotation with a hash of what a report says, without its times.
pub(super) const CONTENT: &str = "ironhull.dev/content";

static REPORTS: Resource = Resource::built_in("/apis/openreports.io/v1alpha1", "reports");
/// Media type of an apply (server-side).
const APPLY: &str = "application/apply-patch+yaml";
/// Asks for metadata alone in the answer: a report is some 12 KB.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Time for an answer of the API server.
const ANSWER: Duration = Duration::from_secs(20);
/// Number of objects in a page: of metadata, some hundred KB.
const PAGE: u32 = 100;
/// Maximum number of reports that are listed. Anybody may have given some the label.
const MOST: usize = 3 * MAX_WORKLOADS;
/// What a report says. Metadata is everybody's.
const SAYS: [&str; 4] = ["f:results", "f:summary", "f:scope", "f:source"];

/// Why something could not be done.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing can be done at present: why.
    All(String),
    /// This one cannot be written: why.
    One(String),
    /// It has changed meanwhile.
    Conflict,
    /// Its namespace is gone, or the API is.
    Missing,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    namespace: Box<str>,
    name: Box<str>,
    #[serde(default)]
    uid: Box<str>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    managed_fields: Vec<Managed>,
}

/// Who has set what.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Managed {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    fields_v1: BTreeMap<String, IgnoredAny>,
}

impl From<Object> for Found {
    fn from(Object { metadata }: Object) -> Self {
        let Metadata { namespace, name, uid, labels, annotations, managed_fields } = metadata;
        let ours = |it: &Managed| it.manager == MANAGER && it.operation == "Apply";
        let says = |it: &Managed| SAYS.iter().any(|field| it.fields_v1.contains_key(*field));
        let alone = managed_fields.iter().all(|it| ours(it) || !says(it));
        let maker = match labels.get(MANAGED_BY).map(String::as_str) {
            Some(MANAGER) if alone => MadeBy::Watch,
            Some(MANAGER | SOURCE) => MadeBy::Mixed,
            _ => MadeBy::Others,
        };
        let content = annotations.get(CONTENT).and_then(|text| from_hex(text));
        Self { namespace, name, uid, maker, content }
    }
}

/// The reports of a cluster.
pub(super) struct Objects {
    client: Client,
}

impl Objects {
    pub(super) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The watch's reports in all namespaces.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(super) async fn list(&self) -> Result<Vec<Found>, Failure> {
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.label_selector = Some(format!("{MANAGED_BY}={MANAGER}"));
        let mut found = Vec::new();
        loop {
            let request = ApiRequest::new(REPORTS.path(None)).list_metadata(&parameters);
            let request = request.map_err(|error| Failure::All(error.to_string()))?;
            let text = match self.ask(request).await {
                Ok(text) => text,
                Err(Asked::Status(410, _)) => return Err(Failure::Conflict),
                Err(asked) => return Err(Failure::All(asked.said("list"))),
            };
            let unexpected =
                |error| Failure::All(format!("unexpected answer to a list of reports: {error}"));
            let page: Page<'_> = serde_json::from_str(&text).map_err(unexpected)?;
            for item in page.items.into_iter().flatten() {
                let object: Object = serde_json::from_str(item.get()).map_err(unexpected)?;
                found.push(object.into());
            }
            if page.metadata.r#continue.is_empty() || found.len() >= MOST {
                return Ok(found);
            }
            parameters = parameters.continue_token(&page.metadata.r#continue);
        }
    }

    /// A report of this name, whoever made it; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn get(&self, namespace: &str, name: &str) -> Result<Option<Found>, Failure> {
        let path = format!("{}/{name}", REPORTS.path(Some(namespace)));
        let request = Request::get(path).header(ACCEPT, METADATA).body(Vec::new());
        match self.ask(request.map_err(|error| Failure::One(error.to_string()))?).await {
            Ok(text) => read(&text).map(Some),
            Err(Asked::Status(404, _)) => Ok(None),
            Err(asked) => Err(asked.failure("get")),
        }
    }

    /// Applies a report: to the one with this uid, or to none.
    ///
    /// # Errors
    /// When it is not taken, or is another by now.
    pub(super) async fn apply(&self, draft: &Draft, uid: Option<&str>) -> Result<Found, Failure> {
        let Draft { namespace, name, content, body, .. } = draft;
        let mut body = body.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("annotations".into(), json!({CONTENT: hex(content)}));
            if let Some(uid) = uid {
                metadata.insert("uid".into(), uid.into());
            }
        }
        let path = REPORTS.path(Some(namespace));
        let request = Request::patch(format!("{path}/{name}?fieldManager={MANAGER}"))
            .header(CONTENT_TYPE, APPLY)
            .header(ACCEPT, METADATA)
            .body(body.to_string().into_bytes());
        match self.ask(request.map_err(|error| Failure::One(error.to_string()))?).await {
            Ok(text) => read(&text),
            Err(asked) => Err(asked.failure("patch")),
        }
    }

    /// Deletes the report with this uid. One that is gone is as good as deleted.
    ///
    /// # Errors
    /// When it may not be deleted, or the API server cannot be reached.
    pub(super) async fn delete(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), Failure> {
        let path = format!("{}/{name}", REPORTS.path(Some(namespace)));
        let options = json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid},
        });
        let request = Request::delete(path)
            .header(CONTENT_TYPE, "application/json")
            .body(options.to_string().into_bytes());
        match self.ask(request.map_err(|error| Failure::One(error.to_string()))?).await {
            Ok(_) | Err(Asked::Status(404 | 409, _)) => Ok(()),
            Err(asked) => Err(asked.failure("delete")),
        }
    }

    async fn ask(&self, request: Request<Vec<u8>>) -> Result<String, Asked> {
        match timeout(ANSWER, self.client.request_text(request)).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(match &error {
                kube::Error::Api(status) => Asked::Status(status.code, message_of(&error)),
                _ => Asked::Unreachable(message_of(&error)),
            }),
            Err(_) => Err(Asked::Unreachable("it does not answer".to_owned())),
        }
    }
}

/// What came of a request that failed.
enum Asked {
    Status(u16, String),
    Unreachable(String),
}

impl Asked {
    fn failure(self, verb: &str) -> Failure {
        match &self {
            Self::Status(409, _) => Failure::Conflict,
            Self::Status(404, _) => Failure::Missing,
            // A namespace that ends or a quota refuse one report, a missing right each.
            Self::Status(400 | 403 | 413 | 422, _) => Failure::One(self.said(verb)),
            _ => Failure::All(self.said(verb)),
        }
    }

    fn said(&self, verb: &str) -> String {
        match self {
            Self::Status(404, _) if verb == "list" => "the API server has no Reports of \
                openreports.io/v1alpha1: install their CRD, with the chart's `watch.reports.crd` or \
                from https://github.com/openreports/reports-api"
                .to_owned(),
            Self::Status(403, message) => format!(
                "not allowed to {verb} reports: {message}; it needs `{verb}` on reports.openreports.io \
                 in all namespaces, as in the chart's ClusterRole with watch.reports.enabled",
            ),
            Self::Status(_, message) => format!("cannot {verb} reports: {message}"),
            Self::Unreachable(why) => format!("cannot reach the API server: {why}"),
        }
    }
}

fn read(text: &str) -> Result<Found, Failure> {
    let object: Result<Object, _> = serde_json::from_str(text);
    let unexpected = |error| Failure::One(format!("unexpected answer about a report: {error}"));
    object.map(Found::from).map_err(unexpected)
}

fn from_hex(text: &str) -> Option<Key> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    fn found(label: &str, managed: &Value) -> Found {
        let hash = "000102030405060708090a0b0c0d0e0f";
        let object = json!({"metadata": {
            "name": "a", "namespace": "b", "uid": "c", "labels": {MANAGED_BY: label},
            "annotations": {CONTENT: hash}, "managedFields": managed,
        }});
        read(&object.to_string()).unwrap()
    }

    fn managed(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": fields})
    }

    #[test]
    fn who_made_a_report_is_told_by_its_label_and_its_fields() {
        let ours = managed(MANAGER, "Apply", &json!({"f:results": {}, "f:metadata": {}}));
        let labelled = managed("kubectl", "Update", &json!({"f:metadata": {"f:labels": {}}}));
        let edited = managed("kubectl-edit", "Update", &json!({"f:summary": {"f:fail": {}}}));
        let pretends = managed(MANAGER, "Update", &json!({"f:results": {}}));
        let of = |label, managed: &Value| found(label, managed).maker;
        assert_eq!(of(MANAGER, &json!([ours])), MadeBy::Watch);
        assert_eq!(of(MANAGER, &json!([ours, labelled])), MadeBy::Watch);
        assert_eq!(of(MANAGER, &json!([ours, edited])), MadeBy::Mixed);
        assert_eq!(of(MANAGER, &json!([pretends])), MadeBy::Mixed);
        assert_eq!(of(SOURCE, &json!([edited])), MadeBy::Mixed);
        assert_eq!(of("kyverno", &json!([ours])), MadeBy::Others);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let Found { content, .. } = found(MANAGER, &json!([]));
        let key = content.unwrap();
        assert_eq!(key.map(usize::from).as_slice(), (0..16).collect::<Vec<_>>());
        assert_eq!(from_hex(&hex(&key)), Some(key));
        for wrong in ["", "00", "0g0102030405060708090a0b0c0d0e0f", &"0".repeat(33)] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
