//! Reviews through the whole server, as the API server sends them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fixture::{self, Fixture};

fn server() -> Fixture {
    fixture::with(|_| {})
}

fn review(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "0c3b9e5e-3b5f-4a3c-9d43-0b8f4b1f7d11",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "dryRun": false,
            "userInfo": {"username": "someone"},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"generateName": "web-", "namespace": "shop"},
                "spec": {"containers": [
                    {"name": "web", "image": "registry.example/web:1", "env": [{"name": "TOKEN", "value": "hush"}]},
                ]},
            },
        },
    });
    change(&mut review["request"]);
    serde_json::to_vec(&review).unwrap()
}

fn patch(response: &Value) -> Value {
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&patch).unwrap()
}

#[test]
fn enforce_patches_a_bare_pod() {
    let server = server();
    let answer = server.connect().post("/enforce", &review(|_| {})).unwrap();
    assert_eq!(answer.status, 200);
    let said = answer.json();
    assert_eq!(said["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(said["kind"], "AdmissionReview");
    let response = &said["response"];
    assert_eq!(response["uid"], "0c3b9e5e-3b5f-4a3c-9d43-0b8f4b1f7d11");
    assert_eq!(response["allowed"], true);
    assert_eq!(response["patchType"], "JSONPatch");

    let mut pod =
        serde_json::from_slice::<Value>(&review(|_| {})).unwrap()["request"]["object"].take();
    let patch: json_patch::Patch = serde_json::from_value(patch(response)).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    let context = &pod["spec"]["securityContext"];
    assert_eq!(context["runAsNonRoot"], true);
    assert_eq!(context["runAsUser"], 1000);
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["env"][0]["value"], "hush", "what is not ours is untouched");

    let again = review(|request| request["object"] = pod);
    let said = server.connect().post("/enforce", &again).unwrap().json();
    assert!(said["response"].get("patch").is_none(), "nothing is left to do");
    assert!(said["response"].get("patchType").is_none());

    let counted = |outcome: &str| {
        server.metric(&format!(
            "ironhull_reviews_total{{mode=\"enforce\",policy=\"restricted\",outcome=\"{outcome}\",dry_run=\"false\"}}"
        ))
    };
    assert_eq!((counted("patched"), counted("unchanged")), (1, 1));
    let set = r#"ironhull_rule_results_total{rule="runAsNonRoot",result="set"}"#;
    assert!(server.metric(set) >= 1);
    assert_eq!(server.metric(r#"ironhull_review_duration_seconds_count{mode="enforce"}"#), 2);
    server.stop();
}

#[test]
fn audit_says_and_does_not_patch() {
    let server = server();
    let said = server.connect().post("/audit", &review(|_| {})).unwrap().json();
    let response = &said["response"];
    assert_eq!(response["allowed"], true);
    assert!(response.get("patch").is_none());
    let warnings = response["warnings"].as_array().unwrap();
    assert!(!warnings.is_empty());
    assert!(warnings.iter().all(|warning| warning.as_str().unwrap().len() <= 120), "{warnings:?}");
    server.stop();
}

#[test]
fn a_dry_run_gets_the_same_patch_and_is_counted_as_one() {
    let server = server();
    let mut client = server.connect();
    let real = client.post("/enforce", &review(|_| {})).unwrap();
    let dry = client.post("/enforce", &review(|request| request["dryRun"] = true.into())).unwrap();
    assert_eq!(real.body, dry.body);
    let counted = |dry: bool| {
        server.metric(&format!(
            "ironhull_reviews_total{{mode=\"enforce\",policy=\"restricted\",outcome=\"patched\",dry_run=\"{dry}\"}}"
        ))
    };
    assert_eq!((counted(false), counted(true)), (1, 1));
    server.stop();
}

#[test]
fn what_is_not_asked_about_is_allowed() {
    let server = server();
    let mut client = server.connect();
    for change in [
        |request: &mut Value| {
            request["operation"] = "UPDATE".into();
            request["oldObject"] = request["object"].clone();
        },
        |request: &mut Value| request["operation"] = "DELETE".into(),
        |request: &mut Value| request["object"] = Value::Null,
        |request: &mut Value| request["resource"]["resource"] = "services".into(),
    ] {
        let said = client.post("/enforce", &review(change)).unwrap().json();
        assert_eq!(said["response"]["allowed"], true);
        assert_eq!(said["response"]["uid"], "0c3b9e5e-3b5f-4a3c-9d43-0b8f4b1f7d11");
        assert!(said["response"].get("patch").is_none());
    }
    let ignored =
        r#"ironhull_reviews_total{mode="enforce",policy="",outcome="ignored",dry_run="false"}"#;
    assert_eq!(server.metric(ignored), 4);
    server.stop();
}

#[test]
fn a_pod_that_cannot_be_read_is_refused_only_where_it_is_enforced() {
    let server = server();
    let mut client = server.connect();
    let broken = review(|request| request["object"]["spec"]["containers"] = json!({"a": 1}));
    let said = client.post("/enforce", &broken).unwrap().json();
    assert_eq!(said["response"]["allowed"], false);
    assert!(said["response"]["status"]["message"].as_str().unwrap().contains("ironhull"));
    let said = client.post("/audit", &broken).unwrap().json();
    assert_eq!(said["response"]["allowed"], true);
    assert!(!said["response"]["warnings"].as_array().unwrap().is_empty());
    server.stop();
}

#[test]
fn what_is_not_a_review_is_one_line() {
    let server = server();
    let mut client = server.connect();
    let beta = String::from_utf8(review(|_| {})).unwrap().replace("k8s.io/v1", "k8s.io/v1beta1");
    for (body, part) in [
        (beta.as_bytes(), "admission.k8s.io/v1"),
        (b"{", ""),
        (b"[]", ""),
        (b"", ""),
        (br#"{"apiVersion":"v1","kind":"Pod"}"#, ""),
        (b"\0\x01\r\n\r\nx", ""),
        (b"{\"kind\":\"\xff\"}", "not UTF-8 from byte 9 on"),
    ] {
        let answer = client.post("/enforce", body).unwrap();
        assert_eq!(answer.status, 400, "{}", body.escape_ascii());
        assert_eq!(answer.text().lines().count(), 1, "{}", answer.text());
        assert!(answer.text().contains(part), "{}", answer.text());
        assert!(!answer.closes(), "the request was read to its end");
    }
    server.stop();
}

#[test]
fn advice_is_warnings_alone() {
    let server = server();
    let body = review(|request| {
        let mut template = request["object"].take();
        template["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 0});
        request["kind"] = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
        request["resource"] = json!({"group": "apps", "version": "v1", "resource": "deployments"});
        request["object"] = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": template},
        });
    });
    let said = server.connect().post("/advise", &body).unwrap().json();
    assert_eq!(said["response"]["allowed"], true);
    assert!(said["response"].get("patch").is_none());
    assert!(!said["response"]["warnings"].as_array().unwrap().is_empty());
    server.stop();
}

#[test]
fn a_path_names_a_policy() {
    let directory = tempfile::tempdir().unwrap();
    let policy = "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\n\
                  metadata: {name: quiet}\nspec:\n  byLabel: true\n  rules:\n";
    let off: String =
        ironhull::rule::RuleName::ALL.iter().map(|rule| format!("    {rule}: off\n")).collect();
    std::fs::write(directory.path().join("quiet.yaml"), policy.to_owned() + &off).unwrap();
    let server = fixture::with(|config| {
        let files = ironhull::cli::serve::files(Some(directory.path().to_owned()), None).unwrap();
        config.policies = ironhull::serve::Policies::Files(files);
    });
    let mut client = server.connect();
    let patched = |path: &str, client: &mut crate::client::Client| {
        let said = client.post(path, &review(|_| {})).unwrap().json();
        said["response"].get("patch").is_some()
    };
    assert!(patched("/enforce", &mut client));
    assert!(!patched("/enforce/quiet", &mut client), "every rule of it is off");
    assert!(patched("/enforce/unknown", &mut client), "a pod is not let through for a label");
    let counted = |policy: &str, outcome: &str| {
        server.metric(&format!(
            "ironhull_reviews_total{{mode=\"enforce\",policy=\"{policy}\",outcome=\"{outcome}\",dry_run=\"false\"}}"
        ))
    };
    assert_eq!((counted("restricted", "patched"), counted("quiet", "unchanged")), (2, 1));
    assert_eq!(counted("unknown", "patched"), 0, "a name from outside is never a label's value");
    server.stop();
}
