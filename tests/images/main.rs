//! Images, read as a user of the library reads them: from directories, archives and registries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that fails says where"
)]
#![allow(unreachable_pub, dead_code, reason = "the modules of a test are nobody else's")]

mod archives;
mod attacks;
mod commands;
mod example;
mod fake;
mod heavy;
#[path = "../support/image.rs"]
mod image;
mod known;
mod layouts;
mod registry;
#[path = "../support/tar.rs"]
mod tar;
mod users;

use std::path::Path;

use ironhull::facts::ImageFacts;
use ironhull::images::Reader;
use ironhull::images::error::ImageError;
use ironhull::images::reference::Reference;

/// The facts of an image, without any cache.
fn facts(reference: &str) -> Result<Vec<ImageFacts>, ImageError> {
    Reader::default().facts(&Reference::parse(reference).unwrap())
}

/// The facts of an image whose platforms agree.
fn one(reference: &str) -> ImageFacts {
    let mut all = facts(reference).unwrap_or_else(|error| panic!("{reference}: {error}"));
    assert_eq!(all.len(), 1, "{reference}: {all:?}");
    all.remove(0)
}

fn yaml(facts: &ImageFacts) -> String {
    serde_yaml::to_string(facts).unwrap()
}

/// `oci:` and a path.
fn layout(path: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", path.display())
}
