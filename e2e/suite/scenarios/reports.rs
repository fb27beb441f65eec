//! `ironhull watch --reports` on a real API server, with the rights of the chart's ClusterRole and no
//! others: the program runs beside the cluster, so that no other scenario has Reports.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod, workload};
use crate::world::{Space, World, ironhull, project, say};

/// A CRD in place of the chart's, such as OpenReports' own.
const OTHER_CRD: &str = "E2E_REPORTS_CRD";
const CRD: &str = "reports.openreports.io";
/// Longer than a change waits for more of its kind.
const QUIET: Duration = Duration::from_secs(10);

/// The CRD; it goes with the scenario, and every Report with it.
struct Crd(&'static World);

impl Drop for Crd {
    fn drop(&mut self) {
        let _gone =
            Command::new("kubectl").args(["delete", "crd", CRD, "--ignore-not-found"]).output();
    }
}

impl Crd {
    fn install(world: &'static World, space: &Space) -> Self {
        let file = std::env::var(OTHER_CRD)
            .unwrap_or_else(|_| project("deploy/chart/files/reports-crd.yaml"));
        say(world.kubectl(&["apply", "--server-side", "--filename", &file]).trim());
        let crd = Self(world);
        world.kubectl(&[
            "wait",
            "--for=condition=Established",
            &format!("crd/{CRD}"),
            "--timeout=300s",
        ]);
        world.serves(CRD, &space.name);
        crd
    }

    /// The Reports of a namespace, as soon as the API server has any to show.
    fn reports(&self, space: &Space) -> Vec<Value> {
        let list = self.0.kubectl(&["get", "reports", "-n", &space.name, "-o", "json"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The Report that the watch keeps of an object.
    fn report(&self, space: &Space, kind: &str, name: &str) -> Option<Value> {
        let ours = |it: &Value| {
            it["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ironhull-watch"
                && it["scope"]["kind"] == kind
                && it["scope"]["name"] == name
        };
        self.reports(space).into_iter().find(ours)
    }
}

/// `ironhull watch --reports`, as a process of this machine.
struct Watch {
    child: Child,
    ops: String,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Watch {
    fn start(world: &World, kubeconfig: &tempfile::NamedTempFile) -> Self {
        let mut child = ironhull()
            .args(["watch", "--reports", "--ops-listen", "127.0.0.1:0"])
            .arg(format!("--user-namespaces={}", world.trusts_user_namespaces()))
            .env("KUBECONFIG", kubeconfig.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ops = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            line["ops_addr"].as_str().map(str::to_owned)
        });
        // Whatever it says later is read, so that it does not wait for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, ops: ops.expect("it listens") }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.ops).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.trim().parse().unwrap())
    }

    fn written(&self) -> Option<f64> {
        self.metric(r#"ironhull_watch_report_writes_total{result="written"}"#)
    }
}

/// A service account with the rights that the chart gives the watch.
fn account(world: &World, space: &Space) -> tempfile::NamedTempFile {
    let name = "a-watch";
    space
        .create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}))
        .unwrap();
    let set = "watch.enabled=true,watch.breakage.enabled=false,watch.reports.enabled=true";
    let chart = project("deploy/chart");
    let template =
        ["template", "ironhull", &chart, "--show-only", "templates/watch.yaml", "--set", set];
    let text = world.helm(&template);
    let mut documents =
        serde_yaml::Deserializer::from_str(&text).map(|it| Value::deserialize(it).unwrap());
    let mut role = documents.find(|document| document["kind"] == "ClusterRole").unwrap();
    let of_space = format!("{}-watch", space.name);
    role["metadata"] = json!({"name": of_space});
    space.create_beside(&role);
    space.create_beside(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": of_space},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": of_space},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": space.name}],
    }));
    space.account_may(name, "list", "pods");
    space.kubeconfig_of(name)
}

/// A Deployment that replaces its one pod, so that old and new are never there together.
fn web() -> Value {
    let mut web = workload("apps/v1", "Deployment", &pod("web", &[container("app", BUSYBOX)]));
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    web
}

fn exempt(name: &str) -> Value {
    let mut pod = pod(name, &[container("app", BUSYBOX)]);
    pod["metadata"]["annotations"] = json!({"exempt.ironhull.dev/runAsNonRoot": "until=2099-12-31 ticket=SEC-1 it owns the place"});
    pod
}

/// The outcomes of a rule in a report.
fn outcomes(report: &Value, rule: &str) -> Vec<String> {
    let results = report["results"].as_array().unwrap().iter();
    let of = results.filter(|result| result["rule"] == rule);
    of.map(|result| result["result"].as_str().unwrap().to_owned()).collect()
}

/// What both kinds of report have to say: not when, nor what only templates and a count of pods tell.
fn said(report: &Value) -> Value {
    let mut results = report["results"].clone();
    for result in results.as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("timestamp");
        let properties = result["properties"].as_object_mut().unwrap();
        properties.retain(|name, _| name != "pods" && name != "setBy");
    }
    json!([
        report["metadata"]["name"],
        report["metadata"]["ownerReferences"],
        report["scope"],
        report["summary"],
        results
    ])
}

/// From the first Report to the last: they appear, are those of `ironhull report`, change once, survive
/// a restart unwritten, and go. Somebody else's stay as they are.
pub fn follow_their_workloads(world: &'static World) {
    let space = world.namespace("reports", &[("ironhull.dev/harden", "enforce")]);
    space.create(&web()).unwrap();
    for pod in [exempt("exempt"), pod("squatted", &[container("app", BUSYBOX)])] {
        space.ready(&space.pod(&pod));
    }
    space.ready(&space.pod_of("app=web"));
    let kubeconfig = account(world, &space);

    // Without the CRD it says so, and counts as it always does.
    let watch = Watch::start(world, &kubeconfig);
    world.eventually("it says what to install", || {
        let ready = watch.get("/readyz");
        (ready.contains("200 OK") && ready.contains("install their CRD")).then_some(())
    });
    drop(watch);

    let crd = Crd::install(world, &space);
    let report = || -> Vec<Value> {
        let list = world.ironhull(&["report", "-n", &space.name, "-o", "openreports"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        list["items"].as_array().unwrap().clone()
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": report()});
    let taken = world.kubectl_with(&list, &["apply", "--dry-run=server", "--validate=strict"]);
    say(format!(
        "ironhull report -o openreports | kubectl apply --dry-run=server: {}",
        taken.trim()
    ));
    assert_eq!(taken.matches("(server dry run)").count(), 3, "{taken}");

    // Somebody else's: one has a name that the watch would use, one is about the Deployment too.
    let name_of = |name: &str| -> Value {
        let all = report();
        all.iter().find(|it| it["scope"]["name"] == name).unwrap()["metadata"]["name"].clone()
    };
    let theirs = |name: &Value| {
        json!({
            "apiVersion": "openreports.io/v1alpha1", "kind": "Report",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "another"}},
            "source": "another", "summary": {"pass": 1},
            "scope": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "results": [{"policy": "theirs", "result": "pass"}],
        })
    };
    let squatter = space.create(&theirs(&name_of("squatted"))).unwrap();
    let beside = space.create(&theirs(&json!("theirs"))).unwrap();

    let watch = Watch::start(world, &kubeconfig);
    world.eventually("both have Reports", || {
        let both = crd.report(&space, "Deployment", "web")?;
        crd.report(&space, "Pod", "exempt").map(|_| both)
    });
    say(world.kubectl(&["get", "reports", "-n", &space.name, "-o", "wide"]).trim());
    for of_command in report() {
        let (kind, name) = (&of_command["scope"]["kind"], &of_command["scope"]["name"]);
        let (kind, name) = (kind.as_str().unwrap(), name.as_str().unwrap());
        if name == "squatted" {
            assert_eq!(crd.report(&space, kind, name), None);
            continue;
        }
        // What the watch learns last is written last.
        world.eventually(&format!("the Report of {name} says what the command says"), || {
            let kept = said(&crd.report(&space, kind, name)?);
            (kept == said(&of_command)).then_some(())
        });
    }
    let of_exempt = crd.report(&space, "Pod", "exempt").unwrap();
    // A kubelet before 1.33 does not say who runs: it may be root that is exempt, or nobody.
    let tells = space.get("exempt")["status"]["containerStatuses"][0]["user"].is_object();
    assert_eq!(outcomes(&of_exempt, "runAsNonRoot"), [if tells { "skip" } else { "error" }]);
    let unchanged = |what: &str| {
        for theirs in [&squatter, &beside] {
            let name = theirs["metadata"]["name"].as_str().unwrap();
            let now = space.object("openreports.io/v1alpha1", "Report", name);
            assert_eq!(
                now["metadata"]["resourceVersion"], theirs["metadata"]["resourceVersion"],
                "{what}"
            );
        }
    };
    unchanged("while others are written");

    // A restart of its pods is no news; another template is, once.
    let generation = || {
        let web = crd.report(&space, "Deployment", "web").unwrap();
        (web["metadata"]["generation"].clone(), outcomes(&web, "readOnlyRootFilesystem"))
    };
    let (first, outcome) = generation();
    assert_eq!(outcome, ["pass"]);
    world.kubectl(&["rollout", "restart", "deployment/web", "-n", &space.name]);
    world.kubectl(&["rollout", "status", "deployment/web", "-n", &space.name, "--timeout=300s"]);
    std::thread::sleep(QUIET);
    assert_eq!(generation(), (first.clone(), outcome));
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {
        "exempt.ironhull.dev/readOnlyRootFilesystem": "until=2099-12-31 it writes anywhere"}}}}});
    world.kubectl(&["patch", "deployment/web", "-n", &space.name, "--patch", &patch.to_string()]);
    world.eventually("its Report says so", || (generation().1 == ["skip"]).then_some(()));
    std::thread::sleep(QUIET);
    let second = generation().0;
    say(format!("generation of web's Report: {first} before, {second} after"));
    assert_eq!(second.as_i64(), first.as_i64().map(|first| first + 1));

    // After a restart it finds all as it has to be.
    drop(watch);
    let watch = Watch::start(world, &kubeconfig);
    world.eventually("it knows what is there", || {
        // It comes to the squatted name with the others; what waits is of every namespace here.
        let taken = watch.metric(r#"ironhull_watch_report_writes_total{result="taken"}"#)?;
        (watch.metric("ironhull_watch_reports")? >= 2.0 && taken >= 1.0).then_some(())
    });
    std::thread::sleep(QUIET);
    assert_eq!(generation().0, second);
    say(format!("written after a restart: {:?}", watch.written()));

    // A Report goes with its workload, and all of them when the namespace opts out.
    world.kubectl(&["delete", "deployment/web", "-n", &space.name, "--wait"]);
    world.eventually("web's Report is gone", || {
        crd.report(&space, "Deployment", "web").is_none().then_some(())
    });
    assert!(crd.report(&space, "Pod", "exempt").is_some());
    space.label(&json!({"ironhull.dev/harden": null}));
    world.eventually("so are the others", || {
        crd.report(&space, "Pod", "exempt").is_none().then_some(())
    });
    unchanged("after all others are gone");
}
