//! The layers of one image: each read once, merged in order.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::cache::Cache;
use super::digest::Verified;
use super::document::Descriptor;
use super::error::{ErrorKind, ImageError};
use super::layer::{self, Layer};
use super::limits::{Counted, Limits};
use super::source::{DIFF_ID, Source};
use super::tree::Directory;
use super::unpack::Unpacked;

/// What is kept of an image's files.
pub(super) struct Merged {
    /// What a container has.
    pub(super) tree: Directory,
    /// The layers, the lowest first.
    pub(super) layers: Vec<Arc<Layer>>,
}

/// The layers of an image and their merged tree, with the content of the `wanted` paths.
///
/// # Errors
/// When a layer cannot be read.
pub(super) fn merged(
    source: &dyn Source,
    layers: &[Descriptor],
    wanted: &BTreeSet<String>,
    cache: &Cache,
    limits: &Limits,
) -> Result<Merged, ImageError> {
    if layers.len() > limits.layers {
        return Err(ImageError::bad(format!("it has {} layers", layers.len())));
    }
    let mut merged = Merged { tree: Directory::default(), layers: Vec::new() };
    for descriptor in layers {
        let known = cache.layer(&descriptor.digest).filter(|layer| !layer.lacks(wanted));
        let layer = match known {
            Some(layer) => layer,
            None => {
                let place = |error: ImageError| error.at(format!("layer {}", descriptor.digest));
                let read = Arc::new(read(source, descriptor, wanted, limits).map_err(place)?);
                cache.put_layer(&descriptor.digest, &read);
                read
            }
        };
        merged.tree.overlay(layer.root.clone());
        merged.layers.push(layer);
    }
    Ok(merged)
}

fn read(
    source: &dyn Source,
    descriptor: &Descriptor,
    wanted: &BTreeSet<String>,
    limits: &Limits,
) -> Result<Layer, ImageError> {
    if descriptor.size > limits.stored {
        let message = format!("it has {} bytes, more than {}", descriptor.size, limits.stored);
        return Err(ImageError::too_large(message));
    }
    let blob = source.blob(descriptor).map_err(|error| match error.kind {
        ErrorKind::NotFound if descriptor.is_foreign() => ImageError::new(
            ErrorKind::ForeignLayer,
            "it may not be distributed, and the registry does not have it",
        ),
        _ => error,
    })?;
    let stored = Cell::new(0);
    let blob = Counted::new(blob, &stored, descriptor.size, limits);
    if descriptor.media_type == DIFF_ID {
        let unpacked = Unpacked::new(blob, &stored, limits)?;
        let mut verified = Verified::new(unpacked, descriptor.digest.clone());
        let layer = layer::read(&mut verified, wanted, limits)?;
        verified.finish("layer")?;
        return Ok(layer);
    }
    let mut verified = Verified::new(blob, descriptor.digest.clone());
    let mut unpacked = Unpacked::new(&mut verified, &stored, limits)?;
    let layer = layer::read(&mut unpacked, wanted, limits)?;
    // Whatever is behind the archive's end: damage is damage there too.
    io::copy(&mut unpacked, &mut io::sink())?;
    verified.finish("layer")?;
    Ok(layer)
}
