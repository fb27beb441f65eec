//! From a pod that does not run to one that does, as somebody goes who has nothing but ironhull's own
//! words: `ironhull explain POD --fix --apply`, again and again.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod, workload};
use crate::world::{Space, World, say};

/// How many of the workloads may take more than [`COMMANDS`].
const MAY_TAKE_MORE: usize = 2;
const COMMANDS: usize = 2;
/// More is not tried.
const AT_MOST: usize = 5;
/// How long a pod must run well to be called running.
const STEADY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(300);

/// A workload that does not work hardened, and how to tell that it does.
struct Broken {
    name: &'static str,
    object: Value,
    /// A command of a shell in its container that succeeds where it works.
    works: &'static str,
}

pub fn from_crash_to_fixed(world: &'static World) {
    let space = world.namespace("mending", &[("ironhull.dev/harden", "enforce")]);
    let scripts = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "scripts"},
        "data": {"run.sh": "#!/bin/sh\nexec sleep 3600\n"},
    });
    space.create(&scripts).unwrap();
    let broken = broken();
    for one in &broken {
        space.create(&one.object).unwrap_or_else(|error| panic!("{}: {error}", one.name));
    }
    let mut taken = Vec::new();
    for one in &broken {
        let started = Instant::now();
        let commands = mend(world, &space, one);
        let seconds = started.elapsed().as_secs();
        say(format!("{}: works after {commands} commands, {seconds} s", one.name));
        taken.push(commands);
    }
    assert!(taken.iter().all(|commands| *commands > 0), "all of them were broken");
    let more = taken.iter().filter(|commands| **commands > COMMANDS).count();
    say(format!(
        "{} workloads; {} work after at most {COMMANDS} commands, all after {}",
        taken.len(),
        taken.len() - more,
        taken.iter().max().unwrap()
    ));
    assert!(taken.len() >= 10 && more <= MAY_TAKE_MORE, "{taken:?}");
}

/// Asks and applies until it works; how many commands that took.
fn mend(world: &'static World, space: &Space, one: &Broken) -> usize {
    for commands in 0..AT_MOST {
        let pod = match settled(world, space, one) {
            Ok(()) => return commands,
            Err(pod) => pod,
        };
        let output = crate::world::ironhull()
            .args(["explain", &pod, "--namespace", &space.name, "--fix", "--apply"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        for line in said.lines().chain(failed.lines()) {
            say(format!("{}: {line}", one.name));
        }
        assert!(output.status.success(), "{}: {said}{failed}", one.name);
        // A StatefulSet waits for a pod that never becomes ready, and the words say so.
        if said.contains("delete pod") {
            space.delete(&pod);
        }
    }
    panic!("{} does not work after {AT_MOST} commands", one.name)
}

/// Waits until the newest pod works, or does not; its name then.
fn settled(world: &'static World, space: &Space, one: &Broken) -> Result<(), String> {
    let list = ListParams::default().labels(&format!("app={}", one.name));
    let newest = || {
        let pods = world.wait(space.pods().list(&list)).ok()?.items;
        let of_now = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        of_now.max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
    };
    let deadline = Instant::now() + PATIENCE;
    let mut well: Option<(String, Instant)> = None;
    // The Deployment makes the next pod a while after it was changed; that of before fails until then.
    space.followed("Deployment", one.name);
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        let Some(pod) = newest() else { continue };
        let name = pod.metadata.name.clone().unwrap();
        let statuses = statuses(&pod);
        if statuses.iter().any(fails) {
            return Err(name);
        }
        if statuses.is_empty() || !statuses.iter().all(|status| status.ready) {
            well = None;
            continue;
        }
        match &well {
            Some((same, since)) if *same == name && since.elapsed() > STEADY => {
                let asked = format!("{} >/dev/null && echo it works", one.works);
                // Where nobody could be asked, its status says whether it has failed.
                let Ok(answer) = space.try_exec(&name, "app", &["sh", "-c", &asked]) else {
                    well = None;
                    continue;
                };
                return answer.contains("it works").then_some(()).ok_or(name);
            }
            Some((same, _)) if *same == name => {}
            _ => well = Some((name, Instant::now())),
        }
    }
    panic!("{} neither works nor fails", one.name)
}

fn statuses(pod: &Pod) -> Vec<ContainerStatus> {
    let status = pod.status.clone().unwrap_or_default();
    let init = status.init_container_statuses.unwrap_or_default();
    let running = init.into_iter().filter(|status| !status.ready && fails(status));
    running.chain(status.container_statuses.unwrap_or_default()).collect()
}

fn fails(status: &ContainerStatus) -> bool {
    let state = status.state.clone().unwrap_or_default();
    let reason = state.waiting.and_then(|waiting| waiting.reason).unwrap_or_default();
    let ended = state.terminated.is_some_and(|ended| ended.exit_code != 0);
    let starting = matches!(&*reason, "" | "ContainerCreating" | "PodInitializing");
    !starting || ended || status.restart_count > 0
}

/// The workloads, each with what its author would have written.
fn broken() -> Vec<Broken> {
    let server = |image: &str| {
        let mut server = container("app", &format!("localhost/{image}:local"));
        server.as_object_mut().unwrap().remove("command");
        server
    };
    let sh = |script: &str| {
        let mut app = container("app", BUSYBOX);
        app["command"] = json!(["sh", "-ec", script]);
        app
    };
    let with = |mut container: Value, key: &str, value: Value| {
        container[key] = value;
        container
    };
    let of = |name: &'static str, container: Value, works: &'static str| {
        let object = workload("apps/v1", "Deployment", &pod(name, &[container]));
        Broken { name, object, works }
    };
    let probe = |port: u16| json!({"tcpSocket": {"port": port}, "periodSeconds": 1});
    let mut all = vec![
        of("nginx", with(server("nginx"), "ports", json!([{"containerPort": 80}])), "true"),
        of(
            "redis",
            with(server("redis"), "readinessProbe", probe(6379)),
            "for i in 1 2 3 4; do redis-cli set a b | grep OK || exit 1; redis-cli bgsave; sleep 1; done; redis-cli set a b | grep OK",
        ),
        of(
            "postgresql",
            with(server("postgresql"), "readinessProbe", probe(5432)),
            "psql -U postgres -c 'create table if not exists t (i int)'",
        ),
        of("caddy", server("caddy"), "true"),
        of(
            "data",
            sh("mkdir -p /var/lib/app; echo x > /var/lib/app/state; exec sleep 3600"),
            "test -f /var/lib/app/state",
        ),
        of("home", sh("mkdir -p ~/.cache/app; exec sleep 3600"), "true"),
        of("ping", sh("ping -c 1 127.0.0.1; exec sleep 3600"), "ping -c 1 127.0.0.1"),
        of("su", sh("exec su -s /bin/sh nobody -c 'exec sleep 3600'"), "true"),
    ];
    let mut script = of("script", container("app", BUSYBOX), "true");
    let spec = &mut script.object["spec"]["template"]["spec"];
    spec["containers"][0]["command"] = json!(["/scripts/run.sh"]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "scripts", "mountPath": "/scripts"}]);
    spec["volumes"] =
        json!([{"name": "scripts", "configMap": {"name": "scripts", "defaultMode": 0o500}}]);
    all.push(script);
    let mut init = of("init", container("app", BUSYBOX), "true");
    let spec = &mut init.object["spec"]["template"]["spec"];
    let mut chown = container("fix-permissions", BUSYBOX);
    chown["command"] = json!(["chown", "1234", "/data"]);
    chown["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    spec["initContainers"] = json!([chown]);
    spec["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    all.push(init);
    all
}
