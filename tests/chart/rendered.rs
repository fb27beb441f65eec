//! What helm renders of the chart.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "ironhull-system";

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where helm is: `IRONHULL_HELM`, else where the Makefile puts it. None (and a loud note)
/// where it is not built; in CI that is a failure.
pub(crate) fn helm() -> Option<PathBuf> {
    let path = std::env::var_os("IRONHULL_HELM")
        .map_or_else(|| root().join("target/tools/helm"), PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "helm is not built: run `make chart-lint`");
    eprintln!("NOT RUN: helm is not built (it needs Go): run `make chart-lint`");
    None
}

pub(crate) fn template(helm: &Path, arguments: &[&str]) -> Output {
    Command::new(helm)
        .args(["template", "ironhull"])
        .arg(root().join("deploy/chart"))
        .args(["--namespace", NAMESPACE])
        .args(arguments)
        .output()
        .expect("helm starts")
}

pub(crate) fn render(helm: &Path, arguments: &[&str]) -> String {
    let output = template(helm, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

pub(crate) fn values(name: &str) -> String {
    root().join("tests/chart/values").join(name).display().to_string()
}

/// The documents, by kind.
pub(crate) struct Rendered(pub(crate) Vec<Value>);

impl Rendered {
    pub(crate) fn new(helm: &Path, arguments: &[&str]) -> Self {
        Self::parse(&render(helm, arguments))
    }

    pub(crate) fn parse(text: &str) -> Self {
        use serde::Deserialize;
        let documents = serde_yaml::Deserializer::from_str(text)
            .map(|document| Value::deserialize(document).expect("YAML"))
            .filter(|document| !document.is_null());
        Self(documents.collect())
    }

    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|document| document["kind"] == kind).collect()
    }

    pub(crate) fn one(&self, kind: &str) -> &Value {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{kind}: {all:#?}");
        all[0]
    }

    pub(crate) fn kinds(&self) -> BTreeSet<&str> {
        self.0.iter().map(|document| document["kind"].as_str().unwrap()).collect()
    }

    pub(crate) fn webhooks(&self) -> &Vec<Value> {
        self.one("MutatingWebhookConfiguration")["webhooks"].as_array().unwrap()
    }

    /// The Deployment of the webhook, or of the watch.
    pub(crate) fn deployment(&self, watch: bool) -> Option<&Value> {
        let is_watch = |deployment: &Value| {
            deployment["metadata"]["name"].as_str().unwrap().ends_with("-watch")
        };
        self.all("Deployment").into_iter().find(|deployment| is_watch(deployment) == watch)
    }

    pub(crate) fn pod(&self) -> Value {
        self.pod_of(self.deployment(false).unwrap())
    }

    pub(crate) fn pod_of(&self, deployment: &Value) -> Value {
        let template = &deployment["spec"]["template"];
        let metadata = json!({"name": "ironhull", "labels": template["metadata"]["labels"]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    }
}

/// Every set of values, by file name.
pub(crate) fn each_values() -> Vec<String> {
    let files = fs::read_dir(root().join("tests/chart/values")).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 5);
    names
}
