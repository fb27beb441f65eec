//! The workloads of manifests, judged as those of a cluster are. No pod tells of them.

use std::collections::BTreeMap;
use std::io::Write;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::Previewed;
use super::report::{Preview, WorkloadPreview};
use crate::admission::Environment;
use crate::cli::choice::BUILT_IN;
use crate::cli::input::{Input, Read};
use crate::cli::pass::{self, Assignment};
use crate::cluster::namespaces::NamespaceSettings;
use crate::foresight::observed::Observed;
use crate::foresight::workloads::{FoundWorkload, opt_in};
use crate::harden::SeedImage;
use crate::manifest::{Document, ManifestFile, Workload};
use crate::terminal::say;

/// Previews what `input` names, with the places of containers if they are wanted; beside it, what cannot be read.
/// `None` if there is no preview, which has been reported.
///
/// # Errors
/// When nothing can be written, or a policy file cannot be read.
pub(super) fn preview(
    input: &Input,
    with_places: bool,
    err: &mut dyn Write,
) -> anyhow::Result<Option<Previewed>> {
    let Some(set) = input.policies(err)? else { return Ok(None) };
    let Read { sources, errors } = input.read(set.kinds(), err)?;
    if !errors.is_empty() && !input.keep_going {
        input.refuse(&errors, err)?;
        return Ok(None);
    }
    let policies = Assignment::chosen(input.asked(), &set, &sources, err)?;
    let environment = Environment {
        date: input.date(),
        user_namespaces: false,
        seed_image: Some(SeedImage::ANY),
    };
    let mut namespaces = settings(&sources);
    let mut workloads = Vec::new();
    for source in &sources {
        for document in &source.documents {
            pass::say_remarks(err, source, document)?;
            let before = workloads.len();
            for workload in &document.contents.workloads {
                let namespace = workload.namespace.as_deref().unwrap_or(input.namespace());
                // Of others the manifests tell nothing but the name.
                let unlabelled = || labelled(namespace, BTreeMap::new());
                let settings = namespaces.entry(namespace.to_owned()).or_insert_with(unlabelled);
                let policy = policies.for_namespace(namespace);
                let judged = found(source, document, workload, settings, |found| {
                    WorkloadPreview::new(found, policy, environment)
                });
                workloads.push((namespace.to_owned(), judged));
            }
            if with_places {
                let new = workloads.iter_mut().skip(before).map(|(_, judged)| judged);
                new.zip(places(source, document)).for_each(|(judged, at)| judged.places = at);
            }
        }
    }
    if workloads.is_empty() {
        say::note(err, "no pods and no pod templates here")?;
    }
    let used = |name: &String| workloads.iter().any(|(of, _)| of == name);
    let judged = namespaces.iter().filter(|(name, _)| used(name));
    let judged: Vec<_> =
        judged.map(|(name, it)| (it, policies.for_namespace(name).name.clone())).collect();
    let from = match &input.policy {
        Some(path) => path.display().to_string(),
        None => BUILT_IN.to_owned(),
    };
    let preview = Preview::new(input.date().to_string(), from, judged.into_iter(), workloads);
    Ok(Some(Previewed { preview, errors, nothing: input.found_nothing(&sources) }))
}

/// The namespaces among the manifests.
fn settings(sources: &[ManifestFile]) -> BTreeMap<String, NamespaceSettings> {
    let documents = sources.iter().flat_map(|source| &source.documents);
    let namespaces = documents.flat_map(|document| &document.contents.namespaces);
    let settings = namespaces.map(|it| (it.name.clone(), labelled(&it.name, it.labels.clone())));
    settings.collect()
}

fn labelled(name: &str, labels: BTreeMap<String, String>) -> NamespaceSettings {
    NamespaceSettings::of(ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    })
}

fn found<T>(
    source: &ManifestFile,
    document: &Document,
    workload: &Workload,
    namespace: &NamespaceSettings,
    judge: impl FnOnce(&FoundWorkload<'_>) -> T,
) -> T {
    let json = workload.pod.to_string();
    let seconds = document.value.pointer(&format!("{}/spec/minReadySeconds", workload.at));
    let seconds = seconds.and_then(Value::as_i64);
    let min_ready = i32::try_from(seconds.unwrap_or_default()).unwrap_or_default();
    judge(&FoundWorkload {
        namespace,
        kind: &workload.kind,
        word: None,
        name: &workload.name,
        template: workload.which().as_deref(),
        file: Some(&source.name),
        managed_by: None,
        pod: None,
        annotations_at: &workload.annotations_at(),
        json: &json,
        reserved_volumes: &workload.reserved_volumes,
        scope: workload.scope(),
        failed: None,
        min_ready: workload.rolls.then_some(min_ready),
        mode: namespace.mode_of(opt_in(&json).as_deref()),
        facts: &Observed::default(),
    })
}

/// Lines and columns of a document's workloads, in order: of each, under the empty name, and of its
/// containers.
fn places(source: &ManifestFile, document: &Document) -> Vec<BTreeMap<String, (usize, usize)>> {
    let mut named: Vec<(usize, String, String)> = Vec::new();
    for (of, workload) in document.contents.workloads.iter().enumerate() {
        named.push((of, String::new(), workload.at.clone()));
        for list in ["initContainers", "containers"] {
            let at = format!("/spec/{list}");
            let containers = workload.pod.pointer(&at).and_then(Value::as_array);
            for (index, container) in containers.into_iter().flatten().enumerate() {
                let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
                named.push((of, name.to_owned(), workload.pointer(&format!("{at}/{index}"))));
            }
        }
    }
    let pointers = named.iter().map(|(.., pointer)| pointer.as_str());
    let at = source.positions(document, pointers);
    let mut places = vec![BTreeMap::new(); document.contents.workloads.len()];
    for ((of, name, _), at) in named.into_iter().zip(at) {
        if let Some(places) = places.get_mut(of) {
            places.insert(name, at);
        }
    }
    places
}
