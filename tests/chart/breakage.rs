//! What the chart allows `ironhull watch` for finding out what hardening breaks.

use serde_json::{Value, json};

use super::rendered::{Rendered, helm, values};

/// The rules of the watch's ClusterRole, and the arguments of the watch.
pub(crate) fn watched(helm: &std::path::Path, set: &str) -> (Vec<Value>, Vec<String>) {
    let rendered = Rendered::new(helm, &["--values", &values("watch.yaml"), "--set", set]);
    let roles = rendered.all("ClusterRole");
    let is_watch = |role: &&&Value| role["metadata"]["name"].as_str().unwrap().ends_with("-watch");
    let rules = roles.iter().find(is_watch).unwrap()["rules"].as_array().unwrap().clone();
    let watch = rendered.deployment(true).unwrap();
    let arguments = &watch["spec"]["template"]["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().unwrap().iter();
    (rules, arguments.map(|it| it.as_str().unwrap().to_owned()).collect())
}

#[test]
fn rights_are_for_what_is_switched_on() {
    let Some(helm) = helm() else { return };
    let rule = |group: &str, resource: &str, verbs: &[&str]| json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
    let pods = json!({"apiGroups": [""], "resources": ["pods", "namespaces"],
                      "verbs": ["get", "list", "watch"]});
    let breakage = [
        rule("events.k8s.io", "events", &["create"]),
        rule("apps", "replicasets", &["get"]),
        rule("batch", "jobs", &["get"]),
    ];
    let logs = rule("", "pods/log", &["get"]);
    let has = |arguments: &[String], argument: &str| arguments.iter().any(|it| it == argument);

    let (rules, arguments) = watched(&helm, "watch.breakage.enabled=false");
    assert_eq!(rules, std::slice::from_ref(&pods));
    assert!(!has(&arguments, "--breakage") && !has(&arguments, "--read-logs"));
    // Logs alone are nothing.
    let (rules, arguments) =
        watched(&helm, "watch.breakage.enabled=false,watch.breakage.readLogs=true");
    assert_eq!(rules, std::slice::from_ref(&pods));
    assert!(!has(&arguments, "--read-logs"));
    // As it is shipped: no logs.
    let (rules, arguments) = watched(&helm, "watch.enabled=true");
    assert_eq!(rules, [std::slice::from_ref(&pods), &breakage].concat());
    assert!(has(&arguments, "--breakage") && !has(&arguments, "--read-logs"));
    let (rules, arguments) = watched(&helm, "watch.breakage.readLogs=true");
    assert_eq!(rules, [&[pods], breakage.as_slice(), &[logs]].concat());
    assert!(has(&arguments, "--breakage") && has(&arguments, "--read-logs"));
}

/// It asks the API server alone, as the watch does anyway.
#[test]
fn the_network_policy_is_the_same() {
    let Some(helm) = helm() else { return };
    let policies = |set: &str| {
        let rendered = Rendered::new(&helm, &["--values", &values("watch.yaml"), "--set", set]);
        rendered.all("NetworkPolicy").into_iter().cloned().collect::<Vec<Value>>()
    };
    let on = policies("watch.breakage.readLogs=true");
    assert!(!on.is_empty());
    assert_eq!(on, policies("watch.breakage.enabled=false"));
}
