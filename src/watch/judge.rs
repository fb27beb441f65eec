//! A running pod, judged by the engine, and what is kept of it.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::admission::Environment;
use crate::foresight::status::{ContainerStatus, Status};
use crate::foresight::unhardened::{Unhardened, unhardened};
use crate::harden::{Scope, harden};
use crate::outcome::{Finding, Outcome, RuleResult, Subject};
use crate::pod::{Placed, Pod, StringMap, Text, view};
use crate::policy::Policy;
use crate::rule::{RuleName, RuleScope};
use crate::user::Author;

view! {
    /// What the cluster reports of an object: its identity, and how it runs.
    pub struct Live<'a> {
        metadata: LiveMetadata<'a> = "metadata",
        status: Status<'a> = "status",
    }
}

view! {
    /// `metadata`.
    pub struct LiveMetadata<'a> {
        uid: Text<'a> = "uid",
        namespace: Text<'a> = "namespace",
        labels: StringMap<'a> = "labels",
    }
}

/// The status of a container that runs.
fn running<'s>(status: &'s Status<'_>, name: &str) -> Option<&'s ContainerStatus<'s>> {
    status.of(name).filter(|status| status.state.running.is_some())
}

/// Uid that a running container runs as, if the kubelet reports it.
fn uid_of(status: &ContainerStatus<'_>) -> Option<i64> {
    status.user.linux.as_ref()?.uid
}

/// What lets a container run as root, as a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Nothing.
    No,
    /// It is exempt from `runAsNonRoot`.
    Exempt,
    /// Root in a user namespace is nobody on the node.
    UserNamespace,
}

impl Allowed {
    /// All label values, by the index of their count.
    pub const WORDS: [&str; 3] = ["no", "exempt", "user_namespace"];
}

/// Results that are counted for a rule, by the index of their count.
pub const RESULTS: [&str; 4] = ["would_change", "kept", "exempt", "skipped"];

/// Standing of a pod as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// The webhook would change nothing, and every container is hardened.
    #[default]
    Hardened,
    /// The webhook would change nothing, but a container stays privileged or root, or may be root:
    /// it is exempt, or the policy keeps it so.
    Partly,
    /// The webhook would change something: the pod came in before its namespace opted in, past the
    /// webhook, or under another policy.
    Unhardened,
    /// A mirror pod, or one for Windows nodes.
    LeftAlone,
    /// The engine cannot read it.
    Unreadable,
}

impl Standing {
    /// All label values, by the index of their count.
    pub const WORDS: [&str; 5] = ["hardened", "partly", "unhardened", "left_alone", "unreadable"];
}

/// Number of rules.
pub const RULES: usize = RuleName::ALL.len();

/// What is kept of a pod: counts of its running containers. No count exceeds 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// Containers that run as root, by [`Allowed::WORDS`].
    pub root: [u8; Allowed::WORDS.len()],
    /// Containers whose user is unknown.
    pub unknown_user: u8,
    /// Containers that are not compliant, for each rule, by [`RESULTS`]. For a rule that acts on
    /// the whole pod, the pod counts instead.
    pub rules: [[u8; RESULTS.len()]; RULES],
    /// Standing of the pod as a whole.
    pub standing: Standing,
    /// Whether an exemption is in force.
    pub exempt: bool,
    /// Whether it has the label by which a pod opts in in a namespace on `audit`.
    pub asks: bool,
    /// End of the first exemption to end, in Unix time; 0 if none ends.
    pub ends: i64,
}

/// Judges a pod.
pub fn judge(
    json: &str,
    status: &Status<'_>,
    policy: &Policy,
    environment: Environment<'_>,
) -> PodCounts {
    let Ok(pod) = Pod::from_json(json) else { return unreadable(status) };
    let mut facts = PodCounts::default();
    let outcome = harden(&pod, policy, &environment.context(Scope::Create));
    facts.take(&pod, &outcome, pod.containers(), status);
    let uid = |name: &str, own: Option<i64>| running(status, name).and_then(uid_of).or(own);
    facts.standing = match outcome {
        Outcome { left_alone: Some(_), .. } => Standing::LeftAlone,
        ref outcome if outcome.changes() => Standing::Unhardened,
        ref outcome => standing(unhardened(&pod, outcome, pod.containers(), uid)),
    };
    // Ephemeral containers are never removed from a pod, and those that have ended do not matter.
    let runs = |placed: &Placed<'_, '_>| running(status, &placed.container.name).is_some();
    if pod.ephemeral_containers().any(|placed| runs(&placed)) {
        let outcome = harden(&pod, policy, &environment.context(Scope::Ephemeral { known: &[] }));
        facts.take(&pod, &outcome, pod.ephemeral_containers(), status);
        let stays = unhardened(&pod, &outcome, pod.ephemeral_containers(), uid).into_iter();
        let stays = stays.filter(|it| {
            it.container.as_deref().is_none_or(|name| running(status, name).is_some())
        });
        facts.standing = match facts.standing {
            Standing::Hardened | Standing::Partly if outcome.changes() => Standing::Unhardened,
            Standing::Hardened => standing(stays.collect()),
            standing => standing,
        };
    }
    facts
}

fn standing(stays: Vec<Unhardened>) -> Standing {
    if stays.is_empty() { Standing::Hardened } else { Standing::Partly }
}

/// Counts of a pod from its status alone.
fn unreadable(status: &Status<'_>) -> PodCounts {
    let mut facts = PodCounts { standing: Standing::Unreadable, ..PodCounts::default() };
    for status in status.all().filter(|status| status.state.running.is_some()) {
        match uid_of(status) {
            Some(0) => add(facts.root.get_mut(Allowed::No as usize)),
            Some(_) => {}
            None => add(Some(&mut facts.unknown_user)),
        }
    }
    facts
}

impl PodCounts {
    /// Adds what the engine says of these containers, as far as they run.
    fn take<'p>(
        &mut self,
        pod: &Pod<'_>,
        outcome: &Outcome<'_>,
        placed: impl Iterator<Item = Placed<'p, 'p>>,
        status: &Status<'_>,
    ) {
        let placed: Vec<_> =
            placed.map(|placed| (placed, running(status, &placed.container.name))).collect();
        let runs = |index: usize| placed.get(index).is_some_and(|(_, running)| running.is_some());
        for Finding { rule, subject, result, .. } in &outcome.findings {
            let counts = match subject {
                Subject::Container(index) => runs(*index),
                // For a container rule, this is about a pod-level value that each container
                // overrides.
                Subject::Pod => {
                    rule.scope() == RuleScope::Pod && placed.iter().any(|p| p.1.is_some())
                }
            };
            if let (true, Some(column)) = (counts, column(*result)) {
                let row = self.rules.get_mut(*rule as usize);
                add(row.and_then(|row| row.get_mut(column)));
            }
        }
        for exemption in &outcome.exemptions {
            self.exempt = true;
            let ends = exemption.until.map(end_of).filter(|ends| *ends > 0);
            self.ends = match (self.ends, ends) {
                (0, ends) => ends.unwrap_or_default(),
                (first, ends) => first.min(ends.unwrap_or(first)),
            };
        }
        for (index, (placed, running)) in placed.iter().enumerate() {
            let Some(running) = running else { continue };
            let author = Author::of(pod, *placed);
            let own = author.uid.filter(|_| !pod.is_windows());
            match uid_of(running).or(own) {
                Some(0) => add(self.root.get_mut(allowed(pod, outcome, index) as usize)),
                Some(_) => {}
                // Windows nodes have no uids: where the kubelet reports one, the node is not one of
                // them.
                None if pod.is_windows() => {}
                // The kubelet starts no such container as root: `runAsNonRoot` is set.
                None if author.non_root == Some(true) => {}
                None => add(Some(&mut self.unknown_user)),
            }
        }
    }
}

/// What lets a container run as root.
fn allowed(pod: &Pod<'_>, outcome: &Outcome<'_>, container: usize) -> Allowed {
    let exempt = outcome.findings.iter().any(|finding| {
        finding.rule == RuleName::RunAsNonRoot
            && finding.subject == Subject::Container(container)
            && finding.result == RuleResult::Exempt
    });
    match exempt {
        true => Allowed::Exempt,
        false if pod.asks_to_be_nobody() => Allowed::UserNamespace,
        false => Allowed::No,
    }
}

/// Index of a result in [`RESULTS`]; `None` if it is compliant.
fn column(result: RuleResult) -> Option<usize> {
    match result {
        RuleResult::Set | RuleResult::Replaced => Some(0),
        RuleResult::Kept => Some(1),
        RuleResult::Exempt => Some(2),
        RuleResult::Skipped(_) => Some(3),
        RuleResult::Compliant => None,
    }
}

/// End of an exemption, in Unix time. It still holds on its last day, so it ends when the next
/// begins.
fn end_of(until: Date) -> i64 {
    const DAY: i64 = 24 * 60 * 60;
    until.to_zoned(TimeZone::UTC).map_or(0, |start| start.timestamp().as_second() + DAY)
}

fn add(count: Option<&mut u8>) {
    if let Some(count) = count {
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
