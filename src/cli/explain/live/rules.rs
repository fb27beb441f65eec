//! Each rule in each container of a pod: whose value is there, which one it is, and why.

use serde_json::Value;

use super::super::{Row, row};
use super::PodRule;
use crate::admission::Mode;
use crate::outcome::{Finding, Outcome, Subject};
use crate::pod::token::Token;
use crate::pod::{MIRROR_ANNOTATION, Pod};
use crate::policy::Policy;
use crate::provenance::{self, Incoming};
use crate::rule::RuleName;
use crate::user::Author;

/// Each rule in each container.
pub(super) fn of(
    outcome: &Outcome<'_>,
    note: Option<&Incoming>,
    mode: Option<Mode>,
    policy: &Policy,
    pod: &Pod<'_>,
) -> Vec<PodRule> {
    let missing = missing(note, mode, policy, pod);
    let mut findings: Vec<_> = outcome.findings.iter().collect();
    findings.sort_by_key(|finding| finding.subject);
    findings
        .into_iter()
        .map(|finding| {
            let Row { rule, container, container_kind, result, skip, was, why, .. } =
                row(outcome, finding);
            let key = provenance::key(outcome, finding.subject);
            // A value at the pod level counts for every container that has none of its own.
            let place = note.and_then(|note| {
                [key, "pod"].into_iter().find(|key| {
                    note.set.get(*key).is_some_and(|set| set.iter().any(|name| name == rule))
                })
            });
            let ours = place.and_then(|place| note?.was.get(place)?.get(rule)).cloned();
            // A container that the note names was there when the pod level was set.
            let known = note.is_some_and(|note| note.set.contains_key(key));
            let (by, why) = match (result, place) {
                ("skipped", Some(_)) if skip == Some(INJECTED_AFTER) && known => {
                    ("ironhull", "set before it was exempt".to_owned())
                }
                ("compliant", Some(_)) => ("ironhull", why),
                ("compliant", None) if was.is_none() && rule != CAPABILITIES => ("none", why),
                ("compliant", None) => ("author", why),
                ("kept", _) if was.is_none() => ("none", why),
                ("kept", _) => ("author", why),
                ("set" | "replaced", _) => ("missing", missing.to_owned()),
                ("exempt", _) => ("exempt", why),
                _ => ("skipped", if why.is_empty() { skip.unwrap_or("").to_owned() } else { why }),
            };
            let value = match (result, rule) {
                ("compliant", CAPABILITIES) => Some(dropped(was)),
                _ => was.or_else(|| effective(pod, outcome, finding)),
            };
            PodRule { rule, container, container_kind, by, value, was: ours, why }
        })
        .collect()
}

/// Each rule in each ephemeral container. The webhook hardens these as they come, and writes no
/// note of it.
pub(super) fn of_debug(outcome: &Outcome<'_>, mode: Option<Mode>, pod: &Pod<'_>) -> Vec<PodRule> {
    let missing = match mode {
        None => "its namespace has not opted in",
        Some(Mode::Audit) => "audit only reports",
        Some(_) => {
            "it was added before its namespace opted in, without the webhook, or under another policy"
        }
    };
    let of_container = outcome.findings.iter().filter(|it| it.subject != Subject::Pod);
    let mut findings: Vec<_> = of_container.collect();
    findings.sort_by_key(|finding| finding.subject);
    let rule = |finding: &&Finding<'_>| {
        let Row { rule, container, container_kind, result, skip, was, why, .. } =
            row(outcome, finding);
        let (by, why) = match result {
            "compliant" if was.is_none() && rule != CAPABILITIES => ("none", why),
            "compliant" | "kept" => ("author", why),
            "set" | "replaced" => ("missing", missing.to_owned()),
            "exempt" => ("exempt", why),
            _ => ("skipped", if why.is_empty() { skip.unwrap_or("").to_owned() } else { why }),
        };
        let value = match (result, rule) {
            ("compliant", CAPABILITIES) => Some(dropped(was)),
            _ => was.or_else(|| effective(pod, outcome, finding)),
        };
        PodRule { rule, container, container_kind, by, value, was: None, why }
    };
    findings.iter().map(rule).collect()
}

/// Value in the pod's spec, if the rule does not report it: a rule need not look at what it leaves
/// alone.
fn effective(pod: &Pod<'_>, outcome: &Outcome<'_>, finding: &Finding<'_>) -> Option<Value> {
    let outer = &pod.spec.security_context;
    let placed = match finding.subject {
        Subject::Pod => {
            let sysctl =
                |it: &&crate::pod::Sysctl<'_>| it.name.ends_with("unprivileged_port_start");
            return match finding.rule {
                RuleName::RunAsNonRoot => outer.run_as_non_root.map(Value::from),
                RuleName::RunAsUser => outer.run_as_user.map(Value::from),
                RuleName::RunAsGroup => outer.run_as_group.map(Value::from),
                RuleName::FsGroup => outer.fs_group.map(Value::from),
                RuleName::UnprivilegedPorts => {
                    outer.sysctls.iter().find(sysctl).map(|it| Value::from(&*it.value))
                }
                RuleName::HostUsers => pod.spec.host_users.map(Value::from),
                // What is mounted counts, and not what the field says.
                RuleName::ServiceAccountToken if pod.token() != Token::None => {
                    Some("mounted".into())
                }
                RuleName::ServiceAccountToken => {
                    pod.spec.automount_service_account_token.map(Value::from)
                }
                _ => None,
            };
        }
        Subject::Container(_) => {
            let name = outcome.subject_name(finding.subject);
            let mut all = pod.containers().chain(pod.ephemeral_containers());
            all.find(|placed| &*placed.container.name == name)?
        }
    };
    let author = Author::of(pod, placed);
    let own = &placed.container.security_context;
    let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    match finding.rule {
        RuleName::Privileged => Some(own.privileged.into()),
        RuleName::RunAsNonRoot => author.non_root.map(Value::from),
        RuleName::RunAsUser => author.uid.map(Value::from),
        RuleName::RunAsGroup => author.gid.map(Value::from),
        RuleName::AllowPrivilegeEscalation => own.allow_privilege_escalation.map(Value::from),
        RuleName::ReadOnlyRootFilesystem => own.read_only_root_filesystem.map(Value::from),
        RuleName::SeccompProfile => {
            let kind = own.seccomp_profile.kind.as_ref().or(outer.seccomp_profile.kind.as_ref());
            kind.and_then(|kind| text(kind))
        }
        RuleName::Capabilities => {
            let lists = [("drop", &own.capabilities.drop), ("add", &own.capabilities.add)];
            let said = lists.into_iter().filter(|(_, names)| !names.is_empty());
            let said = said.map(|(verb, names)| {
                let names: Vec<&str> = names.iter().map(|name| &**name).collect();
                format!("{verb} {}", names.join(", "))
            });
            text(&said.collect::<Vec<_>>().join(", "))
        }
        RuleName::FsGroup
        | RuleName::UnprivilegedPorts
        | RuleName::HostUsers
        | RuleName::ServiceAccountToken => None,
    }
}

/// `Skip::InjectedAfter`
const INJECTED_AFTER: &str = "injectedAfter";
/// `RuleName::Capabilities`
const CAPABILITIES: &str = "capabilities";

/// The capabilities of a container that has dropped all but these.
fn dropped(adds: Option<Value>) -> Value {
    let adds: Vec<String> =
        adds.and_then(|adds| serde_json::from_value(adds).ok()).unwrap_or_default();
    Value::String(match adds.as_slice() {
        [] => "drop ALL".to_owned(),
        adds => format!("drop ALL, add {}", adds.join(", ")),
    })
}

/// Why a rule that would be applied today was not.
fn missing(
    note: Option<&Incoming>,
    mode: Option<Mode>,
    policy: &Policy,
    pod: &Pod<'_>,
) -> &'static str {
    if pod.annotation(MIRROR_ANNOTATION).is_some() {
        return "a static pod: changes by the API server do not reach it";
    }
    match (mode, note) {
        (None, _) => "its namespace has not opted in",
        (Some(Mode::Audit), _) => "audit only reports",
        (_, None) => "it was created before the opt-in, or without the webhook",
        (_, Some(note)) if note.policy() != Some(&policy.versioned()) => {
            "the policy has changed since it was created"
        }
        _ => "changed after ironhull reviewed the pod",
    }
}
