//! The ConfigMaps that facts are kept in: which one, and how large.

use sha2::{Digest as _, Sha256};

use crate::images::reference::Name;

/// Number of ConfigMaps. The chart's rights name each of them.
pub const SHARDS: usize = 16;
/// Maximum size of the text of one, in bytes. The API server takes 1 MiB.
pub const LARGEST: usize = 900 << 10;

/// The shard of an image: all tags of a repository are together.
pub fn of(name: &Name) -> usize {
    let repository = format!("{}/{}", name.registry, name.repository);
    usize::from(spread(&repository)) % SHARDS
}

/// A number that differs from key to key, and is the same in every run.
pub fn spread(key: &str) -> u16 {
    let hash = Sha256::digest(key);
    let bytes = [hash.first().copied(), hash.get(1).copied()];
    u16::from_be_bytes(bytes.map(Option::unwrap_or_default))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    #[test]
    fn all_tags_of_a_repository_are_together() {
        let shard = |text: &str| of(&Name::parse(text).unwrap());
        assert_eq!(shard("r.corp/web:1"), shard("r.corp/web:2"));
        let shards: std::collections::BTreeSet<_> =
            (0..200).map(|n| shard(&format!("r.corp/app-{n}:1"))).collect();
        assert_eq!(shards.len(), SHARDS);
    }
}
