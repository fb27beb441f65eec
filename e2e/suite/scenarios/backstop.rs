//! The backstop: what the API server refuses by itself while no ironhull is there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, auditor, container, pod};
use crate::world::{HOME, Space, World, project, say};

const LABELS: [(&str, &str); 1] = [("ironhull.dev/harden", "enforce")];

/// Rounds in which each namespace is asked in turn when latency is measured, and requests in each.
const ROUNDS: usize = 10;
const REQUESTS: usize = 20;

/// A container that passes *restricted* as it is.
fn hard(name: &str) -> Value {
    let mut hard = container(name, BUSYBOX);
    hard["securityContext"] = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
    });
    hard
}

/// A pod whose init container is root, and says why.
fn with_root_init(name: &str, value: &str) -> Value {
    let mut init = hard("chown");
    init["command"] = json!(["sh", "-c", "id -u"]);
    init["securityContext"]["runAsNonRoot"] = json!(false);
    init["securityContext"]["runAsUser"] = json!(0);
    let mut pod = pod(name, &[hard("app")]);
    pod["spec"]["initContainers"] = json!([init]);
    pod["metadata"]["annotations"] = json!({"chown.exempt.ironhull.dev/runAsNonRoot": value});
    pod
}

/// Both replicas are stopped, and the webhook fails open. What then would come in unhardened does
/// not, and one exempt container does not cost the others anything.
pub fn holds_while_ironhull_is_gone(world: &'static World) {
    let space = world.namespace("backstop", &LABELS);
    let audited = world.namespace("backstop-audit", &[("ironhull.dev/harden", "audit")]);
    world.upgrade(&["--set", "webhook.enforceFailurePolicy=Ignore"]);
    world.both_replicas_ready();
    let text = world.ironhull(&["policy", "backstop", "--installed"]);
    let file = project("target/e2e-backstop.yaml");
    std::fs::write(&file, &text).unwrap();
    let scale = |replicas: &str| {
        let replicas = format!("--replicas={replicas}");
        world.kubectl(&["scale", "deployment", "ironhull", "--namespace", HOME, &replicas]);
    };
    scale("0");
    world.no_pod_of("ironhull");
    world.eventually("a pod comes in as it is", || {
        let admitted = space.dry_run(&auditor("probe")).ok()?;
        (admitted["spec"]["securityContext"]["runAsUser"] == 0).then_some(())
    });
    say("no ironhull, no backstop: root is admitted");

    world.kubectl(&["apply", "-f", &file]);
    // The API server learns of policies and their bindings one by one.
    let refused = world.eventually("the backstop refuses", || {
        let refused = space.dry_run(&auditor("refused")).err()?.to_string();
        refused.contains("ValidatingAdmissionPolicy 'ironhull-backstop").then_some(refused)
    });
    say(format!("refused: {refused}"));
    assert!(refused.contains("ValidatingAdmissionPolicy 'ironhull-backstop"), "{refused}");
    for part in [
        "runAsNonRoot (app): set securityContext.runAsNonRoot: true",
        "runAsUser (the pod, app): set securityContext.runAsUser to a uid that is not 0",
        "capabilities (app): set securityContext.capabilities.drop: [ALL]",
    ] {
        assert!(refused.contains(part), "{refused}");
    }

    // The exempt container starts as root. Whatever else is in the namespace is held to restricted.
    space.pod(&with_root_init("exempt", "until=2999-12-31 hands the volume over"));
    space.ready("exempt");
    assert_eq!(space.log("exempt", "chown"), "0\n");
    say("an exempt init container ran as uid 0");
    let mut beside = with_root_init("beside", "hands the volume over");
    beside["spec"]["containers"][0]["securityContext"]["runAsNonRoot"] = json!(false);
    let refused = space.create(&beside).unwrap_err().to_string();
    assert!(refused.contains("runAsNonRoot (app): "), "{refused}");
    assert!(!refused.contains("chown"), "{refused}");

    // A new pod's creation timestamp is set before: the API server knows the day.
    let ended = with_root_init("ended", "until=2020-01-01 hands the volume over");
    let refused = space.create(&ended).unwrap_err().to_string();
    say(format!("ended: {refused}"));
    assert!(
        refused.contains("; void exemption: chown.exempt.ironhull.dev/runAsNonRoot"),
        "{refused}"
    );

    debugging(&space);
    let unlabelled = audited.dry_run(&auditor("unlabelled")).unwrap();
    assert_eq!(unlabelled["spec"]["securityContext"]["runAsUser"], 0);
    let mut labelled = auditor("labelled");
    labelled["metadata"]["labels"]["ironhull.dev/harden"] = json!("enforce");
    let refused = world.eventually("the backstop of labelled pods refuses", || {
        audited.dry_run(&labelled).err().map(|error| error.to_string())
    });
    assert!(refused.contains("with binding 'ironhull-labelled-backstop"), "{refused}");

    largest(&space);
    latency(world, &space);
    type_checks(world);
    world.kubectl(&["delete", "-f", &file]);
    scale("2");
    world.upgrade(&[]);
    world.both_replicas_ready();
}

/// An ephemeral container is judged in the running pod, whoever was exempt there.
fn debugging(space: &Space) {
    let debug = |context: Value| {
        let mut container = container("debug", BUSYBOX);
        container["securityContext"] = context;
        space.debug("exempt", &container)
    };
    let refused = debug(json!({"privileged": true})).unwrap_err().to_string();
    say(format!("debug: {refused}"));
    assert!(refused.contains("privileged (debug): remove securityContext.privileged"), "{refused}");
    debug(hard("debug")["securityContext"].clone()).unwrap();
}

/// The largest pod that ironhull reviews is within the limits of the real API server.
fn largest(space: &Space) {
    let reason = format!("until=2999-12-31 ticket=OPS-1 {}", "why not ".repeat(24));
    let mut pod = pod("largest", &[]);
    let mut annotations = serde_json::Map::new();
    let containers = (0..1000).map(|index| {
        let mut container = hard(&format!("{index:04}"));
        container["securityContext"]["runAsNonRoot"] = json!(false);
        container["securityContext"]["runAsUser"] = json!(0);
        annotations.insert(format!("{index:04}.exempt.ironhull.dev/runAsNonRoot"), json!(reason));
        container
    });
    pod["spec"]["containers"] = containers.collect();
    pod["metadata"]["annotations"] = Value::Object(annotations);
    let started = Instant::now();
    space.dry_run(&pod).unwrap_or_else(|error| panic!("{error}"));
    say(format!("1000 exempt root containers: admitted after {:?}", started.elapsed()));
    pod["metadata"]["annotations"] = json!({});
    let refused = space.dry_run(&pod).unwrap_err().to_string();
    assert!(refused.contains("runAsNonRoot (0000, 0001 and 998 more): "), "{refused}");
}

/// What the backstop takes, beside Pod Security: by the API server's own clock, for the same pod, in
/// turn.
fn latency(world: &'static World, space: &Space) {
    let plain = world.namespace("backstop-plain", &[]);
    let restricted = world
        .namespace("backstop-restricted", &[("pod-security.kubernetes.io/enforce", "restricted")]);
    let hardened = pod("asked", &[hard("app")]);
    let mut took = [Duration::ZERO; 3];
    let mut spent = [[0.0; 2]; 3];
    for _ in 0..ROUNDS {
        for (index, asked) in [&plain, &restricted, space].into_iter().enumerate() {
            let before = admission(world);
            let started = Instant::now();
            for _ in 0..REQUESTS {
                asked.dry_run(&hardened).unwrap();
            }
            took[index] += started.elapsed();
            let after = admission(world);
            for part in 0..2 {
                spent[index][part] += after[part] - before[part];
            }
        }
    }
    let requests = (ROUNDS * REQUESTS) as f64;
    let micros = |seconds: f64| seconds / requests * 1e6;
    for (index, what) in ["no label", "Pod Security restricted", "the backstop"].iter().enumerate()
    {
        say(format!(
            "{what}: {:?} a request; in PodSecurity {:.0} µs, in ValidatingAdmissionPolicy {:.0} µs",
            took[index] / (ROUNDS * REQUESTS) as u32,
            micros(spent[index][0]),
            micros(spent[index][1]),
        ));
    }
    let backstop = micros(spent[2][1] - spent[0][1]);
    say(format!(
        "so Pod Security takes {:.0} µs, and the backstop {backstop:.0} µs",
        micros(spent[1][0])
    ));
    assert!(backstop < 50_000.0, "{backstop} µs");
}

/// Seconds that validating admission of pods has taken: in Pod Security, and in all
/// ValidatingAdmissionPolicies.
fn admission(world: &World) -> [f64; 2] {
    let request = || http::Request::get("/metrics").body(Vec::new()).unwrap();
    let metrics = world.read(|| world.client.request_text(request())).unwrap();
    ["PodSecurity", "ValidatingAdmissionPolicy"].map(|plugin| {
        let sums = metrics.lines().filter(|line| {
            line.starts_with("apiserver_admission_controller_admission_duration_seconds_sum{")
                && line.contains(&format!("name=\"{plugin}\""))
                && line.contains("operation=\"CREATE\"")
                && line.contains("type=\"validate\"")
        });
        sums.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    })
}

/// The API server's type checker has nothing to object to.
fn type_checks(world: &World) {
    let checked = world.eventually("the policies are type checked", || {
        let kind = "validatingadmissionpolicies";
        let listed = world.kubectl(&["get", kind, "--output", "json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let ours: Vec<Value> = listed["items"]
            .as_array()?
            .iter()
            .filter(|policy| {
                policy["metadata"]["name"]
                    .as_str()
                    .is_some_and(|it| it.starts_with("ironhull-backstop"))
            })
            .map(|policy| policy["status"].clone())
            .collect();
        ours.iter().all(|status| status["typeChecking"].is_object()).then_some(ours)
    });
    for status in &checked {
        assert_eq!(status["typeChecking"]["expressionWarnings"], Value::Null, "{status}");
    }
    say(format!("{} policies, no warning of the type checker", checked.len()));
}
