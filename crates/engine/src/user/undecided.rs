//! A container before the decision, and what becomes of it as a whole.

use super::{Author, Choice, Decision};
use crate::facts::Found;
use crate::image::ImageEntry;
use crate::outcome::{Note, RuleResult, Skip};
use crate::rule::{Action, RuleName, RuleSet};

/// A container before the decision.
pub(super) struct Undecided<'p> {
    pub(super) author: Author,
    pub(super) entry: Option<&'p ImageEntry>,
    pub(super) facts: Option<Found<'p>>,
    pub(super) exempt: RuleSet,
}

impl<'p> Undecided<'p> {
    /// A rule's action for this container: an exemption turns it off.
    pub(super) fn action(&self, rule: RuleName, action: Action) -> Action {
        if self.exempt.contains(rule) { Action::Off } else { action }
    }

    pub(super) fn decided(
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
        let image_uid = self.image_uid();
        Decision {
            author: self.author,
            non_root,
            uid,
            gid,
            may_run_as_root: false,
            takes_pod_level: true,
            entry: self.entry,
            image_uid,
        }
    }

    pub(super) fn image_uid(&self) -> Option<i64> {
        self.facts.and_then(|found| found.known.user.as_ref()?.uid)
    }

    /// The same result for all three fields, with nothing set.
    pub(super) fn all(self, result: RuleResult, may_run_as_root: bool) -> Decision<'p> {
        Decision {
            author: self.author,
            non_root: Choice::of(result),
            uid: Choice::of(result),
            gid: Choice::of(result),
            may_run_as_root,
            takes_pod_level: false,
            entry: self.entry,
            image_uid: self.image_uid(),
        }
    }

    /// Keeps the image's user.
    pub(super) fn image_user(
        self,
        non_root: Choice<'p, bool>,
        note: Option<Note<'p>>,
    ) -> Decision<'p> {
        let uid = Choice { set: None, result: RuleResult::Skipped(Skip::ImageUser), note };
        self.decided(non_root, uid, Choice::of(RuleResult::Skipped(Skip::ImageUser)))
    }

    pub(super) fn privileged(self, ours: Option<i64>) -> Decision<'p> {
        let decision = self.all(RuleResult::Skipped(Skip::Privileged), false);
        decision.injected_after(ours)
    }

    /// `acts`: whether runAsNonRoot changes anything at all.
    pub(super) fn exempt(self, acts: bool, ours: Option<i64>) -> Decision<'p> {
        // With a uid above 0 the container starts, and not as root: there is nothing to undo.
        let root = !self.author.has_non_root_uid();
        let undo = acts && root && self.author.non_root == Some(true);
        let mut decision = self.all(RuleResult::Exempt, root);
        decision.non_root.set = undo.then_some(false);
        decision.injected_after(ours)
    }
}
