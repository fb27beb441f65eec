//! What the chart allows and mounts for facts of images.

use serde_json::{Value, json};

use super::rendered::{Rendered, helm, template, values};

const SHARDS: usize = 16;

fn named(rendered: &Rendered, kind: &str, end: &str) -> Value {
    let all = rendered.all(kind);
    let found = all.iter().find(|it| it["metadata"]["name"].as_str().unwrap().ends_with(end));
    (*found.unwrap_or_else(|| panic!("no {kind} {end}"))).clone()
}

fn volumes(deployment: &Value) -> Vec<Value> {
    let spec = &deployment["spec"]["template"]["spec"];
    spec["volumes"].as_array().cloned().unwrap_or_default()
}

#[test]
fn rights_are_by_name() {
    let Some(helm) = helm() else { return };
    let rendered = Rendered::new(&helm, &["--values", &values("image-facts.yaml")]);
    let maps: Vec<String> =
        (0..SHARDS).map(|shard| format!("ironhull-image-facts-{shard:02}")).collect();
    let made: Vec<&str> = rendered
        .all("ConfigMap")
        .iter()
        .map(|map| {
            assert_eq!((map.get("data"), map.get("binaryData")), (None, None), "applying keeps it");
            map["metadata"]["name"].as_str().unwrap()
        })
        .filter(|name| name.contains("image-facts"))
        .collect();
    assert_eq!(made, maps);
    assert_eq!(
        named(&rendered, "Role", "-image-facts")["rules"],
        json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": maps,
                "verbs": ["get", "update"]}])
    );
    assert_eq!(
        named(&rendered, "ClusterRole", "-image-facts")["rules"],
        json!([{"apiGroups": [""], "resources": ["secrets"],
                "resourceNames": ["regcred", "pull-team"], "verbs": ["get"]}])
    );
    for kind in ["RoleBinding", "ClusterRoleBinding"] {
        let binding = named(&rendered, kind, "-image-facts");
        assert_eq!(binding["subjects"][0]["name"], "ironhull-watch", "{kind}");
    }
    // Without names of Secrets none may be read, and by default there is nothing of all this.
    let some = Rendered::new(
        &helm,
        &["--set", "watch.enabled=true,imageFacts.enabled=true,imageFacts.pullSecrets=null"],
    );
    let of_facts = |it: &&Value| it["metadata"]["name"].as_str().unwrap().contains("image-facts");
    assert_eq!(some.all("ClusterRole").into_iter().filter(of_facts).count(), 0);
    let none = Rendered::new(&helm, &["--set", "watch.enabled=true"]);
    assert_eq!(none.0.iter().filter(of_facts).count(), 0);
    let alone = template(&helm, &["--set", "imageFacts.enabled=true"]);
    let said = String::from_utf8_lossy(&alone.stderr);
    assert!(!alone.status.success() && said.contains("needs watch.enabled"), "{said}");
}

#[test]
fn both_mount_the_facts_and_only_the_webhook_may_ask() {
    let Some(helm) = helm() else { return };
    let rendered = Rendered::new(&helm, &["--values", &values("image-facts.yaml")]);
    for watch in [false, true] {
        let deployment = rendered.deployment(watch).unwrap();
        let volumes = volumes(deployment);
        let facts = volumes.iter().find(|volume| volume["name"] == "facts").unwrap();
        let sources = facts["projected"]["sources"].as_array().unwrap();
        assert_eq!(sources.len(), SHARDS);
        assert!(sources.iter().all(|source| source["configMap"]["optional"] == true));
        let spec = &deployment["spec"]["template"]["spec"];
        let arguments = spec["containers"][0]["args"].as_array().unwrap();
        assert!(arguments.contains(&json!("--facts=/etc/ironhull/facts")), "{arguments:?}");
        let of_watch = json!("--image-facts=ironhull-system/ironhull-image-facts");
        assert_eq!(arguments.contains(&of_watch), watch);
        let asks = json!("--ask-facts=http://ironhull-watch.ironhull-system.svc:10082");
        assert_eq!(arguments.contains(&asks), !watch);
    }
    let policies = rendered.all("NetworkPolicy");
    let of = |name: &str| {
        let found = policies.iter().find(|policy| policy["metadata"]["name"] == name);
        found.unwrap()["spec"].clone()
    };
    let ingress = of("ironhull-watch")["ingress"].clone();
    let facts = ingress.as_array().unwrap().iter().find(|rule| rule["ports"][0]["port"] == 10082);
    let webhook =
        json!({"app.kubernetes.io/instance": "ironhull", "app.kubernetes.io/name": "ironhull"});
    assert_eq!(facts.unwrap()["from"], json!([{"podSelector": {"matchLabels": webhook}}]));
    let egress = of("ironhull")["egress"].to_string();
    assert!(egress.contains("10082") && egress.contains("6443"), "{egress}");
    let egress = of("ironhull-watch")["egress"].to_string();
    for port in ["53", "443", "5000", "6443"] {
        assert!(egress.contains(&format!("\"port\":{port}")), "{egress}");
    }
}
