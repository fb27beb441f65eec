//! What the chart renders, for each set of values that its tests have, is what the API
//! server takes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::world::{Space, World, project, say};

/// A release that is not the one under test.
const RELEASE: &str = "trial";

/// Kinds of others that the chart makes objects of: group, version, kind, plural. The definitions
/// made here let everything through, so that of these objects only the metadata is checked;
/// whether cert-manager and the Prometheus operator would take them is not.
const FOREIGN: [(&str, &str, &str, &str); 4] = [
    ("cert-manager.io", "v1", "Certificate", "certificates"),
    ("cert-manager.io", "v1", "Issuer", "issuers"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
];

/// The only warnings that a rendering may set off: where the chart makes its namespace, that
/// the scenario made it otherwise; and what `hostNetwork: true` asks for.
const EXPECTED: [&str; 2] =
    ["missing the kubectl.kubernetes.io/last-applied-configuration", "(hostNetwork=true)"];

pub fn every_rendering_is_taken(world: &'static World) {
    // Pod Security says, as a warning, what a namespace that enforces it would refuse.
    let space = world.namespace("chart", &[("pod-security.kubernetes.io/warn", "restricted")]);
    for (group, version, kind, plural) in FOREIGN {
        define(world, &space, group, version, kind, plural);
    }
    let mut values: Vec<_> = std::fs::read_dir(project("tests/chart/values"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    values.sort();
    take(world, &space, None);
    for file in &values {
        take(world, &space, Some(file));
    }
}

/// Renders, and has the API server look at every object.
fn take(world: &World, space: &Space, values: Option<&str>) {
    let rendered = tempfile::tempdir().unwrap();
    let directory = rendered.path().to_str().unwrap();
    let chart = project("deploy/chart");
    let mut arguments = vec!["template", RELEASE, &chart, "--namespace", &space.name];
    arguments.extend(["--output-dir", directory]);
    arguments.extend(values.into_iter().flat_map(|file| ["--values", file]));
    world.helm(&arguments);
    let named = values.map_or("the defaults", |file| file.rsplit('/').next().unwrap());
    let said = world.kubectl(&[
        "apply",
        "--dry-run=server",
        "--recursive",
        "--namespace",
        &space.name,
        "--filename",
        directory,
    ]);
    // KIND.GROUP/NAME created (server dry run)
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut warnings = Vec::new();
    for line in said.lines() {
        match line.strip_suffix("(server dry run)") {
            Some(taken) => *kinds.entry(taken.split(['.', '/']).next().unwrap()).or_default() += 1,
            None => warnings.push(line),
        }
    }
    let taken: usize = kinds.values().sum();
    say(format!("{named}: {taken} objects: {kinds:?}"));
    assert_eq!(taken, documents(rendered.path()), "{said}");
    for warning in warnings {
        say(warning);
        assert!(EXPECTED.iter().any(|words| warning.contains(words)), "{named}: {warning}");
    }
}

/// How many objects are in the files below a directory.
fn documents(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                return documents(&path);
            }
            let text = std::fs::read_to_string(&path).unwrap();
            text.lines().filter(|line| line.starts_with("kind: ")).count()
        })
        .sum()
}

/// Defines a kind for the time of the scenario, where the cluster does not know it.
fn define(
    world: &'static World,
    space: &Space,
    group: &str,
    version: &str,
    kind: &str,
    plural: &str,
) {
    let name = format!("{plural}.{group}");
    let known = world.kubectl(&["get", "customresourcedefinitions", "--output", "name"]);
    if known.lines().any(|line| line.ends_with(&format!("/{name}"))) {
        say(format!("{name} is here, and says what it takes"));
        return;
    }
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    space.create_beside(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    }));
    let definition = format!("customresourcedefinition/{name}");
    world.kubectl(&["wait", "--for", "condition=Established", "--timeout", "300s", &definition]);
    world.serves(&name, &space.name);
}
