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
//! | `layout`, `docker_archive`, `files` | images in the file system |
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
pub mod reference;
mod source;
mod tar;
#[cfg(test)]
mod testing;
mod tree;
mod unpack;
mod users;

use crate::facts::ImageFacts;
use cache::Cache;
use docker_archive::DockerArchive;
use error::{ErrorKind, ImageError};
use facts::Options;
use layout::Layout;
use reference::Reference;

/// Reads images. May be used by several threads at once.
#[derive(Debug, Default)]
pub struct Reader {
    options: Options,
    cache: Cache,
}

impl Reader {
    /// A reader that keeps in `cache` what it has read.
    pub fn new(options: Options, cache: Cache) -> Self {
        Self { options, cache }
    }

    /// The facts of an image: an entry for all platforms that agree, and one for each that does
    /// not.
    ///
    /// # Errors
    /// When any part of the image cannot be read.
    pub fn facts(&self, reference: &Reference) -> Result<Vec<ImageFacts>, ImageError> {
        let Self { options, cache } = self;
        let shown = reference.to_string();
        match reference {
            Reference::Layout(place) => {
                facts::of_source(&Layout::in_directory(place), &shown, options, cache)
            }
            Reference::OciArchive(place) => {
                facts::of_source(&Layout::in_archive(place)?, &shown, options, cache)
            }
            Reference::DockerArchive(place) => {
                facts::of_source(&DockerArchive::new(place)?, &shown, options, cache)
            }
            Reference::Registry(_) => {
                Err(ImageError::new(ErrorKind::Unsupported, "registries are not read yet"))
            }
        }
    }
}
