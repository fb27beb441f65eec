//! The annotation `ironhull.dev/hardened`: a note for people of what was changed.
//!
//! `{"policy":"restricted@3f2a…","set":{"pod":[…],"web":[…]},"was":{"pod":{"runAsUser":0}},
//! "exempt":{"init":{"runAsNonRoot":"until 2027-03-01"}}}`
//!
//! An incoming one is not trusted: entries that still hold for this pod are kept and
//! merged with what this pass does, the rest is dropped. It decides nothing, but for one
//! question: whether the pod-level uid is ironhull's own (see [`pod_level_uid`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::exemption::{Exemption, HARDENED_ANNOTATION};
use crate::outcome::{Level, Outcome, Subject};
use crate::patch::Plan;
use crate::pod::{Container, Pod};
use crate::policy::Policy;
use crate::rules::RuleName;

/// The note, as it is written. Objects keep the order in which entries are made: the pod
/// first, then the containers in theirs.
#[derive(Serialize)]
struct Note {
    policy: String,
    #[serde(skip_serializing_if = "Entries::is_empty")]
    set: Entries<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Entries::is_empty")]
    was: Entries<Entries<Value>>,
    #[serde(skip_serializing_if = "Entries::is_empty")]
    exempt: Entries<Entries<String>>,
}

/// A note that was read; what is not of its shape is not there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Incoming {
    /// The policy (`NAME@REVISION`), where it is a text.
    policy: Value,
    /// The rules that were set, by [`key`].
    pub set: BTreeMap<String, Vec<String>>,
    /// What stood there before, by [`key`] and rule.
    pub was: BTreeMap<String, Map<String, Value>>,
}

impl Incoming {
    /// Reads the text of the annotation.
    pub fn read(note: &str) -> Option<Self> {
        serde_json::from_str(note).ok()
    }

    /// The policy, as `NAME@REVISION`.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_str()
    }
}

/// The pod-level uid, where an earlier pass set it. A forged note gains nothing: it only
/// makes ironhull say that a container came later than it did.
pub fn pod_level_uid(pod: &Pod<'_>) -> Option<i64> {
    let uid = pod.spec.security_context.run_as_user.filter(|uid| *uid > 0)?;
    let incoming = incoming(pod)?;
    let set = incoming.set.get("pod")?;
    set.iter().any(|rule| rule == RuleName::RunAsUser.as_str()).then_some(uid)
}

fn incoming(pod: &Pod<'_>) -> Option<Incoming> {
    Incoming::read(pod.annotation(HARDENED_ANNOTATION)?)
}

/// The note's text after this pass.
pub fn note(pod: &Pod<'_>, policy: &Policy, plan: &Plan<'_>, outcome: &Outcome<'_>) -> String {
    let before = incoming(pod).unwrap_or_default();
    let subjects =
        std::iter::once(Subject::Pod).chain((0..outcome.containers.len()).map(Subject::Container));
    let mut note = Note {
        policy: policy.versioned(),
        set: Entries::new(),
        was: Entries::new(),
        exempt: Entries::new(),
    };
    for subject in subjects {
        let key = key(outcome, subject);
        let now = rules_set(plan, subject);
        let old = before.set.get(&key).map(Vec::as_slice).unwrap_or_default();
        let container = match subject {
            Subject::Pod => None,
            Subject::Container(index) => pod.containers().nth(index).map(|placed| placed.container),
        };
        let held = |rule: RuleName| {
            old.iter().any(|name| name == rule.as_str()) && holds(pod, container, rule)
        };
        let rules: Vec<_> = RuleName::ALL
            .iter()
            .copied()
            .filter(|rule| now.contains(rule) || held(*rule))
            .collect();
        let mut was = Entries::new();
        for rule in &rules {
            let replaced = replaced(outcome, subject, *rule);
            let old = || before.was.get(&key)?.get(rule.as_str()).filter(|_| held(*rule)).cloned();
            if let Some(value) = replaced.or_else(old) {
                was.push(rule.as_str().to_owned(), value);
            }
        }
        let names: Vec<_> = rules.iter().map(|rule| rule.as_str()).collect();
        if !names.is_empty() {
            note.set.push(key.clone(), names);
        }
        if !was.is_empty() {
            note.was.push(key.clone(), was);
        }
        let exempt = exempt(outcome, subject);
        if !exempt.is_empty() {
            note.exempt.push(key, exempt);
        }
    }
    // Strings, numbers and lists of them always have a JSON form.
    serde_json::to_string(&note).unwrap_or_default()
}

/// By which name a note speaks of a subject: a container may be called `pod`, and no
/// container's name has a `/`.
pub fn key(outcome: &Outcome<'_>, subject: Subject) -> String {
    match (subject, outcome.subject_name(subject)) {
        (Subject::Container(_), "pod") => "containers/pod".to_owned(),
        (_, name) => name.to_owned(),
    }
}

/// The rules whose fields this pass sets at one place.
fn rules_set(plan: &Plan<'_>, subject: Subject) -> Vec<RuleName> {
    use RuleName as R;
    let pairs: Vec<(R, bool)> = match subject {
        Subject::Pod => {
            let pod = &plan.pod;
            vec![
                (R::RunAsNonRoot, pod.run_as_non_root.is_some()),
                (R::RunAsUser, pod.run_as_user.is_some()),
                (R::RunAsGroup, pod.run_as_group.is_some()),
                (R::FsGroup, pod.fs_group.is_some()),
                (R::SeccompProfile, pod.seccomp_profile.is_some()),
                (R::UnprivilegedPorts, pod.sysctl.is_some()),
            ]
        }
        Subject::Container(index) => plan.containers.get(index).map_or_else(Vec::new, |c| {
            let capabilities = &c.capabilities;
            let mounts = !c.mounts.is_empty();
            vec![
                (R::RunAsNonRoot, c.run_as_non_root.is_some()),
                (R::RunAsUser, c.run_as_user.is_some()),
                (R::RunAsGroup, c.run_as_group.is_some()),
                (R::Capabilities, capabilities.drop_all || capabilities.rewrite_add.is_some()),
                (R::AllowPrivilegeEscalation, c.allow_privilege_escalation.is_some()),
                (R::SeccompProfile, c.seccomp_profile.is_some()),
                (R::ReadOnlyRootFilesystem, mounts || c.read_only_root_filesystem.is_some()),
            ]
        }),
    };
    pairs.into_iter().filter_map(|(rule, set)| set.then_some(rule)).collect()
}

/// Whether what an earlier pass says to have set still stands at that place.
fn holds(pod: &Pod<'_>, container: Option<&Container<'_>>, rule: RuleName) -> bool {
    let outer = &pod.spec.security_context;
    let Some(container) = container else {
        return match rule {
            RuleName::RunAsNonRoot => outer.run_as_non_root == Some(true),
            RuleName::RunAsUser => outer.run_as_user.is_some_and(|uid| uid > 0),
            RuleName::RunAsGroup => outer.run_as_group.is_some(),
            RuleName::FsGroup => outer.fs_group.is_some(),
            RuleName::SeccompProfile => outer.seccomp_profile.is_compliant(),
            RuleName::UnprivilegedPorts => !outer.sysctls.is_empty(),
            RuleName::Capabilities
            | RuleName::AllowPrivilegeEscalation
            | RuleName::ReadOnlyRootFilesystem => false,
        };
    };
    let own = &container.security_context;
    match rule {
        RuleName::RunAsNonRoot => own.run_as_non_root.is_some(),
        RuleName::RunAsUser => own.run_as_user.is_some_and(|uid| uid > 0),
        RuleName::RunAsGroup => own.run_as_group.is_some(),
        RuleName::Capabilities => own.capabilities.drop.iter().any(|name| &**name == "ALL"),
        RuleName::AllowPrivilegeEscalation => own.allow_privilege_escalation == Some(false),
        RuleName::SeccompProfile => own.seccomp_profile.is_compliant(),
        RuleName::ReadOnlyRootFilesystem => own.read_only_root_filesystem == Some(true),
        RuleName::FsGroup | RuleName::UnprivilegedPorts => false,
    }
}

/// The value that this pass replaced at one place.
fn replaced(outcome: &Outcome<'_>, subject: Subject, rule: RuleName) -> Option<Value> {
    let here = match subject {
        Subject::Pod => Level::Pod,
        Subject::Container(_) => Level::Container,
    };
    let finding = outcome.findings.iter().find(|finding| {
        finding.rule == rule && finding.subject == subject && finding.level == Some(here)
    })?;
    serde_json::to_value(finding.was.as_ref()?).ok()
}

/// The exemptions in force of one subject: the rule, or `all`, and until when.
fn exempt(outcome: &Outcome<'_>, subject: Subject) -> Entries<String> {
    let mut entries = Entries::new();
    for exemption in outcome.exemptions.iter().filter(|exemption| exemption.subject == subject) {
        let Exemption { rules, until, ticket, .. } = exemption;
        let mut words =
            until.map_or_else(|| "without end".to_owned(), |date| format!("until {date}"));
        if let Some(ticket) = ticket {
            words = format!("{words}, {ticket}");
        }
        match rules.iter().count() {
            1 => {
                rules.iter().for_each(|rule| entries.push(rule.as_str().to_owned(), words.clone()))
            }
            _ if exemption.is_for_every_rule() => entries.push("all".to_owned(), words),
            _ => {
                rules.iter().for_each(|rule| entries.push(rule.as_str().to_owned(), words.clone()))
            }
        }
    }
    entries
}

/// A JSON object in the order in which its members were pushed; of a key pushed twice
/// the first stays.
struct Entries<T>(Vec<(String, T)>);

impl<T> Entries<T> {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn push(&mut self, key: String, value: T) {
        if !self.0.iter().any(|(name, _)| *name == key) {
            self.0.push((key, value));
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for Entries<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
