//! The decision about one container, by what its author says.

use super::undecided::Undecided;
use super::{Author, Candidate, Choice, Decision, KnownUser, USER_NAMESPACE_IDS, is_unknown};
use crate::facts::{By, OwnUser};
use crate::image::EntryUser;
use crate::outcome::{Note, RuleResult, Skip};
use crate::pod::{ContainerKind, Placed, Pod};
use crate::policy::Policy;
use crate::rule::{Action, RuleName, RuleSet};
use crate::rules::run_as_user::WhenImageUser;

/// The container whose user another one follows.
#[derive(Clone, Copy)]
pub(super) struct Leader<'p> {
    name: &'p str,
    uid: i64,
    gid: Option<i64>,
}

/// A uid ironhull would set, with its gid and the reason. No gid is that of the image's user, which
/// the runtime looks up.
struct Wanted<'p> {
    uid: i64,
    gid: Option<i64>,
    note: Option<Note<'p>>,
}

pub(super) struct Decider<'p> {
    pub(super) pod: &'p Pod<'p>,
    pub(super) policy: &'p Policy,
    /// The pod-level uid that ironhull set in an earlier pass.
    pub(super) ours: Option<i64>,
    pub(super) in_user_namespace: bool,
}

impl<'p> Decider<'p> {
    pub(super) fn decide(
        &self,
        candidate: &Candidate<'p>,
        leader: Option<Leader<'p>>,
    ) -> Decision<'p> {
        let placed = candidate.placed;
        let author = Author::of(self.pod, placed);
        let context = &placed.container.security_context;
        let inherited = self.ours.filter(|_| context.run_as_user.is_none());
        let undecided = Undecided {
            author,
            entry: candidate.entry,
            facts: candidate.facts,
            exempt: candidate.exempt,
        };
        if candidate.privileged {
            return undecided.privileged(inherited);
        }
        if candidate.exempt.contains(RuleName::RunAsNonRoot) {
            let acts = self.policy.rules.run_as_non_root.action.acts();
            return undecided.exempt(acts, inherited);
        }
        if placed.kind == ContainerKind::Ephemeral {
            let target = self.target(placed);
            let enforces = self.policy.rules.run_as_non_root.action == Action::Enforce;
            // Beside a uid above 0 it says nothing, and becomes true.
            let replaced = author.has_non_root_uid() && enforces;
            let says_false = context.run_as_non_root == Some(false);
            let follows = target.filter(|target| {
                context.run_as_user.is_none()
                    && (!says_false || replaced)
                    && author.uid != Some(target.uid)
            });
            if author.has_non_root_uid() && follows.is_none() {
                return self.has_uid(undecided, context.run_as_non_root);
            }
            let wanted = self.wanted(candidate, target);
            return match author.is_root() && follows.is_none() {
                true => self.root(undecided, Some(wanted)),
                false => {
                    let mut decision = self.nothing(undecided, Some(wanted));
                    if says_false && decision.non_root.set.is_some() {
                        decision.non_root.result = RuleResult::Replaced;
                    }
                    decision
                }
            };
        }
        let known = candidate.known_user();
        let trusts_image = matches!(known, Some(KnownUser::Entry(EntryUser::Image)));
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
            return self.relies_on_image(undecided, known, wanted);
        }
        self.nothing(undecided, wanted)
    }

    /// The user of an app container, if it has one. Exemptions are disregarded: they never
    /// change another container's user.
    pub(super) fn lead(
        &self,
        candidate: &Candidate<'p>,
        follows: Option<Leader<'p>>,
    ) -> Option<Leader<'p>> {
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
    pub(super) fn lead_of_processes(&self, candidates: &[Candidate<'p>]) -> Option<Leader<'p>> {
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
        let known = candidate.known_user().filter(|_| !ephemeral);
        let of_author = Author::of(self.pod, candidate.placed);
        // What runs as a good user of its own has nothing to follow anybody for.
        if let Some(KnownUser::Image { user, uid }) = known
            && (leader.is_none() || of_author.uid.is_none())
        {
            let note = candidate.facts.map(|found| from_image(user, found.by));
            return Wanted { uid, gid: user.gid, note };
        }
        let entry = candidate.entry.filter(|_| !ephemeral);
        let entry_gid = entry.and_then(|entry| entry.group).map(|gid| gid.get());
        let gid = Some(entry_gid.unwrap_or(rules.run_as_group.value.get()));
        if let Some(leader) = leader {
            let gid = Some(leader.gid.unwrap_or(rules.run_as_group.value.get()));
            let note = match ephemeral {
                true => Note::FollowsTarget(leader.name),
                false => Note::FollowsContainer(leader.name),
            };
            return Wanted { uid: leader.uid, gid, note: Some(note) };
        }
        if let Some(KnownUser::Entry(EntryUser::Uid(uid))) = known {
            return Wanted { uid: uid.get(), gid, note: Some(Note::FromEntry) };
        }
        let root = !ephemeral && candidate.own_user().is_some_and(OwnUser::is_root);
        let uid = rules.run_as_user.value.get();
        Wanted { uid, gid, note: root.then_some(Note::MadeForRoot(uid)) }
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
        known: Option<KnownUser<'p>>,
        wanted: Option<Wanted<'p>>,
    ) -> Decision<'p> {
        let rule = &self.policy.rules.run_as_user;
        let action = undecided.action(RuleName::RunAsUser, rule.action);
        let own = undecided.facts.and_then(|found| found.known.user.as_ref());
        let needs_number = match known {
            Some(KnownUser::Entry(user)) => matches!(user, EntryUser::Uid(_)),
            // The kubelet compares numbers only, and refuses a name.
            Some(KnownUser::Image { user, .. }) => !user.is_numeric(),
            // The kubelet refuses it: the author is mistaken about the image.
            None => own.is_some_and(OwnUser::is_root),
        };
        let overrides = needs_number || rule.when_image_user == WhenImageUser::Override;
        match wanted {
            Some(wanted) if action.acts() && overrides => {
                self.set_uid(undecided, Choice::compliant(), wanted)
            }
            Some(_)
                if own.map_or(
                    undecided.entry.is_some_and(|entry| entry.image_is_root),
                    OwnUser::is_root,
                ) =>
            {
                undecided.image_user(Choice::compliant(), Some(Note::ImageIsRoot))
            }
            Some(_) if own.is_some_and(|user| user.unusable.is_some()) => {
                let note = own.and_then(|user| user.name.as_deref()).map(Note::UnusableUser);
                undecided.image_user(Choice::compliant(), note)
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
    fn gid(&self, undecided: &Undecided<'p>, wanted: Option<i64>) -> Choice<'p, i64> {
        let action = undecided.action(RuleName::RunAsGroup, self.policy.rules.run_as_group.action);
        if undecided.exempt.contains(RuleName::RunAsGroup) {
            return Choice::of(RuleResult::Exempt);
        }
        let Some(wanted) = wanted else { return Choice::compliant() };
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

/// The note for an image's own user.
fn from_image(user: &OwnUser, by: By) -> Note<'_> {
    let OwnUser { name, uid, from, .. } = user;
    Note::OwnUser { name: name.as_deref(), uid: uid.unwrap_or_default(), from: *from, by }
}
