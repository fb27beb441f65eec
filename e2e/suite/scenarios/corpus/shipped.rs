//! The pods of a directory of real manifests.

use std::path::Path;

use ironhull::manifest::{ManifestFile, Workload};
use serde_json::{Map, Value, json};

use crate::manifests;

/// A pod as its author shipped it, ready to be created in any namespace.
pub struct Shipped {
    /// File, document and workload.
    pub id: String,
    pub pod: Value,
}

/// Every pod, and the pod of every template, of the manifests below `directory`.
pub fn read(directory: &Path) -> Vec<Shipped> {
    let mut pods = Vec::new();
    for path in manifests::files(directory) {
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let source =
            ManifestFile::read(&name, text).unwrap_or_else(|errors| panic!("{}", errors[0]));
        for document in &source.documents {
            for workload in &document.contents.workloads {
                let Some(object) = document.value.pointer(&workload.at) else { continue };
                let template = &workload.pod;
                let number = document.number.unwrap();
                let Workload { kind, name: workload, .. } = workload;
                let id = format!("{name}#{number} {kind} {workload}");
                pods.push(Shipped { id, pod: pod(object, template) });
            }
        }
    }
    pods
}

/// What is taken of a pod's or a template's metadata: what a controller takes of a
/// template's. The rest says where and as what the object was once created (its namespace,
/// uid, resourceVersion, owners), and the name does not say anything about the pod: some
/// are a chart's placeholder, which no object may have as its name.
const METADATA: [&str; 3] = ["labels", "annotations", "finalizers"];

/// The pod that is made of an object with a pod template; of a Pod, itself.
fn pod(object: &Value, template: &Value) -> Value {
    let mut metadata = Map::from_iter([("generateName".to_owned(), json!("corpus-"))]);
    for key in METADATA {
        if let Some(value) = template["metadata"].get(key) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    let mut spec = template["spec"].clone();
    claim_volumes(object, &mut spec);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// What the StatefulSet controller does: a volume for each claim template, in the place of
/// one of the same name.
fn claim_volumes(object: &Value, spec: &mut Value) {
    let claims = object["spec"]["volumeClaimTemplates"].as_array();
    let names: Vec<&str> = claims
        .into_iter()
        .flatten()
        .filter_map(|claim| claim["metadata"]["name"].as_str())
        .collect();
    if names.is_empty() || !spec.is_object() {
        return;
    }
    let own = spec["volumes"].as_array().cloned().unwrap_or_default();
    let own = own.into_iter().filter(|volume| !names.iter().any(|name| volume["name"] == *name));
    let claimed = names.iter().map(
        |name| json!({"name": name, "persistentVolumeClaim": {"claimName": format!("{name}-corpus-0")}}),
    );
    spec["volumes"] = claimed.chain(own).collect();
}
