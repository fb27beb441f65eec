//! Every kind that makes pods; and containers that come later.

use serde_json::json;

use crate::pods::{BUSYBOX, auditor, container, pod, workload};
use crate::world::{Inside, World};

pub fn every_kind(world: &'static World) {
    let labels =
        [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "restricted")];
    let space = world.namespace("workloads", &labels);
    for (api_version, kind) in [("apps/v1", "Deployment"), ("apps/v1", "DaemonSet")] {
        let name = kind.to_lowercase();
        let object = workload(api_version, kind, &auditor(&name));
        space.create(&object).unwrap();
        let made = space.pod_of(&format!("app={name}"));
        space.ready(&made);
        assert_eq!(space.look(&made, "app"), Inside::hardened(1000, 1000), "{kind}");
        // The template stays as its author wrote it: else `diff` does not succeed.
        world.kubectl_with(&object, &["diff", "--namespace", &space.name]);
    }
    let mut job = workload("batch/v1", "Job", &auditor("job"));
    job["spec"].as_object_mut().unwrap().remove("selector");
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    space.create(&job).unwrap();
    let mut scheduled = job["spec"].clone();
    scheduled["template"]["metadata"]["labels"] = json!({"app": "cronjob"});
    space
        .create(&json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "cronjob"},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": scheduled}},
        }))
        .unwrap();
    let mut generated = auditor("generated");
    generated["metadata"] = json!({"generateName": "generated-", "labels": {"app": "generated"}});
    space.pod(&generated);
    let mut sidecar = pod("sidecar", &[container("app", BUSYBOX), container("second", BUSYBOX)]);
    let mut native = container("proxy", BUSYBOX);
    native["restartPolicy"] = json!("Always");
    sidecar["spec"]["initContainers"] = json!([native]);
    space.pod(&sidecar);
    for (name, containers) in [
        ("job", &["app"][..]),
        ("generated", &["app"]),
        ("sidecar", &["proxy", "app", "second"]),
        ("cronjob", &["app"]),
    ] {
        let made = space.pod_of(&format!("app={name}"));
        space.ready(&made);
        for container in containers {
            assert_eq!(
                space.look(&made, container),
                Inside::hardened(1000, 1000),
                "{name} {container}"
            );
        }
    }
}

pub fn debug_twice(world: &'static World) {
    let labels =
        [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "restricted")];
    let space = world.namespace("debug", &labels);
    space.pod(&auditor("web"));
    space.ready("web");
    for name in ["first", "second"] {
        world.kubectl(&[
            "debug",
            "web",
            "--namespace",
            &space.name,
            "--image",
            BUSYBOX,
            "--container",
            name,
            "--target",
            "app",
            "--profile",
            "general",
            "--",
            "sleep",
            "3600",
        ]);
        world.eventually(&format!("{name} runs"), || {
            let pod = space.get("web");
            let statuses = pod["status"]["ephemeralContainerStatuses"].as_array()?.clone();
            statuses
                .iter()
                .any(|s| s["name"] == name && s["state"]["running"].is_object())
                .then_some(())
        });
        let inside = space.look("web", name);
        // The root of an ephemeral container cannot be read-only, nor has it a /tmp of ours.
        assert_eq!((inside.uid, inside.gid), (1000, 1000));
        assert_eq!(inside.cap_eff, "0000000000000000");
        assert_eq!((inside.no_new_privs, inside.seccomp), (1, 2));
    }
}
