//! Keys of pods and workloads: of one length, however long their names are.

use sha2::{Digest as _, Sha256};

/// A key: the first 16 bytes of a SHA-256.
pub type Key = [u8; 16];

/// The key of a thing with these names.
pub(super) fn key(names: &[&str]) -> Key {
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name);
        hash.update([0]);
    }
    let mut key = Key::default();
    key.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    key
}
