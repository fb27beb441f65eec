//! The grammar of a workload's annotations, and the exemptions in force.
//!
//! ```yaml
//! # one container, one rule
//! fix-permissions.exempt.ironhull.dev/runAsNonRoot: "ticket=SEC-12 until=2027-03-01 chown of the data volume"
//! # the whole pod, one rule
//! exempt.ironhull.dev/readOnlyRootFilesystem: "writes its licence file to /opt"
//! # the whole pod, every rule
//! exempt.ironhull.dev/all: "vendor appliance, replaced in Q2"
//! # more paths that get an emptyDir
//! ironhull.dev/writable-paths: "/var/cache/nginx,/run"
//! # one that begins with what the image has there
//! ironhull.dev/writable-paths: "/opt/app/conf=seed"
//! ```
//!
//! Any fault makes an annotation void and is reported; a faulty one is never silently valid.

mod sorter;
mod value;

use std::borrow::Cow;

use jiff::civil::Date;

use crate::image::ImagePattern;
use crate::outcome::{Looked, Subject};
use crate::pod::Pod;
use crate::policy::{Policy, Writable};
use crate::rule::{RuleName, RuleScope, RuleSet};

use sorter::{Sorter, WRITABLE_PATHS};
pub use value::Claim;

/// The domain of ironhull's annotations and labels.
pub const DOMAIN: &str = "ironhull.dev";

/// The annotation that tells people what was changed. No decision depends on it, except to
/// tell ironhull's own pod-level uid from an author's.
pub const HARDENED_ANNOTATION: &str = "ironhull.dev/hardened";

/// An exemption in force.
#[derive(Clone, Debug)]
pub struct Exemption<'p> {
    /// What is exempt.
    pub subject: Subject,
    /// The rules it is exempt from.
    pub rules: RuleSet,
    /// The last day, inclusive.
    pub until: Option<Date>,
    /// The ticket, if one is named.
    pub ticket: Option<Cow<'p, str>>,
    /// The reason, without control characters and of bounded length.
    pub reason: Cow<'p, str>,
    /// Whether the workload declares it or the policy grants it.
    pub by: By,
}

impl Exemption<'_> {
    /// Whether it covers everything its subject can be exempt from.
    pub fn is_for_every_rule(&self) -> bool {
        RuleName::ALL.iter().all(|rule| {
            self.rules.contains(*rule)
                || self.subject != Subject::Pod && rule.scope() == RuleScope::Pod
        })
    }
}

/// Where an exemption comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An annotation of the workload.
    Annotation,
    /// An entry of the policy's `exempt`.
    Policy,
}

/// An annotation that exempts nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void<'p> {
    /// The annotation's key.
    pub key: Cow<'p, str>,
    /// Why it is void.
    pub why: String,
    /// Whether the rest of it holds: of writable paths, those that are allowed.
    pub partly: bool,
}

impl Void<'_> {
    /// The verdict in words.
    pub fn verdict(&self) -> &'static str {
        if self.partly { "partly void" } else { "void" }
    }
}

/// Everything declared for a pod, evaluated.
#[derive(Clone, Debug, Default)]
pub struct InForce<'p> {
    /// The exemptions in force.
    pub exemptions: Vec<Exemption<'p>>,
    /// The annotations that exempt nothing.
    pub void: Vec<Void<'p>>,
    /// The requested writable paths, for the pod or for one container.
    pub writable_paths: Vec<(Subject, Writable)>,
    /// The rules that the pod as a whole is exempt from.
    pod: RuleSet,
    /// The rules that each container is exempt from, by its index.
    containers: Vec<RuleSet>,
}

impl InForce<'_> {
    /// The rules that the pod as a whole is exempt from.
    pub fn of_pod(&self) -> RuleSet {
        self.pod
    }

    /// The rules that the container with this index is exempt from.
    pub fn of_container(&self, index: usize) -> RuleSet {
        self.containers.get(index).copied().unwrap_or_default()
    }
}

/// Whether an annotation with this key means something to ironhull on a pod, and so nothing
/// anywhere else.
pub fn is_for_pods(key: &str) -> bool {
    let Some(Annotation { place, name, .. }) = Annotation::of((key, "")) else { return false };
    let writable = name == WRITABLE_PATHS && (place.is_empty() || place.ends_with('.'));
    writable || place == "exempt." || place.ends_with(".exempt.")
}

/// Evaluates the pod's annotations and the policy's grants.
///
/// `images` are the normalised images of the containers in `looked`, in the same order.
pub fn in_force<'p>(
    pod: &'p Pod<'_>,
    policy: &'p Policy,
    looked: &[Looked<'p>],
    images: &[Cow<'_, str>],
    date: Date,
) -> InForce<'p> {
    let mut sorter = Sorter::new(pod, policy, looked, images, date);
    for grant in &policy.exempt {
        sorter.grant(grant);
    }
    // Sorted by key, since the order of a map means nothing. Of a duplicate key the last one
    // counts.
    let mut ours: Vec<_> = pod.metadata.annotations.iter().filter_map(Annotation::of).collect();
    ours.sort_by_key(|annotation| annotation.key);
    for (index, Annotation { key, place, name, value }) in ours.iter().enumerate() {
        if ours.get(index + 1).is_none_or(|next| next.key != *key) {
            sorter.annotation(key, place, name, value);
        }
    }
    sorter.into_result()
}

/// The rules from which a container of this name may be exempt because of its image: by a
/// grant that names images, whenever it ends, or by an annotation if only certain images may
/// have one.
pub fn by_image(policy: &Policy, container: &str, image: &str) -> RuleSet {
    let image = policy.registry_aliases.normalise(image);
    let among = |images: &[ImagePattern]| images.iter().any(|pattern| pattern.matches(&image));
    let grants = policy.exempt.iter().filter(|grant| {
        let named =
            grant.containers.is_empty() || grant.containers.iter().any(|it| it == container);
        named && among(&grant.images)
    });
    let mut rules = grants.fold(RuleSet::EMPTY, |rules, grant| rules.union(grant.rules));
    if among(&policy.exemptions.images) {
        rules = rules.union(policy.exemptions.allow);
    }
    // This exemption covers the container's user as a whole: see `user`.
    if rules.contains(RuleName::RunAsNonRoot) {
        rules = rules.with(RuleName::RunAsUser).with(RuleName::RunAsGroup);
    }
    rules
}

/// An annotation of ironhull's domain.
struct Annotation<'p> {
    key: &'p str,
    /// The part of the key before the domain.
    place: &'p str,
    /// The part of the key after the domain.
    name: &'p str,
    value: &'p str,
}

impl<'p> Annotation<'p> {
    fn of((key, value): (&'p str, &'p str)) -> Option<Self> {
        let (prefix, name) = key.split_once('/')?;
        Some(Self { key, place: prefix.strip_suffix(DOMAIN)?, name, value })
    }
}
