//! A policy with everything filled in that it leaves out: the content its revision is computed
//! from, and the document `policy show` prints.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::names::API_VERSION;
use super::own_kinds::Shown;
use super::{ExemptionLimits, Grant, Policy, Writable, WritablePath};
use crate::image::{
    Condition, EntryFsGroup, EntryUser, ImageEntry, ImagePattern, ImageTable, Purpose, Requirement,
    TagBounds, When,
};
use crate::policy::{Capability, GroupId};
use crate::rule::RuleSet;
use crate::rules::Settings;
use crate::text::hex;

/// A policy as a complete `HardeningPolicy` document. Reading it again gives a policy of the
/// same revision, as long as the known images are the same.
pub fn document(policy: &Policy) -> impl Serialize + '_ {
    Document {
        api_version: API_VERSION,
        kind: "HardeningPolicy",
        metadata: Metadata { name: &policy.name },
        spec: Spec {
            namespaces: policy.namespaces.iter().map(ToString::to_string).collect(),
            by_label: policy.by_label,
            content: Content::of(policy, policy.images.known().is_some()),
            pod_templates: policy.pod_templates.iter().map(Shown::of).collect(),
        },
    }
}

/// The first 12 hexadecimal digits of the SHA-256 of what `policy` does. `known` stands for the
/// known images it uses. Its name and its namespaces do not count.
pub(super) fn revision(policy: &Policy, known: Option<&str>) -> String {
    hash(&Content::of(policy, known))
}

/// The same for a list of known images.
pub(super) fn table_revision(table: &ImageTable) -> String {
    hash(&entries(table))
}

/// Hashes the JSON of `content`. The JSON is canonical: fields are in the order of their
/// declaration, there are no floats, and maps are sorted.
fn hash<T: Serialize>(content: &T) -> String {
    /// Long enough to tell revisions apart, short enough to read aloud.
    const BYTES: usize = 6;
    let json = serde_json::to_vec(content).unwrap_or_default();
    hex(Sha256::digest(json).iter().take(BYTES))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'p> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'p>,
    spec: Spec<'p>,
}

#[derive(Serialize)]
struct Metadata<'p> {
    name: &'p str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'p> {
    namespaces: Vec<String>,
    by_label: bool,
    #[serde(flatten)]
    content: Content<'p, bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pod_templates: Vec<Shown<'p>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'p, K> {
    rules: &'p Settings,
    images: Vec<Entry<'p>>,
    known_images: K,
    registry_aliases: BTreeMap<&'p str, &'p str>,
    exemptions: Exemptions<'p>,
    exempt: Vec<Exempt<'p>>,
}

impl<'p, K> Content<'p, K> {
    fn of(policy: &'p Policy, known_images: K) -> Self {
        Self {
            rules: &policy.rules,
            images: entries(&policy.images),
            known_images,
            registry_aliases: policy.registry_aliases.iter().collect(),
            exemptions: Exemptions::of(&policy.exemptions),
            exempt: policy.exempt.iter().map(Exempt::of).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'p> {
    r#match: Vec<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'p TagBounds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_user: Option<EntryUser>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_group: Option<GroupId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fs_group: Option<EntryFsGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writable_paths: Option<&'p [Writable]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    add_capabilities: &'p [Capability],
    #[serde(skip_serializing_if = "Option::is_none")]
    image_user: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only_root_filesystem: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requires: Vec<Required<'p>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ports: &'p [u16],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'p str>,
}

fn entries(table: &ImageTable) -> Vec<Entry<'_>> {
    table.entries().iter().map(Entry::of).collect()
}

impl<'p> Entry<'p> {
    fn of(entry: &'p ImageEntry) -> Self {
        let ImageEntry {
            patterns,
            tags,
            user,
            group,
            fs_group,
            writable_paths,
            add_capabilities,
            image_is_root,
            needs_writable_root,
            requires,
            ports,
            reason,
            known: _,
        } = entry;
        Self {
            r#match: texts(patterns),
            tags: tags.as_ref(),
            run_as_user: *user,
            run_as_group: *group,
            fs_group: *fs_group,
            writable_paths: writable_paths.as_deref(),
            add_capabilities,
            image_user: image_is_root.then_some("root"),
            read_only_root_filesystem: needs_writable_root.then_some(false),
            requires: requires.iter().map(Required::of).collect(),
            ports,
            reason: reason.as_deref(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Required<'p> {
    #[serde(flatten)]
    condition: Stated<'p>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when_env: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when_volume: Option<&'p WritablePath>,
    r#for: Purpose,
    say: &'p str,
}

/// A condition by its key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Stated<'p> {
    Env(&'p str),
    Argument(&'p str),
    Volume(&'p WritablePath),
    #[serde(untagged, rename_all = "camelCase")]
    NotMountPoint {
        not_mount_point: &'p WritablePath,
        #[serde(skip_serializing_if = "Option::is_none")]
        moved_by: Option<&'p str>,
    },
}

impl<'p> Required<'p> {
    fn of(requirement: &'p Requirement) -> Self {
        let Requirement { condition, when, purpose, say } = requirement;
        let (when_env, when_volume) = match when {
            None => (None, None),
            Some(When::Env(name)) => (Some(name.as_str()), None),
            Some(When::Volume(path)) => (None, Some(path)),
        };
        let condition = match condition {
            Condition::Env(name) => Stated::Env(name),
            Condition::Argument(text) => Stated::Argument(text),
            Condition::Volume(path) => Stated::Volume(path),
            Condition::NotMountPoint { path, moved_by } => {
                Stated::NotMountPoint { not_mount_point: path, moved_by: moved_by.as_deref() }
            }
        };
        Self { condition, when_env, when_volume, r#for: *purpose, say }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exemptions<'p> {
    allow: RuleSet,
    require_reason: bool,
    require_until: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_days: Option<u32>,
    images: Vec<&'p str>,
}

impl<'p> Exemptions<'p> {
    fn of(limits: &'p ExemptionLimits) -> Self {
        let ExemptionLimits { allow, require_reason, require_until, max_days, images } = limits;
        Self {
            allow: *allow,
            require_reason: *require_reason,
            require_until: *require_until,
            max_days: *max_days,
            images: texts(images),
        }
    }
}

#[derive(Serialize)]
struct Exempt<'p> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    containers: &'p [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<&'p str>,
    rules: RuleSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    reason: &'p str,
}

impl<'p> Exempt<'p> {
    fn of(grant: &'p Grant) -> Self {
        let Grant { containers, images, rules, until, reason } = grant;
        Self {
            containers,
            images: texts(images),
            rules: *rules,
            until: until.map(|date| date.to_string()),
            reason,
        }
    }
}

fn texts(patterns: &[ImagePattern]) -> Vec<&str> {
    patterns.iter().map(ImagePattern::as_str).collect()
}
