//! What goes wrong while something is observed, and what cannot be observed.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use super::{AT_MOST, interrupt, is_observed, nothing_is_left, observe, own_image, parsed, report};
use crate::pods::{BUSYBOX, auditor, container, pod, workload};
use crate::world::{HOME, Space, World, say};

/// Writes a file, and lives until there is another one.
fn mortal(name: &str, code: u32, restart: &str) -> Value {
    let mut one = container("app", BUSYBOX);
    let wait = "while [ ! -e /tmp/end ]; do sleep 1; done";
    let script = format!("sleep 2; mkdir /run/app; echo x > /run/app/x; {wait}; exit {code}");
    one["command"] = json!(["sh", "-c", script]);
    let mut pod = pod(name, &[one]);
    pod["spec"]["restartPolicy"] = json!(restart);
    pod
}

/// Targets that exit, restart and are deleted; callers that are interrupted and killed. What was seen
/// until then is kept, and nothing is left running.
pub fn targets_that_go(world: &'static World) {
    let space = world.namespace("observe-going", &[]);
    for pod in [
        mortal("exits", 3, "Never"),
        mortal("restarts", 4, "Always"),
        mortal("deleted", 0, "Never"),
        mortal("interrupted", 0, "Never"),
        mortal("killed", 0, "Never"),
    ] {
        let name = space.pod(&pod);
        space.ready(&name);
    }
    let start = |name| observe(&space, name, &["--for", AT_MOST]);
    let (exits, restarts, deleted) = (start("exits"), start("restarts"), start("deleted"));
    let (interrupted, mut killed) = (start("interrupted"), start("killed"));
    for name in ["exits", "restarts", "deleted", "interrupted", "killed"] {
        is_observed(world, &space, name);
        world.eventually(&format!("the agent in {name} has seen what was written"), || {
            let pod = space.get(name);
            let mut agents = pod["spec"]["ephemeralContainers"].as_array()?.iter();
            let seen = agents.any(|agent| {
                let said = space.try_log(name, agent["name"].as_str().unwrap_or_default());
                said.is_ok_and(|said| said.contains(r#""path":"/run""#))
            });
            seen.then_some(())
        });
    }
    // What was seen has arrived by then, also beside thirty other servers that are observed.
    std::thread::sleep(Duration::from_secs(20));
    for name in ["exits", "restarts"] {
        space.exec(name, "app", &["touch", "/tmp/end"]);
    }
    world.kubectl(&["delete", "pod", "deleted", "-n", &space.name, "--wait=false"]);
    interrupt(&interrupted);
    killed.kill().unwrap();
    let _killed = killed.wait();
    let ends = [
        (exits, "exits", Some("it ended (exit code 3)")),
        // It has ended, or runs again already.
        (restarts, "restarts", Some("it ")),
        (deleted, "deleted", Some("its pod ")),
        (interrupted, "interrupted", None),
    ];
    for (child, name, expected) in ends {
        let report = report(child);
        let one = &report["containers"][0];
        let ended = &one["pods"][0]["ended"];
        say(format!(
            "{name}: observed for {} s; {ended}; {}",
            one["pods"][0]["seconds"], one["writes"]
        ));
        match expected {
            Some(expected) => assert!(ended.as_str().unwrap().starts_with(expected), "{ended}"),
            None => assert_eq!(*ended, Value::Null),
        }
        assert_eq!(one["writes"][0]["path"], "/run", "{name}");
        assert_eq!(one["needs"]["writablePaths"][0]["path"], "/run", "{name}");
    }
    nothing_is_left(world, &space, ["exits", "restarts", "interrupted", "killed"].into_iter());
}

/// ironhull itself: two pods at once, hardened, distroless, in a namespace of its own; and an old root
/// container in a namespace that hardens what is added, which has to be refused before anything is.
pub fn hardened_and_distroless(world: &'static World) {
    let output = run(HOME, "deployment/ironhull", &["--for", "20s", "-o", "json"], &[]);
    assert!(output.status.success(), "{}", said(&output));
    let own = parsed(&output.stdout);
    let one = &own["containers"][0];
    say(format!(
        "ironhull itself: {} pods, {}, {}",
        one["pods"].as_array().unwrap().len(),
        one["root"],
        one["processes"]
    ));
    assert_eq!(one["pods"].as_array().unwrap().len(), 2);
    assert_eq!((&one["root"]["seen"], &one["root"]["readOnly"]), (&json!(true), &json!(true)));
    assert_eq!((&own["patch"], &one["writes"]), (&Value::Null, &json!([])));

    let space = world.namespace("observe-hardened", &[]);
    space.pod(&auditor("old"));
    space.ready("old");
    space.opt_in();
    let output = run(&space.name, "old", &["--for", "5s"], &[]);
    say(said(&output));
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("is made to run as 1000"), "{}", said(&output));
    assert_eq!(space.get("old")["spec"]["ephemeralContainers"], Value::Null, "nothing was added");

    // Made anew, it is hardened, and so is what observes it.
    space.pod(&auditor("new"));
    space.ready("new");
    let new = report(observe(&space, "new", &["--for", "20s"]));
    let process = &new["containers"][0]["processes"][0];
    say(format!("hardened: {process}"));
    assert_eq!((&process["uid"], &process["noNewPrivs"]), (&json!(1000), &json!(true)));
    assert_eq!(new["containers"][0]["root"]["seen"], true);
    let agent = &space.get("new")["spec"]["ephemeralContainers"][0]["securityContext"];
    assert_eq!(agent["capabilities"]["drop"], json!(["ALL"]), "{agent}");
}

/// Without a right there is one line that names it, and no agent.
pub fn rights_that_are_missing(world: &'static World) {
    let space = world.namespace("observe-rights", &[]);
    space.pod(&pod("target", &[container("app", BUSYBOX)]));
    space.ready("target");
    let pods = |verbs: &[&str], resource: &str| json!({"apiGroups": [""], "resources": [resource], "verbs": verbs});
    let attach = pods(&["get", "create"], "pods/attach");
    let cases = [
        ("reader", vec![pods(&["get", "list"], "pods")], "not allowed to get pods/attach"),
        ("attacher", vec![pods(&["get", "list"], "pods"), attach], "pods/ephemeralcontainers"),
    ];
    for (name, rules, expected) in cases {
        let kubeconfig = user(&space, name, &json!(rules));
        let more = ["--for", "5s", "--image", &own_image()];
        let output = run(
            &space.name,
            "target",
            &more,
            &[("KUBECONFIG", kubeconfig.path().to_str().unwrap())],
        );
        say(format!("{name}: {}", said(&output)));
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
    let output =
        run(&space.name, "target", &["--for", "5s", "--image", "localhost/nothing:local"], &[]);
    say(said(&output));
    assert!(said(&output).contains("--image names another image"), "{}", said(&output));
    assert_eq!(space.get("target")["spec"]["ephemeralContainers"].as_array().unwrap().len(), 1);
}

/// Two replicas, each with two containers and a native sidecar: each container is told apart, and
/// so is whose port it is.
pub fn several_containers(world: &'static World) {
    let space = world.namespace("observe-several", &[]);
    let mut web = container("web", "localhost/nginx:local");
    web.as_object_mut().unwrap().remove("command");
    let writes = |name: &str, path: &str| {
        let mut one = container(name, BUSYBOX);
        one["command"] = json!([
            "sh",
            "-c",
            format!("mkdir -p {path}; while true; do date > {path}/date; sleep 1; done")
        ]);
        one
    };
    let mut template = pod("several", &[web, writes("worker", "/srv/work")]);
    let mut proxy = writes("proxy", "/opt/proxy");
    proxy["restartPolicy"] = json!("Always");
    template["spec"]["initContainers"] = json!([proxy]);
    let mut deployment = workload("apps/v1", "Deployment", &template);
    deployment["spec"]["replicas"] = json!(2);
    space.create(&deployment).unwrap();
    world.kubectl(&[
        "rollout",
        "status",
        "deployment/several",
        "-n",
        &space.name,
        "--timeout=300s",
    ]);
    let report = report(observe(&space, "deployment/several", &["--for", "25s"]));
    say(&report["patch"]);
    for (container, path) in [("web", "/var/lib/nginx"), ("worker", "/srv"), ("proxy", "/opt")] {
        let all = report["containers"].as_array().unwrap();
        let one = all.iter().find(|it| it["container"] == container).unwrap();
        assert_eq!(one["pods"].as_array().unwrap().len(), 2, "{container}");
        let writes = one["writes"].as_array().unwrap();
        assert!(writes.iter().any(|write| write["path"] == path), "{container}: {writes:?}");
        let expected = if container == "web" {
            json!([{"containerPort": 80, "protocol": "TCP"}])
        } else {
            json!([])
        };
        assert_eq!(one["needs"]["ports"], expected, "{container}");
    }
    let annotations = &report["patch"]["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["proxy.ironhull.dev/writable-paths"], "/opt", "{annotations}");

    // The patch is what kubectl takes, and the pods that come of it work hardened.
    space.opt_in();
    let patch = report["patch"].to_string();
    let said =
        world.kubectl(&["patch", "deployment", "several", "-n", &space.name, "--patch", &patch]);
    say(said);
    world.kubectl(&[
        "rollout",
        "status",
        "deployment/several",
        "-n",
        &space.name,
        "--timeout=300s",
    ]);
}

fn run(namespace: &str, what: &str, more: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = crate::world::ironhull();
    command.args(["observe", what, "-n", namespace]).args(more);
    command.envs(environment.iter().copied()).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A kubeconfig of a service account with these rights in its namespace.
fn user(space: &Space, name: &str, rules: &Value) -> tempfile::NamedTempFile {
    let rbac = "rbac.authorization.k8s.io";
    let objects = [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": rules}),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": space.name}],
        }),
    ];
    for object in objects {
        space.create(&object).unwrap();
    }
    for rule in rules.as_array().unwrap() {
        let text = |key: &str| rule[key][0].as_str().unwrap();
        space.account_may(name, text("verbs"), text("resources"));
    }
    space.kubeconfig_of(name)
}

/// Two containers that share their processes, each observed by itself.
pub fn shared_processes(world: &'static World) {
    let space = world.namespace("observe-shared", &[]);
    space.pod(&pair("shared", "shareProcessNamespace", true));
    space.ready("shared");
    let report = report(observe(&space, "shared", &["--for", "20s"]));
    for (at, path) in ["/run/one", "/run/two"].into_iter().enumerate() {
        let one = &report["containers"][at];
        say(format!("{}: {} {}", one["container"], one["writes"], one["processes"]));
        let examples = one["writes"][0]["examples"].as_array().unwrap();
        assert_eq!(examples, &[json!(path.trim_start_matches("/run/"))]);
        let processes = one["processes"].as_array().unwrap();
        assert!(processes.iter().all(|it| it["name"] != "pause"), "{processes:?}");
    }
}

/// Root of a user namespace, which is nobody on the node.
pub fn in_a_user_namespace(world: &'static World) {
    let space = world.namespace("observe-users", &[]);
    space.pod(&pair("inside", "hostUsers", false));
    space.ready("inside");
    let report = report(observe(&space, "inside", &["--for", "20s"]));
    let one = &report["containers"][0];
    say(format!("{} {}", one["writes"], one["processes"]));
    assert_eq!(one["writes"][0]["examples"], json!(["one"]));
    assert_eq!(one["processes"][0]["uid"], 0);
}

/// A pod of two containers, each of which writes a file, with a member of its spec.
fn pair(name: &str, key: &str, value: bool) -> Value {
    let writes = |name: &str| {
        let mut one = container(name, BUSYBOX);
        one["command"] =
            json!(["sh", "-c", format!("echo x > /run/{name}; while true; do sleep 1; done")]);
        one
    };
    let mut pod = pod(name, &[writes("one"), writes("two")]);
    pod["spec"][key] = json!(value);
    pod
}
