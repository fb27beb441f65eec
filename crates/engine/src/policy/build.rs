//! A decoded document to a [`Policy`]: fills in what it leaves out, and checks what several
//! keys decide together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;

use super::decode::{Decoder, Spanned};
use super::lint::lint;
use super::manifest::{
    Exemptions, Grant, ImageEntry, ImageUser, KnownImages, Manifest, Requirement, Spec,
};
use super::names::{GrantPattern, LONGEST_LABEL, PolicyName};
use super::own_kinds::PodTemplates;
use super::tree::Node;
use super::{Capability, ExemptionLimits, Origin, Policy, effective};
use crate::image::{self, ImagePattern, ImageTable, Purpose, RegistryAliases};
use crate::rule::Action;
use crate::rules::Settings;

/// What the policies of a load are built with.
pub(super) struct Builder<'a> {
    /// Source of what a policy leaves out; `None` while building `restricted` itself.
    pub(super) base: Option<&'a Policy>,
    /// The list of known images.
    pub(super) known: &'a Known,
    /// Today, for warnings about grants that have ended.
    pub(super) today: Option<Date>,
    /// Collects diagnostics.
    pub(super) decoder: &'a mut Decoder,
}

impl Builder<'_> {
    /// The policy that `manifest`, decoded from `node`, describes.
    pub(super) fn build(&mut self, node: &Node<'_>, manifest: Manifest) -> Option<Policy> {
        let Manifest { metadata, spec, .. } = manifest;
        let mut spec = spec.unwrap_or_default();
        let stated = spec.rules.take().unwrap_or_default();
        let rules = Settings::complete(stated, self.base.map(|base| &base.rules))?;
        self.check_user_rules(node, &rules);
        self.check_privileged(node, &rules);
        self.check_added(node, &spec, &rules);
        self.check_label(&metadata.name, &spec);
        let policy = self.assemble(&metadata.name, &spec, rules)?;
        if policy.name.is_empty() {
            // The name was reported, and is not one that others could have too.
            return None;
        }
        lint(node, &metadata.name, &spec, &policy, self.today, self.decoder);
        Some(policy)
    }

    fn assemble(&self, name: &Spanned<PolicyName>, spec: &Spec, rules: Settings) -> Option<Policy> {
        let namespaces = spec.namespaces.as_deref().unwrap_or_default();
        let known = spec.known_images.unwrap_or(true).then_some(self.known);
        let own = ImageTable::new(spec.images.iter().flatten().map(entry).collect());
        let images = match known {
            Some(known) => own.followed_by(known.allowing(&rules.capabilities.allowed_add)),
            None => own,
        };
        let aliases = spec.registry_aliases.as_ref().map(|aliases| aliases.0.clone());
        let none = Exemptions::default();
        let stated = spec.exemptions.as_ref().unwrap_or(&none);
        let mut policy = Policy {
            name: name.value.0.clone(),
            revision: String::new(),
            namespaces: namespaces.iter().map(|pattern| pattern.value.clone()).collect(),
            by_label: spec.by_label.as_ref().is_some_and(|by_label| by_label.value),
            rules,
            images,
            registry_aliases: RegistryAliases::new(aliases.unwrap_or_default()),
            exemptions: limits(stated, self.base.map(|base| &base.exemptions))?,
            exempt: spec.exempt.iter().flatten().map(grant).collect(),
            pod_templates: spec
                .pod_templates
                .iter()
                .flatten()
                .map(PodTemplates::own_kind)
                .collect(),
            facts: Arc::default(),
            origin: Origin {
                name: self.decoder.place(name.span),
                namespaces: namespaces.iter().map(|p| self.decoder.place(p.span)).collect(),
            },
        };
        policy.revision = effective::revision(&policy, known.map(|known| known.revision.as_str()));
        Some(policy)
    }

    /// Checks that there is a uid: `runAsNonRoot: enforce` gives one to a root container.
    fn check_user_rules(&mut self, document: &Node<'_>, rules: &Settings) {
        let stated = document.get("spec").and_then(|spec| spec.get("rules"));
        let Some(user) = stated.and_then(|rules| rules.get("runAsUser")) else { return };
        let broken = rules.run_as_non_root.action == Action::Enforce
            && rules.run_as_user.action == Action::Off;
        if broken && !stated.is_some_and(|rules| self.decoder.failed_in(rules)) {
            self.decoder
                .error(user.span, "`runAsUser: off` contradicts `runAsNonRoot: enforce`")
                .hint(format!(
                    "enforcing replaces root with a uid: give runAsUser an action (for example \
                     `fill`, with the uid {DEFAULT_UID}), or set `runAsNonRoot: fill`",
                ));
        }
    }

    /// Refuses `fill`: `privileged` is true, or unset, which is false. There is nothing to fill.
    fn check_privileged(&mut self, document: &Node<'_>, rules: &Settings) {
        let stated = document.get("spec").and_then(|spec| spec.get("rules"));
        let Some(rule) = stated.and_then(|rules| rules.get("privileged")) else { return };
        if rules.privileged.action == Action::Fill {
            self.decoder
                .error(rule.span, "`privileged` cannot be filled: unset means false")
                .hint("`warn` reports privileged containers, `enforce` makes them unprivileged");
        }
    }

    /// Checks that image entries add only what the policy allows a container to add.
    fn check_added(&mut self, document: &Node<'_>, spec: &Spec, rules: &Settings) {
        let stated = document.get("spec").and_then(|spec| spec.get("rules"));
        if stated.is_some_and(|rules| self.decoder.failed_in(rules)) {
            return;
        }
        let allowed = &rules.capabilities.allowed_add;
        for added in spec.images.iter().flatten().flat_map(|e| e.add_capabilities.iter().flatten())
        {
            if !allowed.contains(&added.value) {
                let name = added.value.as_str();
                self.decoder
                    .error(added.span, format!("`{name}` is not in `allowedAdd`"))
                    .hint(format!("add `{name}` to `rules.capabilities.allowedAdd`"));
            }
        }
    }

    /// Checks the name's length: a label's value is shorter than a policy's name may be.
    fn check_label(&mut self, name: &Spanned<PolicyName>, spec: &Spec) {
        if let Some(by_label) = spec.by_label.as_ref().filter(|by_label| by_label.value)
            && name.value.0.len() > LONGEST_LABEL
        {
            self.decoder
                .error(by_label.span, "`byLabel` with a name longer than 63 characters")
                .hint("a label's value has at most 63 characters; give the policy a shorter name");
        }
    }
}

/// The uid of `restricted`, for hints.
const DEFAULT_UID: u16 = 1000;

fn entry(entry: &ImageEntry) -> image::ImageEntry {
    image::ImageEntry {
        patterns: entry.patterns.iter().map(|pattern| pattern.value.pattern.clone()).collect(),
        tags: entry.tags.clone(),
        user: entry.user,
        group: entry.group.as_ref().map(|group| group.value),
        fs_group: entry.fs_group,
        writable_paths: entry.writable_paths.clone(),
        add_capabilities: entry
            .add_capabilities
            .iter()
            .flatten()
            .map(|added| added.value.clone())
            .collect(),
        image_is_root: entry.image_user == Some(ImageUser::Root),
        needs_writable_root: entry.read_only_root.is_some(),
        requires: entry.requires.iter().flatten().filter_map(requirement).collect(),
        ports: entry.ports.iter().flatten().map(|port| port.0).collect(),
        reason: entry.reason.clone(),
        known: false,
    }
}

fn requirement(stated: &Requirement) -> Option<image::Requirement> {
    Some(image::Requirement {
        condition: stated.condition()?,
        when: stated.when(),
        purpose: stated.purpose.unwrap_or(Purpose::NonRoot),
        say: stated.say.value.clone(),
    })
}

fn limits(stated: &Exemptions, base: Option<&ExemptionLimits>) -> Option<ExemptionLimits> {
    let allow = stated.allow.as_ref().map(|rules| rules.iter().copied().collect());
    let max_days = stated.max_days.map(|days| days.0).or_else(|| base?.max_days);
    let require_until = stated.require_until.or_else(|| Some(base?.require_until));
    Some(ExemptionLimits {
        allow: allow.or_else(|| Some(base?.allow))?,
        require_reason: stated.require_reason.or_else(|| Some(base?.require_reason))?,
        require_until: require_until? || max_days.is_some(),
        max_days,
        images: match &stated.images {
            Some(images) => patterns(images),
            None => base.map(|base| base.images.clone()).unwrap_or_default(),
        },
    })
}

fn grant(stated: &Grant) -> super::Grant {
    let containers = stated.containers.iter().flatten();
    super::Grant {
        containers: containers.map(|name| name.value.0.clone()).collect(),
        images: stated.images.as_deref().map(patterns).unwrap_or_default(),
        rules: stated.rules.iter().map(|rule| rule.value).collect(),
        until: stated.until.as_ref().map(|until| until.value.0),
        reason: stated.reason.value.clone(),
    }
}

fn patterns(patterns: &[Spanned<GrantPattern>]) -> Vec<ImagePattern> {
    patterns.iter().map(|pattern| pattern.value.0.pattern.clone()).collect()
}

/// The list of known images that the policies of a load share.
#[derive(Clone)]
pub(super) struct Known {
    table: Arc<ImageTable>,
    revision: String,
    /// Every capability that the list adds.
    added: Vec<Capability>,
    /// Variants of the list for policies that do not allow all of `added`, by what they do
    /// allow. A thousand such policies share a table too.
    narrowed: Arc<Mutex<HashMap<Vec<Capability>, Arc<ImageTable>>>>,
}

impl Known {
    pub(super) fn new(document: &KnownImages) -> Self {
        let known = |one| image::ImageEntry { known: true, ..entry(one) };
        let table = ImageTable::new(document.images.iter().map(known).collect());
        let mut added: Vec<_> =
            table.entries().iter().flat_map(|entry| entry.add_capabilities.clone()).collect();
        added.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        added.dedup();
        let revision = effective::table_revision(&table);
        Self { table: Arc::new(table), revision, added, narrowed: Arc::default() }
    }

    /// The table for a policy that allows `allowed`. No entry in it adds a capability that the
    /// policy does not allow.
    fn allowing(&self, allowed: &[Capability]) -> Arc<ImageTable> {
        let mut left = self.added.clone();
        left.retain(|added| allowed.contains(added));
        if left.len() == self.added.len() {
            return Arc::clone(&self.table);
        }
        let mut narrowed = self.narrowed.lock().unwrap_or_else(PoisonError::into_inner);
        let table = narrowed.entry(left).or_insert_with_key(|left| {
            let entries = self.table.entries().iter().cloned().map(|mut entry| {
                entry.add_capabilities.retain(|added| left.contains(added));
                entry
            });
            Arc::new(ImageTable::new(entries.collect()))
        });
        Arc::clone(table)
    }

    /// `policy` with this list instead of the one it was built with.
    pub(super) fn given_to(&self, policy: Policy) -> Policy {
        let table = self.allowing(&policy.rules.capabilities.allowed_add);
        let mut policy = Policy { images: policy.images.followed_by(table), ..policy };
        policy.revision = effective::revision(&policy, Some(&self.revision));
        policy
    }

    /// Whether both are the same list.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
    }
}
