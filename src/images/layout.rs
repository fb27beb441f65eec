//! Images in the OCI's layout: a directory, or an archive of one (image-spec, `image-layout.md`).

use std::io::Read;

use super::document::{self, Descriptor, Index};
use super::error::{ErrorKind, ImageError};
use super::files::Files;
use super::limits::{self, Limits};
use super::reference::{Name, Place};
use super::source::{Resolved, Source};
use crate::text;

/// The tag of an image in a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Its whole name, by containerd and BuildKit.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// One image in a layout.
#[derive(Debug)]
pub(super) struct Layout {
    files: Files,
    tag: Option<String>,
}

impl Layout {
    pub(super) fn in_directory(place: &Place) -> Self {
        Self { files: Files::Directory(place.path.clone()), tag: place.tag.clone() }
    }

    pub(super) fn in_archive(place: &Place) -> Result<Self, ImageError> {
        Ok(Self { files: Files::of_archive(&place.path)?, tag: place.tag.clone() })
    }

    fn names(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
        [IMAGE_NAME, REF_NAME]
            .into_iter()
            .filter_map(|key| descriptor.annotations.get(key))
            .map(String::as_str)
    }

    fn choose(&self, index: Index) -> Result<Descriptor, ImageError> {
        let shown = self.files.path().display();
        let images = index.manifests.into_iter().filter(|image| !image.is_attestation());
        let mut images: Vec<Descriptor> = images.collect();
        let not_found = |message| Err(ImageError::new(ErrorKind::NotFound, message));
        let names = |images: &[Descriptor]| {
            let names = images.iter().filter_map(|image| Self::names(image).last());
            let names: Vec<_> = names.take(8).map(text::quoted).collect();
            if names.is_empty() { "images without names".to_owned() } else { names.join(", ") }
        };
        match &self.tag {
            Some(tag) => {
                let fits = |image: &&Descriptor| Self::names(image).any(|name| name == tag);
                match images.iter().find(fits) {
                    Some(image) => Ok(image.clone()),
                    None => not_found(format!(
                        "{shown}: there is no {} in it, but {}",
                        text::quoted(tag),
                        names(&images)
                    )),
                }
            }
            None if images.len() > 1 => not_found(format!(
                "{shown}: there are {} images in it; name one by `:TAG` behind the path: {}",
                images.len(),
                names(&images)
            )),
            None => match images.pop() {
                Some(image) => Ok(image),
                None => not_found(format!("{shown}: there is no image in it")),
            },
        }
    }
}

impl Source for Layout {
    fn resolve(&self) -> Result<Resolved, ImageError> {
        let limit = Limits::default().document;
        let bytes = limits::read_all(self.files.open("index.json")?, limit, "index.json")?;
        let top = self.choose(document::json(&bytes, "index.json")?)?;
        let image = Self::names(&top).find_map(full_name);
        Ok(Resolved { image, digest: Some(top.digest.clone()), top })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        self.files.open(&format!("blobs/sha256/{}", descriptor.digest.digits()))
    }
}

/// A name with a registry; a tag alone is none.
pub(super) fn full_name(name: &str) -> Option<String> {
    let name = Some(name).filter(|name| name.contains('/'))?;
    Name::parse(name).ok().map(|name| name.normalised())
}
