//! The cluster under test: installing, making namespaces and pods, looking into containers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, AttachParams, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Error};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

/// How long anything may take in a cluster of one node on two busy cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// A cluster with ironhull in it.
pub struct World {
    runtime: Runtime,
    pub client: Client,
}

/// What a container shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    pub uid: i64,
    pub gid: i64,
    pub groups: Vec<i64>,
    pub cap_eff: String,
    pub no_new_privs: i64,
    pub seccomp: i64,
    pub root_writable: bool,
    pub tmp_writable: bool,
}

/// Run in the container; every line is `NAME VALUE`.
const LOOK: &str = r#"
grep -E '^(Uid|Gid|Groups|CapEff|NoNewPrivs|Seccomp):' /proc/self/status
touch /ironhull-e2e 2>/dev/null && echo 'Root: yes' || echo 'Root: no'
touch /tmp/ironhull-e2e 2>/dev/null && echo 'Tmp: yes' || echo 'Tmp: no'
"#;

impl World {
    /// Installs ironhull by its chart, and waits until it is ready.
    pub fn install() -> &'static Self {
        let runtime = Runtime::new().expect("a runtime");
        let client = runtime.block_on(Client::try_default()).expect("KUBECONFIG names a cluster");
        let world: &'static Self = Box::leak(Box::new(Self { runtime, client }));
        let started = Instant::now();
        let image =
            std::env::var("E2E_IMAGE").unwrap_or_else(|_| "localhost/ironhull:local".into());
        let (repository, tag) = image.rsplit_once(':').expect("E2E_IMAGE has a tag");
        world.helm(&[
            "upgrade",
            "--install",
            "ironhull",
            &chart(),
            "--namespace",
            "ironhull-system",
            "--create-namespace",
            "--wait",
            "--timeout",
            "180s",
            "--set",
            &format!("image.repository={repository}"),
            "--set",
            &format!("image.tag={tag}"),
            "--set",
            "image.pullPolicy=IfNotPresent",
        ]);
        println!("installed and ready after {:.1} s", started.elapsed().as_secs_f64());
        world
    }

    /// Removes it again.
    pub fn uninstall(&self) {
        if std::env::var_os("E2E_KEEP").is_none() {
            self.helm(&["uninstall", "ironhull", "--namespace", "ironhull-system", "--wait"]);
        }
    }

    /// Runs helm; what it says is in the panic when it fails.
    pub fn helm(&self, arguments: &[&str]) -> String {
        success("helm", Command::new("helm").args(arguments).output().expect("helm is on the PATH"))
    }

    /// Runs kubectl: standard output and standard error together.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        success(
            "kubectl",
            Command::new("kubectl").args(arguments).output().expect("kubectl is on the PATH"),
        )
    }

    /// Runs kubectl with a manifest on its standard input, as it may fail.
    pub fn kubectl_with(&self, manifest: &Value, arguments: &[&str]) -> Output {
        use std::io::Write;
        let mut child = Command::new("kubectl")
            .args(arguments)
            .args(["-f", "-"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("kubectl is on the PATH");
        child.stdin.take().unwrap().write_all(manifest.to_string().as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// A new namespace with these labels; its name begins with `name`.
    pub fn namespace(&'static self, name: &str, labels: &[(&str, &str)]) -> Space {
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"generateName": format!("e2e-{name}-"), "labels": labels}
        }))
        .unwrap();
        let api: Api<Namespace> = Api::all(self.client.clone());
        let made = self.wait(api.create(&PostParams::default(), &namespace)).expect("a namespace");
        let space = Space { world: self, name: made.metadata.name.unwrap() };
        // Pods are refused until the namespace's service account is there.
        self.eventually("the default service account", || {
            let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> =
                Api::namespaced(self.client.clone(), &space.name);
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

/// A namespace of a scenario's own.
pub struct Space {
    world: &'static World,
    pub name: String,
}

impl Drop for Space {
    fn drop(&mut self) {
        let api: Api<Namespace> = Api::all(self.world.client.clone());
        let _going = self.world.wait(api.delete(&self.name, &DeleteParams::background()));
    }
}

impl Space {
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.world.client.clone(), &self.name)
    }

    /// Creates an object of any kind, as the API server answers.
    pub fn create(&self, object: &Value) -> Result<Value, Error> {
        let api = self.api(object);
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let made = self.world.wait(api.create(&PostParams::default(), &object))?;
        Ok(serde_json::to_value(made).unwrap())
    }

    /// Creates a pod that has to be accepted; its name.
    pub fn pod(&self, pod: &Value) -> String {
        let made = self.create(pod).unwrap_or_else(|error| panic!("{error}"));
        made["metadata"]["name"].as_str().unwrap().to_owned()
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let version = object["apiVersion"].as_str().unwrap();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap());
        Api::namespaced_with(self.world.client.clone(), &self.name, &ApiResource::from_gvk(&kind))
    }

    /// The pod as the API server has it.
    pub fn get(&self, name: &str) -> Value {
        serde_json::to_value(self.world.wait(self.pods().get(name)).unwrap()).unwrap()
    }

    /// The first pod with that label, as soon as there is one.
    pub fn pod_of(&self, label: &str) -> String {
        let list = kube::api::ListParams::default().labels(label);
        self.world.eventually(&format!("a pod with {label} in {}", self.name), || {
            let pods = self.world.wait(self.pods().list(&list)).ok()?;
            pods.items.first()?.metadata.name.clone()
        })
    }

    /// Changes the namespace's labels; null removes one.
    pub fn label(&self, labels: &Value) {
        let api: Api<Namespace> = Api::all(self.world.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        self.world.wait(api.patch(&self.name, &PatchParams::default(), &patch)).unwrap();
    }

    /// Waits until every container of the pod is ready.
    pub fn ready(&self, name: &str) {
        self.world.eventually(&format!("{}/{name} is ready", self.name), || {
            let pod = self.get(name);
            let conditions = pod["status"]["conditions"].as_array()?.clone();
            conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True").then_some(())
        });
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
                .find(|message| message.contains("non-root") || message.contains("non-numeric"))
                .map(str::to_owned)
        })
    }

    /// Runs a command in a container: standard output, then standard error.
    pub fn exec(&self, pod: &str, container: &str, command: &[&str]) -> String {
        let run = async {
            let parameters = AttachParams::default().container(container).stdin(false);
            let mut process = self.pods().exec(pod, command.iter().copied(), &parameters).await?;
            let mut out = String::new();
            let mut err = String::new();
            let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
            let _both =
                tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err));
            Ok::<_, Error>(out + &err)
        };
        self.world.wait(run).unwrap_or_else(|error| panic!("exec in {pod}/{container}: {error}"))
    }

    /// What the container shows of itself; printed as the scenario's evidence.
    pub fn look(&self, pod: &str, container: &str) -> Inside {
        let text = self.exec(pod, container, &["sh", "-c", LOOK]);
        let line = |name: &str| -> Vec<&str> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).split_whitespace().collect()
        };
        let number = |name: &str| line(name)[0].parse().unwrap();
        let inside = Inside {
            uid: number("Uid"),
            gid: number("Gid"),
            groups: line("Groups").iter().map(|group| group.parse().unwrap()).collect(),
            cap_eff: line("CapEff")[0].to_owned(),
            no_new_privs: number("NoNewPrivs"),
            seccomp: number("Seccomp"),
            root_writable: line("Root") == ["yes"],
            tmp_writable: line("Tmp") == ["yes"],
        };
        println!("  {}/{pod} {container}: {inside:?}", self.name);
        inside
    }
}

impl Inside {
    /// A container that has everything the default policy gives.
    pub fn hardened(uid: i64, gid: i64) -> Self {
        Self {
            uid,
            gid,
            groups: vec![gid],
            cap_eff: "0000000000000000".to_owned(),
            no_new_privs: 1,
            seccomp: 2,
            root_writable: false,
            tmp_writable: true,
        }
    }
}

fn chart() -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart");
    root.display().to_string()
}

fn success(program: &str, output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}");
    text
}
