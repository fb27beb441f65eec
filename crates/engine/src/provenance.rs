//! The annotation `ironhull.dev/hardened`: a note about the changes, for people.
//!
//! `{"policy":"restricted@3f2a…","set":{"pod":[…],"web":[…]},"was":{"pod":{"runAsUser":0}},
//! "facts":{"web":"the image's user is node (1000)"},
//! "exempt":{"init":{"runAsNonRoot":"until 2027-03-01"}}}`
//!
//! An incoming note is not trusted. Entries that still hold for this pod are kept and merged
//! with those of this pass; the rest is dropped. The note decides one question only: whether
//! what stands at the pod level is ironhull's own (see [`pod_level_uid`] and
//! [`has_set_host_users`]).

mod incoming;

use std::collections::HashSet;

use crate::exemption::{Exemption, HARDENED_ANNOTATION};
use crate::json::{Foreign, Json, Object};
use crate::outcome::{Level, Note, Outcome, Subject, Value};
use crate::patch::Plan;
use crate::pod::token::Token;
use crate::pod::{Container, Pod};
use crate::policy::Policy;
use crate::rule::{RuleName, RuleSet};
use crate::text::printable;
pub use incoming::Incoming;
use incoming::container_key;

/// The pod-level uid, if an earlier pass set it. A forged note gains nothing: it only makes
/// ironhull report a container as added later than it was.
pub fn pod_level_uid(pod: &Pod<'_>) -> Option<i64> {
    let uid = pod.spec.security_context.run_as_user.filter(|uid| *uid > 0)?;
    claims_on_pod(pod, RuleName::RunAsUser).then_some(uid)
}

/// Whether an earlier pass set `hostUsers: false`. A forged note gains nothing: it makes root no
/// better in the pod's user namespace than outside of one, and may make `true` of it, which its
/// author could have written.
pub fn has_set_host_users(pod: &Pod<'_>) -> bool {
    pod.asks_for_user_namespace() && claims_on_pod(pod, RuleName::HostUsers)
}

/// Whether the pod's note claims that a rule was set on the pod level.
fn claims_on_pod(pod: &Pod<'_>, rule: RuleName) -> bool {
    let incoming = incoming(pod);
    let set = incoming.as_ref().and_then(|note| note.set.get("pod"));
    set.is_some_and(|rules| rules.iter().any(|name| name == rule.as_str()))
}

/// Whether the pod's note claims that something is set which is not.
pub fn claims_too_much(pod: &Pod<'_>) -> bool {
    let Some(before) = incoming(pod) else { return false };
    // One of a container that was hardened may be one of ironhull's own by now: then nothing else
    // is said of it, and what was said still holds.
    let containers = pod.all_containers().map(|placed| placed.container);
    let containers = containers.map(|it| (container_key(&it.name), Some(it)));
    let places: Vec<_> = std::iter::once(("pod", None)).chain(containers).collect();
    before.set.iter().any(|(name, rules)| {
        let place = places.iter().find(|(key, _)| key == name);
        let so = |rule: &String| {
            let rule = rule.parse().ok();
            place.zip(rule).is_some_and(|((_, container), rule)| holds(pod, *container, rule))
        };
        !rules.iter().all(so)
    })
}

fn incoming(pod: &Pod<'_>) -> Option<Incoming> {
    Incoming::read(pod.annotation(HARDENED_ANNOTATION)?)
}

/// The note's text after this pass. Entries are in order: the pod first, then the containers.
pub fn note(pod: &Pod<'_>, policy: &Policy, plan: &Plan<'_>, outcome: &Outcome<'_>) -> String {
    let before = incoming(pod).unwrap_or_default();
    let entries = entries(pod, plan, outcome, &before);
    let replaced = Replaced::of(outcome);
    let mut out = Json::default();
    out.reserve(ORDINARY_ENTRY * (entries.len() + 1));
    out.object(|note| {
        note.string("policy", &policy.versioned());
        note.some("set", |set| {
            for entry in entries.iter().filter(|entry| !entry.set.is_empty()) {
                let rules = entry.set.iter();
                set.member(Foreign(entry.key), |out| {
                    out.array(rules, |out, rule| out.word(rule.as_str()));
                });
            }
        });
        note.some("was", |was| {
            for entry in entries.iter().filter(|entry| !entry.set.is_empty()) {
                let before = before.was.get(entry.key);
                was.some(Foreign(entry.key), |was| {
                    for rule in entry.set.iter() {
                        let name = rule.as_str();
                        let held = entry.held.contains(rule);
                        let old = || before?.get(name).filter(|_| held).and_then(recorded);
                        if let Some(value) = replaced.value(entry.subject, rule) {
                            was.member(name, |out| write(out, value));
                        } else if let Some(value) = old() {
                            was.member(name, |out| write(out, &value));
                        }
                    }
                });
            }
        });
        note.some("facts", |facts| {
            let on_pod = entries.first().is_some_and(|pod| pod.held.contains(RuleName::RunAsUser));
            for entry in &entries {
                let held = on_pod || entry.held.contains(RuleName::RunAsUser);
                let before = || before.facts.get(entry.key).filter(|_| held);
                if let Some(words) = of_image(outcome, entry.subject) {
                    facts.string(Foreign(entry.key), &words);
                } else if let Some(words) = before() {
                    facts.string(Foreign(entry.key), &printable(words, WORDS_OF_FACTS));
                }
            }
        });
        if !outcome.exemptions.is_empty() {
            note.some("exempt", |exempt| {
                for entry in &entries {
                    exempt.some(Foreign(entry.key), |exempt| {
                        exemptions(exempt, outcome, entry.subject)
                    });
                }
            });
        }
    });
    out.into_string()
}

/// What facts say of a container's user, if it was set for that reason.
fn of_image(outcome: &Outcome<'_>, subject: Subject) -> Option<String> {
    let mut findings = outcome.findings.iter();
    let finding = findings.find(|it| it.rule == RuleName::RunAsUser && it.subject == subject)?;
    match &finding.note {
        Some(note @ (Note::OwnUser { .. } | Note::MadeForRoot(_))) => Some(note.to_string()),
        _ => None,
    }
}

/// Maximum length of what facts say in a note, in characters.
const WORDS_OF_FACTS: usize = 120;

/// Approximate size of a note's entry for one subject, in bytes.
const ORDINARY_ENTRY: usize = 160;

/// A note's entry for one subject.
struct NoteEntry<'p> {
    key: &'p str,
    subject: Subject,
    /// The rules that were set, by this pass or an earlier one.
    set: RuleSet,
    /// The rules that an earlier pass claims to have set, and that still hold.
    held: RuleSet,
}

/// The pod, then its containers.
fn places<'c>(
    pod: &'c Pod<'_>,
    outcome: &Outcome<'_>,
) -> impl Iterator<Item = (Subject, Option<&'c Container<'c>>)> {
    let containers = pod.containers().map(|placed| Some(placed.container));
    let subjects = (0..outcome.containers.len()).map(Subject::Container).zip(containers);
    std::iter::once((Subject::Pod, None)).chain(subjects)
}

/// One entry per subject. Skips a container that has the name of an earlier one, which no pod
/// may have.
fn entries<'p>(
    pod: &Pod<'_>,
    plan: &Plan<'_>,
    outcome: &Outcome<'p>,
    before: &Incoming,
) -> Vec<NoteEntry<'p>> {
    let mut entries = Vec::with_capacity(outcome.containers.len() + 1);
    let mut names = Names::of(outcome);
    for (subject, container) in places(pod, outcome) {
        let key = key(outcome, subject);
        if container.is_some() && names.seen(key) {
            continue;
        }
        let old = before.set.get(key).map(Vec::as_slice).unwrap_or_default();
        let old = old.iter().filter_map(|name| name.parse().ok());
        let given_up = |rule| {
            let pod = matches!(subject, Subject::Pod);
            pod && rule == RuleName::HostUsers && plan.pod.host_users == Some(true)
        };
        let held = |rule: &RuleName| holds(pod, container, *rule) && !given_up(*rule);
        let held: RuleSet = old.filter(held).collect();
        let set = rules_set(pod, container, plan, subject);
        entries.push(NoteEntry { key, subject, set: set.union(held), held });
    }
    entries
}

/// The container names seen so far.
enum Names<'p> {
    /// For few containers, as in nearly every pod: a scan is faster.
    Few(Vec<&'p str>),
    Many(HashSet<&'p str>),
}

impl<'p> Names<'p> {
    const FEW: usize = 16;

    fn of(outcome: &Outcome<'_>) -> Self {
        match outcome.containers.len() {
            few if few <= Self::FEW => Self::Few(Vec::with_capacity(few)),
            many => Self::Many(HashSet::with_capacity(many)),
        }
    }

    /// Whether the name was seen before. Remembers it.
    fn seen(&mut self, name: &'p str) -> bool {
        match self {
            Self::Few(names) if names.contains(&name) => true,
            Self::Few(names) => {
                names.push(name);
                false
            }
            Self::Many(names) => !names.insert(name),
        }
    }
}

/// The key of a subject in a note. A container may be named `pod`; it gets a key with a `/`,
/// which no container's name has.
pub fn key<'p>(outcome: &Outcome<'p>, subject: Subject) -> &'p str {
    match (subject, outcome.subject_name(subject)) {
        (Subject::Container(_), name) => container_key(name),
        (Subject::Pod, name) => name,
    }
}

/// The rules whose fields this pass sets at one place.
fn rules_set(
    pod: &Pod<'_>,
    container: Option<&Container<'_>>,
    plan: &Plan<'_>,
    subject: Subject,
) -> RuleSet {
    use RuleName as R;
    let of = |pairs: &[(R, bool)]| {
        pairs.iter().filter(|(_, set)| *set).map(|(rule, _)| *rule).collect::<RuleSet>()
    };
    match subject {
        Subject::Pod => {
            let no_token = plan.no_token.is_some();
            let pod = &plan.pod;
            of(&[
                (R::RunAsNonRoot, pod.run_as_non_root.is_some()),
                (R::RunAsUser, pod.run_as_user.is_some()),
                (R::RunAsGroup, pod.run_as_group.is_some()),
                (R::FsGroup, pod.fs_group.is_some()),
                (R::SeccompProfile, pod.seccomp_profile.is_some()),
                (R::UnprivilegedPorts, pod.sysctl.is_some()),
                (R::HostUsers, pod.host_users == Some(false)),
                (R::ServiceAccountToken, no_token),
            ])
        }
        Subject::Container(index) => plan.containers.get(index).map_or(RuleSet::EMPTY, |c| {
            // An exempt container may lose one add, which is not what the rule sets.
            let rewritten = c.capabilities.rewrite_add.is_some()
                && holds(pod, container, RuleName::Capabilities);
            let mounts = !c.mounts.is_empty();
            of(&[
                (R::Privileged, c.privileged.is_some()),
                (R::RunAsNonRoot, c.run_as_non_root.is_some()),
                (R::RunAsUser, c.run_as_user.is_some()),
                (R::RunAsGroup, c.run_as_group.is_some()),
                (R::Capabilities, c.capabilities.drop_all || rewritten),
                (R::AllowPrivilegeEscalation, c.allow_privilege_escalation.is_some()),
                (R::SeccompProfile, c.seccomp_profile.is_some()),
                (R::ReadOnlyRootFilesystem, mounts || c.read_only_root_filesystem.is_some()),
            ])
        }),
    }
}

/// Whether the value that an earlier pass claims to have set still stands at that place.
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
            RuleName::HostUsers => pod.asks_for_user_namespace(),
            RuleName::ServiceAccountToken => {
                pod.spec.automount_service_account_token == Some(false)
                    && pod.token() == Token::None
            }
            RuleName::Privileged
            | RuleName::Capabilities
            | RuleName::AllowPrivilegeEscalation
            | RuleName::ReadOnlyRootFilesystem => false,
        };
    };
    let own = &container.security_context;
    match rule {
        RuleName::Privileged => !own.privileged,
        RuleName::RunAsNonRoot => own.run_as_non_root.is_some(),
        RuleName::RunAsUser => own.run_as_user.is_some_and(|uid| uid > 0),
        RuleName::RunAsGroup => own.run_as_group.is_some(),
        RuleName::Capabilities => own.capabilities.drop.iter().any(|name| &**name == "ALL"),
        RuleName::AllowPrivilegeEscalation => own.allow_privilege_escalation == Some(false),
        RuleName::SeccompProfile => own.seccomp_profile.is_compliant(),
        RuleName::ReadOnlyRootFilesystem => own.read_only_root_filesystem == Some(true),
        RuleName::FsGroup
        | RuleName::UnprivilegedPorts
        | RuleName::HostUsers
        | RuleName::ServiceAccountToken => false,
    }
}

/// The values this pass replaces, by their place.
struct Replaced<'o>(Vec<((Subject, RuleName), &'o Value<'o>)>);

impl<'o> Replaced<'o> {
    fn of(outcome: &'o Outcome<'o>) -> Self {
        let mut values: Vec<_> = outcome
            .findings
            .iter()
            .filter(|finding| {
                finding.level.is_some_and(|level| match finding.subject {
                    Subject::Pod => level == Level::Pod,
                    Subject::Container(_) => level == Level::Container,
                })
            })
            .filter_map(|finding| Some(((finding.subject, finding.rule), finding.was.as_ref()?)))
            .collect();
        values.sort_by_key(|(place, _)| *place);
        Self(values)
    }

    fn value(&self, subject: Subject, rule: RuleName) -> Option<&'o Value<'o>> {
        let found = self.0.binary_search_by_key(&(subject, rule), |(place, _)| *place).ok()?;
        self.0.get(found).map(|(_, value)| *value)
    }
}

fn write(out: &mut Json, value: &Value<'_>) {
    match value {
        Value::Bool(flag) => out.flag(*flag),
        Value::Id(number) => out.number(*number),
        Value::Text(text) => out.text(&printable(text, WORD)),
        Value::List(texts) => {
            let first = texts.get(..WORDS).unwrap_or(texts);
            out.array(first, |out, text| out.text(&printable(text, WORD)));
        }
    }
}

/// Limits on old values, which are the author's text: characters per word, and words per list.
/// Linux has 41 capabilities.
const WORD: usize = 63;
const WORDS: usize = 41;

/// A previous value from an earlier note; `None` if none of ironhull's notes has such a value.
fn recorded(value: &serde_json::Value) -> Option<Value<'_>> {
    use serde_json::Value as Json;
    match value {
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => number.as_i64().map(Value::Id),
        Json::String(text) => Some(Value::Text(text.into())),
        Json::Array(items) => {
            let texts: Option<_> = items.iter().map(|item| Some(item.as_str()?.into())).collect();
            texts.map(Value::List)
        }
        Json::Null | Json::Object(_) => None,
    }
}

/// Writes a subject's exemptions in force: the rule, or `all`, and the end date. Of two for
/// one rule the first is named.
fn exemptions(out: &mut Object<'_>, outcome: &Outcome<'_>, subject: Subject) {
    let mut named = RuleSet::EMPTY;
    let mut all = false;
    for exemption in outcome.exemptions.iter().filter(|exemption| exemption.subject == subject) {
        let Exemption { rules, until, ticket, .. } = exemption;
        let mut words =
            until.map_or_else(|| "without end".to_owned(), |date| format!("until {date}"));
        if let Some(ticket) = ticket {
            words = format!("{words}, {ticket}");
        }
        if rules.iter().count() != 1 && exemption.is_for_every_rule() {
            if !all {
                out.string("all", &words);
            }
            all = true;
            continue;
        }
        for rule in rules.iter().filter(|rule| !named.contains(*rule)) {
            out.string(rule.as_str(), &words);
        }
        named = named.union(*rules);
    }
}
