//! The API server's answers about single pods: the pod, its log, what it belongs to, and Events.

use std::collections::BTreeMap;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::Api;
use super::answers::{status, whole};

/// What is asked of single pods.
#[derive(Default)]
pub struct Asked {
    calls: Calls,
    /// Logs, by the names of pods.
    logs: BTreeMap<String, String>,
    /// Events, by namespace and name.
    events: BTreeMap<(String, String), Value>,
    /// Whether Events may be written.
    silent: bool,
}

/// How often something was asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    pub pods: usize,
    pub logs: usize,
    pub owners: usize,
    pub events: usize,
}

impl Asked {
    /// Whether a path is that of something of a single pod.
    pub fn takes(path: &str) -> bool {
        ["/pods/", "/replicasets/", "/events"].iter().any(|part| path.contains(part))
    }
}

impl Api {
    pub fn calls(&self) -> Calls {
        self.lock().asked.calls
    }

    /// Sets the log of all pods of this name.
    pub fn log(&self, pod: &str, log: &str) {
        self.lock().asked.logs.insert(pod.to_owned(), log.to_owned());
    }

    /// Forbids Events, or allows them again.
    pub fn silence(&self, silent: bool) {
        self.lock().asked.silent = silent;
    }

    /// The Events: what each is about, and its text.
    pub fn events(&self) -> Vec<Value> {
        self.lock().asked.events.values().cloned().collect()
    }

    /// Answers for one pod.
    pub(super) fn of_one(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        out: &mut TcpStream,
    ) -> std::io::Result<()> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let mut store = self.lock();
        if path.contains("/events") {
            assert_eq!(method, "POST", "Events are only made");
            store.asked.calls.events += 1;
            if store.asked.silent {
                drop(store);
                return status(out, 403, "events is forbidden");
            }
            let event: Value = serde_json::from_slice(body).unwrap();
            let name = event["metadata"]["name"].as_str().unwrap().to_owned();
            let key = (parts[parts.len() - 2].to_owned(), name);
            if store.asked.events.contains_key(&key) {
                drop(store);
                return status(out, 409, "it exists");
            }
            store.asked.events.insert(key, event.clone());
            drop(store);
            return whole(out, 201, &event.to_string());
        }
        assert_eq!(method, "GET");
        if path.contains("/replicasets/") {
            store.asked.calls.owners += 1;
            drop(store);
            let name = parts.last().unwrap().rsplit_once('-').unwrap().0;
            let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name,
                "uid": format!("uid-of-{name}"), "controller": true});
            let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": {"name": parts.last(), "uid": format!("rs-{name}"),
                    "ownerReferences": [owner]}});
            return whole(out, 200, &object.to_string());
        }
        let at = parts.iter().position(|part| *part == "pods").unwrap();
        let (namespace, name) = (parts[at - 1], parts[at + 1]);
        if parts.last() == Some(&"log") {
            store.asked.calls.logs += 1;
            assert!(query.contains("tailLines=40") && query.contains("limitBytes="), "{query}");
            let log = store.asked.logs.get(name).cloned();
            drop(store);
            return match log {
                Some(log) => whole(out, 200, &log),
                None => status(out, 403, "pods/log is forbidden"),
            };
        }
        store.asked.calls.pods += 1;
        let mut pods = store.objects.iter().filter(|((of, _), _)| *of == "pods");
        let is_it = |pod: &Value| {
            pod["metadata"]["name"] == name && pod["metadata"]["namespace"] == namespace
        };
        let found = pods.find(|(_, pod)| is_it(pod)).map(|(_, pod)| pod.to_string());
        drop(store);
        let number = || name.strip_prefix("web-")?.split('-').next()?.parse().ok();
        let found = found.or_else(|| {
            let (crowd, number) = (self.crowd.as_ref().as_ref()?, number()?);
            Some((crowd.pod)(number))
        });
        match found {
            Some(pod) => whole(out, 200, &pod),
            None => status(out, 404, "there is none"),
        }
    }
}
