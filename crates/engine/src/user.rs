//! The user each container will run as. It is decided once; the four user rules and
//! `capabilities` project the decision.
//!
//! | the author says (effective) | what happens |
//! |---|---|
//! | exempt from runAsNonRoot | user and groups stay; it *may run as root* unless its uid is above 0 |
//! | root: uid 0, or `runAsNonRoot: false` without a uid | the stronger of runAsNonRoot's and runAsUser's actions decides |
//! | a uid above 0 | kept, its gid too; runAsNonRoot added |
//! | `runAsNonRoot: true`, no uid | the image's user is relied on, unless an image entry or `override` says otherwise, or facts say that it is a name, or root |
//! | nothing | runAsNonRoot, uid and gid |
//!
//! The uid is that of the policy's own entry for the image, else the image's own user where facts
//! know one that is not root, else that of the list of known images, else the rule's.
//!
//! Where the values go is decided in [`placement`].

mod decider;
pub mod placement;
mod undecided;
pub mod windows;

use crate::facts::{Found, OwnUser};
use crate::image::{EntryUser, ImageEntry};
use crate::outcome::{Note, RuleResult, Skip};
use crate::pod::{ContainerKind, Placed, Pod};
use crate::policy::Policy;
use crate::rule::{RuleName, RuleSet};
use decider::Decider;

/// Number of ids in a user namespace as the kubelet maps it, which is the largest uid plus one
/// (KEP-127: 65,536 ids a pod).
pub const USER_NAMESPACE_IDS: i64 = 65_536;

/// The decision about one field of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'p, T> {
    /// The value to set; `None` to set nothing.
    pub set: Option<T>,
    /// The result for the field's rule.
    pub result: RuleResult,
    /// The reason.
    pub note: Option<Note<'p>>,
}

/// The decision about one container's user.
#[derive(Clone, Debug)]
pub struct Decision<'p> {
    /// The author's effective values.
    pub author: Author,
    /// `runAsNonRoot`
    pub non_root: Choice<'p, bool>,
    /// `runAsUser`
    pub uid: Choice<'p, i64>,
    /// `runAsGroup`
    pub gid: Choice<'p, i64>,
    /// Whether the container may run as root, by its author or by an exemption. It then keeps
    /// the capabilities root needs.
    pub may_run_as_root: bool,
    /// Whether pod-level values may reach the container. False if it is exempt, is skipped or
    /// keeps root.
    pub takes_pod_level: bool,
    /// The policy's entry for its image.
    pub entry: Option<&'p ImageEntry>,
    /// The uid of its image's own user, if that is known.
    pub image_uid: Option<i64>,
}

/// A container's effective user as its author wrote it: its own values, else the pod's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    /// `runAsNonRoot`
    pub non_root: Option<bool>,
    /// `runAsUser`
    pub uid: Option<i64>,
    /// `runAsGroup`
    pub gid: Option<i64>,
}

impl Author {
    /// The effective values of one container.
    pub fn of(pod: &Pod<'_>, placed: Placed<'_, '_>) -> Self {
        let own = &placed.container.security_context;
        let outer = &pod.spec.security_context;
        Self {
            non_root: own.run_as_non_root.or(outer.run_as_non_root),
            uid: own.run_as_user.or(outer.run_as_user),
            gid: own.run_as_group.or(outer.run_as_group),
        }
    }

    /// Whether the author explicitly asks for root.
    pub fn is_root(&self) -> bool {
        self.uid == Some(0) || self.uid.is_none() && self.non_root == Some(false)
    }

    fn has_non_root_uid(&self) -> bool {
        self.uid.is_some_and(|uid| uid > 0)
    }
}

/// What the user decision needs to know about one container.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'p> {
    /// The container.
    pub placed: Placed<'p, 'p>,
    /// The policy's entry for its image.
    pub entry: Option<&'p ImageEntry>,
    /// What is known of its image.
    pub facts: Option<Found<'p>>,
    /// The rules it is exempt from.
    pub exempt: RuleSet,
    /// Whether it stays privileged; then no rule acts on it.
    pub privileged: bool,
}

/// A user that somebody knows, before the rule's own value.
#[derive(Clone, Copy, Debug)]
enum KnownUser<'p> {
    /// An image entry's.
    Entry(EntryUser),
    /// The image's own, which is not root.
    Image { user: &'p OwnUser, uid: i64 },
}

impl<'p> Candidate<'p> {
    /// The image's own user, if it is known.
    fn own_user(&self) -> Option<&'p OwnUser> {
        self.facts.and_then(|found| found.known.user.as_ref())
    }

    /// The user of its image, by whoever knows most of it.
    fn known_user(&self) -> Option<KnownUser<'p>> {
        let entry = self.entry.and_then(|entry| Some((entry.known, entry.user?)));
        let image = || {
            let user = self.own_user()?;
            let uid = user.uid.filter(|uid| *uid > 0)?;
            Some(KnownUser::Image { user, uid })
        };
        match (entry, self.own_user()) {
            (None, _) => image(),
            // The kubelet refuses a name beside runAsNonRoot: its number is what is meant.
            (Some((false, EntryUser::Image)), Some(own)) if !own.is_numeric() => {
                image().or(Some(KnownUser::Entry(EntryUser::Image)))
            }
            (Some((false, user)), _) => Some(KnownUser::Entry(user)),
            (Some((true, EntryUser::Image)), Some(own)) if own.is_root() => None,
            (Some((true, user)), _) => image().or(Some(KnownUser::Entry(user))),
        }
    }

    /// Whether ironhull's pod-level user may not be meant for this container. Nothing is set
    /// for such a container, yet it would inherit that user.
    pub fn may_come_later(&self) -> bool {
        let context = &self.placed.container.security_context;
        let left_alone = self.privileged || self.exempt.contains(RuleName::RunAsNonRoot);
        left_alone && context.run_as_user.is_none()
    }
}

/// Decides for all containers. Init containers follow the first app container that has a
/// uid. Where containers share their processes, those with an unknown user follow one with a
/// known user.
///
/// `ours` is the pod-level uid that ironhull set in an earlier pass, if any.
/// `in_user_namespace` tells whether root in the pod is not root on the node.
pub fn decide<'p>(
    pod: &'p Pod<'p>,
    policy: &'p Policy,
    candidates: &[Candidate<'p>],
    ours: Option<i64>,
    in_user_namespace: bool,
) -> Vec<Decision<'p>> {
    let decider = Decider { pod, policy, ours, in_user_namespace };
    let is_init = |candidate: &Candidate<'p>| candidate.placed.kind == ContainerKind::Init;
    // Where the policy's own uid does not exist, an init container gets none. It must not get
    // one from a container that another webhook adds later.
    let beyond = in_user_namespace && policy.rules.run_as_user.value.get() >= USER_NAMESPACE_IDS;
    let processes = match pod.spec.share_process_namespace && !beyond {
        true => decider.lead_of_processes(candidates),
        false => None,
    };
    let follows = |candidate| processes.filter(|_| is_unknown(pod, candidate));
    let leader = match !beyond && candidates.iter().any(is_init) {
        true => candidates.iter().find_map(|candidate| decider.lead(candidate, follows(candidate))),
        false => None,
    };
    let leads = |candidate| if is_init(candidate) { leader } else { follows(candidate) };
    candidates.iter().map(|candidate| decider.decide(candidate, leads(candidate))).collect()
}

/// Whether neither its author, nor an image entry, nor its image says which user an app or sidecar
/// container runs as.
fn is_unknown(pod: &Pod<'_>, candidate: &Candidate<'_>) -> bool {
    Author::of(pod, candidate.placed).uid.is_none() && candidate.known_user().is_none()
}

impl<T> Choice<'_, T> {
    fn of(result: RuleResult) -> Self {
        Self { set: None, result, note: None }
    }

    fn compliant() -> Self {
        Self::of(RuleResult::Compliant)
    }

    fn only_warns() -> Self {
        Self { set: None, result: RuleResult::Kept, note: Some(Note::OnlyWarns) }
    }
}

impl<'p> Decision<'p> {
    /// Whether ironhull gives the container another uid than it had. Its image's own, written as
    /// a number, is none.
    pub fn changes_uid(&self) -> bool {
        self.uid.set.is_some() && self.uid.set != self.author.uid.or(self.image_uid)
    }

    fn with_uid_note(mut self, note: Note<'p>) -> Self {
        self.uid.note = Some(note);
        self
    }

    fn injected_after(mut self, ours: Option<i64>) -> Self {
        if let Some(uid) = ours {
            self.uid.result = RuleResult::Skipped(Skip::InjectedAfter);
            self.uid.note = Some(Note::SetBeforeIt(uid));
        }
        self
    }
}
