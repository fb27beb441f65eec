//! Windows pods. Of all fields only `runAsNonRoot` has a meaning there, and Pod Security
//! reads it only beside `spec.os.name: windows`.

use super::placement::Placement;
use super::{Author, Candidate, Choice, Decision};
use crate::outcome::{Note, RuleResult, Skip};
use crate::pod::Pod;
use crate::policy::Policy;
use crate::rule::{Action, RuleName};

/// Decides for the containers of a Windows pod and places the one field.
pub fn decide<'p>(
    pod: &'p Pod<'p>,
    policy: &Policy,
    candidates: &[Candidate<'p>],
) -> (Vec<Decision<'p>>, Placement<'p>) {
    let action = policy.rules.run_as_non_root.action;
    let read = pod.names_windows() && !pod.is_host_process();
    let reached = read && action == Action::Enforce;
    let note = (!pod.names_windows()).then_some(Note::NoOsName);
    let decisions: Vec<_> = candidates
        .iter()
        .map(|candidate| {
            let author = Author::of(pod, candidate.placed);
            let exempt = candidate.exempt.contains(RuleName::RunAsNonRoot);
            let skipped = RuleResult::Skipped(Skip::Windows);
            let non_root = match author.non_root {
                _ if exempt => Choice::of(RuleResult::Exempt),
                // Pod Security reads the value and refuses it.
                Some(false) if read && action == Action::Fill => {
                    let note = Some(Note::RefusedFalse);
                    Choice { set: None, result: RuleResult::Kept, note }
                }
                Some(false) if read && action == Action::Warn => Choice::only_warns(),
                _ if !reached => Choice { set: None, result: skipped, note: note.clone() },
                Some(true) => Choice::compliant(),
                Some(false) => Choice { set: Some(true), result: RuleResult::Replaced, note: None },
                None => Choice { set: Some(true), result: RuleResult::Set, note: None },
            };
            Decision {
                author,
                non_root,
                uid: Choice::of(skipped),
                gid: Choice::of(skipped),
                may_run_as_root: false,
                takes_pod_level: !exempt,
                entry: candidate.entry,
                image_uid: None,
            }
        })
        .collect();
    let every = reached && decisions.iter().all(|decision| decision.takes_pod_level);
    let mut placement = Placement::default();
    let own = pod.spec.security_context.run_as_non_root;
    let wanted =
        own == Some(false) || decisions.iter().any(|decision| decision.non_root.set.is_some());
    if every && wanted && own != Some(true) {
        placement.on_pod = true;
        placement.non_root = Some(Choice::at_pod(true, own.is_some()));
    }
    (decisions, placement)
}
