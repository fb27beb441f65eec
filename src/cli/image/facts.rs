//! `ironhull image facts`: the facts of all images that manifests name, as a document.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueHint;
use serde::Serialize;
use serde_json::Value;

use super::{Reading, read, say_unread};
use crate::cli::input::{self, Input};
use crate::cluster::namespaces::{NamespaceArgs, SelectedNamespaces};
use crate::cluster::{self, Connection};
use crate::facts::{self, ImageFacts, Origin};
use crate::foresight::workloads::{self, PODS};
use crate::images::facts::Options;
use crate::images::pods::PodOfImages;
use crate::images::reference::Reference;
use crate::manifest::ManifestFile;
use crate::policy::{API_VERSION, PolicyFile, parse};
use crate::terminal::{diagnostics, say};
use crate::workload::Kinds;

/// Write down the facts of the images that manifests or workloads name
///
/// The answer is a document of kind ImageFacts, to be kept beside policies. An image that cannot be
/// read is reported, and the rest is written. Of one that runs in the cluster without a word about
/// users, its pod tells the user.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Images, besides those of manifests and workloads
    #[arg(value_name = "IMAGE", value_hint = ValueHint::Other)]
    images: Vec<String>,

    /// Manifests: a file or directory, or - for stdin
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    namespaces: NamespaceArgs,

    #[command(flatten)]
    connection: Connection,

    /// Bring this document up to date with changes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    update: Option<PathBuf>,

    /// Read no layers: faster, and nothing is known of files
    #[arg(long)]
    config_only: bool,

    #[command(flatten)]
    reading: Reading,
}

/// A document of facts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: &'static str,
    kind: &'static str,
    images: Vec<ImageFacts>,
}

/// Entries, by the image's full name.
type ByImage = BTreeMap<String, Vec<ImageFacts>>;

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { images, files, namespaces, connection, update, config_only, reading } = args;
    let in_cluster = namespaces.is_given();
    if images.is_empty() && files.is_empty() && update.is_none() && !in_cluster {
        bail!("no images are named: name some, manifests with -f, or namespaces with -n or -A");
    }
    let old = match update.as_deref().map(|path| old_document(path, err)).transpose()? {
        Some(None) => return Ok(say::EXIT_ERROR),
        old => old.flatten().unwrap_or_default(),
    };
    let mut named: Vec<String> = images.clone();
    if !files.is_empty() {
        let input::Read { sources, errors } =
            Input::of(files.clone(), None, None).read(&Kinds::default(), err)?;
        if !errors.is_empty() {
            return Ok(diagnostics::errors(err, &errors)?);
        }
        named.extend(sources.iter().flat_map(images_of));
    }
    let mut shown = ByImage::new();
    if in_cluster {
        let (images, of_pods) = cluster::block_on(of_cluster(connection, namespaces))?;
        named.extend(images);
        shown = of_pods;
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
                let name = full_name(&image);
                if let Some(shown) = shown.remove(&name) {
                    all.entry(name).or_insert(shown);
                }
            }
        }
    }
    let document = Document {
        api_version: API_VERSION,
        kind: facts::KIND,
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

/// The entries of a document. There are none if there is no such file. What is wrong with it goes to
/// `err`, and then there is no document.
fn old_document(path: &Path, err: &mut dyn Write) -> anyhow::Result<Option<ByImage>> {
    if !path.exists() {
        return Ok(Some(ByImage::new()));
    }
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| shown.clone())?;
    let file = PolicyFile { name: shown, text };
    match parse::facts(&file) {
        Ok(facts) => Ok(Some(by_image(facts))),
        Err(wrong) => {
            err.write_all(diagnostics::styled(&wrong, std::slice::from_ref(&file)).as_bytes())?;
            Ok(None)
        }
    }
}

fn by_image(facts: Vec<ImageFacts>) -> ByImage {
    let mut images = ByImage::new();
    for facts in facts {
        images.entry(facts.image.clone()).or_default().push(facts);
    }
    images
}

/// The images of a cluster's workloads, and what running pods show of them.
async fn of_cluster(
    connection: &Connection,
    namespaces: &NamespaceArgs,
) -> anyhow::Result<(Vec<String>, ByImage)> {
    let cluster = connection.connect().await?;
    let namespaces = SelectedNamespaces::find(namespaces, &cluster).await?;
    let mut named = BTreeSet::new();
    let mut shown = Vec::new();
    let mut of_pod = |json: &str| {
        for image in serde_json::from_str::<PodOfImages<'_>>(json)?.images() {
            named.insert(image.image);
            shown.extend(image.user);
        }
        anyhow::Ok(())
    };
    let mut unread = Ok(());
    let kinds = Kinds::default();
    let hardened_by = |_: &_, _: &_, _: &_| false;
    let each = workloads::workloads(&cluster.reader, &namespaces, &kinds, &hardened_by, |found| {
        if let Err(error) = of_pod(found.json) {
            unread = Err(error);
        }
    });
    // Where a kind may not be read, its pods show their images.
    drop(each.await?);
    unread?;
    for namespace in namespaces.requests() {
        let each = cluster.reader.each(&PODS, namespace, None, false, |item, _| of_pod(item.get()));
        each.await?;
    }
    // Of several pods one is enough: an entry for each digest.
    let mut of_digest = BTreeMap::new();
    for facts in shown {
        of_digest.insert((facts.image.clone(), facts.digest.clone()), facts);
    }
    Ok((named.into_iter().collect(), by_image(of_digest.into_values().collect())))
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
        document.contents.workloads.iter().filter_map(|workload| workload.pod.get("spec"))
    });
    let containers = workloads.flat_map(|spec| {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten()
    });
    let images = containers.filter_map(|container| container.get("image").and_then(Value::as_str));
    images.filter(|image| !image.is_empty()).map(str::to_owned).collect()
}
