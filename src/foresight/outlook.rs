//! Outlook for a pod under a policy: what would change, what stays exempt, what Pod Security would
//! still refuse, what may break and what helps.

mod annotated;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use k8s_openapi::api::core::v1::PodSpec;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::exemptions::{self, Exempt, Voided};
use super::risk::remedy::{self, Remedies};
use super::risk::{self, Case, Remedy, Risk, Seen, Verdict};
use super::unhardened::{Left, Unhardened, left, unhardened};
use crate::admission::Environment;
use crate::harden::{Context, Scope, harden};
use crate::outcome::{Finding, Note, Outcome};
use crate::pod::{FsGroupUse, Pod, Volumes};
use crate::policy::Policy;
use crate::remains::{self, Level};
use crate::rule::RuleName;
use annotated::{annotated, beside};

/// A pod or pod template, and what it is judged by.
#[derive(Clone, Copy)]
pub struct Template<'t> {
    /// Its JSON.
    pub json: &'t str,
    /// The policy.
    pub policy: &'t Policy,
    /// Date by which exemptions end, and whether the cluster honours `hostUsers: false`.
    pub environment: Environment<'t>,
    /// Names of volumes that the pods get besides the template's.
    pub reserved_volumes: &'t [String],
    /// Whether it is a template, or a pod that the API server has.
    pub scope: Scope<'static>,
    /// What is known of the running pods.
    pub seen: &'t Seen,
}

impl Template<'_> {
    /// Hardens a pod as the template's.
    fn harden<T>(&self, pod: &Pod<'_>, take: impl FnOnce(&Outcome<'_>) -> T) -> T {
        let Self { policy, environment, reserved_volumes, scope, .. } = *self;
        let reserved: Vec<&str> = reserved_volumes.iter().map(String::as_str).collect();
        let context = Context { reserved_volumes: &reserved, ..environment.context(scope) };
        take(&harden(pod, policy, &context))
    }
}

/// Outlook for a pod under a policy.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// What would change.
    pub changes: Vec<Change>,
    /// Why the pod would be left alone as a whole.
    pub left_alone: Option<&'static str>,
    /// The containers that would not be hardened.
    pub unhardened: Vec<Unhardened>,
    /// What rules would leave as it is.
    pub left: Vec<Left>,
    /// The exemptions in force.
    pub exemptions: Vec<Exempt>,
    /// The annotations that exempt nothing.
    pub void: Vec<Voided>,
    /// Fields for which Pod Security *restricted* would still refuse the pod.
    pub restricted: Vec<String>,
    /// The same for *baseline*.
    pub baseline: Vec<String>,
    /// Volumes whose files a new fsGroup changes.
    pub handed_over: Vec<String>,
    /// What may break.
    pub risks: Vec<Risk>,
    /// What helps.
    pub remedies: Remedies,
}

impl Outlook {
    /// Verdict on the pod.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.risks)
    }
}

/// A field that would change, and where.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// The rule.
    pub rule: &'static str,
    /// `set` or `replaced`.
    pub result: &'static str,
    /// The containers, or `pod` for the pod level by itself.
    pub containers: Vec<String>,
    /// The effective value before; null where there was none.
    pub was: Option<Value>,
    /// The effective value after.
    pub now: Option<Value>,
}

/// Judges a pod.
///
/// # Errors
/// When it is not a pod that Kubernetes could have stored.
pub fn outlook(template: &Template<'_>) -> anyhow::Result<Outlook> {
    let object: Value = serde_json::from_str(template.json)?;
    let mut outlook = judge(template, &object, |seen| Outlook {
        changes: changes(seen.outcome),
        left_alone: seen.outcome.left_alone.map(|skip| skip.as_str()),
        unhardened: seen.unhardened,
        left: left(seen.outcome),
        exemptions: seen
            .outcome
            .exemptions
            .iter()
            .map(|e| exemptions::exemption(seen.outcome, e))
            .collect(),
        void: exemptions::voided(seen.outcome),
        restricted: refused(seen.after, Level::Restricted),
        baseline: refused(seen.after, Level::Baseline),
        handed_over: handed_over(seen.after, seen.outcome, template.reserved_volumes),
        risks: seen.risks,
        remedies: Remedies::default(),
    })?;
    if !outlook.risks.is_empty() {
        let policy = template.policy;
        outlook.remedies =
            remedy::find(&outlook.risks, policy, template.environment.date, |annotations| {
                let object = annotated(&object, annotations);
                let text = object.to_string();
                let template = Template { json: &text, ..*template };
                let left = judge(&template, &object, |seen| {
                    let void = seen.outcome.void.iter();
                    let ours = void.filter(|void| annotations.contains_key(&*void.key));
                    (seen.risks, ours.map(|void| format!("{}: {}", void.key, void.why)).collect())
                });
                left.unwrap_or_default()
            });
        for (key, value) in &mut outlook.remedies.annotations {
            *value = beside(&object, key, value);
        }
    }
    Ok(outlook)
}

/// Effect of a rule in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Effective value in words, and beside it the writable paths.
    pub value: String,
    /// Whether anything is changed. If not, it is as if the rule were off.
    pub changes: bool,
}

/// Effects of a policy in a pod, for comparison with another policy's.
#[derive(Clone, Debug)]
pub struct Effects {
    /// Effect of each rule in each container, by the container's and the rule's name.
    pub rules: BTreeMap<(String, &'static str), Effect>,
    /// Verdict on the pod.
    pub verdict: Verdict,
    /// Fields for which Pod Security *restricted* would still refuse it.
    pub restricted: Vec<String>,
}

/// Judges a pod like [`outlook`], but looks for nothing that helps.
///
/// # Errors
/// As [`outlook`].
pub fn effects(template: &Template<'_>) -> anyhow::Result<Effects> {
    let object: Value = serde_json::from_str(template.json)?;
    judge(template, &object, |JudgedTemplate { outcome, after, risks, .. }| {
        let effect = |finding: &Finding<'_>| {
            let value = finding.now.as_ref().or(finding.was.as_ref());
            let value = value.map_or_else(|| "unset".to_owned(), ToString::to_string);
            match &finding.note {
                Some(Note::Mounted(paths)) => Effect {
                    value: format!("{value}, writable {}", paths.join(", ")),
                    changes: true,
                },
                _ => Effect { value, changes: finding.result.changes() },
            }
        };
        let rules = outcome.findings.iter().map(|finding| {
            let container = outcome.subject_name(finding.subject).to_owned();
            ((container, finding.rule.as_str()), effect(finding))
        });
        let restricted = refused(after, Level::Restricted);
        Effects { rules: rules.collect(), verdict: Verdict::of(&risks), restricted }
    })
}

/// What may break, without what helps, in a pod that is hardened already: `object` and `pod` as they
/// were, `outcome` as hardening left it.
///
/// # Errors
/// As [`outlook`].
pub fn risks(
    template: &Template<'_>,
    object: &Value,
    pod: &Pod<'_>,
    outcome: &Outcome<'_>,
) -> anyhow::Result<Vec<Risk>> {
    judge_outcome(template, object, pod, outcome, |judged| judged.risks)
}

/// Judgement of a pod, before and after hardening.
struct JudgedTemplate<'j> {
    outcome: &'j Outcome<'j>,
    /// The pod as it will be.
    after: &'j Pod<'j>,
    risks: Vec<Risk>,
    unhardened: Vec<Unhardened>,
}

fn judge<T>(
    template: &Template<'_>,
    object: &Value,
    take: impl FnOnce(JudgedTemplate<'_>) -> T,
) -> anyhow::Result<T> {
    let pod = Pod::from_json(template.json).context("the pod cannot be read")?;
    template.harden(&pod, |outcome| judge_outcome(template, object, &pod, outcome, take))
}

fn judge_outcome<T>(
    template: &Template<'_>,
    object: &Value,
    pod: &Pod<'_>,
    outcome: &Outcome<'_>,
    take: impl FnOnce(JudgedTemplate<'_>) -> T,
) -> anyhow::Result<T> {
    let Template { policy, seen, .. } = *template;
    let before = spec(object)?;
    // A container stays the user it is today, unless something sets its uid.
    let uid = |name: &str, own: Option<i64>| own.or_else(|| seen.uids.get(name).copied());
    if !outcome.changes() {
        let unhardened = unhardened(pod, outcome, pod.containers(), uid);
        let risks = as_written(template, object, &before)?;
        return Ok(take(JudgedTemplate { outcome, after: pod, risks, unhardened }));
    }
    let after = hardened(object, outcome)?;
    let text = after.to_string();
    let mut changed = Pod::from_json(&text)?;
    // A namespace that hardening only asks for may not come, since the API server may drop the field:
    // root in it counts as root.
    changed.spec.host_users = pod.spec.host_users;
    let unhardened = unhardened(&changed, outcome, changed.containers(), uid);
    let after = spec(&after)?;
    let case = Case { before: &before, after: &after, outcome, policy, seen };
    let risks = risk::assess(&case);
    Ok(take(JudgedTemplate { outcome, after: &changed, risks, unhardened }))
}

/// What breaks in a pod that is as hardening would have it, and of which nothing was seen to run: `harden
/// --write` may have written it, which makes no program work that did not. Judged is what is left of it without any
/// `securityContext`, if hardening that gives the pod back; else its author chose the values.
fn as_written(
    template: &Template<'_>,
    object: &Value,
    after: &PodSpec,
) -> anyhow::Result<Vec<Risk>> {
    let Template { policy, seen, .. } = *template;
    if !seen.uids.is_empty() || !seen.unseen.is_empty() {
        return Ok(Vec::new());
    }
    let mut bare = object.clone();
    let Some(spec_of_bare) = bare.get_mut("spec").and_then(Value::as_object_mut) else {
        return Ok(Vec::new());
    };
    spec_of_bare.remove("securityContext");
    for list in ["initContainers", "containers"] {
        let containers = spec_of_bare.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("securityContext");
        }
    }
    let text = bare.to_string();
    let pod = Pod::from_json(&text)?;
    template.harden(&pod, |outcome| {
        if !outcome.changes() || spec_value(&hardened(&bare, outcome)?) != spec_value(object) {
            return Ok(Vec::new());
        }
        let case = Case { before: &spec(&bare)?, after, outcome, policy, seen };
        let written = |risk: Risk| match risk.remedy {
            Remedy::Exempt(_) | Remedy::Writable(_) => {
                Risk { remedy: Remedy::Manifest(WRITTEN.to_owned()), ..risk }
            }
            Remedy::Manifest(_) | Remedy::Try(_) => risk,
        };
        // What is only feared may have been tried by whoever wrote it.
        Ok(risk::assess(&case).into_iter().filter(|risk| risk.certain).map(written).collect())
    })
}

/// What helps where the manifest has the values itself: an exemption would change nothing.
const WRITTEN: &str =
    "its `securityContext` is in the manifest: take it out to see what would help";

/// The object as it will be.
pub(super) fn hardened(object: &Value, outcome: &Outcome<'_>) -> anyhow::Result<Value> {
    let mut after = object.clone();
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json())?;
    json_patch::patch(&mut after, &patch)?;
    Ok(after)
}

/// Mounted volumes whose files get the new fsGroup, each once. `claims` are the volumes that the
/// pods get besides.
fn handed_over(pod: &Pod<'_>, outcome: &Outcome<'_>, claims: &[String]) -> Vec<String> {
    let sets =
        |finding: &Finding<'_>| finding.rule == RuleName::FsGroup && finding.result.changes();
    if !outcome.findings.iter().any(sets) {
        return Vec::new();
    }
    let claims: Vec<&str> = claims.iter().map(String::as_str).collect();
    let volumes = Volumes::of(pod, &claims);
    let mounts = pod.containers().flat_map(|placed| &placed.container.volume_mounts);
    let names: BTreeSet<&str> = mounts
        .map(|mount| &*mount.name)
        .filter(|name| volumes.fs_group_use(name) == FsGroupUse::Storage)
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Parses the pod's spec. To Kubernetes, a field that is null does not exist.
fn spec(object: &Value) -> anyhow::Result<PodSpec> {
    let spec = spec_value(object);
    if spec.is_null() {
        return Err(anyhow!("the pod has no spec"));
    }
    // Parsed from text, as pods of the cluster are. For another reader the compiler would write all
    // of Kubernetes' types a second time, a twentieth of the program.
    serde_json::from_str(&spec.to_string()).context("the pod cannot be read")
}

/// The value that a pod's spec is parsed from.
pub fn spec_value(object: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    drop_nulls(&mut spec);
    spec
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Fields for which Pod Security refuses a pod.
fn refused(pod: &Pod<'_>, level: Level) -> Vec<String> {
    remains::refused(pod, level).into_iter().map(str::to_owned).collect()
}

/// What would change, with containers that have the same change together.
fn changes(outcome: &Outcome<'_>) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for finding in outcome.findings.iter().filter(|finding| finding.result.changes()) {
        let json = |value: &Option<_>| value.as_ref().and_then(|v| serde_json::to_value(v).ok());
        let change = Change {
            rule: finding.rule.as_str(),
            result: finding.result.as_str(),
            containers: vec![outcome.subject_name(finding.subject).to_owned()],
            was: json(&finding.was),
            now: json(&finding.now),
        };
        let same = |other: &&mut Change| {
            (other.rule, other.result, &other.was, &other.now)
                == (change.rule, change.result, &change.was, &change.now)
        };
        match changes.iter_mut().find(same) {
            Some(other) => other.containers.extend(change.containers),
            None => changes.push(change),
        }
    }
    changes
}
