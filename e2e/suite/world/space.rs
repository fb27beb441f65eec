//! A namespace of a scenario's own, and what is in it.

use std::cell::RefCell;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::Error;
use kube::api::{
    Api, AttachParams, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams,
    PostParams,
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::inside::{Inside, LOOK};
use super::{World, resource, say};
use crate::pods::auditor;

/// How often a command is run again that could not be.
const EXEC_AGAIN: usize = 3;

/// A namespace of a scenario's own.
pub struct Space {
    pub(super) world: &'static World,
    pub name: String,
    /// What is in no namespace and goes with this one.
    owned: RefCell<Vec<Value>>,
}

impl Drop for Space {
    fn drop(&mut self) {
        for object in self.owned.take() {
            let api: Api<DynamicObject> =
                Api::all_with(self.world.client.clone(), &resource(&object));
            let name = object["metadata"]["name"].as_str().unwrap();
            let _going = self.world.wait(api.delete(name, &DeleteParams::background()));
        }
        let api: Api<Namespace> = Api::all(self.world.client.clone());
        let _going = self.world.wait(api.delete(&self.name, &DeleteParams::background()));
    }
}

impl Space {
    pub const fn new(world: &'static World, name: String) -> Self {
        Self { world, name, owned: RefCell::new(Vec::new()) }
    }

    /// Creates an object that is in no namespace, for as long as this namespace is there.
    pub fn create_beside(&self, object: &Value) {
        let api: Api<DynamicObject> = Api::all_with(self.world.client.clone(), &resource(object));
        let made = serde_json::from_value(object.clone()).unwrap();
        self.world.wait(api.create(&PostParams::default(), &made)).unwrap();
        self.owned.borrow_mut().push(object.clone());
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.world.client.clone(), &self.name)
    }

    /// Creates an object of any kind, as the API server answers.
    pub fn create(&self, object: &Value) -> Result<Value, Error> {
        let create = || self.create_with(object, &PostParams::default());
        match create() {
            // The answer was lost: whether it is there, the second attempt tells.
            Err(Error::Service(_) | Error::HyperError(_)) => match (create(), named(object)) {
                (Err(Error::Api(status)), Some(name)) if status.code == 409 => {
                    let made = self.world.wait(self.api(object).get(name))?;
                    Ok(serde_json::to_value(made).unwrap())
                }
                (answer, _) => answer,
            },
            answer => answer,
        }
    }

    /// The object as it would be created.
    pub fn dry_run(&self, object: &Value) -> Result<Value, Error> {
        self.create_with(object, &PostParams { dry_run: true, ..PostParams::default() })
    }

    fn create_with(&self, object: &Value, parameters: &PostParams) -> Result<Value, Error> {
        let api = self.api(object);
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let made = match parameters.dry_run {
            true => self.world.read(|| api.create(parameters, &object))?,
            false => self.world.wait(api.create(parameters, &object))?,
        };
        Ok(serde_json::to_value(made).unwrap())
    }

    /// Creates a pod that has to be accepted; its name.
    pub fn pod(&self, pod: &Value) -> String {
        let made = self.create(pod).unwrap_or_else(|error| panic!("{error}"));
        made["metadata"]["name"].as_str().unwrap().to_owned()
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        Api::namespaced_with(self.world.client.clone(), &self.name, &resource(object))
    }

    /// Deletes a pod.
    pub fn delete(&self, name: &str) {
        self.world.wait(self.pods().delete(name, &DeleteParams::default())).unwrap();
    }

    /// The pod as the API server has it; null where there is none.
    pub fn get(&self, name: &str) -> Value {
        let pods = self.pods();
        serde_json::to_value(self.world.read(|| pods.get_opt(name)).unwrap()).unwrap()
    }

    /// An object of any kind as the API server has it.
    pub fn object(&self, api_version: &str, kind: &str, name: &str) -> Value {
        let api = self.api(&json!({"apiVersion": api_version, "kind": kind}));
        serde_json::to_value(self.world.read(|| api.get(name)).unwrap()).unwrap()
    }

    /// The first pod with that label that is to stay, as soon as there is one.
    pub fn pod_of(&self, label: &str) -> String {
        let list = ListParams::default().labels(label);
        self.world.eventually(&format!("a pod with {label} in {}", self.name), || {
            let pods = self.world.wait(self.pods().list(&list)).ok()?;
            let mut pods = pods.items.into_iter().map(|pod| pod.metadata);
            pods.find(|pod| pod.deletion_timestamp.is_none())?.name
        })
    }

    /// A kubeconfig of a service account in the namespace.
    pub fn kubeconfig_of(&self, account: &str) -> tempfile::NamedTempFile {
        let token = self.world.kubectl(&["create", "token", account, "-n", &self.name]);
        let config = self.world.kubectl(&["config", "view", "--raw", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&config).unwrap();
        for user in config["users"].as_array_mut().unwrap() {
            user["user"] = json!({"token": token.trim()});
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config.to_string()).unwrap();
        file
    }

    /// Changes the namespace's labels; null removes one.
    pub fn label(&self, labels: &Value) {
        let api: Api<Namespace> = Api::all(self.world.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        let parameters = PatchParams::default();
        self.world.read(|| api.patch(&self.name, &parameters, &patch)).unwrap();
    }

    /// Opts in to be hardened. The API server knows labels from a cache, a moment later: it
    /// is waited for.
    pub fn opt_in(&self) {
        self.label(&json!({"ironhull.dev/harden": "enforce"}));
        self.until_pods_are_hardened(true);
    }

    /// Opts out again, and waits likewise.
    pub fn opt_out(&self) {
        self.label(&json!({"ironhull.dev/harden": null}));
        self.until_pods_are_hardened(false);
    }

    /// Waits until the API server has pods hardened here, or left as they are.
    pub fn until_pods_are_hardened(&self, hardened: bool) {
        let written = auditor("seen");
        let context = "/spec/securityContext";
        self.world.eventually("the API server has seen the label", || {
            let pod = self.dry_run(&written).ok()?;
            ((pod.pointer(context) != written.pointer(context)) == hardened).then_some(())
        });
    }

    /// Waits until every container of the pod is ready.
    pub fn ready(&self, name: &str) {
        self.world.eventually(&format!("{}/{name} is ready", self.name), || {
            let pod = self.get(name);
            let conditions = pod["status"]["conditions"].as_array()?.clone();
            conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True").then_some(())
        });
    }

    /// Waits until the pod runs, or has run.
    pub fn started(&self, name: &str) {
        self.world.eventually(&format!("{}/{name} has started", self.name), || {
            let pod = self.get(name);
            let phase = pod["status"]["phase"].as_str()?;
            matches!(phase, "Running" | "Succeeded" | "Failed").then_some(())
        });
    }

    /// Waits until the pod has done what it is for.
    pub fn succeeded(&self, name: &str) {
        self.world.eventually(&format!("{}/{name} has succeeded", self.name), || {
            (self.get(name)["status"]["phase"] == "Succeeded").then_some(())
        });
    }

    /// Waits until the pod has ended as it should not.
    pub fn failed(&self, name: &str) {
        self.world.eventually(&format!("{}/{name} has failed", self.name), || {
            (self.get(name)["status"]["phase"] == "Failed").then_some(())
        });
    }

    /// What a container has printed.
    pub fn log(&self, pod: &str, container: &str) -> String {
        self.try_log(pod, container)
            .unwrap_or_else(|error| panic!("log of {pod}/{container}: {error}"))
    }

    /// The same, where the container may not have been started yet.
    pub fn try_log(&self, pod: &str, container: &str) -> Result<String, Error> {
        let parameters =
            LogParams { container: Some(container.to_owned()), ..LogParams::default() };
        let pods = self.pods();
        self.world.read(|| pods.logs(pod, &parameters))
    }

    /// Puts a debug container beside the others; as the API server answers. Where the kubelet has
    /// written the pod's status meanwhile, again.
    pub fn debug(&self, name: &str, container: &Value) -> Result<(), Error> {
        let path = format!("/api/v1/namespaces/{}/pods/{name}/ephemeralcontainers", self.name);
        self.world.eventually(&format!("{name} stands still to be debugged"), || {
            let mut pod = self.get(name);
            add_debugger(&mut pod, container);
            let request = http::Request::put(&path).header("content-type", "application/json");
            let request = request.body(pod.to_string().into_bytes()).unwrap();
            match self.world.wait(self.world.client.request::<Value>(request)) {
                Err(Error::Api(status)) if status.code == 409 => None,
                answer => Some(answer.map(|_| ())),
            }
        })
    }

    /// Waits until a container waits for ever, and gives the kubelet's message.
    pub fn refused_by_kubelet(&self, name: &str) -> String {
        self.world.eventually(&format!("{}/{name} cannot start", self.name), || {
            let pod = self.get(name);
            let status = &pod["status"];
            let lists = [&status["initContainerStatuses"], &status["containerStatuses"]];
            let waiting = lists.into_iter().filter_map(Value::as_array).flatten();
            waiting
                .filter_map(|container| container["state"]["waiting"]["message"].as_str())
                .find(|message| message.contains("runAsNonRoot") || message.contains("non-root"))
                .map(str::to_owned)
        })
    }

    /// Waits until the kubelet has failed to make the pod's sandbox, and gives its message.
    pub fn no_sandbox(&self, name: &str) -> String {
        self.world.eventually(&format!("{}/{name} gets no sandbox", self.name), || {
            self.why_no_sandbox(name)
        })
    }

    /// The kubelet's message, if it has failed to make the pod's sandbox.
    pub fn why_no_sandbox(&self, name: &str) -> Option<String> {
        let api: Api<Event> = Api::namespaced(self.world.client.clone(), &self.name);
        let about = format!("involvedObject.name={name},reason=FailedCreatePodSandBox");
        let events = self.world.wait(api.list(&ListParams::default().fields(&about))).ok()?;
        events.items.into_iter().filter_map(|event| event.message).find(|it| !is_passing(it))
    }

    /// What the API server's audit log has of the creation of this pod.
    pub fn audit_event(&self, pod: &str) -> Value {
        self.world.eventually("the audit log", || creation(&self.name, pod))
    }

    /// The kubelet's message, if it has failed to start a container.
    pub fn why_not_started(&self, pod: &str, container: &str) -> Option<String> {
        let api: Api<Event> = Api::namespaced(self.world.client.clone(), &self.name);
        let about = format!(
            "involvedObject.name={pod},involvedObject.fieldPath=spec.containers{{{container}}},\
             reason=Failed"
        );
        let events = self.world.wait(api.list(&ListParams::default().fields(&about))).ok()?;
        events.items.into_iter().filter_map(|event| event.message).find(|it| !is_passing(it))
    }

    /// Runs a command in a container: standard output, then standard error.
    pub fn exec(&self, pod: &str, container: &str, command: &[&str]) -> String {
        let mut answer = self.try_exec(pod, container, command);
        // The API server or the kubelet may be too busy to begin.
        for _ in 0..EXEC_AGAIN {
            if answer.is_err() {
                std::thread::sleep(Duration::from_secs(1));
                answer = self.try_exec(pod, container, command);
            }
        }
        answer.unwrap_or_else(|error| panic!("exec in {pod}/{container}: {error}"))
    }

    /// The same, where the container may not run. Half of an answer is none.
    pub fn try_exec(&self, pod: &str, container: &str, command: &[&str]) -> Result<String, Error> {
        let run = async {
            let parameters = AttachParams::default().container(container).stdin(false);
            let mut process = self.pods().exec(pod, command.iter().copied(), &parameters).await?;
            let status = process.take_status().unwrap();
            let mut out = String::new();
            let mut err = String::new();
            let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
            let _both =
                tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err));
            let broken = || Error::Service("it broke before the command had ended".into());
            status.await.map(|_| out + &err).ok_or_else(broken)
        };
        self.world.wait(run)
    }

    /// What the container shows of itself; printed as the scenario's evidence.
    pub fn look(&self, pod: &str, container: &str) -> Inside {
        let text = self.exec(pod, container, &["sh", "-c", LOOK]);
        let inside = Inside::parse(&text);
        say(format!("{}/{pod} {container}: {inside:?}", self.name));
        inside
    }
}

/// Puts a debug container into a pod, beside those that are there.
pub fn add_debugger(pod: &mut Value, container: &Value) {
    match &mut pod["spec"]["ephemeralContainers"] {
        Value::Array(list) => list.push(container.clone()),
        none => *none = json!([container]),
    }
}

/// The name of an object that has one of its own.
fn named(object: &Value) -> Option<&str> {
    object["metadata"]["name"].as_str()
}

/// Whether the kubelet says that something took too long, and tries again by itself.
pub fn is_passing(message: &str) -> bool {
    const PASSING: [&str; 4] =
        ["deadline exceeded", "DeadlineExceeded", "is reserved for", "timed out waiting for"];
    PASSING.iter().any(|words| message.contains(words))
}

/// The creation of a pod whose name is not generated, in the API server's audit log.
fn creation(namespace: &str, pod: &str) -> Option<Value> {
    let log = std::env::var("CLUSTER_AUDIT_LOG").expect("a scenario that says it needs it");
    let text = std::fs::read_to_string(log).expect("the audit log");
    let of_namespace = format!("\"namespace\":\"{namespace}\"");
    text.lines()
        .filter(|line| line.contains(&of_namespace))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|event| {
            let object = &event["objectRef"];
            event["verb"] == "create"
                && object["resource"] == "pods"
                && object["subresource"].is_null()
                && object["name"] == pod
        })
}
