//! Names of the emptyDirs, and of the init containers that fill them.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::pass::Pass;
use crate::pod::seeding::PREFIX;
use crate::text::hex;

/// Maximum length of a DNS label (RFC 1123), which a volume's name has to be.
const MAX_NAME: usize = 63;

/// Names for new volumes or containers: deterministic, DNS labels, unique in the pod.
#[derive(Default)]
pub(super) struct Names<'p> {
    /// [`Self::theirs`], computed when the first name is needed.
    pub(super) theirs: Option<HashSet<&'p str>>,
    pub(super) ours: Option<HashSet<String>>,
    /// The number to try next, for each name that was taken already: many containers may have one
    /// name until the API server has validated the pod.
    next: HashMap<String, usize>,
}

impl<'p> Names<'p> {
    /// The pod's names that one of ironhull's could clash with.
    pub(super) fn theirs(pass: &Pass<'p>) -> HashSet<&'p str> {
        let own = pass.pod.spec.volumes.iter().map(|volume| &*volume.name);
        let reserved = pass.reserved_volumes.iter().copied();
        // A mount may name a volume that does not exist. A new volume must not take that name.
        let containers = pass.containers.iter().flat_map(|c| &c.placed.container.volume_mounts);
        let mounted = containers.map(|mount| &*mount.name);
        let names = own.chain(reserved).chain(mounted);
        names.filter(|name| name.starts_with(PREFIX)).collect()
    }

    /// Names for new containers.
    pub(super) fn of_containers(pass: &Pass<'p>) -> Self {
        let spec = &pass.pod.spec;
        let all = spec.init_containers.iter().chain(&spec.containers);
        let names = all.map(|container| &*container.name);
        Self {
            theirs: Some(names.filter(|name| name.starts_with(PREFIX)).collect()),
            ..Self::default()
        }
    }

    /// A name that is free: this one, or this one with a number.
    pub(super) fn take(&mut self, mut name: String) -> String {
        if self.has(&name) {
            // One of so many names is free.
            let first = self.next.get(&name).copied().unwrap_or(2);
            let mut others = (first..).map(|count| (count, counted(&name, count)));
            let free = others.find(|(_, other)| !self.has(other));
            let (count, other) = free.unwrap_or_default();
            self.next.insert(name, count + 1);
            name = other;
        }
        self.ours.get_or_insert_default().insert(name.clone());
        name
    }

    fn has(&self, name: &str) -> bool {
        self.ours.as_ref().is_some_and(|names| names.contains(name))
            || self.theirs.as_ref().is_some_and(|names| names.contains(name))
    }
}

/// A name with a number appended, within the maximum length.
fn counted(name: &str, count: usize) -> String {
    let suffix = format!("-{count}");
    let head: String = name.chars().take(MAX_NAME - suffix.len()).collect();
    head + &suffix
}

/// `ironhull-CONTAINER-PATH` and the like, with a digest in place of what does not fit.
pub(super) fn label(parts: &[&str]) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mut name =
        String::with_capacity(PREFIX.len() + parts.iter().map(|it| it.len()).sum::<usize>());
    name.push_str(PREFIX);
    name.extend(parts.iter().flat_map(|part| part.chars()).map(letter));
    if name.len() <= MAX_NAME && !name.ends_with('-') {
        return name;
    }
    let digest = Sha256::digest(parts.join("\0"));
    let digest = hex(digest.iter().take(4));
    let head: String = name.chars().take(MAX_NAME - digest.len() - 1).collect();
    [head.trim_end_matches('-'), "-", &digest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels() {
        assert_eq!(label(&["web", "/tmp"]), "ironhull-web-tmp");
        assert_eq!(label(&["web", "/var/cache/Ngin_x"]), "ironhull-web-var-cache-ngin-x");
        let long = label(&[&"x".repeat(63), "/tmp"]);
        assert_eq!(long.len(), 63);
        assert_ne!(long, label(&[&"x".repeat(63), "/run"]));
        assert!(!label(&["web", "/a/é"]).ends_with('-'));
    }

    #[test]
    fn a_name_that_is_taken_is_counted_up() {
        let theirs = Some(HashSet::from(["ironhull-a-b-c"]));
        let mut names = Names { theirs, ..Names::default() };
        assert_eq!(names.take(label(&["a", "/b-c"])), "ironhull-a-b-c-2");
        assert_eq!(names.take(label(&["a-b", "/c"])), "ironhull-a-b-c-3");
    }

    #[test]
    fn a_name_that_is_counted_up_stays_as_long_as_it_may_be() {
        let container = "x".repeat(MAX_NAME);
        let mut names = Names::default();
        let first = names.take(label(&[&container, "/tmp"]));
        let second = names.take(label(&[&container, "/tmp"]));
        assert_eq!(second.len(), MAX_NAME);
        assert_eq!(second.strip_suffix("-2"), first.get(..MAX_NAME - 2));
    }
}
