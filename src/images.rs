//! Images, read: who they run as, what they may write, what their entrypoints ask for.
//!
//! An image is in a registry, in a directory of the OCI's layout, or in an archive. Nothing of it
//! is stored and nothing is run. A layer is streamed once, and what counts of it is kept by its
//! digest; the layers of an image are merged as a container runtime merges them.
//!
//! | module | what it does |
//! |---|---|
//! | [`facts`] | from an image to its facts, for each platform |
//! | `entrypoint`, `findings`, `users` | what a tree of files tells |
//! | `layers`, `layer`, `tree`, `unpack`, `tar` | from layers to one tree of files |
//! | [`cache`] | what was read before, by digest |
//! | [`registry`] | images in registries |
//! | `layout`, `docker_archive`, `files` | images in the file system |
//! | [`pods`] | the images of a running pod, and what its kubelet tells |
//! | `source`, `document`, [`digest`], [`reference`], [`limits`] | what all of them have in common |

pub mod cache;
mod capabilities;
pub mod digest;
mod docker_archive;
mod document;
mod entrypoint;
pub mod error;
pub mod facts;
mod files;
mod findings;
mod layer;
mod layers;
mod layout;
pub mod limits;
mod path;
pub mod pods;
pub mod reference;
pub mod registry;
mod source;
mod tar;
#[cfg(test)]
mod testing;
mod tree;
mod unpack;
mod users;
mod view;

use std::sync::{Arc, OnceLock};

use crate::facts::ImageFacts;
use cache::Cache;
use docker_archive::DockerArchive;
use error::ImageError;
use facts::Options;
use layout::Layout;
use reference::Reference;
use registry::{Client, Logins, RegistryImage, Settings};
use source::Source;

/// Reads images. May be used by several threads at once, none of which may be within an asynchronous
/// runtime.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    options: Options,
    cache: Arc<Cache>,
    settings: Settings,
    /// Made for the first image that is in a registry.
    client: Arc<OnceLock<Result<Arc<Client>, ImageError>>>,
}

impl Reader {
    /// A reader that keeps in `cache` what it has read.
    pub fn new(options: Options, cache: Cache, settings: Settings) -> Self {
        Self { options, cache: Arc::new(cache), settings, client: Arc::default() }
    }

    /// The same reader, for other options.
    #[must_use]
    pub fn with_options(&self, options: Options) -> Self {
        Self { options, ..self.clone() }
    }

    /// A reader with the same cache that shows registries other credentials.
    #[must_use]
    pub fn with_logins(&self, logins: Logins) -> Self {
        let settings = Settings { logins, ..self.settings.clone() };
        Self { settings, client: Arc::default(), ..self.clone() }
    }

    /// The facts of an image: an entry for all platforms that agree, and one for each that does
    /// not.
    ///
    /// # Errors
    /// When any part of the image cannot be read.
    pub fn facts(&self, reference: &Reference) -> Result<Vec<ImageFacts>, ImageError> {
        self.changed(reference, None).map(Option::unwrap_or_default)
    }

    /// The facts of an image whose digest was `known`; `None` if it still is.
    ///
    /// # Errors
    /// As [`Self::facts`].
    pub fn changed(
        &self,
        reference: &Reference,
        known: Option<&str>,
    ) -> Result<Option<Vec<ImageFacts>>, ImageError> {
        let shown = reference.to_string();
        let read = |source: &dyn Source| {
            facts::of_source(source, &shown, known, &self.options, &self.cache)
        };
        match reference {
            Reference::Layout(place) => read(&Layout::in_directory(place)),
            Reference::OciArchive(place) => read(&Layout::in_archive(place)?),
            Reference::DockerArchive(place) => read(&DockerArchive::new(place)?),
            Reference::Registry(name) => {
                let client = self.client.get_or_init(|| Client::new(&self.settings));
                let client = client.as_ref().map_err(ImageError::clone)?;
                read(&RegistryImage::new(client, name)?)
            }
        }
    }
}
