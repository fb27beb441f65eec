//! Numbers to decisions, so that shrinking stays useful.
//!
//! A case is made from lists of numbers. proptest makes the numbers smaller and the lists
//! shorter; here 0, and a list that has ended, always mean the simplest choice. So a
//! failure shrinks to the pod and the policy that say the least.

use serde_json::{Map, Value};

/// Decisions, one number each.
pub(crate) struct Choices<'n> {
    numbers: std::slice::Iter<'n, u16>,
}

impl<'n> Choices<'n> {
    /// Decisions from these numbers.
    pub(crate) fn new(numbers: &'n [u16]) -> Self {
        Self { numbers: numbers.iter() }
    }

    /// A number below `bound`; the smaller the number behind it, the smaller.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = usize::from(self.numbers.next().copied().unwrap_or_default());
        (number * bound) >> 16
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(1000) >= 1000 - percent * 10
    }

    /// One of `options`, of which the first is the simplest.
    pub(crate) fn pick<T: Clone>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())].clone()
    }

    /// As many as `max` things.
    pub(crate) fn some<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| make(self)).collect()
    }
}

/// An object that is made member by member.
#[derive(Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// Sets a member.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// In `percent` of 100 cases, sets a member.
    pub(crate) fn maybe<V: Into<Value>>(
        &mut self,
        choices: &mut Choices<'_>,
        percent: usize,
        key: &str,
        value: impl FnOnce(&mut Choices<'_>) -> V,
    ) {
        if choices.chance(percent) {
            self.set(key, value(choices));
        }
    }

    /// In `percent` of 100 cases, sets a member to one of `options`, now and then to `null`.
    pub(crate) fn one_of<V: Into<Value> + Clone>(
        &mut self,
        choices: &mut Choices<'_>,
        percent: usize,
        key: &str,
        options: &[V],
    ) {
        self.maybe(choices, percent, key, |choices| {
            if choices.chance(6) { Value::Null } else { choices.pick(options).into() }
        });
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}
