//! Runs one document after another through the engine.

mod assignment;
#[cfg(feature = "server")]
mod template;

use std::io::{self, Write};

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::admission::Environment;
use crate::harden::{Context, SeedImage, harden};
use crate::manifest::{
    Contents, Document, Left, ManifestError, ManifestFile, Part, Unknown, Workload,
};
use crate::outcome::Outcome;
use crate::pod::Pod;
use crate::policy::Policy;
use crate::terminal::say;
use crate::text::named;

pub use assignment::{Asked, Assignment, ChoiceError};

/// What the documents are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'r> {
    /// The policies.
    pub policies: &'r Assignment<'r>,
    /// The namespace of documents that name none.
    pub namespace: &'r str,
    /// The date by which exemptions end.
    pub date: Date,
    /// ironhull's own image, if it is known.
    pub seed_image: Option<SeedImage<'r>>,
}

/// A workload with the engine's conclusion about it.
#[derive(Debug)]
pub struct Judged<'j> {
    /// The object.
    pub workload: &'j Workload,
    /// Its pod as JSON.
    pub json: &'j str,
    /// The same, as the engine reads it.
    pub pod: &'j Pod<'j>,
    /// Its namespace.
    pub namespace: &'j str,
    /// The namespace's policy.
    pub policy: &'j Policy,
    /// What the engine concluded.
    pub outcome: &'j Outcome<'j>,
}

impl Judged<'_> {
    /// Its changes as a JSON Patch of the document; empty if nothing changes.
    ///
    /// # Errors
    /// Why the manifest cannot be given them: then the pod is left as it is.
    pub fn patch(&self) -> Result<Vec<Value>, String> {
        if !self.outcome.changes() {
            return Ok(Vec::new());
        }
        let operations = serde_json::from_str(self.outcome.patch.as_json());
        self.workload.patch(operations.map_err(|error| error.to_string())?)
    }

    /// Message about a pod that is left as it is.
    pub fn left(&self, source: &ManifestFile, document: &Document, why: &str) -> String {
        let place = place(source, document, Some(self.workload));
        format!("{place}: not hardened: {why}; {BY_WEBHOOK}")
    }
}

impl<'r> Pass<'r> {
    /// What is known of the cluster.
    pub const fn environment(&self) -> Environment<'r> {
        let Self { date, seed_image, .. } = *self;
        Environment { date, user_namespaces: false, seed_image }
    }

    /// Calls `take` with every workload of the document, in order.
    ///
    /// # Errors
    /// When a pod has a field of a wrong type: Kubernetes would refuse it too.
    pub fn judge(
        &self,
        source: &ManifestFile,
        document: &Document,
        mut take: impl FnMut(&Judged<'_>),
    ) -> Result<(), Box<ManifestError>> {
        for workload in &document.contents.workloads {
            let json = workload.pod.to_string();
            let pod = read::<Pod<'_>>(source, document, workload, "", &json)?;
            let namespace = workload.namespace.as_deref().unwrap_or(self.namespace);
            let policy = self.policies.for_namespace(namespace);
            let reserved: Vec<&str> =
                workload.reserved_volumes.iter().map(String::as_str).collect();
            let context = Context {
                reserved_volumes: &reserved,
                ..self.environment().context(workload.scope())
            };
            let outcome = harden(&pod, policy, &context);
            take(&Judged {
                workload,
                json: &json,
                pod: &pod,
                namespace,
                policy,
                outcome: &outcome,
            });
        }
        Ok(())
    }
}

/// Name of a workload in a message: file, document (if there are several), kind and name.
pub fn place(source: &ManifestFile, document: &Document, workload: Option<&Workload>) -> String {
    let mut place = source.name.clone();
    let several = source.documents.iter().filter(|document| document.number.is_some()).count() > 1;
    if let (true, Some(number)) = (several, document.number) {
        place.push_str(&format!(", document {number}"));
    }
    if let Some(workload) = workload {
        place.push_str(&format!(", {}", title(workload)));
    }
    place
}

/// `Deployment/web`, and of an object with several templates which one.
pub fn title(workload: &Workload) -> String {
    let title = titled(&workload.kind, &workload.name);
    match workload.which() {
        Some(which) => format!("{title} ({which})"),
        None => title,
    }
}

pub(super) fn titled(kind: &str, name: &str) -> String {
    format!("{kind}/{}", named(name))
}

/// Reports what the author of a document should know before anything is made of it.
///
/// # Errors
/// When `err` cannot be written to.
pub fn say_remarks(
    err: &mut dyn Write,
    source: &ManifestFile,
    document: &Document,
) -> io::Result<()> {
    for remark in &document.remarks {
        let (line, column) = remark.at;
        let message = &remark.message;
        say::warning(err, format!("{}:{line}:{column}: {message}", source.name))?;
    }
    let here = || place(source, document, None);
    for Part { kind, name, why, is_merged } in &document.contents.parts {
        let title = titled(kind, name);
        let what = match is_merged {
            true => format!("not hardened: {why}, its operator fills in the rest; {BY_WEBHOOK}"),
            false => format!(
                "only a part of an object, not hardened: {why}; harden the whole object, for \
                 example from `kubectl kustomize`"
            ),
        };
        say::note(err, format!("{}, {title}: {what}", here()))?;
    }
    for left in &document.contents.left {
        say::note(err, format!("{}, {}", here(), left_alone(left)))?;
    }
    for unknown in &document.contents.unknown {
        say::note(err, format!("{}, {}", here(), passed_through(unknown)))?;
    }
    Ok(())
}

/// What pods of a document are not judged: where they are, as a JSON Pointer, and a message about each.
pub fn not_judged(contents: &Contents) -> Vec<(&str, String)> {
    let Contents { unknown, left, .. } = contents;
    let unknown = unknown.iter().map(|it| (it.pointer.as_str(), passed_through(it)));
    unknown.chain(left.iter().map(|it| (it.pointer.as_str(), left_alone(it)))).collect()
}

/// Who hardens what a manifest cannot.
const BY_WEBHOOK: &str = "the webhook hardens its pods";

/// Message about an object of a known kind whose pods are left as they are.
fn left_alone(left: &Left) -> String {
    let Left { kind, name, which, why, .. } = left;
    let which = which.as_ref().map(|which| format!(" ({which})")).unwrap_or_default();
    format!("{}{which}: not hardened: {why}; {BY_WEBHOOK}", titled(kind, name))
}

/// Message about an object with containers whose kind is not known.
fn passed_through(unknown: &Unknown) -> String {
    let Unknown { kind, api_version, name, pointer, more } = unknown;
    let more = match more {
        0 => String::new(),
        1 => " and 1 more place".to_owned(),
        more => format!(" and {more} more places"),
    };
    let which = match api_version.as_str() {
        "" => format!("{kind} without an `apiVersion`"),
        version => format!("{kind} of {version}"),
    };
    format!(
        "{}: not hardened; it has containers at `{pointer}`{more}, but ironhull does not know \
         the kind {which}",
        titled(kind, name)
    )
}

/// Parses `json`, a part of a workload's pod that is at the JSON Pointer `at` below it.
///
/// # Errors
/// When a value has a type that Kubernetes refuses. The error names its place in the file.
pub fn read<'j, T: Deserialize<'j>>(
    source: &ManifestFile,
    document: &Document,
    workload: &Workload,
    at: &str,
    json: &'j str,
) -> Result<T, Box<ManifestError>> {
    let mut json = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = workload.pointer(&format!("{at}{}", pointer_of(error.path())));
        let message = error.inner().to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let message = match message
            .strip_prefix("invalid type: ")
            .and_then(|m| m.split_once(", expected "))
        {
            Some((found, expected)) => {
                let expected = if expected == "i64" { "a whole number" } else { expected };
                format!("expected {expected}, found {}", found.replace('"', "`"))
            }
            None => message.to_owned(),
        };
        let message = format!("{}: `{pointer}`: {message}", title(workload));
        let mut error = ManifestError::of(source, document, &pointer, message);
        error.hint.get_or_insert_with(|| "Kubernetes refuses this value too".to_owned());
        Box::new(error)
    })
}

/// A path as a JSON Pointer.
fn pointer_of(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", kube_yaml::escape(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}
