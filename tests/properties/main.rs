//! What holds for every pod and every policy, shown on generated ones.
//!
//! | file | what it has |
//! |---|---|
//! | `choices`, `pods`, `policies` | the generator |
//! | `answer` | what the API server takes for an answer; the fuzzer has it too |
//! | `runner` | runs a property, counts shares |
//! | `facts` | what a pod says, read without the engine |
//! | `changes` | where a pod may change, and what may not |
//! | `validity` | what the API server refuses |
//! | `seeds` | the init containers that seed |
//! | `plugin`, `token` | what the API server mounts for the ServiceAccount, and who loses it |
//! | `outlooks` | what commands say beforehand |
//! | `reviews` | bytes: reviews, annotations, policy files |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

mod annotations;
#[path = "../../fuzz/properties/answer.rs"]
#[allow(unreachable_pub, reason = "the fuzzer uses it too")]
mod answer;
mod changes;
mod choices;
mod debugging;
mod exemptions;
mod facts;
mod outlooks;
#[path = "../support/plugin.rs"]
#[allow(unreachable_pub, dead_code, reason = "other tests use it too")]
mod plugin;
mod pods;
mod policies;
mod reinvocation;
mod restricted;
mod reviews;
mod rules;
mod runner;
mod seeds;
mod shares;
mod strong;
mod token;
mod validity;
mod volumes;

use std::fmt;

use ironhull::admission::Environment;
use ironhull::exemption::By;
use ironhull::harden::{Context, Scope, SeedImage, harden};
use ironhull::outcome::Subject;
use ironhull::pod::Pod;
use ironhull::policy::Policy;
use ironhull::rule::{RuleName, RuleSet};
use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde_json::{Value, json};

use changes::changes;
use choices::Choices;
use facts::{Container, at, has_user_namespace, is_windows, words};
use pods::Names;
use policies::Flavour;
use rules::Rules;
use runner::{Share, check, numbers, pod_numbers};
use shares::Shares;

/// Why a property does not hold.
type Failure = String;

/// Ends a check where something does not hold.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// Today, as the generated annotations have it.
const TODAY: Date = date(2027, 1, 15);

/// A pod and a policy.
struct Case {
    pod: Value,
    document: Value,
    policy: Policy,
    /// Numbers for what a property needs besides.
    more: Vec<u16>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod:\n{}\npolicy:\n{}", self.pod, self.document["spec"])
    }
}

fn cases(flavour: Flavour) -> impl Strategy<Value = Case> {
    (pod_numbers(), numbers(64), numbers(64)).prop_map(move |(pod, policy, more)| {
        let (document, policy) = policies::policy(&policy, flavour);
        Case { pod: pods::pod(&pod), document, policy, more }
    })
}

/// What a hardening came to.
struct Hardened {
    patch: String,
    pod: Value,
    /// The same without the init containers that it got.
    plain: Value,
    /// The rules that each container is exempt from, by name.
    exempt: Vec<(String, RuleSet)>,
    /// The rules that the whole pod is exempt from by the policy.
    granted: RuleSet,
    /// The rules that the whole pod declares itself exempt from.
    declared: RuleSet,
    void: usize,
    exemptions: usize,
    warnings: [Vec<String>; 2],
}

const ENVIRONMENT: Environment<'static> =
    Environment { date: TODAY, user_namespaces: true, seed_image: Some(SEED_IMAGE) };

const CREATE: Context<'static> = Context {
    date: TODAY,
    scope: Scope::Create,
    user_namespaces: true,
    provenance: true,
    root: "",
    reserved_volumes: &[],
    seed_image: Some(SEED_IMAGE),
};

const SEED_IMAGE: SeedImage<'static> =
    SeedImage { name: "registry.corp/ironhull:1", pull_policy: "IfNotPresent" };

/// Hardens a pod and applies the patch, by another implementation of RFC 6902.
fn hardened(pod: &Value, policy: &Policy, context: &Context<'_>) -> Hardened {
    let text = pod.to_string();
    let view = Pod::from_json(&text).unwrap();
    let outcome = harden(&view, policy, context);
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json()).unwrap();
    let before = pod;
    let mut pod = before.clone();
    json_patch::patch(&mut pod, &patch).unwrap();
    let looked = outcome.containers.iter();
    let mut exempt: Vec<_> = looked.map(|c| (c.name.to_owned(), RuleSet::EMPTY)).collect();
    let (mut granted, mut declared) = (RuleSet::EMPTY, RuleSet::EMPTY);
    for exemption in &outcome.exemptions {
        match exemption.subject {
            Subject::Container(index) => exempt[index].1 = exempt[index].1.union(exemption.rules),
            Subject::Pod if exemption.by == By::Policy => granted = granted.union(exemption.rules),
            Subject::Pod => declared = declared.union(exemption.rules),
        }
    }
    Hardened {
        patch: outcome.patch.as_json().to_owned(),
        plain: seeds::taken_out(before, &pod),
        pod,
        exempt,
        granted,
        declared,
        void: outcome.void.len(),
        exemptions: outcome.exemptions.len(),
        warnings: [outcome.warnings(false), outcome.warnings(true)],
    }
}

impl Hardened {
    /// Whether a container is exempt from a rule. What a pod declares for itself may be
    /// limited to some images by the policy, which the outcome does not say.
    fn is_exempt(&self, case: &Case, container: &Container, rule: &str) -> bool {
        let own = self.exempt.iter().find(|(name, _)| *name == container.name);
        let own = own.map_or(RuleSet::EMPTY, |(_, rules)| *rules);
        let limited = case.document["spec"]["exemptions"].get("images").is_some();
        let declared = !limited || policies::may_be_exempt(&container.image);
        let rules = own.union(self.granted);
        let rules = if declared { rules.union(self.declared) } else { rules };
        let covered = |name: RuleName| rules.contains(name);
        rule.parse().is_ok_and(covered)
            || matches!(rule, "runAsUser" | "runAsGroup") && covered(RuleName::RunAsNonRoot)
    }
}

#[test]
fn every_pod_every_policy() {
    let (shares, made_unprivileged) = (Shares::default(), Share::default());
    let (seeded, without_token) = (Share::default(), Share::default());
    check("every_pod_every_policy", 10_000, cases(Flavour::Any), |case| {
        let Case { pod, document, policy, .. } = &case;
        let first = hardened(pod, policy, &CREATE);
        shares.count(pod, document, &first);
        let again = hardened(&first.pod, policy, &CREATE);
        ensure!(again.patch == "[]", "hardened again: {}", again.patch);
        let seeds = seeds::hold(pod, &first.pod)?;
        seeded.count(seeds > 0);
        let exempt = |container: &Container, rule: &str| first.is_exempt(&case, container, rule);
        let was = token::seen(pod, document, &first)?;
        without_token.count(was != *pod);
        let pod = &changes::unprivileged(&was, &facts::containers(pod), document, &exempt);
        made_unprivileged.count(*pod != was);
        changes::allowed(pod, &first.plain, document, &exempt)?;
        strong::strong_values_stay(pod, &first.plain, document, &exempt)?;
        validity::nothing_refused(pod, &first.plain, &[])?;
        left_alone(pod, document, &first)?;
        warnings_are_short(&first.warnings)
    });
    made_unprivileged.at_least(2.0, "with a container made unprivileged");
    seeded.at_least(5.0, "seeded");
    without_token.at_least(3.0, "whose token is gone");
    shares.at_least();
}

/// Mirror pods, Windows pods and what is privileged in `pod`, as [`changes::unprivileged`] has it.
fn left_alone(pod: &Value, document: &Value, hardened: &Hardened) -> Result<(), Failure> {
    if facts::is_mirror(pod) {
        ensure!(hardened.patch == "[]", "a mirror pod was changed");
    }
    if is_windows(pod) {
        let named = pod["spec"]["os"]["name"] == "windows";
        let enforced = document["spec"]["rules"]["runAsNonRoot"]["action"] == "enforce";
        let may = named && enforced && !facts::is_host_process(pod);
        for change in changes(pod, &hardened.plain) {
            let field = change.path.last().map_or("", String::as_str);
            let ours = field == "runAsNonRoot" || field == "ironhull.dev/hardened";
            ensure!(may && ours, "a Windows pod was changed: {change:?}");
        }
    }
    for (was, is) in facts::containers(pod).iter().zip(facts::containers(&hardened.plain)) {
        // The API server refuses `privileged` on Windows; nothing there depends on it.
        let same = !was.privileged || was.effective == is.effective || is_windows(pod);
        ensure!(same, "what holds for the privileged {} changed", was.name);
        ensure!(was.privileged == is.privileged, "{} is not as privileged as it was", was.name);
    }
    Ok(())
}

/// Both in earnest and in an audit.
fn warnings_are_short(warnings: &[Vec<String>; 2]) -> Result<(), Failure> {
    warnings.iter().try_for_each(|warnings| answer::warnings_are_short(warnings))
}

/// `windowsOptions` on Linux, annotations of old, `hostUsers: false` where the cluster drops it: whoever
/// writes them, every container has in the end what it would have without.
#[test]
fn what_nothing_reads_decides_nothing() {
    let changed = Share::default();
    check("what_nothing_reads_decides_nothing", 5_000, cases(Flavour::Any), |case| {
        let Case { pod, policy, more, .. } = &case;
        let context = Context { user_namespaces: false, ..CREATE };
        let without = {
            let mut pod = pod.clone();
            pod["spec"].as_object_mut().unwrap().remove("hostUsers");
            pod
        };
        let mut with = without.clone();
        with["spec"]["hostUsers"] = json!(false);
        let choices = &mut Choices::new(more);
        let subject = choices.pick(&facts::containers(pod));
        if !is_windows(pod) {
            let options = json!({"runAsUserName": "x", "hostProcess": choices.chance(50)});
            let [spec, list, index] = subject.path();
            let place = match choices.chance(50) {
                true => &mut with[spec],
                false => &mut with[spec][list][index.parse::<usize>().unwrap()],
            };
            if at(place, &["securityContext"]).is_none() {
                place["securityContext"] = json!({});
            }
            place["securityContext"]["windowsOptions"] = options;
        }
        if at(&with, &["metadata", "annotations"]).is_none() {
            with["metadata"]["annotations"] = json!({});
        }
        let keys = [
            "seccomp.security.alpha.kubernetes.io/pod".to_owned(),
            format!("container.seccomp.security.alpha.kubernetes.io/{}", subject.name),
        ];
        for key in keys {
            with["metadata"]["annotations"][key] = json!("unconfined");
        }
        let [is, was] = [with, without].map(|pod| hardened(&pod, policy, &context));
        changed.count(was.patch != "[]");
        let has = |pod: &Value| -> Vec<_> {
            facts::containers(pod).into_iter().map(|c| (c.effective, c.mounts)).collect()
        };
        ensure!(has(&is.pod) == has(&was.pod), "{}\n{}", is.pod, was.pod);
        Ok(())
    });
    changed.at_least(50.0, "changed");
}

#[test]
fn fill_changes_no_explicit_value() {
    check("fill_changes_no_explicit_value", 3_000, cases(Flavour::All("fill")), |case| {
        let Case { pod, policy, .. } = &case;
        let first = hardened(pod, policy, &CREATE);
        let pod = &token::seen(pod, &case.document, &first)?;
        for change in changes(pod, &first.plain) {
            let path: Vec<&str> = change.path.iter().map(String::as_str).collect();
            let unset = match change.before {
                None => true,
                // A profile without a type says nothing; an appended list keeps what it had.
                Some(Value::Object(profile)) => profile.get("type").is_none_or(Value::is_null),
                Some(Value::Array(_)) => words(change.after).starts_with(&words(change.before)),
                Some(_) => false,
            };
            let annotation = path.first() == Some(&"metadata");
            let undone =
                path.last() == Some(&"runAsNonRoot") && change.after == Some(&json!(false));
            // A note may claim that it is ironhull's own, and then it is taken back.
            let noted = facts::annotation(pod, "ironhull.dev/hardened").is_some();
            let given_up = noted && path == ["spec", "hostUsers"];
            ensure!(unset || annotation || undone || given_up, "{change:?}");
        }
        Ok(())
    });
}

#[test]
fn warn_and_off_change_nothing() {
    check("warn_and_off_change_nothing", 3_000, cases(Flavour::WarnOrOff), |case| {
        let first = hardened(&case.pod, &case.policy, &CREATE);
        ensure!(first.patch == "[]", "{}", first.patch);
        Ok(())
    });
}

/// The patch is the same for the same pod, in whatever order its members stand, and at
/// whatever place the pod is in its document.
#[test]
fn the_same_pod_gives_the_same_patch() {
    check("the_same_pod_gives_the_same_patch", 2_000, cases(Flavour::Any), |case| {
        let Case { pod, document, policy, more } = &case;
        let patch = |text: &str, context: &Context<'_>| {
            let view = Pod::from_json(text).unwrap();
            harden(&view, policy, context).patch.as_json().to_owned()
        };
        let text = pod.to_string();
        let first = patch(&text, &CREATE);
        ensure!(first == patch(&text, &CREATE), "another patch for the same bytes");
        let shuffled = shuffled(pod, &mut Choices::new(more));
        let second = patch(&shuffled, &CREATE);
        ensure!(first == second, "{first}\nin another order of members:\n{second}");
        let template = Context { user_namespaces: true, provenance: false, ..CREATE };
        let at_root = hardened(pod, policy, &template);
        let deployment = json!({"spec": {"template": pod, "x": pod}});
        let inner = patch(&text, &Context { root: "/spec/template", ..template });
        let mut after = deployment.clone();
        let inner: json_patch::Patch = serde_json::from_str(&inner).unwrap();
        json_patch::patch(&mut after, &inner).unwrap();
        ensure!(after["spec"]["template"] == at_root.pod, "another pod in a template");
        ensure!(after["spec"]["x"] == *pod, "more than the template");
        let reserved = ["tmp", "ironhull-web-tmp", "ironhull-app-tmp"];
        let claims = hardened(pod, policy, &Context { reserved_volumes: &reserved, ..CREATE });
        let exempt = |container: &Container, rule: &str| claims.is_exempt(&case, container, rule);
        let was = token::seen(pod, document, &claims)?;
        let pod = changes::unprivileged(&was, &facts::containers(pod), document, &exempt);
        seeds::hold(&pod, &claims.pod)?;
        validity::nothing_refused(&pod, &claims.plain, &reserved)
    });
}

/// The text of a value with the members of every object in an order of their own.
fn shuffled(value: &Value, choices: &mut Choices<'_>) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            let middle = choices.below(members.len() + 1);
            members.rotate_left(middle);
            if choices.chance(50) {
                members.reverse();
            }
            let members = members
                .into_iter()
                .map(|(key, value)| format!("{}:{}", json!(key), shuffled(value, choices)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| shuffled(item, choices)).collect();
            format!("[{}]", items.join(","))
        }
        value => value.to_string(),
    }
}
