//! UPDATE of a pod. Of what it can change only the images matter: an exemption may hang on one, and
//! the container that is started again with another keeps what the exemption left it.

use std::fmt::Write as _;

use crate::exemption;
use crate::harden::{Context, harden};
use crate::outcome::{Outcome, RuleResult, Skip, Subject};
use crate::pod::{Placed, Pod};
use crate::policy::Policy;
use crate::rules::{RuleName, RuleSet};
use crate::text::printable;

/// Whether a container gets another image.
pub(super) fn changes_images(old: &Pod<'_>, new: &Pod<'_>) -> bool {
    let images = |pod: &Pod<'_>| {
        pod.containers().map(|placed| placed.container.image.to_string()).collect::<Vec<_>>()
    };
    images(old) != images(new)
}

/// For each container whose new image may not have what the policy grants to its old image, why.
///
/// Whether the old image *could* be exempt is what counts, not whether an annotation says so now:
/// annotations can be taken off a running pod. Where nothing hangs on the old image, as in a pod that
/// is older than the namespace's label, any image may follow.
pub(super) fn lost_exemptions<'p>(
    old: &'p Pod<'p>,
    new: &'p Pod<'p>,
    policy: &'p Policy,
    context: &Context<'p>,
) -> Vec<String> {
    let mut granted: Vec<RuleSet> = new.containers().map(|now| granted(old, now, policy)).collect();
    let before = harden(old, policy, context);
    for (now, granted) in new.containers().zip(&mut granted) {
        if keeps_a_writable_root(old, now, &before) {
            *granted = granted.with(RuleName::ReadOnlyRootFilesystem);
        }
    }
    if granted.iter().all(|rules| rules.is_empty()) {
        return Vec::new();
    }
    let outcome = harden(new, policy, context);
    let mut lost = Vec::new();
    for (index, (now, granted)) in new.containers().zip(granted).enumerate() {
        let needed = outcome.findings.iter().filter(|finding| {
            finding.subject == Subject::Container(index)
                && granted.contains(finding.rule)
                && finding.result.changes()
                && finding.was != finding.now
        });
        let needed: RuleSet = needed.map(|finding| finding.rule).collect();
        if !needed.is_empty() {
            lost.push(sentence(now, needed));
        }
    }
    lost
}

/// The rules that the policy may exempt a container from because of the image that it had.
fn granted(old: &Pod<'_>, now: Placed<'_, '_>, policy: &Policy) -> RuleSet {
    let name = &*now.container.name;
    let before = old.containers().find(|before| &*before.container.name == name);
    match before {
        Some(before) if before.container.image != now.container.image => {
            exemption::by_image(policy, name, &before.container.image)
        }
        _ => RuleSet::EMPTY,
    }
}

/// Whether the image that this container had keeps its root writable: by what its entry says of it,
/// or of paths that cannot be provided here.
fn keeps_a_writable_root(old: &Pod<'_>, now: Placed<'_, '_>, before: &Outcome<'_>) -> bool {
    let name = &*now.container.name;
    let same = |was: &Placed<'_, '_>| {
        &*was.container.name == name && was.container.image != now.container.image
    };
    let Some(index) = old.containers().position(|was| same(&was)) else { return false };
    let kept = [Skip::ImageNeedsWritableRoot, Skip::PathUnavailable].map(RuleResult::Skipped);
    before.findings.iter().any(|finding| {
        finding.rule == RuleName::ReadOnlyRootFilesystem
            && finding.subject == Subject::Container(index)
            && kept.contains(&finding.result)
    })
}

fn sentence(now: Placed<'_, '_>, rules: RuleSet) -> String {
    let rules: Vec<_> = rules.iter().map(RuleName::as_str).collect();
    let mut text = String::new();
    // A string takes everything.
    let _infallible = write!(
        text,
        "container {} runs without {}, which its new image {} must have: make a new pod",
        printable(&now.container.name, 63),
        rules.join(", "),
        printable(&now.container.image, 200),
    );
    text
}
