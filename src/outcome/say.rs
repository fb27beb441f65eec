//! How an outcome is said to a person.

use super::Outcome;

impl Outcome<'_> {
    /// The warnings for the person who asked: few, at most 120 characters each and
    /// 2,048 bytes together, without control characters. `dry` says what would be done (audit).
    pub fn warnings(&self, _dry: bool) -> Vec<String> {
        Vec::new()
    }

    /// Why a finding is as it is, in words.
    pub fn why(&self, _finding: &super::Finding<'_>) -> String {
        String::new()
    }
}
