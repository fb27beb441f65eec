//! `ironhull image facts`: the facts of all images that manifests name, as a document.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueHint;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Reading, read, say_unread};
use crate::cli::input::{self, Input};
use crate::facts::{ImageFacts, Origin};
use crate::images::facts::Options;
use crate::images::reference::Reference;
use crate::manifest::ManifestFile;
use crate::terminal::{diagnostics, say};

/// Write down the facts of the images that manifests name
///
/// The answer is a document of kind ImageFacts, to be kept beside policies. An image that cannot
/// be read is reported, and the rest is written.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Images, besides those of manifests
    #[arg(value_name = "IMAGE", value_hint = ValueHint::Other)]
    images: Vec<String>,

    /// Manifests whose images to read: a file, a directory, or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,

    /// Bring this document up to date, and read only images whose digest has changed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    update: Option<PathBuf>,

    /// Read configurations and no layers: faster, and nothing is known of files
    #[arg(long)]
    config_only: bool,

    #[command(flatten)]
    reading: Reading,
}

/// A document of facts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: String,
    kind: String,
    images: Vec<ImageFacts>,
}

const API_VERSION: &str = "ironhull.dev/v1alpha1";
const KIND: &str = "ImageFacts";

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { images, files, update, config_only, reading } = args;
    if images.is_empty() && files.is_empty() && update.is_none() {
        bail!("no images are named: name some, or manifests with -f");
    }
    let old = update.as_deref().map(old_document).transpose()?.unwrap_or_default();
    let mut named: Vec<String> = images.clone();
    if !files.is_empty() {
        let input::Read { sources, errors } =
            Input::of(files.clone(), None, None).read_what_can_be(err)?;
        if !errors.is_empty() {
            return Ok(diagnostics::errors(err, &errors)?);
        }
        named.extend(sources.iter().flat_map(images_of));
    }
    let mut code = 0;
    let from = if *config_only { Origin::Configuration } else { Origin::Image };
    let mut wanted = BTreeMap::new();
    for name in named.iter().map(String::as_str).chain(old.keys().map(String::as_str)) {
        match Reference::parse(name) {
            Ok(reference) => {
                let known = old.get(&full_name(&reference)).and_then(|facts| facts.first());
                let known = known.filter(|facts| facts.from == from);
                let digest = known.and_then(|facts| facts.digest.clone());
                wanted.insert(reference.to_string(), (reference, digest));
            }
            Err(error) => {
                say::error(err, error)?;
                code = say::EXIT_CHANGES;
            }
        }
    }
    let options = Options { config_only: *config_only, ..Options::default() };
    let mut all = old;
    for (image, facts) in read(&reading.reader(options), wanted.into_values().collect())? {
        match facts {
            Ok(Some(facts)) => drop(all.insert(full_name(&image), facts)),
            Ok(None) => {}
            Err(error) => {
                say_unread(err, &image, &error)?;
                code = say::EXIT_CHANGES;
            }
        }
    }
    let document = Document {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        images: all.into_values().flatten().collect(),
    };
    let yaml = serde_yaml::to_string(&document).context("the facts cannot be written as YAML")?;
    match update {
        Some(path) => replace(path, &yaml)?,
        None => out.write_all(yaml.as_bytes())?,
    }
    Ok(code)
}

/// The name under which an image's facts are kept.
fn full_name(reference: &Reference) -> String {
    match reference {
        Reference::Registry(name) => name.normalised(),
        place => place.to_string(),
    }
}

/// The entries of a document, by image. There are none if there is no such file.
fn old_document(path: &Path) -> anyhow::Result<BTreeMap<String, Vec<ImageFacts>>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{shown}"))?;
    let document: Document =
        serde_yaml::from_str(&text).with_context(|| format!("{shown}: not a document of facts"))?;
    if (document.api_version.as_str(), document.kind.as_str()) != (API_VERSION, KIND) {
        bail!("{shown}: not a document of kind {KIND}, {API_VERSION}");
    }
    let mut images: BTreeMap<String, Vec<ImageFacts>> = BTreeMap::new();
    for facts in document.images {
        images.entry(facts.image.clone()).or_default().push(facts);
    }
    Ok(images)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
    written.with_context(|| format!("{}", path.display()))
}

/// The images of all containers in a file.
fn images_of(source: &ManifestFile) -> Vec<String> {
    let workloads = source.documents.iter().flat_map(|document| {
        let pods = document.contents.workloads.iter().map(|workload| &workload.pod);
        pods.filter_map(|pod| document.value.pointer(&format!("{pod}/spec")))
    });
    let containers = workloads.flat_map(|spec| {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten()
    });
    let images = containers.filter_map(|container| container.get("image").and_then(Value::as_str));
    images.filter(|image| !image.is_empty()).map(str::to_owned).collect()
}
