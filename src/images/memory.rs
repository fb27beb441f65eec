//! An image that is given as bytes: of nobody's registry, for tests and the fuzzer.

use std::io::Read;

use serde_json::{Value, json};

use super::cache::Cache;
use super::digest::Digest;
use super::document::{Descriptor, OCI_MANIFEST};
use super::error::{ErrorKind, ImageError};
use super::facts::{self, Options};
use super::source::{Resolved, Source};
use crate::facts::ImageFacts;

/// An image for linux/amd64.
struct Memory {
    blobs: Vec<(Digest, Vec<u8>)>,
    manifest: Digest,
}

impl Source for Memory {
    fn resolve(&self) -> Result<Resolved, ImageError> {
        let top = Descriptor {
            media_type: OCI_MANIFEST.to_owned(),
            ..Descriptor::of(self.manifest.clone())
        };
        Ok(Resolved { image: None, digest: Some(self.manifest.clone()), top })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        let found = self.blobs.iter().find(|(digest, _)| *digest == descriptor.digest);
        let (_, bytes) =
            found.ok_or_else(|| ImageError::new(ErrorKind::NotFound, "there is no such blob"))?;
        Ok(Box::new(bytes.as_slice()))
    }
}

/// The facts of an image: `config` is what the configuration has under `config`, and each of
/// `layers` an archive, packed or not. What was read is kept in `cache`.
///
/// # Errors
/// As for any other image.
pub fn facts(
    config: &Value,
    layers: &[Vec<u8>],
    options: &Options,
    cache: &Cache,
) -> Result<Vec<ImageFacts>, ImageError> {
    let mut blobs = Vec::new();
    let mut add = |media_type: &str, bytes: Vec<u8>| {
        let digest = Digest::of(&bytes);
        let descriptor =
            json!({ "mediaType": media_type, "digest": digest.as_str(), "size": bytes.len() });
        blobs.push((digest.clone(), bytes));
        (digest, descriptor)
    };
    let file = json!({ "os": "linux", "architecture": "amd64", "config": config });
    let (_, config) =
        add("application/vnd.oci.image.config.v1+json", file.to_string().into_bytes());
    let layer = |bytes: &Vec<u8>| add("application/vnd.oci.image.layer.v1.tar", bytes.clone()).1;
    let layers: Vec<_> = layers.iter().map(layer).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
    });
    let (manifest, _) = add(OCI_MANIFEST, manifest.to_string().into_bytes());
    let facts = facts::of_source(&Memory { blobs, manifest }, "memory", None, options, cache)?;
    Ok(facts.unwrap_or_default())
}
