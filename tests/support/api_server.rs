//! An API server as far as ironhull asks one: lists in pages, single objects, logs, events, and
//! what goes wrong with them. It serves the objects of a file on a loopback port.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[path = "head.rs"]
mod head;

use head::{head, target};
use serde::Deserialize;
use serde_json::{Value, json};

/// The kinds that are served: what comes before the resource in their paths, the resource.
const KINDS: &[(&str, &str, &str)] = &[
    ("Namespace", "/api/v1", "namespaces"),
    ("Pod", "/api/v1", "pods"),
    ("ConfigMap", "/api/v1", "configmaps"),
    ("Event", "/api/v1", "events"),
    ("ReplicationController", "/api/v1", "replicationcontrollers"),
    ("Deployment", "/apis/apps/v1", "deployments"),
    ("StatefulSet", "/apis/apps/v1", "statefulsets"),
    ("DaemonSet", "/apis/apps/v1", "daemonsets"),
    ("ReplicaSet", "/apis/apps/v1", "replicasets"),
    ("Job", "/apis/batch/v1", "jobs"),
    ("CronJob", "/apis/batch/v1", "cronjobs"),
    ("Rollout", "/apis/argoproj.io/v1alpha1", "rollouts"),
    ("RayCluster", "/apis/ray.io/v1", "rayclusters"),
    ("Widget", "/apis/example.com/v1", "widgets"),
];

/// What goes wrong, and what is served besides objects.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many objects a page has at most, whatever was asked for.
    pub page: usize,
    /// Nobody is known here.
    pub unauthorized: bool,
    /// What may not be read: `RESOURCE`, `RESOURCE@NAMESPACE`, or `RESOURCE@*` for that of
    /// all namespaces at once.
    pub forbidden: Vec<String>,
    /// The list of this resource is gone (410) when its second page is asked for.
    pub expired: Option<String>,
    /// Whether that can be resumed.
    pub resumable: bool,
    /// So many requests for a resource fail.
    pub failing: Vec<Failing>,
    /// What is answered with no JSON.
    pub unreadable: Vec<String>,
    /// Logs by `NAMESPACE/POD/CONTAINER`, with `/previous` for that of the one before.
    pub logs: BTreeMap<String, String>,
    /// What `/version` answers; nothing is there if it is empty.
    pub version: String,
    /// API groups that are installed besides Kubernetes' own.
    pub installed: Vec<String>,
}

/// Requests that fail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    /// The resource.
    pub resource: String,
    /// With which status.
    pub status: u16,
    /// How often, from the first on.
    pub times: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page: 500,
            unauthorized: false,
            forbidden: Vec::new(),
            expired: None,
            resumable: true,
            failing: Vec::new(),
            unreadable: Vec::new(),
            logs: BTreeMap::new(),
            version: String::new(),
            installed: Vec::new(),
        }
    }
}

/// A server that runs until the test ends.
pub struct ApiServer {
    /// Where it listens.
    pub address: SocketAddr,
}

impl ApiServer {
    /// Serves these objects, whose references to their owners may be short: `kind` and
    /// `name` are enough.
    pub fn start(objects: Vec<Value>, settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let objects = objects.into_iter().map(stored).collect();
        let state = State { objects, settings, asked: Mutex::default() };
        let state = Arc::new(state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { address }
    }
}

/// An object as the API server keeps it: with uids.
fn stored(mut object: Value) -> Value {
    let uid = |kind: &Value, namespace: &Value, name: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
        format!("{}-{}-{}", text(kind), text(namespace), text(name))
    };
    let namespace = object["metadata"]["namespace"].clone();
    if object["metadata"]["uid"].is_null() {
        let own = uid(&object["kind"], &namespace, &object["metadata"]["name"]);
        object["metadata"]["uid"] = own.into();
    }
    let owners = object["metadata"].get_mut("ownerReferences").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        let built_in = KINDS.iter().find(|(kind, ..)| owner["kind"] == *kind);
        let version = built_in.map_or("example.com/v1", |(_, api, _)| version(api));
        let defaults = [
            ("apiVersion", json!(version)),
            ("controller", json!(true)),
            ("uid", json!(uid(&owner["kind"], &namespace, &owner["name"]))),
        ];
        let missing = |(key, _): &(&str, Value)| owner[*key].is_null();
        let missing: Vec<_> = defaults.into_iter().filter(missing).collect();
        missing.into_iter().for_each(|(key, value)| owner[key] = value);
    }
    object
}

/// The `apiVersion` below a path.
fn version(api: &str) -> &str {
    api.trim_start_matches("/apis/").trim_start_matches("/api/")
}

struct State {
    objects: Vec<Value>,
    settings: Settings,
    /// How often each resource was asked for, and how often its further pages were.
    asked: Mutex<BTreeMap<String, (usize, usize)>>,
}

/// What is asked for.
struct Asked<'r> {
    api: &'r str,
    resource: &'r str,
    namespace: Option<&'r str>,
    name: Option<&'r str>,
    below: Option<&'r str>,
    query: BTreeMap<String, String>,
    metadata_only: bool,
}

/// A status, and a text.
type Answer = (u16, String);

impl State {
    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while let Some(head) = head(&mut reader) {
            let accept = head.iter().find(|line| line.to_lowercase().starts_with("accept:"));
            let metadata_only = accept.is_some_and(|line| line.contains("PartialObjectMetadata"));
            let (status, text) = self.answer(target(&head), metadata_only);
            let _gone = write!(
                writer,
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
                text.len(),
            );
        }
    }

    fn answer(&self, target: &str, metadata_only: bool) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = query.map(|(key, value)| (key.to_owned(), decoded(value))).collect();
        let parts: Vec<&str> = self.settings.version.split('.').collect();
        if let ("/version", [major, minor, _]) = (path, &parts[..]) {
            let git = format!("v{}", self.settings.version);
            let version = json!({"major": major, "minor": minor, "gitVersion": git});
            return (200, version.to_string());
        }
        let Some(asked) = Asked::of(path, query, metadata_only) else {
            return match self.discovery(path) {
                Some(served) => (200, served.to_string()),
                None => status(404, "NotFound", "the server could not find the requested resource"),
            };
        };
        let Settings { unauthorized, failing, unreadable, .. } = &self.settings;
        if *unauthorized {
            return status(401, "Unauthorized", "Unauthorized");
        }
        if let Some(answer) = self.forbidden(&asked) {
            return answer;
        }
        let again = asked.query.contains_key("continue");
        let (count, pages) = {
            let mut all = self.asked.lock().unwrap();
            let entry = all.entry(asked.resource.to_owned()).or_default();
            entry.0 += 1;
            entry.1 += usize::from(again);
            *entry
        };
        let failing = failing.iter().find(|one| one.resource == asked.resource);
        if let Some(Failing { status: code, .. }) = failing.filter(|one| count <= one.times) {
            return status(*code, "Busy", "the server is busy");
        }
        if unreadable.iter().any(|resource| resource == asked.resource) {
            return (200, "<html><body>Sign in</body></html>".to_owned());
        }
        if asked.below == Some("log") {
            return self.log(&asked);
        }
        match asked.name {
            Some(name) => self.one(&asked, name),
            None => self.list(&asked, again && pages == 1),
        }
    }

    /// The installed groups, or the resource of one.
    fn discovery(&self, path: &str) -> Option<Value> {
        let group = |api: &str| version(api).split('/').next().unwrap().to_owned();
        let mut installed =
            KINDS.iter().filter(|(_, api, _)| self.settings.installed.contains(&group(api)));
        if path == "/apis" {
            let preferred = |api| json!({"groupVersion": version(api)});
            let served = |api| json!({"name": group(api), "preferredVersion": preferred(api)});
            return Some(json!({"groups": installed.map(|it| served(it.1)).collect::<Vec<_>>()}));
        }
        let (kind, _, name) = installed.find(|(_, api, _)| *api == path)?;
        let served = json!({"name": name, "kind": kind, "namespaced": true, "verbs": ["list"]});
        Some(json!({"resources": [served]}))
    }

    fn forbidden(&self, asked: &Asked<'_>) -> Option<Answer> {
        let Asked { api, resource, namespace, name, .. } = asked;
        let resource = &match asked.below {
            Some(below) => format!("{resource}/{below}"),
            None => (*resource).to_owned(),
        };
        let here = format!("{resource}@{}", namespace.unwrap_or("*"));
        let forbidden = self.settings.forbidden.iter();
        forbidden.into_iter().find(|one| *one == resource || **one == here)?;
        let place = match namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let verb = if name.is_some() { "get" } else { "list" };
        let what = name.map_or(String::new(), |name| format!(" \"{name}\""));
        let group = api.split('/').nth(2).filter(|_| api.starts_with("/apis")).unwrap_or_default();
        let message = format!(
            "{}{what} is forbidden: User \"dev\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}",
            asked.resource
        );
        Some(status(403, "Forbidden", &message))
    }

    fn found<'s>(&'s self, asked: &'s Asked<'_>) -> impl Iterator<Item = &'s Value> {
        let kind = KINDS.iter().find(|(_, api, resource)| (*api, *resource) == asked.place());
        self.objects.iter().filter(move |object| {
            let metadata = &object["metadata"];
            kind.is_some_and(|(kind, ..)| object["kind"] == *kind)
                && asked.namespace.is_none_or(|namespace| metadata["namespace"] == namespace)
                && asked.name.is_none_or(|name| metadata["name"] == name)
                && asked.query.get("labelSelector").is_none_or(|s| selects(s, &metadata["labels"]))
                && asked.query.get("fieldSelector").is_none_or(|s| selects_field(s, object))
        })
    }

    fn one(&self, asked: &Asked<'_>, name: &str) -> Answer {
        match self.found(asked).next() {
            Some(object) => (200, object.to_string()),
            None => status(404, "NotFound", &format!("{} \"{name}\" not found", asked.resource)),
        }
    }

    fn list(&self, asked: &Asked<'_>, first_continued: bool) -> Answer {
        let token = asked.query.get("continue");
        let start: usize =
            token.map_or(0, |token| token.rsplit('.').next().unwrap().parse().unwrap());
        if first_continued && self.settings.expired.as_deref() == Some(asked.resource) {
            let message =
                "The provided continue parameter is too old to display a consistent list result.";
            let (code, text) = status(410, "Expired", message);
            let mut text: Value = serde_json::from_str(&text).unwrap();
            if self.settings.resumable {
                text["metadata"]["continue"] = format!("fresh.{start}").into();
            }
            return (code, text.to_string());
        }
        let limit = asked.query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        let all: Vec<&Value> = self.found(asked).collect();
        let end = all.len().min(start + limit.min(self.settings.page));
        let items: Vec<Value> = all[start..end]
            .iter()
            .map(|object| match asked.metadata_only {
                true => json!({"metadata": object["metadata"]}),
                false => {
                    // As in lists of the API server, items do not say their kind.
                    let mut object = (*object).clone();
                    let map = object.as_object_mut().unwrap();
                    map.shift_remove("kind");
                    map.shift_remove("apiVersion");
                    object
                }
            })
            .collect();
        let mut list =
            json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}});
        if end < all.len() {
            list["metadata"]["continue"] = format!("list.{end}").into();
            // The API server does not count where a selector is given.
            if !asked.query.contains_key("labelSelector") {
                list["metadata"]["remainingItemCount"] = (all.len() - end).into();
            }
        }
        // An empty list of some servers is null.
        list["items"] = if items.is_empty() { Value::Null } else { items.into() };
        (200, list.to_string())
    }

    fn log(&self, asked: &Asked<'_>) -> Answer {
        let container = asked.query.get("container").unwrap();
        let mut key = format!("{}/{}/{container}", asked.namespace.unwrap(), asked.name.unwrap());
        if asked.query.get("previous").is_some_and(|previous| previous == "true") {
            key += "/previous";
        }
        match self.settings.logs.get(&key) {
            Some(log) => (200, log.clone()),
            None => status(400, "BadRequest", "previous terminated container not found"),
        }
    }
}

impl<'r> Asked<'r> {
    fn of(path: &'r str, query: BTreeMap<String, String>, metadata_only: bool) -> Option<Self> {
        let apis = KINDS.iter().map(|(_, api, _)| *api);
        let api = apis.into_iter().find(|api| path.starts_with(&format!("{api}/")))?;
        let mut parts = path[api.len()..].trim_matches('/').split('/').peekable();
        let (first, second, third) = (parts.next()?, parts.next(), parts.next());
        let (namespace, resource, name) = match (first, second, third) {
            ("namespaces", Some(namespace), Some(resource)) => {
                (Some(namespace), resource, parts.next())
            }
            (resource, name, None) => (None, resource, name),
            _ => return None,
        };
        Some(Self { api, resource, namespace, name, below: parts.next(), query, metadata_only })
    }

    fn place(&self) -> (&str, &str) {
        (self.api, self.resource)
    }
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, status.to_string())
}

/// `a=b,c!=d,e`
fn selects(selector: &str, labels: &Value) -> bool {
    selector.split(',').all(|term| match (term.split_once("!="), term.split_once('=')) {
        (Some((key, value)), _) => labels[key] != value,
        (None, Some((key, value))) => labels[key] == value.trim_start_matches('='),
        (None, None) => !labels[term].is_null(),
    })
}

/// `involvedObject.uid=…`
fn selects_field(selector: &str, object: &Value) -> bool {
    let (field, value) = selector.split_once('=').unwrap();
    object.pointer(&format!("/{}", field.replace('.', "/"))).is_some_and(|found| found == value)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
