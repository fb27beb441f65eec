//! What the chart allows `ironhull watch` for keeping reports, and the CRD that it installs.

use std::fs;

use serde_json::{Value, json};

use super::breakage::watched;
use super::rendered::{Rendered, helm, root, values};

const REPORTS: &str = "watch.reports.enabled=true";

#[test]
fn rights_are_for_reports_and_who_owns_pods() {
    let Some(helm) = helm() else { return };
    let alone = format!("watch.breakage.enabled=false,{REPORTS}");
    let (rules, arguments) = watched(&helm, &alone);
    assert!(arguments.contains(&"--reports".to_owned()));
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    assert_eq!(
        rules,
        [
            rule("", &["pods", "namespaces"], &["get", "list", "watch"]),
            rule("openreports.io", &["reports"], &["get", "list", "create", "patch", "delete"]),
            rule("apps", &["replicasets"], &["get"]),
            rule("batch", &["jobs"], &["get"]),
        ]
    );
    // No right twice beside what hardening breaks.
    let (both, _) = watched(&helm, REPORTS);
    assert_eq!(both.len(), rules.len() + 1);
    let (none, arguments) = watched(&helm, "watch.enabled=true");
    assert!(!json!(none).to_string().contains("openreports"));
    assert!(!arguments.contains(&"--reports".to_owned()));
}

/// It is installed where it is asked for, and stays when the chart goes: with it, every report would go.
#[test]
fn the_crd_is_installed_on_request_and_stays() {
    let Some(helm) = helm() else { return };
    let text = fs::read_to_string(root().join("deploy/chart/files/reports-crd.yaml")).unwrap();
    let mut shipped: Value = serde_yaml::from_str(&text).unwrap();
    let rendered = Rendered::new(&helm, &["--values", &values("reports.yaml")]);
    let crd = rendered.one("CustomResourceDefinition");
    assert_eq!(crd["metadata"]["annotations"], json!({"helm.sh/resource-policy": "keep"}));
    shipped["metadata"] = crd["metadata"].clone();
    assert_eq!(*crd, shipped);
    for without in ["watch.reports.crd=false", "watch.reports.enabled=false", "watch.enabled=false"]
    {
        let set = ["--values", &values("reports.yaml"), "--set", without];
        assert_eq!(
            Rendered::new(&helm, &set).all("CustomResourceDefinition").len(),
            0,
            "{without}"
        );
    }
}
