//! Workload by workload: a namespace goes from `audit` to `enforce` by the very commands that
//! `ironhull preview --rollout` prints, and nothing fails that was not labelled yet.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod, workload};
use crate::world::{Inside, Space, World, say};

const LABEL: &str = "ironhull.dev/harden";
/// Steps that are taken at most: each workload may be mended once and again.
const AT_MOST: usize = 60;

/// Who gives a workload the label where it does nothing is told so.
pub fn labels_that_do_nothing_are_warned_of(world: &'static World) {
    let space = world.namespace("labels", &[(LABEL, "audit")]);
    let plain = world.namespace("labels-plain", &[]);
    let deployment =
        || workload("apps/v1", "Deployment", &pod("web", &[container("app", BUSYBOX)]));
    let says = |space: &Space, object: &Value, words: &str| {
        let arguments = ["create", "--dry-run=server", "--namespace", &space.name];
        let said = world.kubectl_with(object, &arguments);
        say(&said);
        assert_eq!(said.contains("ironhull.dev/harden of"), !words.is_empty(), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let mut outer = deployment();
    outer["metadata"]["labels"] = json!({LABEL: "enforce"});
    says(&space, &outer, "belongs to its pods");
    let labelled = |value: &str| {
        let mut deployment = deployment();
        deployment["spec"]["template"]["metadata"]["labels"][LABEL] = json!(value);
        deployment
    };
    says(&space, &labelled("enforced"), "ironhull knows the value `enforce`");
    says(&plain, &labelled("enforce"), "the namespace has to be labelled too");
    says(&space, &labelled("enforce"), "");
    let template = json!({"metadata": {"labels": {LABEL: "on"}},
        "spec": {"restartPolicy": "Never", "containers": [container("app", BUSYBOX)]}});
    let nightly = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}});
    says(&space, &nightly, "ironhull knows the value `enforce`");
    let mut bare = pod("bare", &[container("app", BUSYBOX)]);
    bare["metadata"]["labels"][LABEL] = json!("yes");
    says(&space, &bare, "ironhull knows the value `enforce`");
}

/// A labelled pod is hardened where others are only reported on, debug containers included.
pub fn a_labelled_pod_is_hardened(world: &'static World) {
    let space = world.namespace("labelled", &[(LABEL, "audit")]);
    let plain = space.pod(&pod("plain", &[container("app", BUSYBOX)]));
    let mut asks = pod("asks", &[container("app", BUSYBOX)]);
    asks["metadata"]["labels"][LABEL] = json!("enforce");
    let asks = space.pod(&asks);
    space.ready(&plain);
    space.ready(&asks);
    assert_eq!(space.look(&plain, "app").uid, 0);
    assert_eq!(space.look(&asks, "app"), Inside::hardened(1000, 1000));
    let debug = |pod: &str| {
        let arguments = [
            "debug",
            pod,
            "--namespace",
            &space.name,
            "--container",
            "debug",
            "--image",
            BUSYBOX,
            "--image-pull-policy",
            "IfNotPresent",
            "--profile",
            "general",
            "--",
            "sleep",
            "600",
        ];
        world.kubectl(&arguments);
        let context = |name: &str| {
            let pod = space.get(name);
            pod["spec"]["ephemeralContainers"][0]["securityContext"].clone()
        };
        context(pod)
    };
    let (plain, asks) = (debug(&plain), debug(&asks));
    say(format!("debug containers: plain {plain}, labelled {asks}"));
    assert_eq!(asks["allowPrivilegeEscalation"], false);
    assert_ne!(plain["allowPrivilegeEscalation"], false);
}

pub fn from_audit_to_enforce(world: &'static World) {
    let space = world.namespace("rollout", &[(LABEL, "audit")]);
    for object in workloads() {
        space.create(&object).unwrap();
    }
    all_ready(world, &space);
    let before = uids(world, &space);
    let mut mended = 0;
    let mut labelled = 0;
    for _ in 0..AT_MOST {
        let (text, steps) = rollout(&space);
        unlabelled_are_well(world, &space, &before);
        let Some(step) = steps.iter().find(|step| step["state"] != "done") else {
            say(format!("\n{text}"));
            // A workload whose next pod is still to come has none that is not hardened, either.
            all_ready(world, &space);
            break;
        };
        let title = step["workload"].as_str().unwrap();
        say(format!("{title}: {}", step["state"]));
        if step["state"] == "fails" {
            mended += usize::from(mend(&space, &text));
            // The pod that fails is there until the next one is.
            followed(world, &space);
            continue;
        }
        labelled += usize::from(step["state"] == "open");
        for command in step["commands"].as_array().unwrap() {
            // What does not become ready is seen in the next round, and not only after minutes.
            let command = command.as_str().unwrap().replace("--timeout 5m", "--timeout 20s");
            let output = Command::new("sh").args(["-c", &command]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            say(format!("$ {command}\n{}", said.lines().last().unwrap_or_default()));
            let patches = command.contains(" patch ");
            assert!(output.status.success() || !patches, "{command}: {output:?}");
        }
    }
    let (text, steps) = rollout(&space);
    assert!(steps.iter().all(|step| step["state"] == "done"), "{text}");
    let last = text.lines().last().unwrap().trim().to_owned();
    say(format!("$ {last}"));
    assert!(
        last.ends_with(&format!(
            "kubectl label namespace {} {LABEL}=enforce --overwrite",
            space.name
        ))
    );
    assert!(Command::new("sh").args(["-c", &last]).status().unwrap().success());
    for pod in pods(world, &space) {
        let name = pod.metadata.name.as_deref().unwrap();
        assert!(ready(&pod), "{name} is not ready");
        let inside = space.look(name, "app");
        assert_eq!((inside.no_new_privs, inside.seccomp), (1, 2), "{name}: {inside:?}");
    }
    say(format!("{WORKLOADS} workloads, {labelled} steps, {mended} mended on the way"));
    assert!(mended >= BREAK_UNFORESEEN, "the ones that break were to be met");
}

/// Waits until each workload has one pod, and that is ready.
fn all_ready(world: &World, space: &Space) {
    world.eventually("all workloads run", || {
        let pods = pods(world, space);
        (pods.len() == WORKLOADS && pods.iter().all(ready)).then_some(())
    });
}

/// Waits until the controllers have made pods of what all workloads say now.
fn followed(world: &World, space: &Space) {
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    for kind in kinds {
        let path = "jsonpath={.items[*].metadata.name}";
        let names = world.kubectl(&["get", kind, "--namespace", &space.name, "--output", path]);
        names.split_whitespace().for_each(|name| space.followed(kind, name));
    }
}

/// What the failing pod is told, and applied; false where it was replaced in the meantime, or is only
/// older than what was applied before.
fn mend(space: &Space, text: &str) -> bool {
    let told = text.lines().find_map(|line| {
        let (_, told) = line.split_once("`ironhull explain ")?;
        told.split(' ').next()
    });
    // The table was made after the document.
    let Some(pod) = told else { return false };
    let arguments = ["explain", pod, "--namespace", &space.name, "--fix", "--apply"];
    let output = crate::world::ironhull().args(arguments).output().unwrap();
    // Its workload may have replaced it since the table was made: then the next round tells.
    if !output.status.success() && space.get(pod).is_null() {
        say(format!("{pod} is gone: {}", String::from_utf8_lossy(&output.stderr)));
        return false;
    }
    let said = successful(&arguments, &output);
    let patched = said.contains("\napiVersion: ");
    say(said);
    patched
}

fn rollout(space: &Space) -> (String, Vec<Value>) {
    let run = |format: &str| {
        ironhull(&["preview", "--rollout", "--namespace", &space.name, "--output", format])
    };
    let document: Value = serde_json::from_str(&run("json")).unwrap();
    let steps = document["namespaces"][0]["rollout"].as_array().unwrap().clone();
    (run("table"), steps)
}

fn ironhull(arguments: &[&str]) -> String {
    successful(arguments, &crate::world::ironhull().args(arguments).output().unwrap())
}

/// What a command printed that has to succeed.
fn successful(arguments: &[&str], output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}{errors}");
    said
}

fn pods(world: &World, space: &Space) -> Vec<Pod> {
    let (api, all) = (space.pods(), ListParams::default());
    let pods = world.read(|| api.list(&all)).unwrap().items;
    pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
}

fn ready(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|it| it.container_statuses.iter().flatten());
    let mut statuses = statuses.peekable();
    statuses.peek().is_some() && statuses.all(|status| status.ready)
}

/// Uids of the pods by their workload.
fn uids(world: &World, space: &Space) -> BTreeMap<String, String> {
    let of = |pod: Pod| (pod.metadata.labels.unwrap()["app"].clone(), pod.metadata.uid.unwrap());
    pods(world, space).into_iter().map(of).collect()
}

/// A pod without the label is the one that was there before, has never failed, and is ready.
fn unlabelled_are_well(world: &World, space: &Space, before: &BTreeMap<String, String>) {
    for pod in pods(world, space) {
        let labels = pod.metadata.labels.clone().unwrap();
        if labels.contains_key(LABEL) {
            continue;
        }
        let restarts = pod.status.iter().flat_map(|it| it.container_statuses.iter().flatten());
        let restarts: i32 = restarts.map(|status| status.restart_count).sum();
        assert!(ready(&pod) && restarts == 0, "{} fails and was not labelled", labels["app"]);
        assert_eq!(pod.metadata.uid.as_ref(), before.get(&labels["app"]), "{}", labels["app"]);
    }
}

const WORKLOADS: usize = 12;
/// How many break though nothing in their manifests says so: their scripts are in a ConfigMap.
const BREAK_UNFORESEEN: usize = 2;

/// The scripts, and twelve workloads: eight that start, two that are known to break, and two that
/// turn out to.
fn workloads() -> Vec<Value> {
    let scripts = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": {
        "writes": "mkdir -p /var/lib/app && touch /var/lib/app/x && exec sleep 3600\n",
        "logs": "mkdir -p /var/log/app && touch /var/log/app/x && exec sleep 3600\n",
        "fine": "touch /tmp/x && exec sleep 3600\n",
    }});
    let scripted = |name: &str, key: &str| {
        let mut app = container("app", BUSYBOX);
        app["command"] = json!(["sh", format!("/scripts/{key}")]);
        app["volumeMounts"] = json!([{"name": "scripts", "mountPath": "/scripts"}]);
        let mut pod = pod(name, &[app]);
        pod["spec"]["volumes"] = json!([{"name": "scripts", "configMap": {"name": "scripts"}}]);
        pod
    };
    let sh = |name: &str, script: &str| {
        let mut app = container("app", BUSYBOX);
        app["command"] = json!(["sh", "-c", script]);
        pod(name, &[app])
    };
    let sleeps = |name: &str| pod(name, &[container("app", BUSYBOX)]);
    let deployments = [
        sleeps("front"),
        sleeps("cart"),
        sh("talks", "while true; do date; sleep 10; done"),
        sh("temporary", "echo x > /tmp/x && exec sleep 3600"),
        sh("web", "exec httpd -f -p 8080 -h /"),
        scripted("fine", "fine"),
        sh("state", "mkdir -p /srv/state && touch /srv/state/x && exec sleep 3600"),
        sh("owner", "chown 1234 /tmp && exec sleep 3600"),
        scripted("writes", "writes"),
        scripted("logs", "logs"),
    ];
    // A pod that is ready only while it runs on keeps the old one until then.
    let slowly = |mut workload: Value| {
        workload["spec"]["minReadySeconds"] = json!(4);
        workload
    };
    let mut all = vec![scripts];
    all.extend(deployments.iter().map(|pod| slowly(workload("apps/v1", "Deployment", pod))));
    let mut stateful = slowly(workload("apps/v1", "StatefulSet", &sleeps("store")));
    stateful["spec"]["serviceName"] = json!("store");
    all.push(stateful);
    all.push(slowly(workload("apps/v1", "DaemonSet", &sleeps("agent"))));
    all
}
