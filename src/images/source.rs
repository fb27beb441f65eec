//! Where images are read from.

use std::io::Read;

use super::digest::Digest;
use super::document::{self, ConfigFile, Descriptor, Document};
use super::error::ImageError;
use super::limits::{self, Limits};

/// Media type of a layer that is known by the digest of its unpacked content.
pub(super) const DIFF_ID: &str = "diff-id";

/// What a reference leads to.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// The image's full name, as workloads name it, if it has one.
    pub(super) image: Option<String>,
    /// What the name means at present; `None` where no registry ever saw the image.
    pub(super) digest: Option<Digest>,
    /// The manifest or index.
    pub(super) top: Descriptor,
}

/// A place where one image is.
pub(super) trait Source: Send + Sync {
    /// Finds the image. Reads as little as that takes.
    fn resolve(&self) -> Result<Resolved, ImageError>;

    /// Opens a blob. Whoever reads it checks the digest.
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>, ImageError>;

    /// Reads a manifest or an index.
    fn document(&self, descriptor: &Descriptor, limits: &Limits) -> Result<Document, ImageError> {
        let bytes = self.bytes(descriptor, "manifest", limits)?;
        Document::read(&bytes, &descriptor.media_type)
    }

    /// Reads a configuration.
    fn config(&self, descriptor: &Descriptor, limits: &Limits) -> Result<ConfigFile, ImageError> {
        document::json(&self.bytes(descriptor, "configuration", limits)?, "configuration")
    }

    /// Reads a small blob, and checks its digest.
    fn bytes(
        &self,
        descriptor: &Descriptor,
        what: &str,
        limits: &Limits,
    ) -> Result<Vec<u8>, ImageError> {
        let bytes = limits::read_all(self.blob(descriptor)?, limits.document, what)?;
        descriptor.digest.check(&bytes, what)?;
        Ok(bytes)
    }
}
