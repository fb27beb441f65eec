//! Policies: what is read, what is refused and with which words, and which policy a
//! namespace gets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::path::Path;
use std::time::Instant;

use ironhull::policy::parse::{self, Loaded};
use ironhull::policy::{Diagnostic, Policy, PolicySet, Severity, Source, effective, manifest};
use ironhull::rules::{Action, RuleName, RuleSet};

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

/// Reads a spec, named `test` and claiming `*`.
fn spec(spec: &str) -> Policy {
    let text = format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: test}}\n\
         spec:\n  namespaces: ['*']\n{spec}"
    );
    let Loaded { mut policies, .. } =
        parse::parse(&[source("test.yaml", &text)]).unwrap_or_else(|errors| panic!("{errors:#?}"));
    policies.pop().unwrap()
}

/// A policy called `name` that claims `namespaces`.
fn claiming(name: &str, namespaces: &str) -> Source {
    let text = format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{namespaces: [{namespaces}], byLabel: true}}\n"
    );
    source(&format!("{name}.yaml"), &text)
}

fn set(files: &[Source]) -> PolicySet {
    PolicySet::load(files, None).unwrap_or_else(|errors| panic!("{errors:#?}")).0
}

#[test]
fn the_embedded_documents_are_good() {
    let restricted = Policy::restricted();
    assert_eq!(restricted.name, "restricted");
    assert_eq!(restricted.exemptions.allow, RuleSet::ALL);
    assert!(restricted.exemptions.require_reason && restricted.exempt.is_empty());
    let actions: Vec<_> =
        RuleName::ALL.iter().map(|rule| (rule.as_str(), restricted.rules.action(*rule))).collect();
    assert_eq!(
        actions,
        [
            ("runAsNonRoot", Action::Enforce),
            ("runAsUser", Action::Enforce),
            ("runAsGroup", Action::Enforce),
            ("fsGroup", Action::Fill),
            ("capabilities", Action::Enforce),
            ("allowPrivilegeEscalation", Action::Enforce),
            ("seccompProfile", Action::Enforce),
            ("readOnlyRootFilesystem", Action::Fill),
            ("unprivilegedPorts", Action::Fill),
        ]
    );
    let names = |list: &[ironhull::policy::Capability]| -> Vec<String> {
        list.iter().map(|c| c.as_str().to_owned()).collect()
    };
    assert_eq!(names(&restricted.rules.capabilities.allowed_add), ["NET_BIND_SERVICE"]);
    assert_eq!(
        names(&restricted.rules.capabilities.root_keeps),
        ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID"]
    );
    assert!(restricted.images.known().is_some_and(|known| !known.entries().is_empty()));
}

const SAMPLE: &str = r#"
apiVersion: ironhull.dev/v1alpha1
kind: HardeningPolicy
metadata:
  name: payments
spec:
  namespaces: [payments, "payments-*"]
  rules:
    runAsNonRoot: enforce                    # short form: only the action
    runAsUser: {action: fill, value: 1000, whenImageUser: keep}   # or override
    runAsGroup: {action: fill, value: 1000}
    fsGroup: {action: fill, value: 1000, changePolicy: OnRootMismatch}
    allowPrivilegeEscalation: enforce
    capabilities: {action: enforce, allowedAdd: [NET_BIND_SERVICE], rootKeeps: [CHOWN, DAC_OVERRIDE, FOWNER, SETUID, SETGID]}
    seccompProfile: {action: enforce, type: RuntimeDefault}
    readOnlyRootFilesystem: {action: fill, writablePaths: [/tmp], medium: "", sizeLimit: null}
    unprivilegedPorts: fill
  images:                                    # what certain images need; the first match wins, per container
  - match: ["docker.io/library/postgres:*"]
    runAsUser: 999                           # a uid, or `image`: trust the USER of these images, set runAsNonRoot and no uid
    runAsGroup: 999                          # may be 0
    fsGroup: 999                             # a gid, or none
    writablePaths: [/tmp, /var/run/postgresql]   # replaces the rule's list
    addCapabilities: []                      # only from allowedAdd
  knownImages: true                          # ironhull's own list after these entries
  registryAliases: {"registry.corp/dockerhub/": "docker.io/"}   # a pull-through mirror is seen as what it mirrors
  exemptions:                                # what workloads may declare for themselves
    allow: [runAsNonRoot, capabilities, readOnlyRootFilesystem]   # default: every rule; [] = none
    requireReason: true
    requireUntil: false
    maxDays: 90                              # implies requireUntil; a date further ahead is void; the last day is inclusive, UTC
    images: []                               # when given, only containers whose image matches one may be exempt
  exempt:                                    # what the administrators grant from here
  - containers: [istio-init]                 # containers AND images; each optional
    images: ["docker.io/istio/proxyv2:*"]    # without images: a policy warning, names can be chosen by anyone
    rules: [runAsNonRoot, capabilities]
    until: 2027-06-30
    reason: sets up the pod's iptables
"#;

#[test]
fn the_whole_language_is_read() {
    let Loaded { policies, warnings, .. } = parse::parse(&[source("a.yaml", SAMPLE)]).unwrap();
    assert_eq!(warnings, []);
    let [policy] = policies.as_slice() else { panic!("{policies:?}") };
    assert_eq!(policy.rules.action(RuleName::RunAsUser), Action::Fill);
    assert_eq!(policy.images.entries().len(), 1);
    assert!(policy.exemptions.require_until, "maxDays implies it");
    assert_eq!(policy.exempt[0].until.unwrap().to_string(), "2027-06-30");
    assert_eq!(
        policy.registry_aliases.normalise("registry.corp/dockerhub/postgres:15"),
        "docker.io/library/postgres:15"
    );
}

#[test]
fn what_is_not_named_is_as_in_restricted() {
    let policy = spec("  rules: {readOnlyRootFilesystem: warn, runAsUser: {value: 7}}\n");
    let paths = &policy.rules.read_only_root_filesystem.writable_paths;
    assert_eq!(paths.iter().map(|p| p.as_str()).collect::<Vec<_>>(), ["/tmp"]);
    assert_eq!(policy.rules.run_as_user.action, Action::Enforce);
    assert_eq!(policy.rules.run_as_user.value.get(), 7);
    let empty = spec("");
    assert_eq!(empty.revision, Policy::restricted().revision);
    assert_ne!(policy.revision, empty.revision);
}

#[test]
fn the_shipped_policies_load_together() {
    let mut names: Vec<_> = fs::read_dir("policies").unwrap().map(|e| e.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    names.sort();
    let files: Vec<_> = names
        .iter()
        .map(|path| source(&path.display().to_string(), &fs::read_to_string(path).unwrap()))
        .collect();
    let (set, warnings) = PolicySet::load(&files, None).unwrap();
    assert_eq!(warnings, []);
    let names: Vec<_> = set.policies().iter().map(|p| (p.name.as_str(), p.by_label)).collect();
    assert_eq!(
        names,
        [("fill-only", true), ("openshift", true), ("restricted", false), ("warn-only", true)]
    );
    assert_eq!(set.by_name("restricted").unwrap().revision, Policy::restricted().revision);
}
