//! A fake API server, which keeps one Secret and some webhook configurations in memory and has
//! resource versions as a real one has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::ByteString;
use kube::client::Body;
use serde_json::{Value, json};

use super::{CONFIGURATION, NAMESPACE, SECRET};
use crate::serve::managed::*;

/// A change that somebody else makes just before a certain request is answered.
pub(super) type Interference = Box<dyn FnOnce(&mut State) + Send>;

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Value>,
    pub(super) version: u64,
    pub(super) requests: Vec<String>,
    pub(super) refused: BTreeMap<String, u16>,
    pub(super) unreachable: bool,
    pub(super) before: Option<(String, Interference)>,
}

#[derive(Clone)]
pub(super) struct Fake(pub(super) Arc<Mutex<State>>);

impl Fake {
    pub(super) fn new() -> Self {
        let mut state = State::default();
        state.put(SECRET, json!({"metadata": {"name": SECRET, "namespace": NAMESPACE}}));
        let webhook = |name: &str| {
            let service = json!({"name": "ironhull", "namespace": NAMESPACE, "path": "/enforce"});
            json!({"name": name, "clientConfig": {"service": service}, "sideEffects": "None",
                   "admissionReviewVersions": ["v1"], "fromTheFuture": {"kept": true}})
        };
        state.put(
            CONFIGURATION,
            json!({
                "metadata": {"name": CONFIGURATION},
                "webhooks": [webhook("enforce.ironhull.dev"), webhook("audit.ironhull.dev")],
            }),
        );
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn client(&self) -> Client {
        let state = Arc::clone(&self.0);
        let service = tower::service_fn(move |request: Request<Body>| {
            let state = Arc::clone(&state);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                // Let the other tasks run, as on a network.
                tokio::task::yield_now().await;
                let answer = state.lock().unwrap().answer(&head, &body);
                let (status, value) = answer.ok_or("connection refused")?;
                let response = Response::builder().status(status);
                let response = response.header("content-type", "application/json");
                Ok::<_, tower::BoxError>(response.body(Body::from(value.to_string().into_bytes()))?)
            }
        });
        Client::new(service, NAMESPACE)
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub(super) fn bundles(&self) -> Vec<String> {
        self.with(|state| state.bundles())
    }

    pub(super) fn secret(&self) -> BTreeMap<String, ByteString> {
        self.with(|state| {
            let data = &state.objects[SECRET]["data"];
            serde_json::from_value(data.clone()).unwrap_or_default()
        })
    }

    pub(super) fn text(&self, key: &str) -> String {
        String::from_utf8(self.secret()[key].0.clone()).unwrap()
    }

    pub(super) fn put_material(&self, material: &Material) {
        self.with(|state| state.put_material(material));
    }

    /// The requests received since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.requests))
    }
}

impl State {
    pub(super) fn put(&mut self, name: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(name.to_owned(), object);
    }

    pub(super) fn change(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.objects[name].clone();
        change(&mut object);
        self.put(name, object);
    }

    pub(super) fn put_material(&mut self, material: &Material) {
        let data = json!(material.data());
        self.change(SECRET, |secret| secret["data"] = data);
    }

    pub(super) fn put_bundle(&mut self, bundle: &str) {
        let bundle = json!(STANDARD.encode(bundle));
        self.change(CONFIGURATION, |configuration| {
            for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"]["caBundle"] = bundle.clone();
            }
        });
    }

    pub(super) fn bundles(&self) -> Vec<String> {
        let webhooks = self.objects[CONFIGURATION]["webhooks"].as_array().unwrap();
        let bundle = |webhook: &Value| {
            let bundle = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            String::from_utf8(STANDARD.decode(bundle).unwrap()).unwrap()
        };
        webhooks.iter().map(bundle).collect()
    }

    pub(super) fn answer(
        &mut self,
        head: &http::request::Parts,
        body: &[u8],
    ) -> Option<(StatusCode, Value)> {
        let path = head.uri.path();
        let kind = if path.starts_with("/api/v1/namespaces/ironhull-system/secrets/") {
            "secret"
        } else if path
            .starts_with("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/")
        {
            "configuration"
        } else {
            panic!("a request for {path}");
        };
        let verb = match head.method {
            Method::GET => "get",
            Method::PATCH => "patch",
            _ => panic!("a {} of {path}", head.method),
        };
        let request = format!("{verb} {kind}");
        if self.before.as_ref().is_some_and(|(which, _)| *which == request) {
            let (_, interference) = self.before.take().unwrap();
            interference(self);
        }
        self.requests.push(request.clone());
        if self.unreachable {
            return None;
        }
        if let Some(code) = self.refused.get(&request) {
            return Some(status(*code, "User \"system:serviceaccount:x\" cannot do this"));
        }
        let name = path.rsplit('/').next().unwrap();
        let Some(object) = self.objects.get(name) else {
            return Some(status(404, &format!("\"{name}\" not found")));
        };
        if verb == "patch" {
            assert_eq!(head.uri.query(), Some("&fieldManager=ironhull"));
            let before = object.clone();
            let mut patched = object.clone();
            match head.headers["content-type"].to_str().unwrap() {
                "application/merge-patch+json" => {
                    json_patch::merge(&mut patched, &serde_json::from_slice(body).unwrap());
                }
                "application/json-patch+json" => {
                    let patch: json_patch::Patch = serde_json::from_slice(body).unwrap();
                    if let Err(error) = json_patch::patch(&mut patched, &patch) {
                        self.requests.push("misfit".to_owned());
                        return Some(status(422, &error.to_string()));
                    }
                }
                other => panic!("{other}"),
            }
            if patched["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"] {
                self.requests.push("conflict".to_owned());
                return Some(status(409, "the object has been modified"));
            }
            self.put(name, patched);
        }
        Some((StatusCode::OK, self.objects[name].clone()))
    }
}

pub(super) fn status(code: u16, message: &str) -> (StatusCode, Value) {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": code,
                        "status": "Failure", "reason": reason, "message": message});
    (StatusCode::from_u16(code).unwrap(), status)
}
