//! Each namespace has the backstop of its own policy.

use serde_json::{Value, json};

use crate::ask::{ask, backstop, created, policies};
use crate::judge;

const POLICIES: &str = r#"
apiVersion: ironhull.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: shops}
spec: {namespaces: ["shop-*", shop-test], exemptions: {allow: []}}
---
apiVersion: ironhull.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: shop-eu}
spec: {namespaces: ["shop-eu-*", shop-eu], exemptions: {allow: [runAsNonRoot]}}
---
apiVersion: ironhull.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: same}
spec: {namespaces: ["*-the-same"], exemptions: {allow: [runAsNonRoot]}, rules: {readOnlyRootFilesystem: off}}
---
apiVersion: ironhull.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: gold}
spec: {byLabel: true, exemptions: {maxDays: 30}}
---
apiVersion: ironhull.dev/v1alpha1
kind: HardeningPolicy
metadata: {name: unlabelled}
spec: {namespaces: [only-here], exemptions: {requireUntil: true}}
"#;

/// Names of the namespace and of the policy in its label, and whose backstop it has.
const CASES: &[(&str, &str, &str)] = &[
    ("default", "", "restricted"),
    ("shop", "", "restricted"),
    ("shop-", "", "shops"),
    ("shop-us", "", "shops"),
    ("shop-test", "", "shops"),
    ("shop-eu", "", "shop-eu"),
    ("shop-eu-1", "", "shop-eu"),
    ("a-the-same", "", "shop-eu"),
    ("only-here", "", "unlabelled"),
    ("only-here-too", "", "restricted"),
    ("shop-us", "gold", "gold"),
    ("default", "gold", "gold"),
    ("default", "shops", "restricted"),
    ("shop-eu", "unlabelled", "shop-eu"),
    ("shop-eu", "no-such", "shop-eu"),
];

#[test]
fn each_namespace_has_one() {
    let set = policies(POLICIES);
    let names: Vec<_> = backstop(&set)
        .iter()
        .filter(|object| object["kind"] == "ValidatingAdmissionPolicy")
        .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    let own = |name: &str| match name {
        // Namespaces that no policy claims.
        "restricted" => "ironhull-backstop".to_owned(),
        name => format!("ironhull-backstop-{name}"),
    };
    // `same` exempts what `shop-eu` does, and shares its backstop.
    assert_eq!(names, ["shops", "shop-eu", "gold", "unlabelled", "restricted"].map(own));

    let Some(binary) = judge::binary() else { return };
    let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web"}]}});
    let requests: Vec<Value> = CASES
        .iter()
        .map(|(namespace, label, _)| {
            let mut request = created(&pod);
            request["namespace"] = json!(namespace);
            if !label.is_empty() {
                request["labels"] = json!({"ironhull.dev/policy": label});
            }
            request
        })
        .collect();
    let decided = ask(&binary, &set, &requests);
    for ((namespace, label, expected), decisions) in CASES.iter().zip(&decided) {
        let refusing: Vec<_> = decisions
            .iter()
            .filter(|decision| !decision.allowed)
            .map(|decision| decision.policy.as_str())
            .collect();
        assert_eq!(refusing, [own(expected)], "{namespace} {label}");
        assert!(decisions.iter().all(|decision| !decision.error), "{namespace}: {decisions:?}");
        if label.is_empty() {
            // The engine's own choice, as its backstop is called.
            let chosen = &set.for_namespace(namespace).name;
            let chosen = if chosen == "same" { "shop-eu" } else { chosen };
            assert_eq!(chosen, *expected, "{namespace}");
        }
    }
}
