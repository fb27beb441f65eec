//! The kinds with templates that a cluster has: Kubernetes' own, and of those in the engine's table
//! and in policies the ones that are installed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::cluster::{Reader, Resource};
use crate::workload::{Change, Kind, Kinds, Known, PodIn, Takes, group_of, table};

/// A kind with templates, and where its objects are.
#[derive(Clone, Debug)]
pub struct ClusterKind {
    /// Where its objects are.
    pub resource: Resource,
    /// Its kind.
    pub kind: String,
    /// Its API group.
    pub group: String,
    known: Known,
}

impl ClusterKind {
    fn new(kinds: &Kinds, api_version: &str, kind: &str, resource: &str) -> Option<Self> {
        let group = group_of(api_version);
        Some(Self {
            resource: Resource::of(api_version, resource),
            kind: kind.to_owned(),
            group: group.to_owned(),
            known: kinds.find(group, kind)?,
        })
    }

    /// The kind of an object as a reference to it names it; `None` for one that is not known.
    pub fn of(kinds: &Kinds, api_version: &str, kind: &str) -> Option<Self> {
        let row = table::find(group_of(api_version), kind).filter(|row| makes_pods(row))?;
        Self::new(kinds, api_version, kind, row.resource)
    }

    /// One of Kubernetes' own kinds that make pods.
    pub fn built_in(kind: &str) -> Option<Self> {
        let row = table::built_in(kind).filter(|row| makes_pods(row))?;
        let version = match row.group() {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        };
        Self::new(&Kinds::default(), &version, kind, row.resource)
    }

    /// Whether it is one of Kubernetes' own.
    pub fn is_built_in(&self) -> bool {
        self.known.row.is_some_and(Kind::is_built_in)
    }

    /// The pods in one of its objects that can be judged.
    pub fn pods<'o>(&self, object: &'o Value) -> Vec<PodIn<'o>> {
        let pods = self.known.pods(object).into_iter();
        pods.filter(|pod| self.is_built_in() || (pod.left.is_none() && has_images(&pod.pod)))
            .collect()
    }

    /// Names of the members from an object to its template; `None` if an object may have several.
    pub fn template(&self) -> Option<Vec<String>> {
        let path = self.known.only_template()?;
        Some(path.names().map(str::to_owned).collect())
    }

    /// What becomes of its pods when a template changes.
    pub fn change(&self) -> Change {
        self.known.row.map_or(Change::Recreated, |row| row.change)
    }

    /// What kubectl knows it by.
    pub fn word(&self) -> String {
        match self.is_built_in() {
            true => self.kind.to_lowercase(),
            false => format!("{}.{}", self.resource.resource, self.group),
        }
    }
}

/// Whether the pods of a kind are seen at its objects. A template, of pods or of other objects, is
/// only copied from.
fn makes_pods(row: &Kind) -> bool {
    let is_copied = matches!((row.group(), row.kind), ("", "Pod" | "PodTemplate"));
    row.makes_pods() && !is_copied && !matches!(row.takes, Takes::Nothing(_))
}

/// Whether a pod is whole: an operator's template may lack images.
fn has_images(pod: &Value) -> bool {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let image = |container: &Value| container.get("image").is_some_and(Value::is_string);
    containers.is_some_and(|containers| !containers.is_empty() && containers.iter().all(image))
}

/// Kubernetes' own kinds that make pods.
pub fn built_in() -> Vec<ClusterKind> {
    let own = table::KINDS.iter().filter(|row| row.is_built_in());
    own.filter_map(|row| ClusterKind::built_in(row.kind)).collect()
}

/// An answer of the API server about what it serves.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Served {
    groups: Vec<Group>,
    resources: Vec<ServedResource>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group {
    name: String,
    preferred_version: Version,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Version {
    group_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServedResource {
    name: String,
    kind: String,
    namespaced: bool,
    verbs: Vec<String>,
}

/// The other kinds that are installed and whose objects are in namespaces. Those whose pods are
/// made by way of a workload of Kubernetes' own are left out: that one is seen.
pub async fn installed(reader: &Reader, kinds: &Kinds) -> Vec<ClusterKind> {
    let rows = table::KINDS.iter().filter(|row| !row.is_built_in() && makes_pods(row));
    let wanted = rows.filter(|row| row.through.is_empty()).map(|row| (row.group(), row.kind));
    let mut by_group: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (group, kind) in wanted.chain(kinds.own()) {
        by_group.entry(group).or_default().push(kind);
    }
    let served = |text: Option<String>| -> Served {
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    };
    let groups = served(reader.text_of("/apis").await).groups;
    let mut found = Vec::new();
    for Group { name, preferred_version: Version { group_version } } in groups {
        let Some(wanted) = by_group.get(name.as_str()) else { continue };
        let resources = served(reader.text_of(&format!("/apis/{group_version}")).await).resources;
        for ServedResource { name, kind, namespaced, verbs } in resources {
            let listed = namespaced && verbs.iter().any(|verb| verb == "list");
            if listed && !name.contains('/') && wanted.contains(&kind.as_str()) {
                found.extend(ClusterKind::new(kinds, &group_version, &kind, &name));
            }
        }
    }
    found
}
