//! Objects that hold pods, and where they hold them: the kinds of the engine's table, those of
//! policies, and lists and templates of them.

mod edit;
mod parts;
mod unknown;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harden::Scope;
use crate::pod::Pod;
use crate::workload::{
    Change, Kinds, Known, Part as PodPart, PodIn, Takes, dotted, group_of, reserved_volumes, table,
};
use unknown::containers_below;

/// A pod or a pod template of an object, in a document of its own or in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The object's kind.
    pub kind: String,
    /// Its `metadata.name`, or `metadata.generateName` with a trailing `*`, or empty.
    pub name: String,
    /// Its `metadata.namespace`, where it names one.
    pub namespace: Option<String>,
    /// The JSON Pointer of the object in its document: empty, or `/items/3`.
    pub at: String,
    /// The JSON Pointer of the pod or its template in the document: empty for a Pod,
    /// `/spec/template`, `/items/3/spec/template`.
    pub template: String,
    /// Whether the object has several templates.
    pub is_one_of_several: bool,
    /// The pod: an object with `spec` and perhaps `metadata`.
    pub pod: Value,
    /// Names of volumes that the pod gets besides its own, from `volumeClaimTemplates`.
    pub reserved_volumes: Vec<String>,
    /// Where its parts are in the document.
    parts: Vec<PodPart>,
    /// Whether its kind replaces its pods by itself when the template changes.
    pub rolls: bool,
    /// What it can be given here.
    takes: Takes,
    /// Whether its kind is Kubernetes' own.
    is_built_in: bool,
}

impl Workload {
    /// How much of its pods the engine sees in it.
    pub fn scope(&self) -> Scope<'static> {
        Scope::Template { complete: self.is_built_in }
    }

    /// Path in the object at which annotations of its pods belong: `metadata.annotations`, or
    /// `spec.template.metadata.annotations`.
    pub fn annotations_at(&self) -> String {
        self.in_object(&self.pointer("/metadata/annotations"))
    }

    /// Path of the template in the object, such as `spec.workerGroupSpecs[0].template`, if the
    /// object has several.
    pub fn which(&self) -> Option<String> {
        self.is_one_of_several.then(|| self.in_object(&self.template))
    }

    /// JSON Pointer in the document of a value of the pod; of the pod itself, if the document does
    /// not have it.
    pub fn pointer(&self, in_pod: &str) -> String {
        let within = edit::part_of(&self.parts, in_pod);
        within
            .map_or_else(|| self.template.clone(), |(part, rest)| format!("{}{rest}", part.object))
    }

    /// A JSON Patch of the pod as one of the document.
    ///
    /// # Errors
    /// What an object of this kind cannot be given; then none of it is to be applied.
    pub fn patch(&self, of_pod: Vec<Value>) -> Result<Vec<Value>, String> {
        let of_pod = match self.takes {
            Takes::Containers => edit::on_containers(of_pod, &self.pod)?,
            Takes::Defaulted => edit::with_fs_group(of_pod)?,
            _ => of_pod,
        };
        edit::relocate(of_pod, &self.parts)
    }

    /// A pointer in the document as a path in the object.
    fn in_object(&self, pointer: &str) -> String {
        dotted(pointer.strip_prefix(&self.at).unwrap_or(pointer))
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

/// An object of a known kind whose pods are left as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Path of the template in the object, if that has several.
    pub which: Option<String>,
    /// JSON Pointer in the document of its first containers.
    pub pointer: String,
    /// Why.
    pub why: String,
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
    /// Whether that is how templates of this kind are: its operator fills in the rest.
    pub is_merged: bool,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Objects that can be hardened.
    pub workloads: Vec<Workload>,
    /// Objects of unknown kinds that look as if they should be hardened.
    pub unknown: Vec<Unknown>,
    /// Objects of known kinds that cannot be hardened here.
    pub left: Vec<Left>,
    /// Partial objects: what the whole says is not here.
    pub parts: Vec<Part>,
    /// Namespaces.
    pub namespaces: Vec<NamespaceDocument>,
}

/// The label by which a namespace chooses a policy that is marked `byLabel`.
const BY_LABEL: &str = "ironhull.dev/policy";

impl Contents {
    /// Whether there are pods that cannot be hardened here.
    pub fn leaves_something(&self) -> bool {
        !self.unknown.is_empty() || !self.left.is_empty()
    }
}

/// Finds the pods of a document.
pub(super) fn contents(document: &Value, kinds: &Kinds) -> Contents {
    let mut visit = Visit { kinds, contents: Contents::default() };
    visit.object(document, String::new(), Around::Nothing);
    visit.contents
}

/// What an object is in.
#[derive(Clone, Copy)]
enum Around<'o> {
    Nothing,
    /// A list, with kind and API version of its items, for those that do not state their own.
    List(&'o str, &'o str),
    /// An object that fills in parameters later, such as an OpenShift Template.
    Template,
}

struct Visit<'k> {
    kinds: &'k Kinds,
    contents: Contents,
}

impl Visit<'_> {
    /// Visits one object, which is at this pointer.
    fn object(&mut self, object: &Value, at: String, around: Around<'_>) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (kind, api_version) = match (text("/kind"), around) {
            (Some(kind), _) => (kind, text("/apiVersion").unwrap_or_default()),
            (None, Around::List(kind, api_version)) => (kind, api_version),
            (None, _) => return,
        };
        if let (Some(of), Some(Value::Array(items))) =
            (kind.strip_suffix("List"), object.get("items"))
        {
            let of = if of.is_empty() { Around::Nothing } else { Around::List(of, api_version) };
            for (index, item) in items.iter().enumerate() {
                self.object(item, format!("{at}/items/{index}"), of);
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
            self.contents.namespaces.push(NamespaceDocument { name, labels });
            return;
        }
        // Without an API version the object may be anybody's, unless everybody knows its kind.
        let known = match api_version {
            "" => None,
            version => self.kinds.find(group_of(version), kind),
        };
        let Some(known) = known else {
            if !api_version.is_empty() || table::built_in(kind).is_some() {
                self.unknown(object, &at, kind, api_version, name);
            }
            return;
        };
        for (inner, object) in known.objects(object) {
            self.object(object, format!("{at}{inner}"), Around::Template);
        }
        let namespace = text("/metadata/namespace").filter(|name| !name.is_empty());
        let found = Found { object, at: &at, kind, name: &name, namespace, around };
        self.pods(&found, &known);
    }

    fn unknown(&mut self, object: &Value, at: &str, kind: &str, api_version: &str, name: String) {
        let places = containers_below(object);
        if let Some((first, more)) = places.split_first() {
            self.contents.unknown.push(Unknown {
                kind: kind.to_owned(),
                api_version: api_version.to_owned(),
                name,
                pointer: format!("{at}{first}"),
                more: more.len(),
            });
        }
    }

    /// Takes the pods of an object of a known kind.
    fn pods(&mut self, found: &Found<'_>, known: &Known) {
        let Found { object, at, kind, name, .. } = *found;
        let left = |inner: &str, which: Option<String>, why: String| Left {
            kind: kind.to_owned(),
            name: name.to_owned(),
            pointer: format!("{at}{inner}"),
            which,
            why,
        };
        if let Takes::Nothing(why) = known.takes() {
            if let Some(first) = containers_below(object).first() {
                self.contents.left.push(left(first, None, why.to_owned()));
            }
            return;
        }
        let pods = known.pods(object);
        if known.row.is_none_or(|row| !row.is_built_in())
            && let Some(first) = elsewhere(object, known, &pods)
        {
            self.contents.left.push(left(&first, None, ELSEWHERE.to_owned()));
        }
        let is_one_of_several = pods.len() > 1;
        for pod in pods {
            let which = is_one_of_several.then(|| dotted(&pod.at));
            if let Some(why) = pod.left {
                self.contents.left.push(left(&pod.at, which, why.to_owned()));
                continue;
            }
            let is_merged = matches!(known.takes(), Takes::Merged | Takes::Defaulted);
            if is_empty(&pod.pod) && (known.row.is_none_or(|row| !row.is_built_in())) {
                continue;
            }
            if let Some(why) = parts::sign(object, &pod.pod) {
                let (kind, name) = (kind.to_owned(), name.to_owned());
                self.contents.parts.push(Part { kind, name, why, is_merged });
                continue;
            }
            if matches!(found.around, Around::Template)
                && let Some(why) = parameter(&pod.pod)
            {
                self.contents.left.push(left(&pod.at, which, why));
                continue;
            }
            self.contents.workloads.push(found.workload(pod, known, is_one_of_several));
        }
    }
}

/// Why containers beside the pods of a known kind are left alone.
const ELSEWHERE: &str = "these containers are in no pod template that is known";

/// The first place with containers in an object, beside its pods and the objects in it.
fn elsewhere(object: &Value, known: &Known, pods: &[PodIn<'_>]) -> Option<String> {
    let objects = known.objects(object);
    let taken =
        pods.iter().map(|pod| pod.at.as_str()).chain(objects.iter().map(|it| it.0.as_str()));
    containers_below(object).into_iter().find(|place| {
        !taken.clone().any(|at| place.strip_prefix(at).is_some_and(|rest| rest.starts_with('/')))
    })
}

/// An object of a known kind.
struct Found<'o> {
    object: &'o Value,
    at: &'o str,
    kind: &'o str,
    name: &'o str,
    namespace: Option<&'o str>,
    around: Around<'o>,
}

impl Found<'_> {
    fn workload(&self, pod: PodIn<'_>, known: &Known, is_one_of_several: bool) -> Workload {
        let Self { object, at, kind, name, namespace, .. } = *self;
        let in_document =
            |part: PodPart| PodPart { object: format!("{at}{}", part.object), ..part };
        Workload {
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            at: at.to_owned(),
            template: format!("{at}{}", pod.at),
            is_one_of_several,
            reserved_volumes: reserved_volumes(object, &pod.at),
            parts: pod.parts.into_iter().map(in_document).collect(),
            pod: pod.pod.into_owned(),
            rolls: known.row.is_some_and(|row| row.change == Change::Rolls),
            takes: known.takes(),
            is_built_in: known.row.is_some_and(|row| row.is_built_in()),
        }
    }
}

/// Whether a pod has no list of containers at all.
fn is_empty(pod: &Value) -> bool {
    let containers = pod.pointer("/spec/containers").unwrap_or(&Value::Null);
    containers.is_null() || containers.as_array().is_some_and(Vec::is_empty)
}

/// Why a pod cannot be judged before its parameters are filled in.
fn parameter(pod: &Value) -> Option<String> {
    let json = pod.to_string();
    if let Some((_, rest)) = json.split_once("\"${{") {
        let name = rest.split_once("}}").map_or("", |(name, _)| name);
        return Some(format!("its pod depends on the parameter `${{{{{name}}}}}`"));
    }
    let error = Pod::from_json(&json).err()?;
    Some(format!("its pod cannot be read before parameters are filled in: {error}"))
}
