//! Policies: what is read, what is refused and with which words, and which policy a
//! namespace gets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod speed;
#[path = "../support/update.rs"]
mod update;

use std::fs;
use std::path::Path;

use ironhull::policy::parse::{self, Loaded};
use ironhull::policy::{Diagnostic, Policy, PolicyFile, PolicySet, effective, manifest};
use ironhull::rule::{Action, RuleName, RuleSet};

fn source(name: &str, text: &str) -> PolicyFile {
    PolicyFile { name: name.to_owned(), text: text.to_owned() }
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
fn claiming(name: &str, namespaces: &str) -> PolicyFile {
    let text = format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{namespaces: [{namespaces}], byLabel: true}}\n"
    );
    source(&format!("{name}.yaml"), &text)
}

fn set(files: &[PolicyFile]) -> PolicySet {
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
            ("privileged", Action::Warn),
            ("runAsNonRoot", Action::Enforce),
            ("runAsUser", Action::Enforce),
            ("runAsGroup", Action::Enforce),
            ("fsGroup", Action::Fill),
            ("capabilities", Action::Enforce),
            ("allowPrivilegeEscalation", Action::Enforce),
            ("seccompProfile", Action::Enforce),
            ("readOnlyRootFilesystem", Action::Fill),
            ("unprivilegedPorts", Action::Fill),
            ("hostUsers", Action::Warn),
            ("serviceAccountToken", Action::Warn),
        ]
    );
    let names = |list: &[ironhull::policy::Capability]| -> Vec<String> {
        list.iter().map(|c| c.as_str().to_owned()).collect()
    };
    assert_eq!(names(&restricted.rules.capabilities.allowed_add), ["NET_BIND_SERVICE"]);
    assert_eq!(
        names(&restricted.rules.capabilities.root_keeps),
        ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "KILL", "NET_BIND_SERVICE"]
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
    hostUsers: {action: warn, storageClasses: ["*", fast]}
    serviceAccountToken: warn
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
  podTemplates:                              # kinds of one's own that pods are made from
  - group: example.com
    kind: Widget
    path: spec.workers[*].template           # [*] for each item of a list or map
    holds: template                          # or podSpec
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
    assert_eq!(paths.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["/tmp"]);
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
    // What their names say, of every rule.
    for (name, strongest) in [("fill-only", Action::Fill), ("warn-only", Action::Warn)] {
        let rules = &set.by_name(name).unwrap().rules;
        for rule in RuleName::ALL {
            assert!(rules.action(*rule) <= strongest, "{name}: {}", rule.as_str());
        }
    }
}

#[test]
fn a_namespace_gets_the_most_specific_policy() {
    let set = set(&[
        claiming("all", "'*'"),
        claiming("pay", "'pay-*', payroll"),
        claiming("pay-eu", "'pay-eu-*'"),
        claiming("eu-dev", "'pay-e*-dev'"),
        claiming("ends", "'*-stage-x'"),
        claiming("exact", "pay-eu-special, pay-eu-west-dev"),
    ]);
    for (namespace, policy, pattern) in [
        ("payroll", "pay", "payroll"),
        ("pay-x", "pay", "pay-*"),
        ("pay-", "pay", "pay-*"),
        ("pay", "all", "*"),
        ("pay-eu-west", "pay-eu", "pay-eu-*"),
        ("pay-eu-special", "exact", "pay-eu-special"),
        ("pay-eu-west-dev", "exact", "pay-eu-west-dev"),
        ("pay-eu-dev", "eu-dev", "pay-e*-dev"),
        ("pay-e-dev", "eu-dev", "pay-e*-dev"),
        ("pay-x-stage-x", "ends", "*-stage-x"),
        ("-stage-x", "ends", "*-stage-x"),
        ("other", "all", "*"),
        ("", "all", "*"),
        ("pay-eü", "pay", "pay-*"),
    ] {
        let choice = set.choose(namespace);
        let by = choice.pattern.map(ToString::to_string);
        assert_eq!((choice.policy.name.as_str(), by.as_deref()), (policy, Some(pattern)));
        assert_eq!(set.for_namespace(namespace).name, policy);
    }
}

#[test]
fn restricted_is_the_fallback_until_a_policy_claims_everything() {
    let some = set(&[claiming("pay", "'pay-*'")]);
    assert_eq!(some.for_namespace("other").name, "restricted");
    assert!(some.choose("other").pattern.is_none());
    assert_eq!(some.by_name("restricted").unwrap().revision, Policy::restricted().revision);
    assert!(some.by_name("nobody").is_none());
    let all = set(&[claiming("all", "'*'")]);
    assert_eq!(all.for_namespace("other").name, "all");
    assert!(PolicySet::new(Vec::new()).is_ok_and(|set| set.policies().is_empty()));
}

#[test]
fn one_policy_may_claim_a_namespace_twice() {
    let set = set(&[claiming("pay", "'pay-*', '*-dev', 'pay-*', pay, pay")]);
    assert_eq!(set.for_namespace("pay-dev").name, "pay");
}

/// What a policy comes to, as a document, is a policy of the same revision.
#[test]
fn the_effective_document_reads_back_as_the_same_policy() {
    let Loaded { policies, .. } = parse::parse(&[source("a.yaml", SAMPLE)]).unwrap();
    for policy in policies.iter().chain([Policy::restricted()]) {
        let yaml = serde_yaml::to_string(&effective::document(policy)).unwrap();
        let again = parse::parse(&[source("again.yaml", &yaml)]).unwrap();
        assert_eq!(again.policies[0].revision, policy.revision, "{yaml}");
        assert_eq!(again.policies[0].namespaces, policy.namespaces);
    }
}

#[test]
fn the_revision_is_that_of_the_content() {
    let revision = |text: &str| spec(text).revision;
    let one = revision("  rules: {runAsUser: {action: fill, value: 7}}\n");
    assert!(one.len() == 12 && one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
    assert_eq!(
        one,
        revision("  rules:\n    runAsUser:\n      value: 7 # seven\n      action: fill\n")
    );
    let others = [
        "  rules: {runAsUser: {action: fill, value: 8}}\n",
        "  rules: {runAsUser: {action: warn, value: 7}}\n",
        "  knownImages: false\n",
        "  images: [{match: ['nginx:*']}]\n",
        "  registryAliases: {a.example/: docker.io/}\n",
        "  exemptions: {allow: []}\n",
        "  exempt: [{rules: [capabilities], reason: because}]\n",
    ];
    let mut revisions: Vec<_> = others.iter().map(|text| revision(text)).collect();
    revisions.extend([one, Policy::restricted().revision.clone()]);
    revisions.sort();
    revisions.dedup();
    assert_eq!(revisions.len(), others.len() + 2);
}

#[test]
fn a_list_of_known_images_takes_the_place_of_the_compiled_in_one() {
    let known = "apiVersion: ironhull.dev/v1alpha1\nkind: KnownImages\nimages:\n\
                 - match: ['a.example/only:*']\n  runAsUser: 7\n  addCapabilities: [CHOWN]\n";
    let set = set(&[source("images.yaml", known), claiming("pay", "pay")]);
    for policy in [set.for_namespace("pay"), set.for_namespace("other")] {
        assert!(policy.images.find("docker.io/library/postgres:15").is_none());
        let entry = policy.images.find("a.example/only:1").unwrap();
        assert!(entry.add_capabilities.is_empty(), "CHOWN is not in allowedAdd");
        assert_ne!(policy.revision, Policy::restricted().revision);
    }
    assert!(Policy::restricted().images.find("docker.io/library/postgres:15").is_some());
}

/// `off` as tools write it after reading it as YAML 1.1; a large uid and a date as
/// they come out of Helm and Kustomize.
#[test]
fn what_other_tools_make_of_a_policy_is_the_same_policy() {
    let root = Path::new("tests/policy-tools");
    let read = |name: &str| {
        let text = fs::read_to_string(root.join(name)).unwrap();
        let Loaded { policies, warnings, .. } =
            parse::parse(&[source(name, &text)]).unwrap_or_else(|errors| panic!("{errors:#?}"));
        assert_eq!(warnings, []);
        policies.into_iter().next().unwrap().revision
    };
    let original = read("policy.yaml");
    let mut names: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    assert_eq!(names, ["helm.yaml", "kubectl.yaml", "kustomize.yaml", "policy.yaml"]);
    for name in &names {
        assert_eq!(read(name), original, "{name}");
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let pieces = [
        "{", "}", "[", "]", ": ", "- ", "\n", "\t", "'", "\"", "&a ", "*a", "!t ", "---\n", "é",
        "~", "\u{feff}", "0", "|\n", "\r\n",
    ];
    for _ in 0..2_000 {
        let mut text = SAMPLE.to_owned();
        for _ in 0..=random(4) {
            let mut at = random(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let end = (at + random(20)).min(text.len());
            let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap();
            text.replace_range(at..end, pieces[random(pieces.len())]);
        }
        let files = [source("a.yaml", &text)];
        if let Err(errors) = PolicySet::load(&files, None) {
            assert!(!errors.is_empty());
            for Diagnostic { place, .. } in &errors {
                assert!(text.get(place.span.clone()).is_some(), "{place} {text}");
                let before = text.get(..place.span.start).unwrap();
                let line = before.matches('\n').count() + 1;
                assert_eq!(place.line, line, "{place:?} {text}");
            }
            #[cfg(feature = "server")]
            drop(ironhull::terminal::diagnostics::styled(&errors, &files));
        }
    }
}

#[test]
fn the_schema_is_current() {
    let schema = serde_json::to_string_pretty(&manifest::schema()).unwrap() + "\n";
    if update::is_wanted() {
        fs::write("policies/schema.json", &schema).unwrap();
    }
    let kept = fs::read_to_string("policies/schema.json").unwrap_or_default();
    assert!(kept == schema, "UPDATE_EXPECT=1 rewrites policies/schema.json");
}
