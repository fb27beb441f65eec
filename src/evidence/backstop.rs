//! The backstop: a ValidatingAdmissionPolicy that refuses what the webhook should have hardened.
//!
//! The API server evaluates it by itself, after every mutating webhook. So it holds while ironhull is
//! down or was bypassed, under `failurePolicy: Ignore` too. It asks for Pod Security *restricted*
//! container by container, and leaves out what is exempt: what a policy lets the pod declare by
//! annotation, and what the policy grants. Pod Security itself can exempt whole namespaces only.
//!
//! | module | writes the CEL that |
//! |---|---|
//! | [`checks`] | holds a pod against *restricted*, and says what is wrong |
//! | [`exempt`] | reads annotations and grants |
//! | [`image`] | compares images with patterns, as [`crate::image`] does |
//! | [`governs`] | finds a namespace's policy, as [`PolicySet`] does |
//! | [`cel`] | is common to them: literals and regular expressions |
//!
//! # What CEL costs
//! Each expression and variable may cost 1,000,000 units, all of a binding 10,000,000, messages
//! included (`PerCallLimit`, `RuntimeCELCostBudget` in `k8s.io/apiserver/pkg/apis/cel`). Variables are
//! evaluated twice: once for the validation, once for its message. A pod past the limits is refused.
//! `tests/backstop` measures the largest pod that ironhull reviews.

mod cel;
mod checks;
mod exempt;
mod governs;
mod image;

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::cluster::namespaces::{OPT_IN, PROTECTED};
use crate::policy::{Policy, PolicySet};
use exempt::Exemptions;
use governs::Claims;

pub use checks::STANDARD;

/// Name of the policy of namespaces that no other one claims, and of its binding. That of others
/// begins like it.
const NAME: &str = "ironhull-backstop";

/// The same of the binding for pods that opt in one by one. No policy's name can make it another's.
const LABELLED: &str = "ironhull-labelled-backstop";

/// Maximum length of an object's name (a DNS subdomain).
const MAX_NAME: usize = 253;

/// What the API server does with a pod that is refused: `validationActions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Action {
    /// Refuses it.
    Deny,
    /// Admits it with a warning.
    Warn,
    /// Admits it with an annotation in the audit log.
    Audit,
}

impl Action {
    /// Its name in `validationActions`.
    fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "Deny",
            Self::Warn => "Warn",
            Self::Audit => "Audit",
        }
    }
}

/// What a backstop is made with, besides the policies.
#[derive(Clone, Debug)]
pub struct Options {
    /// The day on which it is made. Exemptions that ended before are void for whatever pod.
    pub date: Date,
    /// At least one action; not both [`Action::Deny`] and [`Action::Warn`], which the API server
    /// does not accept.
    pub actions: Vec<Action>,
    /// Namespaces that never match, besides Kubernetes' own.
    pub excluded: Vec<String>,
}

/// The objects, in the order in which they are to be applied: for each group of policies that ask the
/// same of a pod one ValidatingAdmissionPolicy, and its two bindings.
pub fn objects(policies: &PolicySet, options: &Options) -> Vec<Value> {
    let groups = groups(policies, options.date);
    let claims = Claims::of(policies);
    let alone = groups.len() == 1;
    let mut objects = Vec::new();
    for (exemptions, members) in &groups {
        let governs = if alone { None } else { Some(claims.governs(members)) };
        let end = end_of_name(members, policies);
        let name = format!("{NAME}{end}");
        objects.push(policy(&name, members, exemptions, governs.as_deref(), options));
        objects.push(binding(&name, &name, "enforce", options));
        objects.push(binding(&format!("{LABELLED}{end}"), &name, "audit", options));
    }
    objects
}

/// What a policy makes ironhull leave as it is and *restricted* does not allow, in words: the
/// backstop refuses such pods.
pub fn remarks(policies: &PolicySet) -> Vec<String> {
    reachable(policies).into_iter().flat_map(checks::remarks).collect()
}

/// Policies by what they exempt. All else of a policy is about patches, which a backstop does not make.
fn groups(policies: &PolicySet, date: Date) -> Vec<(Exemptions, Vec<&Policy>)> {
    let mut groups: Vec<(Exemptions, Vec<&Policy>)> = Vec::new();
    for policy in reachable(policies) {
        let exemptions = Exemptions::of(policy, date);
        match groups.iter_mut().find(|(other, _)| *other == exemptions) {
            Some((_, members)) => members.push(policy),
            None => groups.push((exemptions, vec![policy])),
        }
    }
    groups
}

/// The policies that some namespace may have.
fn reachable(policies: &PolicySet) -> Vec<&Policy> {
    let mut all: Vec<&Policy> = policies.policies().iter().collect();
    all.retain(|policy| policy.by_label || !policy.namespaces.is_empty());
    let everything = |policy: &&Policy| policy.namespaces.iter().any(governs::is_everything);
    if !all.iter().any(everything) {
        all.push(policies.fallback());
    }
    all
}

/// What makes a group's names its own: the name of its first policy, or nothing for the group of
/// namespaces that no other one claims.
fn end_of_name(members: &[&Policy], policies: &PolicySet) -> String {
    let of_the_rest = members.iter().any(|policy| {
        std::ptr::eq(*policy, policies.fallback())
            || policy.namespaces.iter().any(governs::is_everything)
    });
    match members.first() {
        Some(first) if !of_the_rest && first.name.len() + LABELLED.len() < MAX_NAME => {
            format!("-{}", first.name)
        }
        Some(first) if !of_the_rest => format!("-{}", first.revision),
        _ => String::new(),
    }
}

fn policy(
    name: &str,
    members: &[&Policy],
    exemptions: &Exemptions,
    governs: Option<&str>,
    options: &Options,
) -> Value {
    let mut variables = Vec::new();
    let mut add = |name: &str, expression: String| {
        variables.push(json!({"name": name, "expression": expression}));
    };
    if let Some(governs) = governs {
        add("governs", governs.to_owned());
    }
    for (name, expression) in checks::pod().into_iter().chain(exemptions.variables()) {
        add(name, expression);
    }
    for check in checks::all(exemptions.root_keeps()) {
        add(check.name, check.expression);
    }
    add("refused", checks::refused());
    let (valid, message) = match governs {
        Some(_) => (
            "!variables.governs || variables.refused.size() == 0",
            format!("!variables.governs ? '' : {}", checks::message(exemptions.declares())),
        ),
        None => ("variables.refused.size() == 0", checks::message(exemptions.declares())),
    };
    let of: Vec<_> = members.iter().map(|policy| policy.versioned()).collect();
    let pods = |operations: Value, resource: &str| {
        json!({
            "apiGroups": [""], "apiVersions": ["v1"], "operations": operations,
            "resources": [resource], "scope": "Namespaced",
        })
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": "ironhull"},
            "annotations": {
                "ironhull.dev/policies": of.join(", "),
                // With a word more: some readers of YAML take a bare day for a date, not for text.
                "ironhull.dev/as-of": format!("{} UTC", options.date),
                "ironhull.dev/standard": STANDARD,
            },
        },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "resourceRules": [
                    pods(json!(["CREATE", "UPDATE"]), "pods"),
                    pods(json!(["UPDATE"]), "pods/ephemeralcontainers"),
                ],
            },
            "matchConditions": [
                {"name": "not-a-mirror-pod", "expression": MIRROR},
                {"name": "no-update-but-of-images", "expression": IMAGES},
            ],
            "variables": variables,
            "validations": [{
                "expression": valid,
                "message": format!("the pod is not what Pod Security {STANDARD} asks for"),
                "messageExpression": message,
            }],
        },
    })
}

/// The kubelet's image of a static pod, which runs whatever is said of it here. Others may write the
/// annotation as well: their word counts for nothing.
const MIRROR: &str = "\
request.operation != 'CREATE' || !('system:nodes' in request.userInfo.?groups.orValue([])) ||
!('kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}))";

/// Of what an update can change, images and ephemeral containers matter, as for Pod Security
/// (`isSignificantPodUpdate` in `k8s.io/pod-security-admission/admission`).
const IMAGES: &str = "\
request.operation != 'UPDATE' || request.?subResource.orValue('') != '' ||
dyn(object.spec.containers).map(c, c.?image.orValue('')) !=
  dyn(oldObject.spec.containers).map(c, c.?image.orValue('')) ||
dyn(object.spec.?initContainers.orValue([])).map(c, c.?image.orValue('')) !=
  dyn(oldObject.spec.?initContainers.orValue([])).map(c, c.?image.orValue(''))";

/// The binding of what the webhook patches, and of nothing else: of all pods in namespaces on `enforce`;
/// where `mode` is `audit`, of the pods that opt in by their own label in namespaces on `audit`.
fn binding(name: &str, policy: &str, mode: &str, options: &Options) -> Value {
    let mut never: Vec<&str> = PROTECTED.to_vec();
    never.extend(options.excluded.iter().map(String::as_str));
    never.sort_unstable();
    never.dedup();
    let actions: Vec<_> = options.actions.iter().map(|action| action.as_str()).collect();
    let mut matched = json!({
        "namespaceSelector": {"matchExpressions": [
            {"key": OPT_IN, "operator": "In", "values": [mode]},
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": never},
        ]},
    });
    if let (true, Some(matched)) = (mode == "audit", matched.as_object_mut()) {
        let labelled = json!({"matchLabels": {OPT_IN: "enforce"}});
        matched.insert("objectSelector".to_owned(), labelled);
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "ironhull"}},
        "spec": {"policyName": policy, "validationActions": actions, "matchResources": matched},
    })
}
