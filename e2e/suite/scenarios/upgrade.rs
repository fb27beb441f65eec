//! From the previous version to this one and back, below a stream of creations: `make upgrade-check`. Each change is
//! stopped on the way, so that every state in between lasts for a while: the new webhook configuration before old
//! replicas, and replicas of both versions behind one Service.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::disturbances::{assert_none_failed, during};
use crate::pods::{BUSYBOX, auditor, container, pod};
use crate::world::{HOME, Space, Version, World, project, say};

const ENFORCE: [(&str, &str); 1] = [("ironhull.dev/harden", "enforce")];

/// How long a state in between lasts. Replicas look at the webhook configuration every five seconds.
const WHILE: Duration = Duration::from_secs(8);

/// The ConfigMap with policies that is not the chart's.
const SHARED: &str = "shared-policies";

/// Nothing is lost and nothing slips through, in both directions; what authors and administrators have written for the
/// previous version gives the same pods.
pub fn forth_and_back(world: &'static World) {
    let (previous, this) = (Version::previous(), Version::this());
    world.uninstall();
    install(world, &previous, &["--wait"]);
    let space = world.namespace("upgraded", &ENFORCE);
    let audited = world.namespace("upgraded-audit", &[("ironhull.dev/harden", "audit")]);
    let before = answers(&space);
    space.pod(&auditor("made-before"));
    space.ready("made-before");

    in_steps(world, &space, &previous, &this, || install(world, &this, &[]));
    assert_the_same(&before, &answers(&space));
    debugged(world, &space, "after-the-upgrade");
    let labelled = || {
        let mut pod = auditor("labelled");
        pod["metadata"]["labels"]["ironhull.dev/harden"] = json!("enforce");
        let made = audited.dry_run(&pod).expect("accepted");
        made["spec"]["securityContext"]["runAsUser"].clone()
    };
    world.eventually("a labelled pod opts in", || (labelled() == 1000).then_some(()));
    let seeded = seeds(&space);
    assert!(seeded["initContainers"].is_array(), "{seeded}");

    in_steps(world, &space, &this, &previous, || {
        world.helm(&["rollback", "ironhull", "1", "--namespace", HOME]);
    });
    assert_the_same(&before, &answers(&space));
    debugged(world, &space, "after-going-back");
    world.eventually("the label means nothing again", || (labelled() == 0).then_some(()));
    // What only the newer version knows is not done, and excuses nothing.
    let unseeded = seeds(&space);
    say(format!(
        "`=seed` under the previous version: {}",
        unseeded["containers"][0]["volumeMounts"]
    ));
    assert_eq!(unseeded["securityContext"]["runAsUser"], 1000);
    assert_eq!(
        unseeded["containers"][0]["securityContext"]["capabilities"],
        json!({"drop": ["ALL"]})
    );
}

/// Policies that are kept beside the chart may say what the previous version does not know. Going back then stops at
/// its first replica, and those of this version go on.
pub fn a_policy_of_this_version_stops_going_back(world: &'static World) {
    let (previous, this) = (Version::previous(), Version::this());
    world.uninstall();
    set_policies(world, "");
    install(
        world,
        &previous,
        &["--wait", "--set", &format!("policies.existingConfigMaps={{{SHARED}}}")],
    );
    let space = world.namespace("shared", &ENFORCE);
    in_steps(world, &space, &previous, &this, || {
        install(world, &this, &["--reset-then-reuse-values"])
    });

    let replicas = world.replicas();
    let loaded = |pod: &str| world.metric(pod, "ironhull_policy_reloads_total{result=\"loaded\"}");
    let loads: Vec<_> = replicas.iter().map(|pod| loaded(pod)).collect();
    set_policies(
        world,
        "  podTemplates: [{group: example.com, kind: Widget, path: spec.template}]\n",
    );
    for (pod, before) in replicas.iter().zip(&loads) {
        world.eventually("the new policy is loaded", || (loaded(pod) > *before).then_some(()));
    }
    let attempts = during(world, &space, || {
        world.helm(&["rollback", "ironhull", "1", "--namespace", HOME]);
        let said = world.eventually("a replica of the previous version says why", || {
            let pod = fallen(world)?;
            let log = world.kubectl(&["logs", &pod, "--namespace", HOME, "--tail", "20"]);
            log.lines().find(|line| line.contains("podTemplates")).map(str::to_owned)
        });
        say(said);
        std::thread::sleep(WHILE);
    });
    assert_none_failed(&attempts);
    assert_eq!(running(world, &this), 2, "those of this version stay");
    assert_eq!(running(world, &previous), 0);

    let attempts = during(world, &space, || {
        set_policies(world, "");
        wait_for(world, &previous);
    });
    assert_none_failed(&attempts);
    say("with a policy that it knows, going back is complete");
    world.kubectl(&["delete", "configmap", SHARED, "--namespace", HOME]);
}

/// Installs or upgrades by the version's chart, with values that both know.
fn install(world: &World, version: &Version, more: &[&str]) {
    let values = project("e2e/suite/upgrade.yaml");
    world.helm_upgrade(version, &[&["--values", &values], more].concat());
}

/// Changes from one version to the other while pods are created, and stops on the way.
fn in_steps(
    world: &'static World,
    space: &Space,
    from: &Version,
    to: &Version,
    change: impl FnOnce(),
) {
    let attempts = during(world, space, || {
        let started = Instant::now();
        rollout(world, "pause");
        change();
        std::thread::sleep(WHILE);
        assert_eq!((running(world, from), running(world, to)), (2, 0));
        say(format!("{}: configuration and policies are there, replicas are not", to.name));

        // The first new replica counts only after so long: until then, no old one goes.
        counts_after(world, 300);
        rollout(world, "resume");
        world.eventually("a replica of the other version is ready", || {
            (running(world, to) == 1).then_some(())
        });
        std::thread::sleep(WHILE);
        let both = (running(world, from), running(world, to));
        say(format!("{} replicas of {} beside {} of {}", both.0, from.name, both.1, to.name));
        assert_eq!(both, (2, 1), "both versions at once");

        counts_after(world, 0);
        wait_for(world, to);
        say(format!("all replicas are of {}: {:?}", to.name, started.elapsed()));
    });
    assert_none_failed(&attempts);
}

fn rollout(world: &World, verb: &str) {
    world.kubectl(&["rollout", verb, "deployment/ironhull", "--namespace", HOME]);
}

/// For how many seconds a replica has to be ready before the rollout goes on.
fn counts_after(world: &World, seconds: u32) {
    let patch = json!({"spec": {"minReadySeconds": seconds}}).to_string();
    world.kubectl(&["patch", "deployment/ironhull", "--namespace", HOME, "--patch", &patch]);
}

/// Waits until the replicas are two, and of this version.
fn wait_for(world: &World, version: &Version) {
    world.eventually("all replicas are of one version", || {
        (world.replicas().len() == 2 && running(world, version) == 2).then_some(())
    });
    world.both_replicas_ready();
}

/// How many ready replicas are of the version.
fn running(world: &World, version: &Version) -> usize {
    replicas(world).iter().filter(|pod| pod.image == version.image() && pod.ready).count()
}

/// A replica that has stopped by itself, if there is one.
fn fallen(world: &World) -> Option<String> {
    replicas(world).into_iter().find(|pod| pod.restarts > 0).map(|pod| pod.name)
}

struct Replica {
    name: String,
    image: String,
    ready: bool,
    restarts: u64,
}

fn replicas(world: &World) -> Vec<Replica> {
    let pods = world.pods_of("ironhull").expect("ironhull's pods");
    let pods = pods.iter().map(|pod| serde_json::to_value(pod).unwrap());
    pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| Replica {
            name: pod["metadata"]["name"].as_str().unwrap().to_owned(),
            image: pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned(),
            ready: pod["status"]["containerStatuses"][0]["ready"] == true,
            restarts: pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(0),
        })
        .collect()
}

/// Pods with what authors write: exemptions, writable paths, init containers, ports; one that a policy has an entry for.
fn samples() -> Vec<Value> {
    let with = |name: &str, annotations: Value| {
        let mut pod = auditor(name);
        pod["metadata"]["annotations"] = annotations;
        pod
    };
    let mut init = pod("init", &[container("app", BUSYBOX)]);
    init["spec"]["initContainers"] = json!([{
        "name": "fix-permissions", "image": BUSYBOX, "command": ["chown", "-R", "1000", "/data"],
        "securityContext": {"runAsUser": 0},
    }]);
    init["metadata"]["annotations"] = json!({"fix-permissions.exempt.ironhull.dev/runAsNonRoot": "ticket=OPS-42 hands the data over"});
    let mut port = pod("port", &[container("app", BUSYBOX)]);
    port["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]);
    let mut entry = pod("entry", &[container("app", "localhost/with-an-entry:1")]);
    entry["spec"]["securityContext"] = json!({"fsGroup": 7});
    vec![
        auditor("auditor"),
        with("exempt", json!({"app.exempt.ironhull.dev/readOnlyRootFilesystem": "writes to /opt"})),
        with("void", json!({"exempt.ironhull.dev/runAsNonRoot": "until=2020-01-01 long ago"})),
        with("writable", json!({"ironhull.dev/writable-paths": "/var/cache/app,/run"})),
        init,
        port,
        entry,
    ]
    .into_iter()
    .map(|mut pod| {
        // The name of a token's volume is drawn anew each time.
        pod["spec"]["automountServiceAccountToken"] = json!(false);
        pod
    })
    .collect()
}

/// What the samples become.
fn answers(space: &Space) -> Vec<(Value, Value)> {
    let answers = samples().into_iter().map(|pod| {
        let made = space.dry_run(&pod).expect("accepted");
        (pod, made["spec"].clone())
    });
    answers.collect()
}

fn assert_the_same(before: &[(Value, Value)], after: &[(Value, Value)]) {
    for ((pod, was), (_, is)) in before.iter().zip(after) {
        let name = &pod["metadata"]["name"];
        assert_eq!(was, is, "{name} is hardened otherwise");
    }
    say(format!(
        "{} pods with exemptions, paths, ports and entries become what they became",
        before.len()
    ));
}

/// A pod that asks for a directory with its image's content.
fn seeds(space: &Space) -> Value {
    let mut pod = auditor("seeds");
    pod["metadata"]["annotations"] = json!({"ironhull.dev/writable-paths": "/opt/app=seed"});
    space.dry_run(&pod).expect("accepted")["spec"].clone()
}

/// A debug container in a pod that the previous version hardened.
fn debugged(world: &World, space: &Space, name: &str) {
    let image =
        ["--image", BUSYBOX, "--container", name, "--target", "app", "--profile", "general"];
    let command = ["--", "sleep", "3600"];
    let start = ["debug", "made-before", "--namespace", &space.name];
    world.kubectl(&[&start[..], &image, &command].concat());
    let pod = space.get("made-before");
    let containers = pod["spec"]["ephemeralContainers"].as_array().unwrap();
    let context = &containers.iter().find(|it| it["name"] == name).unwrap()["securityContext"];
    say(format!("a debug container {name}: {context}"));
    assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(context["allowPrivilegeEscalation"], false);
}

/// Puts one policy into the ConfigMap that is not the chart's, with more lines.
fn set_policies(world: &World, more: &str) {
    let policy = format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: shared}}\n\
         spec:\n  namespaces: [\"e2e-shared-*\"]\n{more}"
    );
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}},
        {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": SHARED, "namespace": HOME},
            "data": {"shared.yaml": policy},
        },
    ]});
    world.kubectl_with(&objects, &["apply"]);
}
