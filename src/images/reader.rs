//! Images, wherever they are.

use std::sync::{Arc, OnceLock};

use super::cache::Cache;
use super::docker_archive::DockerArchive;
use super::error::ImageError;
use super::facts::Options;
use super::layout::Layout;
use super::reference::Reference;
use super::registry::{Client, PullSecret, RegistryImage, Settings};
use super::source::Source;
use crate::facts::ImageFacts;

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

    /// A reader with the same cache and connections that shows registries other credentials than the
    /// user's.
    #[must_use]
    pub fn with_pull_secret(&self, secret: PullSecret) -> Self {
        let client = self.client().map(|client| client.with_pull_secret(secret));
        Self { client: Arc::new(OnceLock::from(client)), ..self.clone() }
    }

    fn client(&self) -> Result<Arc<Client>, ImageError> {
        self.client.get_or_init(|| Client::new(&self.settings)).clone()
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
            super::facts::of_source(source, &shown, known, &self.options, &self.cache)
        };
        match reference {
            Reference::Layout(place) => read(&Layout::in_directory(place)),
            Reference::OciArchive(place) => read(&Layout::in_archive(place)?),
            Reference::DockerArchive(place) => read(&DockerArchive::new(place)?),
            Reference::Registry(name) => read(&RegistryImage::new(&self.client()?, name)?),
        }
    }
}
