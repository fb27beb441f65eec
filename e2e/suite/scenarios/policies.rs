//! Policies in a mounted ConfigMap.

use serde_json::{Value, json};

use crate::pods::auditor;
use crate::world::{HOME, World, say};

const CONFIG_MAP: &str = "ironhull-policies";
const FILE: &str = "live.yaml";

/// What the ConfigMap says takes effect without a restart; what is broken is refused
/// whole, is seen to be, and does no harm.
pub fn take_effect_and_are_refused(world: &'static World) {
    let labels = [("ironhull.dev/harden", "enforce")];
    let space = world.namespace("live", &labels);
    let read_only = || {
        let made = space.dry_run(&auditor("probe")).expect("accepted");
        made["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"].clone()
    };
    assert_eq!(read_only(), json!(true));
    let replicas = world.replicas();
    let loaded = |pod: &str| world.metric(pod, "ironhull_policy_reloads_total{result=\"loaded\"}");
    let refused =
        |pod: &str| world.metric(pod, "ironhull_policy_reloads_total{result=\"refused\"}");
    let before: Vec<_> = replicas.iter().map(|pod| (loaded(pod), refused(pod))).collect();

    set(world, Some(&policy("{readOnlyRootFilesystem: off}")));
    for (pod, (loads, _)) in replicas.iter().zip(&before) {
        world.eventually(&format!("{pod} has the new policy"), || {
            (loaded(pod) > *loads).then_some(())
        });
    }
    assert_eq!(read_only(), Value::Null);
    say("a policy put into the ConfigMap is in force in both replicas");

    set(world, Some(&policy("{runAsRoot: enforce}")));
    for (pod, (_, refusals)) in replicas.iter().zip(&before) {
        world.eventually(&format!("{pod} has refused the broken policy"), || {
            (refused(pod) > *refusals).then_some(())
        });
        // It counts before it says why, and what it says takes its way to the log.
        let ready = world.eventually(&format!("/readyz of {pod} names what is broken"), || {
            Some(world.ops(pod, "readyz")).filter(|ready| ready.contains("runAsRoot"))
        });
        say(format!("{pod} /readyz: {ready}"));
        say(world.eventually(&format!("the log of {pod} names what is broken"), || {
            let log = world.kubectl(&["logs", pod, "--namespace", HOME, "--tail", "200"]);
            log.lines().find(|line| line.contains("runAsRoot")).map(str::to_owned)
        }));
    }
    assert_eq!(read_only(), Value::Null, "the last good policies are in force");

    set(world, None);
    world.eventually("the policy is gone again", || {
        (0..10).all(|_| read_only() == json!(true)).then_some(())
    });
    assert_eq!(world.replicas(), replicas, "no replica was made anew");
}

fn policy(rules: &str) -> String {
    format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: live}}\n\
         spec:\n  namespaces: [\"e2e-live-*\"]\n  rules: {rules}\n"
    )
}

/// Puts the file into the ConfigMap, or takes it out.
fn set(world: &World, text: Option<&str>) {
    let patch = json!({"data": {FILE: text}}).to_string();
    world.kubectl(&[
        "patch",
        "configmap",
        CONFIG_MAP,
        "--namespace",
        HOME,
        "--type",
        "merge",
        "--patch",
        &patch,
    ]);
}
