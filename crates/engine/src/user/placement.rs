//! Placement of the user fields: all on the pod, or all on the containers.
//!
//! They are placed together for two reasons. containerd permanently refuses a pod whose pod
//! level has a group and no user. And a container added later must not take ironhull's own
//! pod-level `runAsNonRoot: true` for its author's.

use super::{Candidate, Choice, Decision};
use crate::outcome::{Note, RuleResult, Skip};
use crate::pod::{Pod, PodSecurityContext};
use crate::policy::Policy;
use crate::rule::Action;

/// The pod-level values, and whether the containers take theirs from there.
#[derive(Clone, Debug, Default)]
pub struct Placement<'p> {
    /// Whether containers without a value of their own take theirs from the pod level.
    pub on_pod: bool,
    /// `spec.securityContext.runAsNonRoot`
    pub non_root: Option<Choice<'p, bool>>,
    /// `spec.securityContext.runAsUser`
    pub uid: Option<Choice<'p, i64>>,
    /// `spec.securityContext.runAsGroup`
    pub gid: Option<Choice<'p, i64>>,
}

/// Places the decisions for the containers of a pod that is being created.
pub fn place<'p>(
    pod: &'p Pod<'p>,
    policy: &Policy,
    candidates: &[Candidate<'p>],
    decisions: &[Decision<'p>],
) -> Placement<'p> {
    let mut placement = common(&pod.spec.security_context, decisions);
    weak_values(pod, policy, candidates, decisions, &mut placement);
    placement
}

/// The pod-level values, if every container can take them.
fn common<'p>(context: &PodSecurityContext<'_>, decisions: &[Decision<'p>]) -> Placement<'p> {
    let none = Placement::default();
    if decisions.iter().any(|decision| !decision.takes_pod_level) {
        return none;
    }
    let non_root = agreed(decisions, |d| &d.non_root, |d| d.author.non_root);
    let uid = agreed(decisions, |d| &d.uid, |d| d.author.uid);
    let gid = agreed(decisions, |d| &d.gid, |d| d.author.gid);
    let (Ok(non_root), Ok(uid), Ok(gid)) = (non_root, uid, gid) else { return none };
    // A container that says root may stand below a pod that does not. The pod's value is
    // strong then, and stays.
    let strong = |own: Option<i64>, value: Option<i64>| {
        value.is_some() && own.is_some_and(|own| own > 0 && value != Some(own))
    };
    if strong(context.run_as_user, uid) || strong(context.run_as_group, gid) {
        return none;
    }
    let resulting_uid = uid.or(context.run_as_user);
    if (non_root.is_none() && uid.is_none()) || resulting_uid.is_none_or(|uid| uid <= 0) {
        return none;
    }
    Placement {
        on_pod: true,
        non_root: non_root.map(|value| Choice::at_pod(value, context.run_as_non_root.is_some())),
        uid: uid.map(|value| Choice::at_pod(value, context.run_as_user.is_some())),
        gid: gid.map(|value| Choice::at_pod(value, context.run_as_group.is_some())),
    }
}

/// The one value that some containers are to get and all others have already. `None` if no
/// container is to get one; an error if they cannot share one.
fn agreed<'d, 'p: 'd, T: Copy + PartialEq + 'd>(
    decisions: &'d [Decision<'p>],
    choice: impl Fn(&'d Decision<'p>) -> &'d Choice<'p, T>,
    author: impl Fn(&'d Decision<'p>) -> Option<T>,
) -> Result<Option<T>, ()> {
    let Some(value) = decisions.iter().find_map(|d| choice(d).set) else { return Ok(None) };
    let shared = decisions.iter().all(|d| choice(d).set.or(author(d)) == Some(value));
    if shared { Ok(Some(value)) } else { Err(()) }
}

/// Handles weak pod-level values. Pod Security refuses them even if every container overrides
/// them. Under `enforce` a weak value is replaced, unless a container that is exempt, is
/// skipped or keeps root inherits it.
fn weak_values<'p>(
    pod: &'p Pod<'p>,
    policy: &Policy,
    candidates: &[Candidate<'p>],
    decisions: &[Decision<'p>],
    placement: &mut Placement<'p>,
) {
    let rules = &policy.rules;
    let context = &pod.spec.security_context;
    let pairs = || candidates.iter().zip(decisions);
    let non_root_action = rules.run_as_non_root.action;
    let root_action = non_root_action.max(rules.run_as_user.action);
    if context.run_as_user == Some(0) && placement.uid.is_none() {
        let heir = pairs()
            .filter(|(c, _)| c.placed.container.security_context.run_as_user.is_none())
            .map(|(candidate, decision)| Heir::of(candidate, decision, decision.uid.set.is_some()))
            .collect::<Vec<_>>();
        placement.uid = weak(root_action, &heir, rules.run_as_user.value.get(), None);
    }
    if context.run_as_non_root == Some(false) && placement.non_root.is_none() {
        // The same action as for the user. Beside a uid above 0 it is runAsNonRoot's alone.
        let has_uid = context.run_as_user.is_some_and(|uid| uid > 0);
        let action = if has_uid { non_root_action } else { root_action };
        let heir = pairs()
            .filter(|(c, _)| c.placed.container.security_context.run_as_non_root.is_none())
            .map(|(candidate, decision)| {
                Heir::of(candidate, decision, decision.non_root.set.is_some())
            })
            .collect::<Vec<_>>();
        // Containers that inherit the value report it. If none does, the pod level reports it.
        let silent = pairs()
            .filter(|(c, _)| c.placed.container.security_context.run_as_non_root.is_none())
            .all(|(_, decision)| decision.author.has_non_root_uid());
        let root = heir.is_empty() && !has_uid;
        let kept = if root { Note::KeptRoot } else { Note::RefusedFalse };
        placement.non_root = weak(action, &heir, true, silent.then_some(kept));
    }
}

/// A container without a value of its own.
struct Heir<'p> {
    name: &'p str,
    exempt: bool,
    /// Whether it is root in the pod's own user namespace, which is not worth reporting.
    in_user_namespace: bool,
    /// Whether it inherits the pod-level value and has to.
    needs_it: bool,
}

impl<'p> Heir<'p> {
    fn of(candidate: &Candidate<'p>, decision: &Decision<'p>, gets_its_own: bool) -> Self {
        Self {
            name: &candidate.placed.container.name,
            exempt: decision.non_root.result == RuleResult::Exempt,
            in_user_namespace: decision.uid.result == RuleResult::Skipped(Skip::UserNamespace),
            needs_it: !decision.takes_pod_level && !gets_its_own,
        }
    }
}

/// What happens to one weak pod-level value. `kept` is the note for a value that stays under
/// `fill`.
fn weak<'p, T>(
    action: Action,
    heirs: &[Heir<'p>],
    value: T,
    kept: Option<Note<'p>>,
) -> Option<Choice<'p, T>> {
    let stays = |result, note| Some(Choice { set: None, result, note });
    match action {
        Action::Off => None,
        _ if heirs.iter().any(|heir| heir.in_user_namespace) => {
            stays(RuleResult::Skipped(Skip::UserNamespace), None)
        }
        Action::Warn => stays(RuleResult::Kept, Some(Note::OnlyWarns)),
        Action::Fill => stays(RuleResult::Kept, kept),
        Action::Enforce => match heirs.iter().find(|heir| heir.needs_it) {
            Some(heir) => {
                let exempt = RuleResult::Skipped(Skip::Exempt);
                let result = if heir.exempt { exempt } else { RuleResult::Kept };
                stays(result, Some(Note::InheritedBy(heir.name)))
            }
            None => Some(Choice { set: Some(value), result: RuleResult::Replaced, note: None }),
        },
    }
}

impl<T> Choice<'_, T> {
    pub(super) fn at_pod(value: T, explicit: bool) -> Self {
        let result = if explicit { RuleResult::Replaced } else { RuleResult::Set };
        Self { set: Some(value), result, note: None }
    }
}
