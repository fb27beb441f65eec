//! The cluster under test: installing, and talking to it.

mod inside;
mod kubectl;
mod lag;
mod say;
mod space;
pub mod stream;
mod user_namespaces;
mod version;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub use inside::{Inside, ROOT_KEEPS};
pub use kubectl::kubectl;
pub use say::{in_scenario, say};
pub use space::{Space, add_debugger, is_passing};
pub use version::Version;

/// How long anything may take in a cluster of one node on two busy cores, on a slow day.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often something is read again that the API server was too busy to answer.
const READ_AGAIN: usize = 5;

/// Where ironhull is installed.
pub const HOME: &str = "ironhull-system";

/// The shipped policies that a namespace chooses by label; `restricted` is compiled in.
pub const BY_LABEL: [&str; 3] = ["fill-only", "warn-only", "openshift"];

/// The images that ironhull has facts of: those that no other scenario uses.
pub const FACTS: [&str; 6] =
    ["user-number", "user-name", "user-group", "user-root", "writes-its-own", "caddy-8080"];

/// Images whose entrypoints ask for more or less, described in e2e/cluster/catalogue/programs.go.
pub const PROGRAMS: [&str; 36] = [
    "root-sleeps",
    "root-talks",
    "root-gives-up-root",
    "root-must-give-up",
    "root-chowns",
    "root-chowns-or-not",
    "root-configures",
    "root-caches",
    "root-caches-or-not",
    "root-temporary",
    "root-pid-file",
    "root-home",
    "root-working-directory",
    "root-opens-home",
    "root-links",
    "root-port-80",
    "root-port-8080",
    "root-logs",
    "root-mounts",
    "own-sleeps",
    "own-temporary",
    "own-seed",
    "own-empty",
    "own-below-empty",
    "own-full",
    "own-full-or-not",
    "own-full-unwritten",
    "own-volume",
    "own-working-directory",
    "own-home",
    "own-home-full",
    "own-port-8080",
    "own-pid-file",
    "own-etc",
    "own-id",
    "own-copies",
];

/// A cluster with ironhull in it.
pub struct World {
    runtime: Runtime,
    pub client: Client,
    user_namespaces: OnceLock<bool>,
}

impl World {
    /// The cluster that `KUBECONFIG` names.
    pub fn connect() -> &'static Self {
        let runtime = Runtime::new().expect("a runtime");
        let client = runtime.block_on(Client::try_default()).expect("KUBECONFIG names a cluster");
        Box::leak(Box::new(Self { runtime, client, user_namespaces: OnceLock::new() }))
    }

    /// Installs ironhull by its chart, and waits until it is ready.
    pub fn install(&'static self) {
        let started = Instant::now();
        // The image of today below the tag of yesterday: pods that a run has left are made anew.
        let now = UNIX_EPOCH.elapsed().expect("a clock").as_secs();
        self.upgrade(&["--set-string", &format!("podAnnotations.e2e={now}")]);
        say(format!("installed and ready after {:.1} s", started.elapsed().as_secs_f64()));
        // The API server knows webhooks from a cache.
        let space = self.namespace("installed", &[("ironhull.dev/harden", "enforce")]);
        space.until_pods_are_hardened(true);
    }

    /// Installs or upgrades, with more arguments for helm.
    pub fn upgrade(&self, more: &[&str]) {
        let mut arguments = vec!["--wait".to_owned()];
        arguments.extend(["--values".to_owned(), project("e2e/suite/values.yaml")]);
        for policy in BY_LABEL {
            let file = project(&format!("policies/{policy}.yaml"));
            arguments
                .extend(["--set-file".into(), format!("policies.files.{policy}\\.yaml={file}")]);
        }
        let facts = project("target/e2e-facts.yaml");
        std::fs::write(&facts, self.facts()).expect("target/ is there");
        arguments.extend(["--set-file".into(), format!("policies.files.facts\\.yaml={facts}")]);
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        self.helm_upgrade(
            &Version::this(),
            &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        // Helm goes on while one of the old pods still answers.
        self.rolled_out("ironhull");
        self.rolled_out("ironhull-watch");
    }

    /// Installs or upgrades to a version by its chart.
    pub fn helm_upgrade(&self, version: &Version, more: &[&str]) {
        let image = format!("image.repository={},image.tag={}", version.repository, version.tag);
        let arguments = ["upgrade", "--install", "ironhull", &version.chart, "--namespace", HOME];
        let common = ["--create-namespace", "--timeout", "600s", "--set", &image];
        self.helm(&[&arguments[..], &common, more].concat());
    }

    /// The facts of [`FACTS`] and [`PROGRAMS`].
    pub fn facts(&self) -> String {
        self.facts_of(&[&FACTS[..], &PROGRAMS].concat())
    }

    /// The facts of images of the suite, read from their archives.
    pub fn facts_of(&self, images: &[&str]) -> String {
        let archive = |image: &&str| {
            format!("docker-archive:{}", project(&format!("target/cluster/images/{image}.tar")))
        };
        let mut command = ironhull();
        command.args(["image", "facts", "--no-cache"]).args(images.iter().map(archive));
        let output = command.output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "image facts: {said}");
        String::from_utf8(output.stdout).expect("YAML is text")
    }

    /// What `ironhull` answers to a command, whatever its exit status is.
    pub fn ironhull(&self, arguments: &[&str]) -> String {
        let mut command = ironhull();
        let output = command.args(arguments).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Removes it again; nothing is said where it is not there.
    pub fn uninstall(&self) {
        self.helm(&["uninstall", "ironhull", "--namespace", HOME, "--wait", "--ignore-not-found"]);
    }

    /// What each replica has come to use, after all that it was put through.
    pub fn report(&self) {
        for pod in self.replicas() {
            let metric = |name| self.metric(&pod, name);
            say(format!(
                "{pod}: {} bytes of memory, {:.2} s of processor time",
                metric("process_resident_memory_bytes"),
                metric("process_cpu_seconds_total"),
            ));
        }
    }

    /// The API server's version: major and minor.
    pub fn version(&self) -> (u32, u32) {
        let version = self.read(|| self.client.apiserver_version()).expect("its version");
        // Some providers' minor has a `+`.
        let number = |text: &str| text.trim_end_matches('+').parse().expect("a number");
        (number(&version.major), number(&version.minor))
    }

    /// What the node says of itself: versions of the kubelet, the container runtime and the kernel.
    pub fn node(&self) -> Value {
        let api: Api<Node> = Api::all(self.client.clone());
        let all = ListParams::default();
        let nodes = self.read(|| api.list(&all)).expect("nodes").items;
        let info = nodes.first().and_then(|node| node.status.as_ref()?.node_info.as_ref());
        let info = info.expect("a node says what it is");
        json!({
            "kubelet": info.kubelet_version,
            "runtime": info.container_runtime_version,
            "kernel": info.kernel_version,
        })
    }

    /// Whether the chart, left alone, has ironhull believe `hostUsers: false` here.
    pub fn trusts_user_namespaces(&self) -> bool {
        self.version() >= (1, 36)
    }

    /// ironhull's Deployment as the API server has it.
    pub fn deployment(&self) -> Value {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), HOME);
        serde_json::to_value(self.read(|| api.get("ironhull")).expect("the Deployment")).unwrap()
    }

    /// The pods of ironhull's with this name, those too that are about to end.
    pub fn pods_of(&self, name: &str) -> kube::Result<Vec<Pod>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), HOME);
        let list = ListParams::default().labels(&format!("app.kubernetes.io/name={name}"));
        Ok(self.read(|| api.list(&list))?.items)
    }

    /// The names of ironhull's pods that run.
    pub fn replicas(&self) -> Vec<String> {
        let pods = self.pods_of("ironhull").expect("ironhull's pods");
        pods.into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .filter(|pod| {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                phase == Some("Running")
            })
            .filter_map(|pod| pod.metadata.name)
            .collect()
    }

    /// What the operators' listener of a replica answers, whatever the status.
    pub fn ops(&self, pod: &str, path: &str) -> String {
        let path = format!("/api/v1/namespaces/{HOME}/pods/{pod}:8081/proxy/{path}");
        let request = || http::Request::get(&path).body(Vec::new()).unwrap();
        self.read(|| self.client.request_text(request()))
            .unwrap_or_else(|error| panic!("{pod} does not answer: {error}"))
    }

    /// A counter or gauge of a replica: its name and labels as they stand; 0 where there is
    /// none.
    pub fn metric(&self, pod: &str, name: &str) -> f64 {
        let metrics = self.ops(pod, "metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// Waits until the API server has two replicas to call.
    pub fn both_replicas_ready(&self) {
        self.has_endpoints(HOME, "ironhull", 2);
    }

    /// Waits until the Service leads to so many pods.
    pub fn has_endpoints(&self, namespace: &str, service: &str, pods: usize) {
        let list = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
        self.eventually(&format!("{namespace}/{service} leads to {pods} pods"), || {
            let slices = self.wait(api.list(&list)).ok()?;
            let endpoints = slices.items.iter().flat_map(|slice| slice.endpoints.iter().flatten());
            let ready =
                endpoints.filter(|e| e.conditions.as_ref().is_some_and(|c| c.ready == Some(true)));
            (ready.count() == pods).then_some(())
        });
    }

    /// Runs helm; what it says is in the panic when it fails.
    pub fn helm(&self, arguments: &[&str]) -> String {
        success("helm", &Command::new("helm").args(arguments).output().expect("helm is there"))
    }

    /// Runs kubectl: standard output, then standard error.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        success("kubectl", &kubectl(arguments, ""))
    }

    /// The same, with a manifest on its standard input.
    pub fn kubectl_with(&self, manifest: &Value, arguments: &[&str]) -> String {
        let arguments = [arguments, &["-f", "-"]].concat();
        success("kubectl", &kubectl(&arguments, &manifest.to_string()))
    }

    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Reads from the API server, again where the connection broke or the server was too busy: it may
    /// end one at any time, and nothing was changed. So it may be with what is the same done twice.
    pub fn read<T, F>(&self, ask: impl Fn() -> F) -> kube::Result<T>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut answer = self.wait(ask());
        for _ in 0..READ_AGAIN {
            match &answer {
                Err(kube::Error::Service(_) | kube::Error::HyperError(_)) => {}
                Err(kube::Error::Api(status)) if matches!(status.code, 429 | 503 | 504) => {}
                _ => break,
            }
            std::thread::sleep(Duration::from_secs(1));
            answer = self.wait(ask());
        }
        answer
    }

    /// Goes on beside the scenario.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime.spawn(future)
    }

    /// A new namespace with these labels; its name begins with `e2e-NAME-`.
    pub fn namespace(&'static self, name: &str, labels: &[(&str, &str)]) -> Space {
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"generateName": format!("e2e-{name}-"), "labels": labels}
        }))
        .unwrap();
        let api: Api<Namespace> = Api::all(self.client.clone());
        let create = PostParams::default();
        let made = self.read(|| api.create(&create, &namespace)).expect("a namespace");
        let space = Space::new(self, made.metadata.name.unwrap());
        // Pods are refused until the namespace's service account is there.
        self.eventually("the default service account", || {
            let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &space.name);
            self.wait(accounts.get_opt("default")).ok().flatten().map(|_| ())
        });
        space
    }

    /// Asks again and again until there is an answer.
    pub fn eventually<T>(&self, what: &str, ask: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(Instant::now() < deadline, "not after {PATIENCE:?}: {what}");
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}

/// Of which kind the object says it is.
pub fn resource(object: &Value) -> ApiResource {
    let version = object["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap());
    ApiResource::from_gvk(&kind)
}

/// ironhull's own program, on this machine.
pub fn ironhull() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ironhull"))
}

/// ironhull's image: repository and tag.
pub fn image() -> (String, String) {
    let image = std::env::var("E2E_IMAGE").unwrap_or_else(|_| "localhost/ironhull:local".into());
    let (repository, tag) = image.rsplit_once(':').expect("E2E_IMAGE has a tag");
    (repository.to_owned(), tag.to_owned())
}

/// A file of the project.
pub fn project(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    root.display().to_string()
}

/// What the program said, where it succeeded: standard output, then standard error.
fn success(program: &str, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}");
    text
}
