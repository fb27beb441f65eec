//! UPDATE of a pod. Only changed images matter: an exemption may depend on one, and a container
//! that restarts with another image keeps what the exemption left it.

use std::fmt::Write as _;

use crate::exemption;
use crate::harden::{Context, harden};
use crate::outcome::{Outcome, RuleResult, Skip, Subject};
use crate::pod::{Placed, Pod};
use crate::policy::Policy;
use crate::rule::{RuleName, RuleSet};
use crate::text::printable;

/// Whether any container gets another image.
pub(super) fn changes_images(old: &Pod<'_>, new: &Pod<'_>) -> bool {
    let images = |pod: &Pod<'_>| {
        pod.containers().map(|placed| placed.container.image.to_string()).collect::<Vec<_>>()
    };
    images(old) != images(new)
}

/// For each container whose new image may not have what the policy grants its old image, why.
///
/// What counts is whether the old image *could* be exempt, not whether an annotation says so
/// now: annotations can be removed from a running pod. If nothing depends on the old image, as
/// in a pod older than the namespace's label, any image may follow.
pub(super) fn lost_exemptions<'p>(
    old: &'p Pod<'p>,
    new: &'p Pod<'p>,
    policy: &'p Policy,
    context: &Context<'p>,
) -> Vec<String> {
    let before = harden(old, policy, context);
    let granted: Vec<RuleSet> =
        new.containers().map(|now| granted(old, now, policy, &before)).collect();
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

/// The rules whose result a container may owe to its old image. Either the policy ties an
/// exemption to that image, or the container's root stays writable: because of the image's
/// entry, or of paths that cannot be provided here.
fn granted(old: &Pod<'_>, now: Placed<'_, '_>, policy: &Policy, before: &Outcome<'_>) -> RuleSet {
    let name = &*now.container.name;
    let was = old.containers().enumerate().find(|(_, was)| &*was.container.name == name);
    let other = was.filter(|(_, was)| was.container.image != now.container.image);
    let Some((index, was)) = other else { return RuleSet::EMPTY };
    let rules = exemption::by_image(policy, name, &was.container.image);
    let kept = [Skip::ImageNeedsWritableRoot, Skip::PathUnavailable].map(RuleResult::Skipped);
    let writable = before.findings.iter().any(|finding| {
        finding.subject == Subject::Container(index) && kept.contains(&finding.result)
    });
    if writable { rules.with(RuleName::ReadOnlyRootFilesystem) } else { rules }
}

fn sentence(now: Placed<'_, '_>, rules: RuleSet) -> String {
    let rules: Vec<_> = rules.iter().map(RuleName::as_str).collect();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _infallible = write!(
        text,
        "container {} runs without {}, required for its new image {}: create a new pod",
        printable(&now.container.name, 63),
        rules.join(", "),
        printable(&now.container.image, 200),
    );
    text
}
