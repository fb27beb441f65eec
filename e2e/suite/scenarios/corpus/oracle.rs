//! What the API server says, and what the engine says it must.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use http::Request;
use ironhull::admission::{Endpoint, Environment, Mode, review};
use ironhull::policy::{PolicySet, diagnostic};
use jiff::civil::Date;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::world::{BY_LABEL, World, project};

/// Requests at once: enough to keep two cores busy.
const IN_FLIGHT: usize = 12;

/// Asks the API server about one namespace, and the engine in this process.
pub struct Oracle {
    world: &'static World,
    namespace: String,
    policies: PolicySet,
    date: Date,
}

/// What became of an object that was sent.
pub struct Answer {
    pub pod: Result<Value, Refusal>,
    /// ironhull's.
    pub warnings: Vec<String>,
}

pub struct Refusal {
    pub message: String,
    /// What it has in common with others of its kind.
    pub group: String,
}

/// What a pod must become.
pub struct Expected {
    pod: Value,
    warnings: Vec<String>,
}

impl Oracle {
    pub fn new(world: &'static World, namespace: &str) -> Self {
        let sources = BY_LABEL.map(|policy| {
            let name = format!("policies/{policy}.yaml");
            let text = std::fs::read_to_string(project(&name)).unwrap();
            diagnostic::PolicyFile { name, text }
        });
        Self {
            world,
            namespace: namespace.to_owned(),
            policies: PolicySet::load(&sources, None).unwrap().0,
            date: jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        }
    }

    /// The pods as they would be created.
    pub fn dry_run(&self, pods: &[Value]) -> Vec<Answer> {
        self.create("pods?dryRun=All", pods)
    }

    /// Creates objects, many at once; the answers in the same order.
    pub fn create(&self, resource: &str, objects: &[Value]) -> Vec<Answer> {
        let uri = format!("/api/v1/namespaces/{}/{resource}", self.namespace);
        let requests = objects.iter().map(|object| send(&self.world.client, &uri, object));
        self.world.wait(futures_util::stream::iter(requests).buffered(IN_FLIGHT).collect())
    }

    /// What the webhook must make of a pod, as the API server has it unhardened.
    pub fn expected(&self, policy: &str, pod: &Value) -> Expected {
        let asked = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "corpus",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "namespace": self.namespace,
                "operation": "CREATE",
                "object": pod,
            },
        });
        let policy = BY_LABEL.contains(&policy).then_some(policy);
        let endpoint = Endpoint { mode: Mode::Enforce, policy };
        // As the chart tells a server in a cluster of this version.
        let environment = Environment { date: self.date, user_namespaces: true, seed_image: None };
        let answer =
            review(asked.to_string().as_bytes(), endpoint, &self.policies, environment).unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let response = &answer["response"];
        let mut pod = pod.clone();
        if let Some(patch) = response["patch"].as_str() {
            let patch = STANDARD.decode(patch).unwrap();
            let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
            json_patch::patch(&mut pod, &patch).unwrap();
        }
        let warnings = response["warnings"].as_array().into_iter().flatten();
        Expected {
            pod,
            warnings: warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect(),
        }
    }
}

impl Answer {
    /// Where it is not what was expected.
    pub fn differs(&self, expected: &Expected) -> Option<String> {
        let pod = match &self.pod {
            Ok(pod) => pod,
            Err(refusal) => return Some(format!("refused: {}", refusal.message)),
        };
        difference("", pod, &expected.pod).or_else(|| {
            let Expected { warnings, .. } = expected;
            (self.warnings != *warnings)
                .then(|| format!("warned {:?}, expected {warnings:?}", self.warnings))
        })
    }

    /// Whether ironhull's note on a pod that it changed is there.
    pub fn is_noted(&self) -> bool {
        let noted =
            |pod: &Value| pod["metadata"]["annotations"]["ironhull.dev/hardened"].is_string();
        self.pod.as_ref().is_ok_and(noted)
    }
}

async fn send(client: &Client, uri: &str, object: &Value) -> Answer {
    let request = || {
        let body = Body::from(serde_json::to_vec(object).unwrap());
        Request::post(uri).header("Content-Type", "application/json").body(body).unwrap()
    };
    let response = match client.send(request()).await {
        // The connection broke.
        Err(_) => client.send(request()).await.expect("the API server answers"),
        Ok(response) => response,
    };
    let warnings = response.headers().get_all("Warning").into_iter();
    let warnings = warnings.filter_map(|value| ours(&String::from_utf8_lossy(value.as_bytes())));
    let warnings = warnings.collect();
    let succeeded = response.status().is_success();
    let body = response.into_body().collect_bytes().await.expect("the API server answers");
    let value: Value = serde_json::from_slice(&body).expect("JSON");
    Answer { pod: if succeeded { Ok(value) } else { Err(Refusal::of(&value)) }, warnings }
}

/// The text of a `Warning` header (`299 - "text"`), if it is ironhull's.
fn ours(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 - \"")?.strip_suffix('"')?;
    let text = quoted.replace("\\\"", "\"").replace("\\\\", "\\");
    text.starts_with("ironhull: ").then_some(text)
}

impl Refusal {
    /// Of a `Status`.
    fn of(status: &Value) -> Self {
        let message = status["message"].as_str().unwrap_or_default().to_owned();
        let causes = status["details"]["causes"].as_array();
        let group = match causes.and_then(|causes| causes.first()) {
            // spec.containers[3].image: that of any container
            Some(cause) => {
                let field = cause["field"].as_str().unwrap_or_default();
                let field: String = field.chars().filter(|c| !c.is_ascii_digit()).collect();
                format!("{field}: {}", cause["reason"].as_str().unwrap_or_default())
            }
            None => status["reason"].as_str().unwrap_or_default().to_owned(),
        };
        Self { message, group }
    }
}

/// What is another at each creation, and what is no part of what was asked for.
const NOT_COMPARED: [&str; 5] = [
    "/metadata/name",
    "/metadata/uid",
    "/metadata/creationTimestamp",
    "/metadata/managedFields",
    "/status",
];

/// How the volume with a ServiceAccount's token is called, before five random characters.
const TOKEN: &str = "kube-api-access-";

/// The first place where two pods differ.
fn difference(at: &str, got: &Value, wanted: &Value) -> Option<String> {
    // The API server leaves empty lists out.
    let is_none = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let is_token = |value: &Value| value.as_str().is_some_and(|text| text.starts_with(TOKEN));
    if got == wanted
        || NOT_COMPARED.contains(&at)
        || (is_none(got) && is_none(wanted))
        || (is_token(got) && is_token(wanted))
    {
        return None;
    }
    match (got, wanted) {
        (Value::Object(got_map), Value::Object(wanted_map)) => {
            let keys = got_map.keys().chain(wanted_map.keys());
            keys.into_iter()
                .find_map(|key| difference(&format!("{at}/{key}"), &got[key], &wanted[key]))
        }
        (Value::Array(got), Value::Array(wanted)) if got.len() == wanted.len() => {
            let mut pairs = got.iter().zip(wanted).enumerate();
            pairs.find_map(|(i, (got, wanted))| difference(&format!("{at}/{i}"), got, wanted))
        }
        _ => Some(format!("{at} is {got}, expected {wanted}")),
    }
}
