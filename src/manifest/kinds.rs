//! Objects that hold a pod, and where they hold it.

mod parts;
mod unknown;

use std::collections::BTreeMap;

use serde_json::Value;

use unknown::containers_below;

/// An object with a pod or a pod template, in a document of its own or in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: String,
    /// `metadata.name`, or `metadata.generateName` with a trailing `*`, or empty.
    pub name: String,
    /// `metadata.namespace`, where it names one.
    pub namespace: Option<String>,
    /// The JSON Pointer of the object in its document: empty, or `/items/3`.
    pub at: String,
    /// The JSON Pointer of the pod or the template in the document: empty for a Pod,
    /// `/spec/template`, `/items/3/spec/template`.
    pub pod: String,
    /// Names of volumes that the pod gets besides its own, from a StatefulSet's
    /// `volumeClaimTemplates`.
    pub reserved_volumes: Vec<String>,
}

impl Workload {
    /// Path in the object at which annotations of its pods belong: `metadata.annotations`, or
    /// `spec.template.metadata.annotations`.
    pub fn annotations_at(&self) -> String {
        let inner = self.pod.strip_prefix(&self.at).unwrap_or_default();
        let path = format!("{inner}/metadata/annotations").replace('/', ".");
        path.trim_start_matches('.').to_owned()
    }
}

/// An object of an unknown kind that seems to hold a pod template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its kind.
    pub kind: String,
    /// Its API version.
    pub api_version: String,
    /// Its name.
    pub name: String,
    /// Position of its first containers in the document.
    pub pointer: String,
    /// Number of further places that have containers.
    pub more: usize,
}

/// A partial object that has a pod template, such as a patch for kustomize.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Sign that it is not a whole object.
    pub why: String,
}

/// Settings of a Namespace, from its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceDocument {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl NamespaceDocument {
    /// The policy that its label chooses.
    pub fn policy(&self) -> Option<&str> {
        self.labels.get(BY_LABEL).map(String::as_str)
    }
}

/// Contents of a document that matter to the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Objects that can be hardened.
    pub workloads: Vec<Workload>,
    /// Objects of unknown kinds that look as if they should be hardened.
    pub unknown: Vec<Unknown>,
    /// Partial objects: what the whole says is not here.
    pub parts: Vec<Part>,
    /// Namespaces.
    pub namespaces: Vec<NamespaceDocument>,
}

/// The label by which a namespace chooses a policy that is marked `byLabel`.
const BY_LABEL: &str = "ironhull.dev/policy";

/// API groups that ever had these kinds. In a group that is not listed, the kind is somebody
/// else's.
const WORKLOADS: &str = "apps extensions";

/// Every kind with a pod template: the groups it was ever in (`core` for none), and where its
/// template is.
const KINDS: [(&str, &str, &str); 9] = [
    ("Pod", "core", ""),
    ("PodTemplate", "core", "/template"),
    ("ReplicationController", "core", "/spec/template"),
    ("Deployment", WORKLOADS, "/spec/template"),
    ("DaemonSet", WORKLOADS, "/spec/template"),
    ("ReplicaSet", WORKLOADS, "/spec/template"),
    ("StatefulSet", "apps", "/spec/template"),
    ("Job", "batch", "/spec/template"),
    ("CronJob", "batch", "/spec/jobTemplate/spec/template"),
];

/// Finds the pods of a document.
pub(super) fn contents(document: &Value) -> Contents {
    let mut contents = Contents::default();
    visit(document, String::new(), None, &mut contents);
    contents
}

/// Visits one object. `of` is the kind of the objects in the list around it, for objects that do
/// not state their own.
fn visit(object: &Value, at: String, of: Option<(&str, &str)>, contents: &mut Contents) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (kind, api_version) = match (text("/kind"), of) {
        (Some(kind), _) => (kind, text("/apiVersion").unwrap_or_default()),
        (None, Some(of)) => of,
        (None, None) => return,
    };
    if let (Some(of), Some(Value::Array(items))) = (kind.strip_suffix("List"), object.get("items"))
    {
        let of = (!of.is_empty()).then_some((of, api_version));
        for (index, item) in items.iter().enumerate() {
            visit(item, format!("{at}/items/{index}"), of, contents);
        }
        return;
    }
    let name = text("/metadata/name").map(str::to_owned).unwrap_or_else(|| {
        text("/metadata/generateName").map(|prefix| format!("{prefix}*")).unwrap_or_default()
    });
    if (kind, api_version) == ("Namespace", "v1") {
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
        let label =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        let labels = labels.into_iter().flatten().filter_map(label).collect();
        contents.namespaces.push(NamespaceDocument { name, labels });
        return;
    }
    let Some(template) = template_of(kind, api_version) else {
        // Without an API version the object may be anybody's, unless everybody knows its kind.
        let is_object = !api_version.is_empty() || KINDS.iter().any(|(name, ..)| *name == kind);
        let places = if is_object { containers_below(object) } else { Vec::new() };
        if let Some((first, more)) = places.split_first() {
            contents.unknown.push(Unknown {
                kind: kind.to_owned(),
                api_version: api_version.to_owned(),
                name,
                pointer: format!("{at}{first}"),
                more: more.len(),
            });
        }
        return;
    };
    let Some(pod) = object.pointer(template).filter(|pod| pod.is_object()) else { return };
    if let Some(why) = parts::sign(object, pod) {
        contents.parts.push(Part { kind: kind.to_owned(), name, why });
        return;
    }
    contents.workloads.push(Workload {
        kind: kind.to_owned(),
        name,
        namespace: text("/metadata/namespace").filter(|name| !name.is_empty()).map(str::to_owned),
        pod: format!("{at}{template}"),
        at,
        reserved_volumes: reserved_volumes(object),
    });
}

/// Place of the pod template in a kind, if the kind is one of Kubernetes' own.
fn template_of(kind: &str, api_version: &str) -> Option<&'static str> {
    let group = api_version.split_once('/').map_or("core", |(group, _)| group);
    KINDS
        .iter()
        .find(|(name, groups, _)| *name == kind && groups.split(' ').any(|name| name == group))
        .map(|(_, _, template)| *template)
}

fn reserved_volumes(object: &Value) -> Vec<String> {
    let claims = object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    claims
        .into_iter()
        .flatten()
        .filter_map(|claim| claim.pointer("/metadata/name")?.as_str())
        .map(str::to_owned)
        .collect()
}
