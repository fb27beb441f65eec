//! Kinds of objects that pods are made from, and where in them the pods are.
//!
//! One table names them all ([`table::KINDS`]), for manifests, for the webhook's `/advise` and for
//! a cluster. A policy adds kinds of its own ([`OwnKind`]).

mod argo;
mod find;
mod part;
mod path;
pub mod table;

use serde_json::Value;

pub use find::{pods, reserved_volumes};
pub use part::{Part, PodIn};
pub use path::{Path, PathError, dotted};

/// A kind of object that pods are made from.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The API groups it is or was in, the present one first; empty for the core group. In any
    /// other group a kind of this name is somebody else's.
    pub groups: &'static [&'static str],
    /// `kind`
    pub kind: &'static str,
    /// Its name in the API's paths, in the plural.
    pub resource: &'static str,
    /// Where its pods are.
    pub pods: &'static [Place],
    /// What becomes of its pods when the template changes.
    pub change: Change,
    /// What its pods can be given in a manifest.
    pub takes: Takes,
    /// Kind of Kubernetes' own, or of another row, by way of which it makes its pods: in a cluster
    /// they are seen there. Empty if it makes them itself, or by a ReplicaSet or a Job.
    pub through: &'static str,
    /// Why the pods of an object cannot be edited, if something in it keeps them from that.
    pub unless: Option<fn(&Value) -> Option<&'static str>>,
    /// What else people should know of it, for the page of kinds; may be empty.
    pub note: &'static str,
    /// The Go type or the CRD that says so.
    pub source: &'static str,
}

/// A place of pods in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path: names joined by `.`, with `[*]` for every item of a list or member of a map. Empty for
    /// the object itself.
    pub path: &'static str,
    /// What is there.
    pub holds: Holds,
}

/// What is at the place of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// A pod template: an object with `metadata` and a pod's `spec`.
    Template,
    /// A pod's `spec` alone.
    PodSpec,
    /// A template of an Argo Workflow: the parts of a pod.
    ArgoTemplate,
    /// A whole object of any kind.
    Object,
}

/// What becomes of the pods of an object when its template changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its controller replaces them by itself.
    Rolls,
    /// The next run has the change.
    NextRun,
    /// They have it when they are created again.
    Recreated,
    /// A template that is there cannot be changed.
    Fixed,
}

/// What pods can be given in a manifest of their kind. The webhook hardens the pods themselves, and
/// this does not limit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Every field.
    All,
    /// Nothing at the pod level, no init containers and no added capabilities: the kind's own
    /// webhook refuses them unless somebody has switched them on.
    Containers,
    /// All, but its operator fills in the rest of a template that lacks an image.
    Merged,
    /// The same, and it gives the pod an fsGroup if the template has no pod-level `securityContext`: one
    /// that is added has to have an fsGroup of its own.
    Defaulted,
    /// Nothing: the reason, for people.
    Nothing(&'static str),
}

/// A kind of its own that a policy knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnKind {
    /// Its API group; empty for the core group.
    pub group: String,
    /// `kind`
    pub kind: String,
    /// Where its pods are.
    pub path: Path,
    /// What is there: [`Holds::Template`] or [`Holds::PodSpec`].
    pub holds: Holds,
}

/// All kinds that are known: those of the table, and those of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    own: Vec<OwnKind>,
}

/// A known kind.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its row in the table; `None` for one that only a policy knows.
    pub row: Option<&'static Kind>,
    /// Where its pods are.
    pub places: Vec<(Path, Holds)>,
}

impl Kinds {
    /// The kinds of the table and these. A kind may be named several times, each time with another
    /// place.
    pub fn new(own: impl IntoIterator<Item = OwnKind>) -> Self {
        let mut all: Vec<OwnKind> = Vec::new();
        for one in own {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        Self { own: all }
    }

    /// What is known of a kind in a group.
    pub fn find(&self, group: &str, kind: &str) -> Option<Known> {
        let row = table::find(group, kind);
        let of_row = row.into_iter().flat_map(|row| row.pods);
        let mut places: Vec<(Path, Holds)> =
            of_row.map(|place| (Path::of(place.path), place.holds)).collect();
        for own in self.own.iter().filter(|own| own.group == group && own.kind == kind) {
            if !places.iter().any(|(path, _)| *path == own.path) {
                places.push((own.path.clone(), own.holds));
            }
        }
        (row.is_some() || !places.is_empty()).then_some(Known { row, places })
    }

    /// The kinds that only policies know, by group and name, each once.
    pub fn own(&self) -> Vec<(&str, &str)> {
        let mut own: Vec<(&str, &str)> = Vec::new();
        for one in self.own.iter().map(|own| (own.group.as_str(), own.kind.as_str())) {
            if table::find(one.0, one.1).is_none() && !own.contains(&one) {
                own.push(one);
            }
        }
        own
    }
}

impl Known {
    /// What its pods can be given in a manifest.
    pub fn takes(&self) -> Takes {
        self.row.map_or(Takes::All, |row| row.takes)
    }

    /// The pods in an object of this kind; not those of objects in it.
    pub fn pods<'o>(&self, object: &'o Value) -> Vec<PodIn<'o>> {
        let found = self.places.iter().flat_map(|(path, holds)| pods(object, path, *holds));
        let left = self.row.and_then(|row| row.unless).and_then(|unless| unless(object));
        found.map(|pod| PodIn { left: pod.left.or(left), ..pod }).collect()
    }

    /// The objects in an object of this kind, each with its JSON Pointer.
    pub fn objects<'o>(&self, object: &'o Value) -> Vec<(String, &'o Value)> {
        let places = self.places.iter().filter(|(_, holds)| *holds == Holds::Object);
        places.flat_map(|(path, _)| path.find(object)).collect()
    }

    /// Path of the only template that an object of this kind has; `None` if it may have several, or
    /// what is there is no template.
    pub fn only_template(&self) -> Option<&Path> {
        match self.places.as_slice() {
            [(path, Holds::Template)] if !path.is_many() => Some(path),
            _ => None,
        }
    }
}

/// The group in an `apiVersion`; empty for the core group.
pub fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
