//! The kinds that are known.
//!
//! A row says what its source says, and no more. A path that leads nowhere in some version of a
//! kind does no harm: what is not there is not found.

mod rows;
mod unless;

use serde_json::Value;

use super::{Change, Holds, Kind, Place, Takes};
pub use rows::KINDS;

/// Row of a kind in a group.
pub fn find(group: &str, kind: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|row| row.kind == kind && row.groups.contains(&group))
}

/// The row of a kind of Kubernetes' own; `None` for any other.
pub fn built_in(kind: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|row| row.kind == kind && row.is_built_in())
}

/// Kubernetes' own API groups, as far as there are kinds with pods in them.
const BUILT_IN: [&str; 3] = ["", "apps", "batch"];

impl Kind {
    /// The group in which it is today; empty for the core group.
    pub fn group(&self) -> &'static str {
        self.groups.first().copied().unwrap_or_default()
    }

    /// Whether it is one of Kubernetes' own.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&self.group())
    }

    /// Whether pods are made from it: not of a kind that only holds other objects.
    pub fn makes_pods(&self) -> bool {
        self.pods.iter().any(|place| place.holds != Holds::Object)
    }

    const fn new(
        groups: &'static [&'static str],
        kind: &'static str,
        resource: &'static str,
        pods: &'static [Place],
        source: &'static str,
    ) -> Self {
        let (change, takes) = (Change::Recreated, Takes::All);
        let (through, note) = ("", "");
        Self { groups, kind, resource, pods, change, takes, through, unless: None, note, source }
    }

    const fn rolls(self) -> Self {
        Self { change: Change::Rolls, ..self }
    }

    const fn next_run(self) -> Self {
        Self { change: Change::NextRun, ..self }
    }

    const fn fixed(self) -> Self {
        Self { change: Change::Fixed, ..self }
    }

    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    const fn through(self, through: &'static str) -> Self {
        Self { through, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    const fn unless(self, unless: fn(&Value) -> Option<&'static str>) -> Self {
        Self { unless: Some(unless), ..self }
    }
}

const fn template(path: &'static str) -> Place {
    Place { path, holds: Holds::Template }
}

const fn pod_spec(path: &'static str) -> Place {
    Place { path, holds: Holds::PodSpec }
}

const fn argo(path: &'static str) -> Place {
    Place { path, holds: Holds::ArgoTemplate }
}

const fn object(path: &'static str) -> Place {
    Place { path, holds: Holds::Object }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::super::Path;
    use super::*;

    #[test]
    fn every_path_can_be_read_and_every_kind_is_there_once() {
        let mut seen = Vec::new();
        for row in KINDS {
            for place in row.pods.iter().filter(|place| !place.path.is_empty()) {
                assert_eq!(Path::parse(place.path).unwrap().to_string(), place.path);
            }
            for group in row.groups {
                assert!(!seen.contains(&(group, row.kind)), "{group} {} twice", row.kind);
                seen.push((group, row.kind));
            }
            assert!(!row.source.is_empty(), "{} needs a source", row.kind);
            assert_eq!(row.resource, row.resource.to_lowercase(), "{}", row.kind);
            let nothing = matches!(row.takes, Takes::Nothing(_));
            assert_eq!(row.pods.is_empty(), nothing, "{}: places, or why there are none", row.kind);
        }
    }
}
