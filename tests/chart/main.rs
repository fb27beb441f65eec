//! The Helm chart: what it renders, and that deploy/install.yaml is what it renders.
//! Needs helm, which `make chart-lint` builds.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod backstop;
mod breakage;
mod image_facts;
#[path = "../support/judge.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests that need more of it")]
mod judge;
mod policies;
mod rendered;
mod reports;
mod schema;
mod seeding;
#[path = "../support/update.rs"]
mod update;

use std::fs;

use clap::Parser;
use ironhull::cli::Cli;
use k8s_openapi::serde::de::DeserializeOwned;
use serde_json::{Value, json};

use rendered::{NAMESPACE, Rendered, each_values, helm, render, root, template, values};

#[test]
fn install_yaml_is_current() {
    let Some(helm) = helm() else { return };
    let rendered = render(&helm, &["--set", "namespace.create=true,userNamespaces=false"]);
    let mut expected = String::from(
        "# ironhull in its own namespace, with self-managed certificates:\n\
         #\n\
         #   kubectl apply -f install.yaml\n\
         #\n\
         # Rendered from deploy/chart with its default values by `make docs`; change that.\n",
    );
    let mut blank = 0;
    for line in rendered.lines() {
        blank = if line.trim().is_empty() { blank + 1 } else { 0 };
        if blank == 0 && !line.starts_with("# Source: ") {
            expected.push_str(line.trim_end());
            expected.push('\n');
        }
    }
    let path = root().join("deploy/install.yaml");
    if update::is_wanted() {
        fs::write(&path, &expected).unwrap();
    }
    let present = fs::read_to_string(&path).unwrap_or_default();
    assert!(present == expected, "deploy/install.yaml is not current: run `make docs`");
    let install = Rendered::parse(&present);
    assert_eq!(install.one("Namespace")["metadata"]["name"], NAMESPACE);
    assert_eq!(install.0[0]["kind"], "Namespace", "what is in it comes after it");
}

#[test]
fn self_managed_certificates_need_two_objects_and_no_more() {
    let Some(helm) = helm() else { return };
    let rendered = Rendered::new(&helm, &[]);
    for webhook in rendered.webhooks() {
        assert_eq!(webhook["clientConfig"].get("caBundle"), None, "applying must not wipe it");
    }
    let secret = rendered.one("Secret");
    assert_eq!((secret.get("data"), secret.get("stringData")), (None, None));
    let rules = |kind| rendered.one(kind)["rules"].clone();
    assert_eq!(
        rules("Role"),
        json!([{"apiGroups": [""], "resources": ["secrets"],
                "resourceNames": [secret["metadata"]["name"]], "verbs": ["get", "patch"]}])
    );
    let configuration = rendered.one("MutatingWebhookConfiguration");
    assert_eq!(
        rules("ClusterRole"),
        json!([{"apiGroups": ["admissionregistration.k8s.io"],
                "resources": ["mutatingwebhookconfigurations"],
                "resourceNames": [configuration["metadata"]["name"]], "verbs": ["get", "patch"]}])
    );
    assert_eq!(rendered.pod()["spec"]["automountServiceAccountToken"], true);
}

#[test]
fn given_certificates_need_no_permission_at_all() {
    let Some(helm) = helm() else { return };
    for name in ["cert-manager.yaml", "cert-manager-issuer.yaml", "existing-secret.yaml"] {
        let rendered = Rendered::new(&helm, &["--values", &values(name)]);
        for kind in ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"] {
            assert_eq!(rendered.all(kind).len(), 0, "{name}: {kind}");
        }
        let pod = rendered.pod();
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false, "{name}");
        assert_eq!(rendered.one("ServiceAccount")["automountServiceAccountToken"], false);
        assert_eq!(rendered.one("NetworkPolicy")["spec"]["egress"], json!([]), "{name}");
        let mounted = &pod["spec"]["volumes"][0]["secret"]["secretName"];
        let configuration = rendered.one("MutatingWebhookConfiguration");
        let injected = &configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
        if name == "existing-secret.yaml" {
            assert_eq!(mounted, "our-certificate");
            assert!(rendered.webhooks().iter().all(|webhook| {
                webhook["clientConfig"]["caBundle"].as_str().unwrap().starts_with("LS0tLS1CRUdJTi")
            }));
        } else {
            assert_eq!(injected, "ironhull-system/ironhull");
            let certificates = rendered.all("Certificate");
            let serving = certificates.last().unwrap();
            assert_eq!(&serving["spec"]["secretName"], mounted);
            assert_eq!(serving["spec"]["dnsNames"][0], "ironhull.ironhull-system.svc");
        }
    }
}

#[test]
fn the_webhooks_leave_alone_what_must_be() {
    let Some(helm) = helm() else { return };
    for name in each_values() {
        let rendered = Rendered::new(&helm, &["--values", &values(&name)]);
        let configuration = rendered.one("MutatingWebhookConfiguration");
        let sorts_last = configuration["metadata"]["name"].as_str().unwrap();
        assert!(sorts_last.starts_with("zz-ironhull"), "{sorts_last}");
        for webhook in rendered.webhooks() {
            let selector = webhook["namespaceSelector"]["matchExpressions"].as_array().unwrap();
            let never = selector
                .iter()
                .find(|expression| expression["key"] == "kubernetes.io/metadata.name")
                .unwrap();
            assert_eq!(never["operator"], "NotIn");
            for namespace in ["kube-system", "kube-public", "kube-node-lease", NAMESPACE] {
                assert!(never["values"].as_array().unwrap().contains(&json!(namespace)), "{never}");
            }
            let opted_in = &selector[0];
            assert_eq!(
                (&opted_in["key"], &opted_in["operator"]),
                (&json!("ironhull.dev/harden"), &json!("In"))
            );
            assert_eq!(webhook["sideEffects"], "None");
            assert_eq!(webhook["matchPolicy"], "Equivalent");
            let name = webhook["name"].as_str().unwrap();
            assert!(name.split('.').count() >= 3 && name.ends_with(".ironhull.dev"), "{name}");
            let fails = name.starts_with("enforce");
            assert_eq!(webhook["failurePolicy"], if fails { "Fail" } else { "Ignore" }, "{name}");
        }
    }
}

#[test]
fn ironhulls_own_pods_meet_restricted() {
    let Some(helm) = helm() else { return };
    let Some(judge) = judge::binary() else { return };
    for name in each_values() {
        let rendered = Rendered::new(&helm, &["--values", &values(&name)]);
        for deployment in rendered.all("Deployment") {
            let mut pod = rendered.pod_of(deployment);
            // The one value that no Pod Security level but `privileged` allows.
            pod["spec"]["hostNetwork"] = json!(false);
            let judgement = &judge::judge(&judge, &[pod])[0];
            assert_eq!((&judgement.error, &judgement.strict), (&None, &None), "{name}");
            assert!(judgement.restricted.allowed, "{name}: {:?}", judgement.restricted.reasons);
        }
    }
}

#[test]
fn the_binary_understands_its_arguments() {
    let Some(helm) = helm() else { return };
    for name in each_values() {
        let rendered = Rendered::new(&helm, &["--values", &values(&name)]);
        for deployment in rendered.all("Deployment") {
            let container = &deployment["spec"]["template"]["spec"]["containers"][0];
            let arguments = container["args"].as_array().unwrap().iter();
            let arguments = arguments.map(|argument| argument.as_str().unwrap());
            let parsed = Cli::try_parse_from(["ironhull"].into_iter().chain(arguments));
            assert!(parsed.is_ok(), "{name}: {}", parsed.unwrap_err());
            // Facts of many images take their room.
            let knows = container["args"].to_string().contains("--facts=");
            let limit = if knows { "512Mi" } else { "64Mi" };
            assert_eq!(container["resources"]["limits"]["memory"], limit);
        }
    }
}

/// Fields that Kubernetes does not know are dropped by its types, and so come to light.
#[test]
fn every_field_is_known() {
    use k8s_openapi::api::{
        admissionregistration::v1 as admission, apps::v1 as apps, core::v1 as core,
        networking::v1 as networking, policy::v1 as disruption, rbac::v1 as rbac,
    };
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
    let Some(helm) = helm() else { return };
    for name in each_values() {
        for document in Rendered::new(&helm, &["--values", &values(&name)]).0 {
            let kind = document["kind"].as_str().unwrap().to_owned();
            let known = match kind.as_str() {
                "ClusterRole" => typed::<rbac::ClusterRole>,
                "ClusterRoleBinding" => typed::<rbac::ClusterRoleBinding>,
                "ConfigMap" => typed::<core::ConfigMap>,
                "CustomResourceDefinition" => typed::<extensions::CustomResourceDefinition>,
                "Deployment" => typed::<apps::Deployment>,
                "MutatingWebhookConfiguration" => typed::<admission::MutatingWebhookConfiguration>,
                "Namespace" => typed::<core::Namespace>,
                "NetworkPolicy" => typed::<networking::NetworkPolicy>,
                "PodDisruptionBudget" => typed::<disruption::PodDisruptionBudget>,
                "ResourceQuota" => typed::<core::ResourceQuota>,
                "Role" => typed::<rbac::Role>,
                "RoleBinding" => typed::<rbac::RoleBinding>,
                "Secret" => typed::<core::Secret>,
                "Service" => typed::<core::Service>,
                "ServiceAccount" => typed::<core::ServiceAccount>,
                "ValidatingAdmissionPolicy" => typed::<admission::ValidatingAdmissionPolicy>,
                "ValidatingAdmissionPolicyBinding" => {
                    typed::<admission::ValidatingAdmissionPolicyBinding>
                }
                "Certificate" | "Issuer" | "PrometheusRule" | "ServiceMonitor" => continue,
                other => panic!("{other} is new here"),
            };
            assert_eq!(
                without_empty(&known(&document)),
                without_empty(&document),
                "{name}: {kind}"
            );
        }
    }
}

fn typed<K: DeserializeOwned + serde::Serialize>(document: &Value) -> Value {
    let typed: K = serde_json::from_value(document.clone()).expect("its type");
    serde_json::to_value(typed).unwrap()
}

/// Empty objects and lists are not written by every type.
fn without_empty(value: &Value) -> Value {
    let empty = |value: &Value| value.is_null() || *value == json!({}) || *value == json!([]);
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), without_empty(value)))
            .filter(|(_, value)| !empty(value))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

/// A kubelet may be three minor versions older than the API server, and before 1.33 both have user
/// namespaces off.
#[test]
fn user_namespaces_are_trusted_where_every_kubelet_has_them() {
    let Some(helm) = helm() else { return };
    for (arguments, trusted) in [
        (vec!["--kube-version", "1.32.13"], false),
        (vec!["--kube-version", "1.33.0"], false),
        (vec!["--kube-version", "1.35.4"], false),
        (vec!["--kube-version", "1.36.3"], true),
        (vec!["--kube-version", "1.37.0-gke.1"], true),
        (vec!["--kube-version", "1.33.0", "--set", "userNamespaces=true"], true),
        (vec!["--kube-version", "1.36.0", "--set", "userNamespaces=false"], false),
    ] {
        let rendered = render(&helm, &[&arguments[..], &["--set", "watch.enabled=true"]].concat());
        let argument = format!("- --user-namespaces={trusted}\n");
        assert_eq!(rendered.matches(&argument).count(), 2, "{arguments:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let Some(helm) = helm() else { return };
    for (arguments, said) in [
        (["--set", "replica=3"], "additional properties 'replica' not allowed"),
        (["--set", "replicas=0"], "minimum"),
        (["--set", "webhook.enforceFailurePolicy=fail"], "enforceFailurePolicy"),
        (["--set", "tls.existingSecret=x"], "tls.existingSecret needs tls.caBundle"),
        (["--set", "tls.caBundle=LS0tLS1CRUdJTi"], "does not match pattern"),
        (["--set", "tls.existingSecret=x,certManager.enabled=true"], "choose one"),
        (["--set", "policies.inline.x.kind=HardeningPolicy"], "policies/inline/x"),
        (["--set", "seeding.pullPolicy=Sometimes"], "pullPolicy"),
        (["--set", "policies.byLabel={Payments}"], "does not match pattern"),
        (["--kube-version", "1.29.3"], "incompatible"),
    ] {
        let output = template(&helm, &arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{arguments:?}: {error}");
    }
    for version in ["1.30.0", "1.31.2-gke.100", "1.34.1+k3s1", "1.37.0"] {
        render(&helm, &["--kube-version", version]);
    }
}

#[test]
fn the_watch_reads_pods_and_namespaces_and_nothing_else() {
    let Some(helm) = helm() else { return };
    let off = "watch.breakage.enabled=false";
    let rendered = Rendered::new(&helm, &["--values", &values("watch.yaml"), "--set", off]);
    let watch = rendered.deployment(true).unwrap();
    assert_eq!(watch["spec"]["replicas"], 1);
    assert_eq!(watch["spec"]["strategy"], json!({"type": "Recreate"}));
    let account = &watch["spec"]["template"]["spec"]["serviceAccountName"];
    let binding = |object: &&&Value| object["subjects"][0]["name"] == *account;
    assert_eq!(rendered.all("RoleBinding").iter().filter(binding).count(), 0);
    let bindings = rendered.all("ClusterRoleBinding");
    let bindings: Vec<_> = bindings.iter().filter(binding).collect();
    assert_eq!(bindings.len(), 1);
    let role = &bindings[0]["roleRef"]["name"];
    let role = rendered.all("ClusterRole").into_iter().find(|it| it["metadata"]["name"] == *role);
    assert_eq!(
        role.unwrap()["rules"],
        json!([{"apiGroups": [""], "resources": ["pods", "namespaces"],
                "verbs": ["get", "list", "watch"]}])
    );
    // The webhook's Service leads to no watch, and the other way round.
    let template = |watch| &rendered.deployment(watch).unwrap()["spec"]["template"];
    let services = rendered.all("Service");
    assert_eq!(services.len(), 2);
    for service in services {
        let leads = |watch: bool| {
            let labels = &template(watch)["metadata"]["labels"];
            let selector = service["spec"]["selector"].as_object().unwrap();
            selector.iter().all(|(key, value)| labels[key] == *value)
        };
        let is_watch = service["metadata"]["name"] == "ironhull-watch";
        assert_eq!((leads(false), leads(true)), (!is_watch, is_watch), "{service}");
    }
    let volumes = |watch| template(watch)["spec"]["volumes"].clone();
    assert_eq!(volumes(true), volumes(false), "it judges by the webhook's policies");
}

/// There is one source of the alerts and of the dashboard.
#[test]
fn what_is_installed_for_monitoring_is_what_is_in_the_files() {
    let Some(helm) = helm() else { return };
    let read =
        |name: &str| fs::read_to_string(root().join("deploy/chart/monitoring").join(name)).unwrap();
    let groups = |name: &str| -> Vec<Value> {
        let file: Value = serde_yaml::from_str(&read(name)).unwrap();
        file["groups"].as_array().unwrap().clone()
    };
    let rendered = Rendered::new(&helm, &["--values", &values("watch.yaml")]);
    let rules = rendered.one("PrometheusRule");
    let both = [groups("webhook.rules.yaml"), groups("watch.rules.yaml")].concat();
    assert_eq!(rules["spec"], json!({"groups": both}));
    let maps = rendered.all("ConfigMap");
    let map = maps.iter().find(|map| !map["data"]["ironhull.json"].is_null()).unwrap();
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(
        map["data"]["ironhull.json"].as_str().unwrap().trim_end(),
        read("dashboard.json").trim_end()
    );
    // Nothing is said of a watch that is not there.
    let rendered = Rendered::new(&helm, &["--set", "prometheusRule.enabled=true"]);
    let rules = rendered.one("PrometheusRule");
    assert_eq!(rules["spec"], json!({"groups": groups("webhook.rules.yaml")}));
}

#[test]
fn nothing_else_is_rendered() {
    let Some(helm) = helm() else { return };
    let rendered = Rendered::new(&helm, &[]);
    let kinds: Vec<_> = rendered.kinds().into_iter().collect();
    assert_eq!(
        kinds,
        [
            "ClusterRole",
            "ClusterRoleBinding",
            "Deployment",
            "MutatingWebhookConfiguration",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "ResourceQuota",
            "Role",
            "RoleBinding",
            "Secret",
            "Service",
            "ServiceAccount",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ]
    );
}
