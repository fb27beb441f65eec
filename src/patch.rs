//! Intentions to RFC 6902.

/// A JSON Patch: only `add` and `replace`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    json: String,
    operations: usize,
}

impl Patch {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations == 0
    }

    /// How many operations it has.
    pub fn len(&self) -> usize {
        self.operations
    }

    /// The JSON text, an array of operations; the empty array for an empty patch.
    pub fn as_json(&self) -> &str {
        if self.json.is_empty() { "[]" } else { &self.json }
    }
}
