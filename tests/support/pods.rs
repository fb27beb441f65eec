//! The pods of directories of manifests, as they are and hardened.

use std::path::Path;

use ironhull::admission::Environment;
use ironhull::harden::{Context, Scope, harden};
use ironhull::manifest::ManifestFile;
use ironhull::pod::Pod;
use ironhull::policy::Policy;
use jiff::civil::Date;
use serde_json::Value;

use crate::support;

/// The pods of each manifest in `directory`, with where they stand.
pub(crate) fn pods(directory: &Path) -> Vec<(String, Value)> {
    let mut pods = Vec::new();
    for path in support::files(directory) {
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let Ok(source) = ManifestFile::read(&name, text) else { continue };
        for document in &source.documents {
            for workload in &document.contents.workloads {
                let id = format!("{name}#{}", document.number.unwrap());
                pods.push((id, workload.pod.clone()));
            }
        }
    }
    pods
}

/// The pod after the default policy's patch; `None` for one that is not readable.
pub(crate) fn hardened(pod: &Value, date: Date) -> Option<Value> {
    let text = pod.to_string();
    let view = Pod::from_json(&text).ok()?;
    let environment = Environment { date, user_namespaces: false, seed_image: None };
    let context = Context { provenance: true, ..environment.context(Scope::Create) };
    let outcome = harden(&view, Policy::restricted(), &context);
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json()).unwrap();
    let mut after = pod.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    Some(after)
}
