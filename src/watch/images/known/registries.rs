//! Registries: which ones are asked, and when.

use std::collections::HashMap;

use crate::images::error::ErrorKind;

const MINUTE: i64 = 60;
/// Pauses of a registry after failures; the last one is for all further ones.
pub(super) const HELD: [i64; 4] = [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE];
/// Images of one registry that are read at once. One that hangs leaves room for others.
const AT_ONCE: usize = 2;

/// How a registry does.
#[derive(Debug, Default)]
struct Registry {
    /// Images that are being read.
    busy: usize,
    /// When it may be asked again.
    held: i64,
    /// Failures in a row.
    failures: usize,
}

/// Registries that are being read, or are left alone for a while.
#[derive(Debug)]
pub(super) struct Registries {
    /// The only ones that are asked; empty for all.
    trusted: Vec<String>,
    by_name: HashMap<String, Registry>,
}

impl Registries {
    pub(super) fn new(trusted: Vec<String>) -> Self {
        Self { trusted, by_name: HashMap::new() }
    }

    /// Whether a registry is one of those that are asked at all.
    pub(super) fn are_asked(&self, name: &str) -> bool {
        self.trusted.is_empty() || self.trusted.iter().any(|trusted| trusted == name)
    }

    /// Whether it may be asked now.
    pub(super) fn may_be_asked(&self, name: &str, now: i64) -> bool {
        self.are_asked(name) && self.by_name.get(name).is_none_or(|it| it.held <= now)
    }

    /// Whether another image of it may be read now.
    pub(super) fn have_room(&self, name: &str, now: i64) -> bool {
        self.by_name.get(name).is_none_or(|it| it.busy < AT_ONCE && it.held <= now)
    }

    /// Notes that an image is being read.
    pub(super) fn begin(&mut self, name: &str) {
        self.by_name.entry(name.to_owned()).or_default().busy += 1;
    }

    /// Notes that this has ended, and how.
    pub(super) fn end(&mut self, name: &str, failure: Option<ErrorKind>, now: i64) {
        let Some(registry) = self.by_name.get_mut(name) else { return };
        registry.busy = registry.busy.saturating_sub(1);
        if failure.is_some_and(ErrorKind::is_of_registry) {
            registry.held = now + pause(&HELD, registry.failures);
            registry.failures += 1;
            return;
        }
        registry.failures = 0;
        if registry.busy == 0 {
            self.by_name.remove(name);
        }
    }
}

/// The pause after so many failures, in seconds.
pub(super) fn pause(pauses: &[i64], failures: usize) -> i64 {
    pauses.get(failures).or(pauses.last()).copied().unwrap_or(MINUTE)
}
