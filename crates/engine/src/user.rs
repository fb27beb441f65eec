//! The user each container will run as. It is decided once; the four user rules and
//! `capabilities` project the decision.
//!
//! | the author says (effective) | what happens |
//! |---|---|
//! | exempt from runAsNonRoot | user and groups stay; it *may run as root* unless its uid is above 0 |
//! | root: uid 0, or `runAsNonRoot: false` without a uid | the stronger of runAsNonRoot's and runAsUser's actions decides |
//! | a uid above 0 | kept, its gid too; runAsNonRoot added |
//! | `runAsNonRoot: true`, no uid | the image's user is relied on, unless an image entry or `override` says otherwise |
//! | nothing | runAsNonRoot, uid and gid |
//!
//! Where the values go is decided in [`placement`].

pub mod placement;
pub mod windows;

use crate::image::{EntryUser, ImageEntry};
use crate::outcome::{Note, RuleResult, Skip};
use crate::pod::{ContainerKind, Placed, Pod};
use crate::policy::Policy;
use crate::rule::{Action, RuleName, RuleSet};
use crate::rules::run_as_user::WhenImageUser;

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
    /// The rules it is exempt from.
    pub exempt: RuleSet,
    /// Whether it stays privileged; then no rule acts on it.
    pub privileged: bool,
}

impl Candidate<'_> {
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

/// Whether neither its author nor an image entry says which user an app or sidecar container
/// runs as.
fn is_unknown(pod: &Pod<'_>, candidate: &Candidate<'_>) -> bool {
    let entry = candidate.entry.and_then(|entry| entry.user);
    Author::of(pod, candidate.placed).uid.is_none() && entry.is_none()
}

/// The container whose user another one follows.
#[derive(Clone, Copy)]
struct Leader<'p> {
    name: &'p str,
    uid: i64,
    gid: Option<i64>,
}

/// A uid ironhull would set, with its gid and the reason.
struct Wanted<'p> {
    uid: i64,
    gid: i64,
    note: Option<Note<'p>>,
}

struct Decider<'p> {
    pod: &'p Pod<'p>,
    policy: &'p Policy,
    ours: Option<i64>,
    in_user_namespace: bool,
}

impl<'p> Decider<'p> {
    fn decide(&self, candidate: &Candidate<'p>, leader: Option<Leader<'p>>) -> Decision<'p> {
        let placed = candidate.placed;
        let author = Author::of(self.pod, placed);
        let context = &placed.container.security_context;
        let inherited = self.ours.filter(|_| context.run_as_user.is_none());
        let undecided = Undecided { author, entry: candidate.entry, exempt: candidate.exempt };
        if candidate.privileged {
            return undecided.privileged(inherited);
        }
        if candidate.exempt.contains(RuleName::RunAsNonRoot) {
            let acts = self.policy.rules.run_as_non_root.action.acts();
            return undecided.exempt(acts, inherited);
        }
        if placed.kind == ContainerKind::Ephemeral {
            let target = self.target(placed);
            let follows = target.filter(|target| {
                context.run_as_user.is_none()
                    && context.run_as_non_root != Some(false)
                    && author.uid != Some(target.uid)
            });
            if author.has_non_root_uid() && follows.is_none() {
                return self.has_uid(undecided, context.run_as_non_root);
            }
            let wanted = self.wanted(candidate, target);
            return match author.is_root() && follows.is_none() {
                true => self.root(undecided, Some(wanted)),
                false => self.nothing(undecided, Some(wanted)),
            };
        }
        let trusts_image =
            matches!(candidate.entry.and_then(|entry| entry.user), Some(EntryUser::Image));
        if author.is_root() {
            let wanted =
                (author.uid.is_some() || !trusts_image).then(|| self.wanted(candidate, leader));
            return self.root(undecided, wanted);
        }
        if author.has_non_root_uid() {
            return self.has_uid(undecided, context.run_as_non_root);
        }
        let wanted = (!trusts_image).then(|| self.wanted(candidate, leader));
        if author.non_root == Some(true) {
            return self.relies_on_image(undecided, wanted);
        }
        self.nothing(undecided, wanted)
    }

    /// The user of an app container, if it has one. Exemptions are disregarded: they never
    /// change another container's user.
    fn lead(&self, candidate: &Candidate<'p>, follows: Option<Leader<'p>>) -> Option<Leader<'p>> {
        let container = candidate.placed.container;
        let privileged = self.policy.keeps_privileged(container, RuleSet::EMPTY);
        if candidate.placed.kind != ContainerKind::App || privileged {
            return None;
        }
        let alike = Candidate { exempt: RuleSet::EMPTY, privileged, ..*candidate };
        let decision = self.decide(&alike, follows);
        let author = decision.author;
        let uid = decision.uid.set.or(author.uid).filter(|uid| *uid > 0)?;
        let gid = decision.gid.set.or(author.gid);
        Some(Leader { name: &container.name, uid, gid })
    }

    /// The app container that unknown ones follow in a pod with shared processes, so that
    /// signals keep working. Its user is known, and no other known one has another user.
    fn lead_of_processes(&self, candidates: &[Candidate<'p>]) -> Option<Leader<'p>> {
        let known = candidates.iter().filter(|candidate| !is_unknown(self.pod, candidate));
        let mut leaders = known.filter_map(|candidate| self.lead(candidate, None));
        let first = leaders.next()?;
        leaders.all(|other| other.uid == first.uid).then_some(first)
    }

    /// The user of an ephemeral container's target; `None` without a uid above 0.
    fn target(&self, placed: Placed<'p, 'p>) -> Option<Leader<'p>> {
        let name = &*placed.container.target_container_name;
        let target = self
            .pod
            .containers()
            .find(|other| !name.is_empty() && &*other.container.name == name)?;
        let author = Author::of(self.pod, target);
        let uid = author.uid.filter(|uid| *uid > 0)?;
        Some(Leader { name: &target.container.name, uid, gid: author.gid })
    }

    /// The uid and gid a container would get.
    fn wanted(&self, candidate: &Candidate<'p>, leader: Option<Leader<'p>>) -> Wanted<'p> {
        let rules = &self.policy.rules;
        let ephemeral = candidate.placed.kind == ContainerKind::Ephemeral;
        let entry = candidate.entry.filter(|_| !ephemeral);
        let entry_gid = entry.and_then(|entry| entry.group).map(|gid| gid.get());
        let gid = entry_gid.unwrap_or(rules.run_as_group.value.get());
        if let Some(leader) = leader {
            let gid = leader.gid.unwrap_or(rules.run_as_group.value.get());
            let note = match ephemeral {
                true => Note::FollowsTarget(leader.name),
                false => Note::FollowsContainer(leader.name),
            };
            return Wanted { uid: leader.uid, gid, note: Some(note) };
        }
        match entry.and_then(|entry| entry.user) {
            Some(EntryUser::Uid(uid)) => {
                Wanted { uid: uid.get(), gid, note: Some(Note::FromEntry) }
            }
            _ => Wanted { uid: rules.run_as_user.value.get(), gid, note: None },
        }
    }

    /// Decides for explicit root.
    fn root(&self, undecided: Undecided<'p>, wanted: Option<Wanted<'p>>) -> Decision<'p> {
        let rules = &self.policy.rules;
        let author = undecided.author;
        if self.in_user_namespace {
            return undecided.all(RuleResult::Skipped(Skip::UserNamespace), true);
        }
        let uid_action = undecided.action(RuleName::RunAsUser, rules.run_as_user.action);
        let action = rules.run_as_non_root.action.max(uid_action);
        if action < Action::Enforce {
            let note = if action == Action::Warn { Note::OnlyWarns } else { Note::KeptRoot };
            let mut kept = undecided.all(RuleResult::Kept, true);
            // One warning: runAsUser's, unless that rule is off and says nothing.
            match rules.run_as_user.action {
                Action::Off => kept.non_root.note = Some(note),
                _ => kept.uid.note = Some(note),
            }
            return kept;
        }
        let replaced =
            |explicit: bool| if explicit { RuleResult::Replaced } else { RuleResult::Set };
        let non_root = match (rules.run_as_non_root.action, author.non_root) {
            (Action::Off, _) => Choice::compliant(),
            (_, Some(true)) => Choice::compliant(),
            (_, explicit) => {
                Choice { set: Some(true), result: replaced(explicit.is_some()), note: None }
            }
        };
        let Some(wanted) = wanted else {
            return undecided.image_user(non_root, Some(Note::EntryTrustsImage));
        };
        let note = match undecided.exempt.contains(RuleName::RunAsUser) {
            true => Some(Note::RootNeedsMore),
            false => wanted.note,
        };
        let uid = Choice { set: Some(wanted.uid), result: replaced(author.uid.is_some()), note };
        let gid = self.gid(&undecided, wanted.gid);
        undecided.decided(non_root, uid, gid)
    }

    /// Decides for a uid above 0, which stays. `own` is the container's own runAsNonRoot; an
    /// inherited one is reported at the pod level.
    fn has_uid(&self, undecided: Undecided<'p>, own: Option<bool>) -> Decision<'p> {
        let action = self.policy.rules.run_as_non_root.action;
        let choice = |set, result, note| Choice { set, result, note };
        let non_root = match (undecided.author.non_root, action) {
            (Some(true), _) | (_, Action::Off) => Choice::compliant(),
            (None, Action::Warn) => choice(None, RuleResult::Kept, Some(Note::OnlyWarns)),
            (None, _) => choice(Some(true), RuleResult::Set, None),
            (Some(false), Action::Enforce) => choice(Some(true), RuleResult::Replaced, None),
            (Some(false), _) if own.is_none() => {
                choice(None, RuleResult::Compliant, Some(Note::NonRootInFact))
            }
            (Some(false), Action::Warn) => choice(None, RuleResult::Kept, Some(Note::OnlyWarns)),
            (Some(false), _) => choice(None, RuleResult::Kept, Some(Note::RefusedFalse)),
        };
        undecided.decided(non_root, Choice::compliant(), Choice::compliant())
    }

    /// Decides for `runAsNonRoot: true` without a uid.
    fn relies_on_image(
        &self,
        undecided: Undecided<'p>,
        wanted: Option<Wanted<'p>>,
    ) -> Decision<'p> {
        let rule = &self.policy.rules.run_as_user;
        let action = undecided.action(RuleName::RunAsUser, rule.action);
        let has_number =
            matches!(undecided.entry.and_then(|entry| entry.user), Some(EntryUser::Uid(_)));
        let overrides = has_number || rule.when_image_user == WhenImageUser::Override;
        match wanted {
            Some(wanted) if action.acts() && overrides => {
                self.set_uid(undecided, Choice::compliant(), wanted)
            }
            Some(_) if undecided.entry.is_some_and(|entry| entry.image_is_root) => {
                undecided.image_user(Choice::compliant(), Some(Note::ImageIsRoot))
            }
            Some(_) => undecided.image_user(Choice::compliant(), None),
            None => undecided.image_user(Choice::compliant(), Some(Note::EntryTrustsImage)),
        }
    }

    /// Decides where nothing is said.
    fn nothing(&self, undecided: Undecided<'p>, wanted: Option<Wanted<'p>>) -> Decision<'p> {
        let rules = &self.policy.rules;
        let action = rules.run_as_non_root.action;
        let non_root = match (undecided.author.non_root, action) {
            (Some(true), _) => Choice::compliant(),
            (_, Action::Off | Action::Warn) => Choice::only_warns(),
            _ => Choice { set: Some(true), result: RuleResult::Set, note: None },
        };
        let Some(wanted) = wanted else {
            return undecided.image_user(non_root, Some(Note::EntryTrustsImage));
        };
        if undecided.exempt.contains(RuleName::RunAsUser) {
            return undecided.decided(
                non_root,
                Choice::of(RuleResult::Exempt),
                Choice::compliant(),
            );
        }
        if !rules.run_as_user.action.acts() {
            return undecided.decided(non_root, Choice::only_warns(), Choice::compliant());
        }
        self.set_uid(undecided, non_root, wanted)
    }

    fn set_uid(
        &self,
        undecided: Undecided<'p>,
        non_root: Choice<'p, bool>,
        wanted: Wanted<'p>,
    ) -> Decision<'p> {
        if self.in_user_namespace && wanted.uid >= USER_NAMESPACE_IDS {
            return undecided
                .all(RuleResult::Skipped(Skip::UserNamespace), true)
                .with_uid_note(Note::BeyondUserNamespace(wanted.uid));
        }
        let gid = self.gid(&undecided, wanted.gid);
        // A uid other than 0 is the pod's. An ephemeral container need not share it.
        let result = match undecided.author.uid {
            Some(0) => RuleResult::Replaced,
            _ => RuleResult::Set,
        };
        let uid = Choice { set: Some(wanted.uid), result, note: wanted.note };
        undecided.decided(non_root, uid, gid)
    }

    /// The gid beside a uid that ironhull sets.
    fn gid(&self, undecided: &Undecided<'p>, wanted: i64) -> Choice<'p, i64> {
        let action = undecided.action(RuleName::RunAsGroup, self.policy.rules.run_as_group.action);
        if undecided.exempt.contains(RuleName::RunAsGroup) {
            return Choice::of(RuleResult::Exempt);
        }
        match (undecided.author.gid, action) {
            (Some(gid), _) if gid > 0 || gid == wanted => Choice::compliant(),
            (_, Action::Off | Action::Warn) => Choice::only_warns(),
            (Some(_), Action::Fill) => {
                Choice { set: None, result: RuleResult::Kept, note: Some(Note::KeptRoot) }
            }
            (Some(_), _) => Choice { set: Some(wanted), result: RuleResult::Replaced, note: None },
            (None, _) => Choice { set: Some(wanted), result: RuleResult::Set, note: None },
        }
    }
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

/// A container before the decision.
struct Undecided<'p> {
    author: Author,
    entry: Option<&'p ImageEntry>,
    exempt: RuleSet,
}

impl<'p> Undecided<'p> {
    /// A rule's action for this container: an exemption turns it off.
    fn action(&self, rule: RuleName, action: Action) -> Action {
        if self.exempt.contains(rule) { Action::Off } else { action }
    }

    fn decided(
        self,
        non_root: Choice<'p, bool>,
        uid: Choice<'p, i64>,
        gid: Choice<'p, i64>,
    ) -> Decision<'p> {
        let exempt = |rule| self.exempt.contains(rule);
        let uid = if exempt(RuleName::RunAsUser) && uid.set.is_none() {
            Choice::of(RuleResult::Exempt)
        } else {
            uid
        };
        let gid = if exempt(RuleName::RunAsGroup) && gid.set.is_none() {
            Choice::of(RuleResult::Exempt)
        } else {
            gid
        };
        Decision {
            author: self.author,
            non_root,
            uid,
            gid,
            may_run_as_root: false,
            takes_pod_level: true,
            entry: self.entry,
        }
    }

    /// The same result for all three fields, with nothing set.
    fn all(self, result: RuleResult, may_run_as_root: bool) -> Decision<'p> {
        Decision {
            author: self.author,
            non_root: Choice::of(result),
            uid: Choice::of(result),
            gid: Choice::of(result),
            may_run_as_root,
            takes_pod_level: false,
            entry: self.entry,
        }
    }

    /// Keeps the image's user.
    fn image_user(self, non_root: Choice<'p, bool>, note: Option<Note<'p>>) -> Decision<'p> {
        let uid = Choice { set: None, result: RuleResult::Skipped(Skip::ImageUser), note };
        self.decided(non_root, uid, Choice::of(RuleResult::Skipped(Skip::ImageUser)))
    }

    fn privileged(self, ours: Option<i64>) -> Decision<'p> {
        let decision = self.all(RuleResult::Skipped(Skip::Privileged), false);
        decision.injected_after(ours)
    }

    /// `acts`: whether runAsNonRoot changes anything at all.
    fn exempt(self, acts: bool, ours: Option<i64>) -> Decision<'p> {
        // With a uid above 0 the container starts, and not as root: there is nothing to undo.
        let root = !self.author.has_non_root_uid();
        let undo = acts && root && self.author.non_root == Some(true);
        let mut decision = self.all(RuleResult::Exempt, root);
        decision.non_root.set = undo.then_some(false);
        decision.injected_after(ours)
    }
}

impl<'p> Decision<'p> {
    /// Whether ironhull gives the container its uid.
    pub fn sets_uid(&self) -> bool {
        self.uid.set.is_some()
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
