//! `ironhull image`: what images are.

pub mod facts;
pub mod inspect;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueHint;

use super::parallel;
use crate::facts::ImageFacts;
use crate::images::Reader;
use crate::images::cache::{self, Cache};
use crate::images::error::ImageError;
use crate::images::facts::Options;
use crate::images::reference::Reference;
use crate::images::registry::Settings;
use crate::terminal::say;

/// Read images: who they run as, what they write and need
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    // What is said of each stands at its arguments.
    #[expect(missing_docs, reason = "it would hide the long text")]
    Inspect(inspect::Args),
    #[expect(missing_docs, reason = "it would hide the long text")]
    Facts(Box<facts::Args>),
}

/// Runs `command`. Its answer goes to `out`, errors go to `err`. Returns the exit code: 0, 1 if an
/// image could not be read, or 2.
///
/// # Errors
/// When files cannot be read or written.
pub fn run(command: &Command, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    match command {
        Command::Inspect(args) => inspect::run(args, out, err),
        Command::Facts(args) => facts::run(args, out, err),
    }
}

/// How registries are spoken to, and what is kept of what they say.
#[derive(Clone, Debug, Default, clap::Args)]
struct Reading {
    /// Further certificates to trust, as PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Speak HTTP to a registry that has no TLS
    #[arg(long, hide_short_help = true)]
    plain_http: bool,

    /// Directory for what was read; else ~/.cache/ironhull/images
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true)]
    cache: Option<PathBuf>,

    /// Keep nothing of what is read
    #[arg(long, conflicts_with = "cache", hide_short_help = true)]
    no_cache: bool,
}

impl Reading {
    fn reader(&self, options: Options) -> Reader {
        let Self { ca_file, plain_http, cache, no_cache } = self;
        let directory = cache.clone().or_else(cache::default_directory).filter(|_| !no_cache);
        let cache = directory.map(Cache::in_directory).unwrap_or_default();
        let settings =
            Settings { ca_file: ca_file.clone(), plain_http: *plain_http, ..Settings::default() };
        Reader::new(options, cache, settings)
    }
}

/// Images read at once. Nearly all of the time is spent waiting, and no registry is asked for more
/// than four things at once.
const AT_ONCE: usize = 8;

/// An image, and what came of reading it.
type Read = (Reference, Result<Option<Vec<ImageFacts>>, ImageError>);

/// Reads images, in order. Of one whose digest is known and still the same, nothing is returned.
fn read(reader: &Reader, images: Vec<(Reference, Option<String>)>) -> anyhow::Result<Vec<Read>> {
    parallel::in_order_by(AT_ONCE, "reading images", images, |(reference, known)| {
        let facts = reader.changed(&reference, known.as_deref());
        (reference, facts)
    })
}

/// Says which image could not be read, and why.
fn say_unread(err: &mut dyn Write, image: &Reference, error: &ImageError) -> io::Result<()> {
    let (image, message) = (image.to_string(), error.to_string());
    // Some messages begin with the place already.
    match message.strip_prefix(&image) {
        Some(_) => say::error(err, message),
        None => say::error(err, format!("{image}: {message}")),
    }
}
