//! What a policy says about images, and its lookup by name.

mod name;
mod requires;
mod tags;

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::{Capability, GroupId, NonRootId, Writable};

use name::Marks;
pub use name::{ImagePattern, RegistryAliases, full_name, repository};
pub use requires::{Condition, Met, Purpose, Requirement, When};
pub use tags::{TagBounds, TagBoundsError};

/// What one entry of `images` says about the images it matches.
#[derive(Clone, Debug, Default)]
pub struct ImageEntry {
    /// The images it applies to.
    pub patterns: Vec<ImagePattern>,
    /// The versions it applies to; all if there are no bounds.
    pub tags: Option<TagBounds>,
    /// The user they run as.
    pub user: Option<EntryUser>,
    /// The group that goes with the user.
    pub group: Option<GroupId>,
    /// The fsGroup of a pod whose user comes from here.
    pub fs_group: Option<EntryFsGroup>,
    /// Replaces the rule's list of writable paths.
    pub writable_paths: Option<Vec<Writable>>,
    /// Capabilities added wherever ironhull drops ALL; each is in the policy's `allowedAdd`.
    pub add_capabilities: Vec<Capability>,
    /// Whether the image's own user is known to be root. This informs and changes nothing.
    pub image_is_root: bool,
    /// Whether the images cannot run with a read-only root.
    pub needs_writable_root: bool,
    /// What their containers must have.
    pub requires: Vec<Requirement>,
    /// The ports below 1024 on which their program listens unless told otherwise.
    pub ports: Vec<u16>,
    /// The reason, for `explain`.
    pub reason: Option<String>,
    /// Whether it is of the list of known images, and not of the policy itself.
    pub known: bool,
}

impl ImageEntry {
    /// The requirements for one purpose.
    pub fn required_for(&self, purpose: Purpose) -> impl Iterator<Item = &Requirement> {
        self.requires.iter().filter(move |requirement| requirement.purpose == purpose)
    }
}

/// `runAsUser` of an image entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryUser {
    /// This uid.
    Uid(NonRootId),
    /// `image`: the image's own USER is numeric and not root; only runAsNonRoot is set.
    Image,
}

/// `fsGroup` of an image entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFsGroup {
    /// This gid.
    Gid(GroupId),
    /// `none`: no fsGroup for a pod with this image.
    None,
}

/// The image entries of a policy, in order, indexed by repository. A lookup costs the same for
/// ten entries as for a thousand.
#[derive(Clone, Debug, Default)]
pub struct ImageTable {
    entries: Vec<ImageEntry>,
    /// Patterns whose repository part has no `*`: repository → (entry, pattern), ascending.
    by_repository: HashMap<String, Vec<(usize, usize)>, foldhash::fast::RandomState>,
    /// Every other pattern: (entry, pattern), ascending.
    others: Vec<(usize, usize)>,
    /// The table to search if no entry above matches: the known images, which a thousand
    /// policies share.
    then: Option<Arc<ImageTable>>,
}

impl ImageTable {
    /// A table of `entries`. An earlier entry wins over a later one.
    pub fn new(entries: Vec<ImageEntry>) -> Self {
        let mut table = Self::default();
        for (entry_index, entry) in entries.iter().enumerate() {
            for (pattern_index, pattern) in entry.patterns.iter().enumerate() {
                let place = (entry_index, pattern_index);
                match pattern.repository() {
                    Some(repository) if !repository.contains('*') => {
                        table.by_repository.entry(repository.to_owned()).or_default().push(place);
                    }
                    _ => table.others.push(place),
                }
            }
        }
        table.entries = entries;
        table
    }

    /// This table, followed by `known`.
    #[must_use]
    pub fn followed_by(self, known: Arc<Self>) -> Self {
        Self { then: Some(known), ..self }
    }

    /// The table's own entries, in order.
    pub fn entries(&self) -> &[ImageEntry] {
        &self.entries
    }

    /// The table of known images that follows, if there is one.
    pub fn known(&self) -> Option<&Self> {
        self.then.as_deref()
    }

    /// The first entry that matches `image`, a normalised name.
    pub fn find(&self, image: &str) -> Option<&ImageEntry> {
        let marks = Marks::of(image);
        let (repository, tag) = (marks.repository(image), marks.tag(image));
        let admits =
            |entry: &ImageEntry| entry.tags.as_ref().is_none_or(|bounds| bounds.admit(tag));
        let mut table = self;
        loop {
            match table.first(repository, image, admits) {
                Some(index) => return table.entries.get(index),
                None => table = table.known()?,
            }
        }
    }

    /// Index of the first of its own entries that matches everything `pattern` matches within
    /// `tags`. (A pattern that matches another one's text matches everything that one does.)
    pub fn covering(&self, pattern: &ImagePattern, tags: Option<&TagBounds>) -> Option<usize> {
        let covers =
            |entry: &ImageEntry| entry.tags.as_ref().is_none_or(|bounds| bounds.cover(tags));
        self.first(pattern.repository(), pattern.as_str(), covers)
    }

    /// Index of the first entry with a pattern for `image` that `admits` accepts.
    fn first(
        &self,
        repository: Option<&str>,
        image: &str,
        admits: impl Fn(&ImageEntry) -> bool,
    ) -> Option<usize> {
        let named = match repository {
            Some(repository) if !self.by_repository.is_empty() => {
                self.by_repository.get(repository)
            }
            _ => None,
        };
        let first = |places: &[(usize, usize)]| {
            places
                .iter()
                .find(|(e, p)| {
                    self.entries.get(*e).is_some_and(|entry| {
                        entry.patterns.get(*p).is_some_and(|p| p.matches(image)) && admits(entry)
                    })
                })
                .copied()
        };
        let named = named.and_then(|places| first(places));
        let other = first(&self.others);
        let (entry, _) = match (named, other) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_wins_however_it_is_indexed() {
        let entry = |pattern: &str, reason: &str| ImageEntry {
            patterns: vec![ImagePattern::new(pattern)],
            reason: Some(reason.into()),
            ..ImageEntry::default()
        };
        let bounded = |pattern: &str, tags: &str| ImageEntry {
            tags: TagBounds::new(tags).ok(),
            ..entry(pattern, tags)
        };
        let table = ImageTable::new(vec![
            entry("redis:*alpine*", "alpine"),
            entry("docker.io/*", "any"),
            entry("redis:*", "late"),
            entry("registry.corp:5000/a@*", "digest"),
            bounded("quay.io/web:*", ">=5.1"),
            bounded("quay.io/web@*", ">=5.1"),
            bounded("quay.io/web:*", ">=4 <5.1"),
        ]);
        let full = |image: &str| RegistryAliases::default().normalise(image).into_owned();
        let reason = |image: &str| table.find(&full(image)).and_then(|e| e.reason.clone());
        assert_eq!(reason("redis:7-alpine").as_deref(), Some("alpine"));
        assert_eq!(reason("redis:7").as_deref(), Some("any"));
        assert_eq!(reason("registry.corp:5000/a@sha256:12").as_deref(), Some("digest"));
        assert_eq!(reason("registry.corp:5000/a:12"), None);
        assert_eq!(reason("quay.io/web").as_deref(), Some(">=5.1"));
        assert_eq!(reason("quay.io/web:5").as_deref(), Some(">=5.1"));
        assert_eq!(reason("quay.io/web@sha256:12").as_deref(), Some(">=5.1"));
        assert_eq!(reason("quay.io/web:4.9-alpine").as_deref(), Some(">=4 <5.1"));
        assert_eq!(reason("quay.io/web:3.9"), None);
    }
}
