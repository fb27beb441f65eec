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
//! | [`memory`] | an image that is given |
//! | [`write`] | facts as text |
//! | [`pods`] | the images of a running pod, and what its kubelet tells |
//! | `source`, `document`, [`digest`], [`reference`], [`limits`] | what all of them have in common |

pub mod cache;
mod capabilities;
pub mod digest;
#[cfg(feature = "server")]
mod docker_archive;
mod document;
mod entrypoint;
pub mod error;
pub mod facts;
#[cfg(feature = "server")]
mod files;
mod findings;
mod layer;
mod layers;
#[cfg(feature = "server")]
mod layout;
pub mod limits;
pub mod memory;
mod path;
#[cfg(feature = "server")]
pub mod pods;
#[cfg(feature = "server")]
mod reader;
pub mod reference;
#[cfg(feature = "server")]
pub mod registry;
mod source;
mod tar;
#[cfg(test)]
mod testing;
mod tree;
mod unpack;
mod users;
mod view;
pub mod write;

#[cfg(feature = "server")]
pub use reader::Reader;
