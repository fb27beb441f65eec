//! A future Kubernetes adds a field to a securityContext: this test does not compile until
//! somebody has decided what ironhull does with it, and wrote it down here.
//!
//! The types are those of k8s-openapi, taken apart without `..`. Raise its version, and the
//! compiler names the field.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where"
)]

use std::collections::BTreeSet;

use ironhull::harden::{Context, Scope, harden};
use ironhull::pod::Pod;
use ironhull::policy::{Policy, PolicyFile, parse};
use ironhull::rule::RuleName;
use k8s_openapi::api::core::v1::{
    Capabilities, PodSecurityContext, SeccompProfile, SecurityContext,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What ironhull does with a field.
enum Decision {
    /// Sets it where it is unset, and replaces what is weaker, by this rule. The values:
    /// a weak one and what it becomes.
    GovernedBy(RuleName, Value, Value),
    /// A rule replaces the first value by the second; unset is the strong value.
    ReplacedBy(RuleName, Value, Value),
    /// Sets it where it is unset, as part of what this rule sets, and never replaces it. A
    /// value that stays.
    SetBy(RuleName, Value),
    /// Reads it to decide, and never changes it. A value that stays.
    OnlyRead(Value),
    /// Never touches it, and why. A value that stays.
    Never(Value, &'static str),
}

use Decision::{GovernedBy, Never, OnlyRead, ReplacedBy, SetBy};
use RuleName as R;

/// A decision for each field of a type, by the field's name in JSON.
macro_rules! decisions {
    ($of:ident { $( $field:ident $name:literal: $decision:expr, )* }) => {{
        // No `..`: a field that is not listed does not compile.
        let $of { $( $field: _, )* } = $of::default();
        vec![$( ($name, $decision), )*]
    }};
}

fn of_a_container() -> Vec<(&'static str, Decision)> {
    decisions!(SecurityContext {
        allow_privilege_escalation "allowPrivilegeEscalation":
            GovernedBy(R::AllowPrivilegeEscalation, json!(true), json!(false)),
        app_armor_profile "appArmorProfile":
            Never(json!({"type": "Unconfined"}), "the runtime's default applies where it is unset"),
        capabilities "capabilities":
            GovernedBy(R::Capabilities, json!({"add": ["NET_RAW"]}), json!({"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]})),
        privileged "privileged":
            ReplacedBy(R::Privileged, json!(true), json!(false)),
        proc_mount "procMount":
            Never(json!("Default"), "unset is the strong value"),
        read_only_root_filesystem "readOnlyRootFilesystem":
            GovernedBy(R::ReadOnlyRootFilesystem, json!(false), json!(true)),
        run_as_group "runAsGroup":
            GovernedBy(R::RunAsGroup, json!(0), json!(1000)),
        run_as_non_root "runAsNonRoot":
            GovernedBy(R::RunAsNonRoot, json!(false), json!(true)),
        run_as_user "runAsUser":
            GovernedBy(R::RunAsUser, json!(0), json!(1000)),
        se_linux_options "seLinuxOptions":
            Never(json!({"level": "s0"}), "labels are the node's business"),
        seccomp_profile "seccompProfile":
            GovernedBy(R::SeccompProfile, json!({"type": "Unconfined"}), json!({"type": "RuntimeDefault"})),
        windows_options "windowsOptions":
            OnlyRead(json!({"runAsUserName": "ContainerUser"})),
    })
}

fn of_a_pod() -> Vec<(&'static str, Decision)> {
    decisions!(PodSecurityContext {
        app_armor_profile "appArmorProfile":
            Never(json!({"type": "Unconfined"}), "the runtime's default applies where it is unset"),
        fs_group "fsGroup":
            SetBy(R::FsGroup, json!(0)),
        fs_group_change_policy "fsGroupChangePolicy":
            SetBy(R::FsGroup, json!("Always")),
        run_as_group "runAsGroup":
            GovernedBy(R::RunAsGroup, json!(0), json!(1000)),
        run_as_non_root "runAsNonRoot":
            GovernedBy(R::RunAsNonRoot, json!(false), json!(true)),
        run_as_user "runAsUser":
            GovernedBy(R::RunAsUser, json!(0), json!(1000)),
        se_linux_change_policy "seLinuxChangePolicy":
            Never(json!("Recursive"), "it changes how volumes are labelled, and no privilege"),
        se_linux_options "seLinuxOptions":
            Never(json!({"level": "s0"}), "labels are the node's business"),
        seccomp_profile "seccompProfile":
            GovernedBy(R::SeccompProfile, json!({"type": "Unconfined"}), json!({"type": "RuntimeDefault"})),
        supplemental_groups "supplementalGroups":
            Never(json!([4]), "which groups own its files only the application knows"),
        supplemental_groups_policy "supplementalGroupsPolicy":
            Never(json!("Merge"), "it decides whether the image's own groups count"),
        sysctls "sysctls":
            SetBy(R::UnprivilegedPorts, json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}])),
        windows_options "windowsOptions":
            OnlyRead(json!({"runAsUserName": "ContainerUser"})),
    })
}

/// What stands in the two objects that ironhull writes into.
fn of_parts() -> [Vec<(&'static str, Decision)>; 2] {
    let add = json!(["NET_BIND_SERVICE"]);
    let profile = json!("profiles/a.json");
    [
        decisions!(Capabilities {
            add "add": SetBy(R::Capabilities, add),
            drop "drop": SetBy(R::Capabilities, json!(["ALL"])),
        }),
        decisions!(SeccompProfile {
            localhost_profile "localhostProfile": SetBy(R::SeccompProfile, profile),
            type_ "type": SetBy(R::SeccompProfile, json!("RuntimeDefault")),
        }),
    ]
}

#[test]
fn every_field_has_its_name() {
    named::<SecurityContext>(of_a_container());
    named::<PodSecurityContext>(of_a_pod());
    let [capabilities, seccomp] = of_parts();
    named::<Capabilities>(capabilities);
    named::<SeccompProfile>(seccomp);
}

/// A name that is not the field's is not read, and so not written again.
fn named<T: Serialize + DeserializeOwned>(decisions: Vec<(&str, Decision)>) {
    let mut names = BTreeSet::new();
    for (name, decision) in decisions {
        let (GovernedBy(_, value, _)
        | ReplacedBy(_, value, _)
        | SetBy(_, value)
        | OnlyRead(value)
        | Never(value, _)) = decision;
        let mut object = json!({name: value});
        if name == "localhostProfile" {
            object["type"] = "Localhost".into();
        }
        let typed: T = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap()[name], object[name], "{name}");
        assert!(names.insert(name), "{name} is listed twice");
    }
}

#[test]
fn what_was_decided_for_a_container_holds() {
    for (name, decision) in of_a_container() {
        holds(name, decision, "/spec/containers/0/securityContext");
    }
}

#[test]
fn what_was_decided_for_a_pod_holds() {
    for (name, decision) in of_a_pod() {
        holds(name, decision, "/spec/securityContext");
    }
}

fn holds(name: &str, decision: Decision, context: &str) {
    let place = format!("{context}/{name}");
    let after = |value: &Value| {
        let pod = enforced(&pod(context, json!({name: value})));
        pod.pointer(&place).cloned()
    };
    let unset = after(&Value::Null).filter(|value| !value.is_null());
    // Of a field at both levels only one is set.
    let set = unset.is_some() || enforced(&pod(context, json!({}))).to_string().contains(name);
    match decision {
        GovernedBy(rule, weak, strong) => {
            assert_eq!(after(&weak).as_ref(), Some(&strong), "{place} by {rule}");
            assert_eq!(after(&strong).as_ref(), Some(&strong), "{place} by {rule}");
            assert!(set, "{place} is not set by {rule}");
        }
        ReplacedBy(rule, weak, strong) => {
            assert_eq!(after(&weak).as_ref(), Some(&strong), "{place} by {rule}");
            assert_eq!(after(&strong).as_ref(), Some(&strong), "{place} by {rule}");
            assert_eq!(unset, None, "{place} is set");
        }
        SetBy(rule, value) => {
            assert_eq!(after(&value), Some(value), "{place} by {rule}");
            assert!(unset.is_some(), "{place} is not set by {rule}");
        }
        OnlyRead(value) => {
            assert_eq!(after(&value), Some(value), "{place} is only read");
            assert_eq!(unset, None, "{place} is set");
        }
        Never(value, why) => {
            assert_eq!(after(&value), Some(value), "{place} is never touched: {why}");
            assert_eq!(unset, None, "{place} is set, although {why}");
        }
    }
}

fn pod(context: &str, fields: Value) -> Value {
    let mut pod = json!({"spec": {"securityContext": {}, "containers": [
        {"name": "web", "image": "registry.corp/web:1", "ports": [{"containerPort": 80}], "securityContext": {},
         "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
    ], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}});
    *pod.pointer_mut(context).unwrap() = fields;
    pod
}

/// The pod after a policy that enforces everything.
fn enforced(pod: &Value) -> Value {
    let rules: Vec<_> = RuleName::ALL.iter().map(|rule| format!("{rule}: enforce")).collect();
    let text = format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: strict}}\n\
         spec:\n  namespaces: ['*']\n  rules: {{{}}}\n",
        rules.join(", ")
    );
    let loaded = parse::parse(&[PolicyFile { name: "strict.yaml".to_owned(), text }]).unwrap();
    let policy: &Policy = loaded.policies.first().unwrap();
    let context = Context {
        date: jiff::civil::date(2027, 1, 15),
        scope: Scope::Create,
        user_namespaces: false,
        provenance: false,
        root: "",
        reserved_volumes: &[],
        seed_image: None,
    };
    let text = pod.to_string();
    let view = Pod::from_json(&text).unwrap();
    let patch: json_patch::Patch =
        serde_json::from_str(harden(&view, policy, &context).patch.as_json()).unwrap();
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}
