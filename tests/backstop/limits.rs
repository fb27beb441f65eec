//! CEL's limits: the largest pods that ironhull reviews stay within them.
//!
//! ironhull reviews at most 1,000 containers (`serve::http::weight`), and the API server takes at most
//! 256 KiB of annotations (`k8s.io/apimachinery/pkg/api/validation`).

use serde_json::{Map, Value, json};

use crate::ask::{ask, created, only, policies};
use crate::judge;

/// `RuntimeCELCostBudget`: what one binding may cost, its messages included. That no single expression
/// passes `PerCallLimit`, its tenth, the evaluator sees to.
const BUDGET: u64 = 10_000_000;
const CONTAINERS: usize = 1000;
const ANNOTATIONS: usize = 256 << 10;

fn largest(container: impl Fn(usize) -> Value, annotations: Map<String, Value>) -> Value {
    let size: usize =
        annotations.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum();
    assert!(size <= ANNOTATIONS, "{size}");
    let containers: Vec<_> = (0..CONTAINERS).map(container).collect();
    let volumes: Vec<_> =
        (0..CONTAINERS).map(|index| json!({"name": format!("v{index}"), "emptyDir": {}})).collect();
    json!({"metadata": {"name": "web", "annotations": annotations},
        "spec": {"containers": containers, "volumes": volumes}})
}

fn full(index: usize) -> Value {
    let probe = json!({"httpGet": {"path": "/", "port": 80}});
    json!({
        "name": format!("{index:0>63}"), "image": "registry.example.com/some/where/app:1.2.3",
        "ports": (80..85).map(|port| json!({"containerPort": port})).collect::<Vec<_>>(),
        "livenessProbe": probe, "readinessProbe": probe, "startupProbe": probe,
        "lifecycle": {"preStop": probe, "postStart": probe},
        "securityContext": {"allowPrivilegeEscalation": false, "runAsNonRoot": true,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            "seccompProfile": {"type": "RuntimeDefault"}},
    })
}

fn root(index: usize) -> Value {
    let mut container = full(index);
    container["name"] = json!(format!("{index:04}"));
    container["securityContext"]["runAsNonRoot"] = json!(false);
    container["securityContext"]["capabilities"]["add"] = json!(["CHOWN", "KILL"]);
    container
}

#[test]
fn the_largest_pods_stay_within_the_limits() {
    let Some(binary) = judge::binary() else { return };
    let foreign =
        (0..1000).map(|index| (format!("example.com/{index:04}"), json!("a".repeat(240))));
    let reason = format!("until=2027-01-01 ticket=OPS-1 {}", "why not ".repeat(24));
    let each = (0..CONTAINERS)
        .map(|index| (format!("{index:04}.exempt.ironhull.dev/runAsNonRoot"), json!(reason)));
    let whole = json!({"exempt.ironhull.dev/runAsNonRoot": "a reason that is one"});
    let pods = [
        ("hardened", largest(full, foreign.collect()), true),
        (
            "nothing set",
            largest(|index| json!({"name": format!("w{index}"), "image": "a"}), Map::new()),
            false,
        ),
        ("each exempt", largest(root, each.collect()), true),
        ("exempt as a whole", largest(root, whole.as_object().unwrap().clone()), true),
    ];
    let requests: Vec<_> = pods.iter().map(|(_, pod, _)| created(pod)).collect();
    let decided = ask(&binary, &policies(""), &requests);
    for ((what, _, allowed), decisions) in pods.iter().zip(&decided) {
        let decision = only(decisions);
        println!("1000 containers, {what}: {} of {BUDGET}", decision.cost);
        assert!(!decision.error, "{what}: {decision:?}");
        assert_eq!(decision.allowed, *allowed, "{what}: {decision:?}");
        assert!(
            decision.cost < BUDGET / 2 && decision.conditions_cost < 1000,
            "{what}: {decision:?}"
        );
        assert!(decision.messages.iter().all(|message| message.len() < 5 << 10));
        assert_eq!(
            decision.allowed,
            decision.refused().is_empty(),
            "its message is the expression's"
        );
    }
}

/// What CEL does not count must be bounded all the same: a reason of 256 KiB once took minutes.
#[test]
fn a_long_value_is_void_at_once() {
    let Some(binary) = judge::binary() else { return };
    let mut pod =
        json!({"metadata": {"name": "web", "annotations": {}}, "spec": {"containers": [root(0)]}});
    let mut request = |length: usize| {
        let reason = "a ".repeat(length / 2);
        pod["metadata"]["annotations"] = json!({"exempt.ironhull.dev/runAsNonRoot": reason});
        created(&pod)
    };
    let began = std::time::Instant::now();
    let decided = ask(&binary, &policies(""), &[request(1000), request(1002), request(256 << 10)]);
    let allowed: Vec<_> = decided.iter().map(|decisions| only(decisions).allowed).collect();
    assert_eq!(allowed, [true, false, false]);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert!(
        only(&decided[2]).messages[0]
            .ends_with("; void exemption: exempt.ironhull.dev/runAsNonRoot")
    );
}
