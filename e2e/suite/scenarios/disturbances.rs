//! What happens to a steady stream of pod creations while ironhull, or what is around it,
//! is disturbed. With two replicas none may fail for ironhull's sake, and none may slip
//! through.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::pods::{BUSYBOX, auditor, container, pod, workload};
use crate::world::stream::{Attempt, Stream};
use crate::world::{HOME, Space, World, project, say};

const LABELS: [(&str, &str); 1] = [("ironhull.dev/harden", "enforce")];

/// How long the stream goes on before and after what happens.
const AROUND: Duration = Duration::from_secs(3);

/// A new authority: the configuration trusts it before a certificate of its own is served.
pub fn certificates_rotate(world: &'static World) {
    let space = world.namespace("rotation", &LABELS);
    let replicas = world.replicas();
    let loaded =
        |pod: &str| world.metric(pod, "ironhull_certificate_reloads_total{result=\"loaded\"}");
    let before: Vec<_> = replicas.iter().map(|pod| loaded(pod)).collect();
    let attempts = during(world, &space, || {
        let started = Instant::now();
        let patch = json!([{"op": "remove", "path": "/data"}]).to_string();
        let secret = "ironhull-certificates";
        world.kubectl(&[
            "patch",
            "secret",
            secret,
            "--namespace",
            HOME,
            "--type",
            "json",
            "--patch",
            &patch,
        ]);
        for (pod, loads) in replicas.iter().zip(&before) {
            world.eventually(&format!("{pod} serves a new certificate"), || {
                (loaded(pod) > *loads).then_some(())
            });
        }
        say(format!("rotated in both replicas after {:?}", started.elapsed()));
    });
    assert_none_failed(&attempts);
}

/// New pods take the place of the old ones.
pub fn rolling_update(world: &'static World) {
    let space = world.namespace("rolling", &LABELS);
    let before = world.replicas();
    let attempts = during(world, &space, || {
        let started = Instant::now();
        world.upgrade(&["--set-string", "podAnnotations.e2e=rolled"]);
        world.eventually("the old replicas are gone", || {
            let now = world.replicas();
            (now.len() == 2 && before.iter().all(|pod| !now.contains(pod))).then_some(())
        });
        say(format!("rolled after {:?}", started.elapsed()));
    });
    assert_none_failed(&attempts);
}

/// Each replica dies in its turn. Until the EndpointSlice says so, the API server may go on
/// calling it.
pub fn replicas_are_killed(world: &'static World) {
    let space = world.namespace("killed", &LABELS);
    let killer = Killer::new(world);
    let changes = watch_endpoints(world);
    let mut set = workload("apps/v1", "ReplicaSet", &auditor("set"));
    set["spec"]["replicas"] = json!(20);
    set["spec"]["template"]["spec"]["schedulerName"] = json!("nobody");
    // One that was told to stop before goes on for a while.
    let processes = world.eventually("there are two processes", || {
        let processes = killer.replicas();
        (processes.len() == 2).then_some(processes)
    });
    let mut kills = Vec::new();
    let attempts = during(world, &space, || {
        for (turn, process) in processes.iter().enumerate() {
            kills.push(Instant::now());
            killer.kill(process);
            if turn == 0 {
                space.create(&set).unwrap();
            }
            std::thread::sleep(Duration::from_secs(4));
            // Until then what is ready is what was before.
            world.eventually("the EndpointSlice follows the kill", || {
                let changes = changes.lock().unwrap();
                changes.iter().any(|at| at > kills.last().unwrap()).then_some(())
            });
            world.both_replicas_ready();
            std::thread::sleep(AROUND);
        }
    });
    let changes = changes.lock().unwrap().clone();
    let mut unexplained: Vec<_> = attempts.iter().filter(|a| a.result.is_err()).collect();
    for killed in kills {
        let noticed = changes.iter().find(|at| **at > killed).expect("an EndpointSlice's update");
        // The API server has its own watch on the same EndpointSlice, as quick as this one.
        let end = *noticed + Duration::from_millis(500);
        let (around, others): (Vec<_>, Vec<_>) = unexplained.into_iter().partition(|attempt| {
            attempt.failed_by_webhook() && attempt.ended >= killed && attempt.began <= end
        });
        unexplained = others;
        say(format!(
            "EndpointSlice updated {:?} after the kill; {} creations failed, from {:?} to {:?}",
            *noticed - killed,
            around.len(),
            around.iter().map(|a| a.began.saturating_duration_since(killed)).min(),
            around.iter().map(|a| a.ended - killed).max(),
        ));
    }
    let unexplained: Vec<_> = unexplained.iter().map(|attempt| &attempt.result).collect();
    assert!(unexplained.is_empty(), "failed at other times: {unexplained:?}");
    world.eventually("the ReplicaSet is complete", || {
        let set = space.object("apps/v1", "ReplicaSet", "set");
        (set["status"]["replicas"] == 20).then_some(())
    });
    say("a ReplicaSet made just after a kill is complete: 20 of 20");
}

/// The API server goes and comes back.
pub fn the_api_server_restarts(world: &'static World) {
    let space = world.namespace("restarted", &LABELS);
    let attempts = during(world, &space, || {
        let started = Instant::now();
        let output = Command::new(project("e2e/cluster/cluster"))
            .args(["restart", "kube-apiserver"])
            .output()
            .expect("the cluster's script");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        say(format!("back after {:?}", started.elapsed()));
    });
    assert_none_failed(&attempts);
    world.both_replicas_ready();
}

/// What became of the creations around and while something happened.
pub(super) fn during(world: &'static World, space: &Space, happens: impl FnOnce()) -> Vec<Attempt> {
    world.both_replicas_ready();
    let stream = Stream::start(world, space);
    std::thread::sleep(AROUND);
    happens();
    std::thread::sleep(AROUND);
    stream.finish()
}

pub(super) fn assert_none_failed(attempts: &[Attempt]) {
    let failed = attempts.iter().filter(|attempt| attempt.failed_by_webhook()).count();
    assert_eq!(failed, 0, "creations failed for ironhull's sake");
}

/// When the EndpointSlice of ironhull's Service was changed, from now on.
fn watch_endpoints(world: &'static World) -> Arc<Mutex<Vec<Instant>>> {
    let changes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&changes);
    let api: Api<EndpointSlice> = Api::namespaced(world.client.clone(), HOME);
    let _until_the_end = world.spawn(async move {
        let of = WatchParams::default().labels("kubernetes.io/service-name=ironhull").timeout(290);
        // A watch may end at any time; as long as somebody looks, there is the next.
        while Arc::strong_count(&seen) > 1 {
            if let Ok(stream) = api.watch(&of, "0").await {
                let mut stream = std::pin::pin!(stream);
                while let Ok(Some(event)) = stream.try_next().await {
                    if matches!(event, WatchEvent::Modified(_)) {
                        seen.lock().unwrap().push(Instant::now());
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    changes
}

/// Kills processes on the node, from a pod that may.
struct Killer {
    space: Space,
}

impl Killer {
    fn new(world: &'static World) -> Self {
        let space = world.namespace("killer", &[]);
        let mut privileged = container("killer", BUSYBOX);
        privileged["securityContext"] = json!({"privileged": true});
        let mut killer = pod("killer", &[privileged]);
        killer["spec"]["hostPID"] = json!(true);
        space.pod(&killer);
        space.ready("killer");
        Self { space }
    }

    /// The processes of ironhull's replicas.
    fn replicas(&self) -> Vec<String> {
        // Debian's busybox has no pgrep.
        let script = "for process in /proc/[0-9]*; do
            case $(tr '\\0' ' ' < $process/cmdline) in
                '/ironhull serve '*) echo ${process#/proc/} ;;
            esac
        done";
        let said = self.space.exec("killer", "killer", &["sh", "-c", script]);
        said.lines().map(str::to_owned).collect()
    }

    fn kill(&self, process: &str) {
        let script = format!("kill -KILL {process} && echo killed");
        let said = self.space.exec("killer", "killer", &["sh", "-c", &script]);
        assert_eq!(said, "killed\n");
    }
}

/// Both replicas are gone: namespaces that asked for enforcement start no pods, and all
/// others go on. They come back by themselves.
pub fn both_replicas_are_gone(world: &'static World) {
    let enforced = world.namespace("gone-enforce", &LABELS);
    let audited = world.namespace("gone-audit", &[("ironhull.dev/harden", "audit")]);
    let plain = world.namespace("gone-plain", &[]);
    let scale = |replicas: &str| {
        let replicas = format!("--replicas={replicas}");
        world.kubectl(&["scale", "deployment", "ironhull", "--namespace", HOME, &replicas]);
    };
    scale("0");
    world.no_pod_of("ironhull");
    world.eventually("pods are refused", || {
        enforced.dry_run(&auditor("probe")).is_err().then_some(())
    });
    let said = enforced.create(&auditor("refused")).unwrap_err().to_string();
    say(format!("enforce: {said}"));
    assert!(said.contains("failed calling webhook \"enforce.ask-cluster-admins.ironhull.dev\""));
    for space in [&audited, &plain] {
        let name = space.pod(&auditor("goes-on"));
        space.ready(&name);
        say(format!("{}: {name} runs", space.name));
        let context = space.get(&name)["spec"]["securityContext"].clone();
        assert_eq!(context, json!({"runAsUser": 0, "runAsGroup": 0}));
    }
    scale("2");
    world.both_replicas_ready();

    // Nobody helps: the pods are deleted at once, and others come, through the same API
    // server that refuses pods elsewhere meanwhile.
    let before = world.replicas();
    let started = Instant::now();
    for pod in &before {
        world.kubectl(&["delete", "pod", pod, "--namespace", HOME, "--grace-period=0", "--force"]);
    }
    world.eventually("others are there", || {
        let now = world.replicas();
        (now.len() == 2 && before.iter().all(|pod| !now.contains(pod))).then_some(())
    });
    world.both_replicas_ready();
    say(format!("both deleted, two others ready after {:?}", started.elapsed()));
    let hardened: Value =
        world.eventually("pods are hardened again", || enforced.dry_run(&auditor("again")).ok());
    assert_eq!(hardened["spec"]["securityContext"]["runAsUser"], 1000);
}
