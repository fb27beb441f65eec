//! Policies given as values.

use std::fs;

use clap::Parser;
use ironhull::cli::policy;
use serde_json::{Value, json};

use super::rendered::{Rendered, helm, render, root, template, values};
use super::update;

#[test]
fn a_policy_can_be_chosen_by_label() {
    let Some(helm) = helm() else { return };
    let rendered = Rendered::new(&helm, &["--values", &values("everything.yaml")]);
    let found: Vec<(&str, String)> = rendered
        .webhooks()
        .iter()
        .map(|webhook| {
            let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap();
            let selector = webhook["namespaceSelector"]["matchExpressions"].as_array().unwrap();
            let chosen = selector.iter().find(|found| found["key"] == "ironhull.dev/policy");
            let chosen = chosen.map(|found| {
                format!("{} {}", found["operator"].as_str().unwrap(), found["values"])
            });
            (path, chosen.unwrap_or_default())
        })
        .collect();
    let none = r#"NotIn ["payments","shop"]"#.to_owned();
    let one = |name: &str| format!(r#"In ["{name}"]"#);
    assert_eq!(
        found,
        [
            ("/enforce", none.clone()),
            ("/enforce/payments", one("payments")),
            ("/enforce/shop", one("shop")),
            // The labelled pods of namespaces on `audit`.
            ("/enforce", none.clone()),
            ("/enforce/payments", one("payments")),
            ("/enforce/shop", one("shop")),
            ("/audit", none),
            ("/audit/payments", one("payments")),
            ("/audit/shop", one("shop")),
            ("/advise", String::new()),
        ]
    );
    let sources = &rendered.pod()["spec"]["volumes"][0]["projected"]["sources"];
    let names: Vec<_> = sources
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["configMap"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ironhull-blue-policies", "more-policies", "even-more-policies"]);
}

/// Helm reads `off` as `false`, which must mean the same.
#[test]
fn off_survives_helm() {
    let Some(helm) = helm() else { return };
    let case = root().join("tests/chart/off");
    let file = case.join("values.yaml").display().to_string();
    let rendered = Rendered::new(&helm, &["--values", &file]);
    let data = rendered.one("ConfigMap")["data"].as_object().unwrap();
    let mounted = tempfile::tempdir().unwrap();
    for (name, text) in data {
        fs::write(mounted.path().join(name), text.as_str().unwrap()).unwrap();
    }
    let text = data["payments.yaml"].as_str().unwrap();
    let expected = case.join("expected.yaml");
    if update::is_wanted() {
        fs::write(&expected, format!("{}\n", text.trim_end())).unwrap();
    }
    assert_eq!(text.trim_end(), fs::read_to_string(&expected).unwrap().trim_end());
    assert!(text.contains("readOnlyRootFilesystem: false"), "{text}");

    let path = mounted.path().display().to_string();
    let check = run_policy(&["policy", "check", &path]);
    assert_eq!(check.0, 0, "{}", check.1);
    let (code, shown) = run_policy(&["policy", "show", "payments", "--policy", &path]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("1000650000"), "a large number stays one: {shown}");
    for rule in ["readOnlyRootFilesystem", "runAsUser", "runAsNonRoot"] {
        let from = shown.lines().skip_while(|line| !line.trim_start().starts_with(rule));
        let section: String = from.take(2).collect();
        assert!(section.contains("off"), "{rule}: {section}");
    }
}

#[derive(Parser)]
enum PolicyCli {
    #[command(subcommand)]
    Policy(policy::Command),
}

pub(crate) fn run_policy(arguments: &[&str]) -> (u8, String) {
    let PolicyCli::Policy(command) =
        PolicyCli::try_parse_from([&["ironhull"], arguments].concat()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = policy::run(&command, &mut out, &mut err).expect("it runs");
    out.extend(err);
    (code, String::from_utf8(out).unwrap())
}

/// An inline policy is held against the policies' own schema before anything is rendered: a
/// replica that starts with a bad one ends at once.
#[test]
fn an_inline_policy_with_a_mistake_is_refused() {
    let Some(helm) = helm() else { return };
    for (value, said) in [
        ("rules.runAsUser.action=enforced", "rules/runAsUser/action"),
        ("rules.runAsUsr.action=enforce", "runAsUsr"),
        ("rules.runAsUser.value=0", "rules/runAsUser/value"),
        ("rules.capabilities.allowedAdd={CAP_CHOWN}", "allowedAdd"),
        ("namespace=shop", "namespace"),
        ("exemptions.maxDays=soon", "exemptions/maxDays"),
    ] {
        let output = template(&helm, &["--set", &format!("policies.inline.x.{value}")]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{value}: {error}");
    }
    render(&helm, &["--set", "policies.inline.x.namespaces={shop}"]);
    render(&helm, &["--set", "policies.inline.x.rules.runAsUser.value=2000"]);
}

/// In a namespace on `audit`, a pod goes to one webhook of two: by its label.
#[test]
fn pods_opt_in_one_by_one_where_the_namespace_is_on_audit() {
    let Some(helm) = helm() else { return };
    for arguments in [&[][..], &["--values", &values("everything.yaml")]] {
        let rendered = Rendered::new(&helm, arguments);
        let of = |mode: &str, labelled: &Value| {
            let webhooks = rendered.webhooks().iter().filter(|webhook| {
                webhook["namespaceSelector"]["matchExpressions"][0]["values"] == json!([mode])
                    && webhook["objectSelector"]["matchExpressions"] == *labelled
            });
            let path = |webhook: &Value| webhook["clientConfig"]["service"]["path"].clone();
            webhooks.map(path).collect::<Vec<_>>()
        };
        let label = |operator: &str| json!([{"key": "ironhull.dev/harden", "operator": operator, "values": ["enforce"]}]);
        let enforced = of("enforce", &Value::Null);
        assert!(enforced.contains(&json!("/enforce")), "{enforced:?}");
        assert_eq!(of("audit", &label("In")), enforced, "as in a namespace on enforce");
        let audited = of("audit", &label("NotIn"));
        assert_eq!(audited.len(), enforced.len());
        assert!(audited.contains(&json!("/audit")), "{audited:?}");
        assert!(of("audit", &Value::Null).is_empty());
    }
}
