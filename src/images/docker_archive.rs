//! Images that `docker save` wrote. `manifest.json` lists them, each with its configuration and its
//! layers, which the configuration knows by the digest of what they unpack to.

use std::collections::HashMap;
use std::io::Read;
use std::sync::OnceLock;

use serde::Deserialize;

use super::digest::Digest;
use super::document::{self, Descriptor, Document, Manifest};
use super::error::{ErrorKind, ImageError};
use super::files::Files;
use super::layout::full_name;
use super::limits::{self, Limits};
use super::reference::{Name, Place};
use super::source::{DIFF_ID, Resolved, Source};
use crate::text;

/// One image in an archive.
#[derive(Debug)]
pub(super) struct DockerArchive {
    files: Files,
    tag: Option<String>,
    image: OnceLock<Image>,
}

/// The image that was chosen.
#[derive(Clone, Debug)]
struct Image {
    manifest: Manifest,
    /// Files of the configuration and of the layers.
    files: HashMap<Digest, String>,
}

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// The part of a configuration that knows the layers.
#[derive(Deserialize)]
struct Layers {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

impl DockerArchive {
    pub(super) fn new(place: &Place) -> Result<Self, ImageError> {
        let files = Files::of_archive(&place.path)?;
        Ok(Self { files, tag: place.tag.clone(), image: OnceLock::new() })
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        limits::read_all(self.files.open(name)?, Limits::default().document, name)
    }

    fn choose(&self, mut entries: Vec<Entry>) -> Result<Entry, ImageError> {
        let shown = self.files.path().display();
        let not_found = |message| Err(ImageError::new(ErrorKind::NotFound, message));
        let names = |entries: &[Entry]| {
            let names = entries.iter().flat_map(|entry| entry.repo_tags.iter().flatten());
            let names: Vec<_> = names.take(8).map(|name| text::quoted(name)).collect();
            if names.is_empty() { "images without names".to_owned() } else { names.join(", ") }
        };
        let Some(tag) = &self.tag else {
            return match entries.pop() {
                Some(entry) if entries.is_empty() => Ok(entry),
                Some(entry) => {
                    entries.push(entry);
                    not_found(format!(
                        "{shown}: there are {} images in it; name one by `:NAME:TAG` behind the path: {}",
                        entries.len(),
                        names(&entries)
                    ))
                }
                None => not_found(format!("{shown}: there is no image in it")),
            };
        };
        let wanted = Name::parse(tag).ok();
        let fits = |entry: &Entry| {
            entry
                .repo_tags
                .iter()
                .flatten()
                .any(|name| name == tag || wanted.is_some() && Name::parse(name).ok() == wanted)
        };
        match entries.iter().position(fits) {
            Some(index) => Ok(entries.swap_remove(index)),
            None => not_found(format!(
                "{shown}: there is no {} in it, but {}",
                text::quoted(tag),
                names(&entries)
            )),
        }
    }

    fn image(&self) -> Result<&Image, ImageError> {
        let missing = || ImageError::bad("the image was not looked for");
        self.image.get().ok_or_else(missing)
    }
}

impl Source for DockerArchive {
    fn resolve(&self) -> Result<Resolved, ImageError> {
        let bytes = self.read("manifest.json").map_err(|error| match error.kind {
            ErrorKind::NotFound => {
                let path = self.files.path().display();
                let message = format!("{path}: this is no archive of `docker save`; for the OCI's, write oci-archive:{path}");
                ImageError::new(ErrorKind::NotFound, message)
            }
            _ => error,
        })?;
        let entry = self.choose(document::json(&bytes, "manifest.json")?)?;
        let config = self.read(&entry.config)?;
        let Layers { rootfs } = document::json(&config, "configuration")?;
        if rootfs.diff_ids.len() != entry.layers.len() {
            return Err(ImageError::bad(
                "the configuration has not as many layers as manifest.json",
            ));
        }
        let digest = Digest::of(&config);
        let descriptor = |digest: &Digest, media_type: &str| Descriptor {
            media_type: media_type.to_owned(),
            ..Descriptor::of(digest.clone())
        };
        let layers = rootfs.diff_ids.iter().map(|id| descriptor(id, DIFF_ID)).collect();
        let top = descriptor(&digest, "");
        let manifest = Manifest { config: top.clone(), layers };
        let mut files: HashMap<_, _> = rootfs.diff_ids.into_iter().zip(entry.layers).collect();
        files.insert(digest, entry.config);
        let _ = self.image.set(Image { manifest, files });
        let image = entry.repo_tags.iter().flatten().find_map(|name| {
            full_name(name).or_else(|| Name::parse(name).ok().map(|name| name.normalised()))
        });
        Ok(Resolved { image, digest: None, top })
    }

    fn document(&self, _: &Descriptor, _: &Limits) -> Result<Document, ImageError> {
        Ok(Document::Manifest(self.image()?.manifest.clone()))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        let missing = || ImageError::bad("the archive lacks a layer");
        self.files.open(self.image()?.files.get(&descriptor.digest).ok_or_else(missing)?)
    }
}
