//! The API server's answers about Reports of openreports.io: metadata alone, as the watch asks for it.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use super::Api;
use super::answers::{status, whole};

/// The Reports, and what was asked of them.
#[derive(Default)]
pub struct Reported {
    /// By path.
    all: BTreeMap<String, Value>,
    /// What every request gets instead: a status and a message.
    refused: Option<(u16, &'static str)>,
    calls: Writes,
}

/// What was asked that is no reading.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    /// When each Report was applied.
    pub applied: Vec<Instant>,
    pub deleted: usize,
    /// Bytes of all that was applied.
    pub bytes: usize,
}

impl Reported {
    pub fn takes(path: &str) -> bool {
        path.starts_with("/apis/openreports.io/v1alpha1/")
    }
}

/// Path of a Report.
fn path(namespace: &str, name: &str) -> String {
    format!("/apis/openreports.io/v1alpha1/namespaces/{namespace}/reports/{name}")
}

impl Api {
    /// Refuses every request about Reports, or none any longer.
    pub fn refuse_reports(&self, how: Option<(u16, &'static str)>) {
        self.lock().reported.refused = how;
    }

    /// Puts a Report that somebody else has made.
    pub fn put_report(&self, namespace: &str, name: &str, report: Value) {
        self.lock().reported.all.insert(path(namespace, name), report);
    }

    pub fn writes(&self) -> Writes {
        self.lock().reported.calls.clone()
    }

    pub fn reports(&self) -> Vec<Value> {
        self.lock().reported.all.values().cloned().collect()
    }

    pub(super) fn of_report(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        out: &mut TcpStream,
    ) -> std::io::Result<()> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut store = self.lock();
        if let Some((code, message)) = store.reported.refused {
            drop(store);
            return status(out, code, message);
        }
        store.version += 1;
        let version = store.version;
        let reports = &mut store.reported;
        let metadata = |report: &Value| {
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                   "metadata": report["metadata"]})
        };
        let answer = match method {
            "GET" if path.ends_with("/reports") => {
                assert!(
                    query.contains("labelSelector=app.kubernetes.io%2Fmanaged-by%3Dironhull-watch"),
                    "{query}"
                );
                let ours = |report: &&Value| {
                    let label = &report["metadata"]["labels"]["app.kubernetes.io/managed-by"];
                    label == "ironhull-watch"
                };
                let items: Vec<Value> = reports.all.values().filter(ours).map(metadata).collect();
                Ok(json!({"metadata": {}, "items": items}))
            }
            "GET" => reports.all.get(path).map(metadata).ok_or((404, "there is none")),
            "PATCH" => {
                assert_eq!(query, "fieldManager=ironhull-watch", "nothing is forced");
                let mut new: Value = serde_json::from_slice(body).unwrap();
                let held = reports.all.get(path).map(|held| held["metadata"]["uid"].clone());
                let wanted = new["metadata"].get("uid").cloned();
                if held == wanted {
                    new["metadata"]["uid"] = held.unwrap_or_else(|| format!("r-{version}").into());
                    new["metadata"]["managedFields"] = json!([{"manager": "ironhull-watch",
                        "operation": "Apply", "fieldsV1": {"f:results": {}, "f:summary": {}}}]);
                    reports.calls.applied.push(Instant::now());
                    reports.calls.bytes += body.len();
                    let answer = metadata(&new);
                    reports.all.insert(path.to_owned(), new);
                    Ok(answer)
                } else {
                    Err((409, "it is another"))
                }
            }
            "DELETE" => {
                let options: Value = serde_json::from_slice(body).unwrap();
                match reports.all.get(path) {
                    None => Err((404, "there is none")),
                    Some(held) if held["metadata"]["uid"] != options["preconditions"]["uid"] => {
                        Err((409, "it is another"))
                    }
                    Some(_) => {
                        reports.all.remove(path);
                        reports.calls.deleted += 1;
                        Ok(json!({"kind": "Status", "status": "Success"}))
                    }
                }
            }
            other => panic!("{other} {path}"),
        };
        drop(store);
        match answer {
            Ok(answer) => whole(out, 200, &answer.to_string()),
            Err((code, message)) => status(out, code, message),
        }
    }
}
