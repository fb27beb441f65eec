//! Policy files to policies, or to everything that is wrong with them.

use std::sync::{Arc, LazyLock};

use jiff::civil::Date;

use super::Policy;
use super::build::{Builder, Known};
use super::decode::{Decode, Decoder};
use super::diagnostic::{Diagnostic, Place, PolicyFile, Severity};
use super::facts::{Entry, FactsDocument};
use super::manifest::{KnownImages, Manifest};
use super::names::Kind;
use super::tree::{Node, documents};
use crate::facts::{FactTable, ImageFacts};

/// The policies read from some files.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policies, in the order of the files and of their documents.
    pub policies: Vec<Policy>,
    /// The policy of every namespace that none of them claims: the compiled-in `restricted`,
    /// with the known images of these files if they have their own.
    pub fallback: Policy,
    /// The warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Reads policy files.
///
/// # Errors
/// Everything that is wrong with any of them, and the warnings, ordered by file and line.
pub fn parse(files: &[PolicyFile]) -> Result<Loaded, Vec<Diagnostic>> {
    parse_on(files, None)
}

/// Reads policy files, and warns about grants whose last day is before `today`.
///
/// # Errors
/// As [`parse`].
pub fn parse_on(files: &[PolicyFile], today: Option<Date>) -> Result<Loaded, Vec<Diagnostic>> {
    let (loaded, diagnostics) = read(files, today);
    match diagnostics.iter().any(|d| d.severity == Severity::Error) {
        true => Err(diagnostics),
        false => Ok(Loaded { warnings: diagnostics, ..loaded }),
    }
}

/// Reads a file that has documents of kind `ImageFacts` and no others.
///
/// # Errors
/// Everything that is wrong with it, in order.
pub fn facts(source: &PolicyFile) -> Result<Vec<ImageFacts>, Vec<Diagnostic>> {
    let File { mut decoder, manifests, known, facts } = File::read(source);
    let others =
        manifests.iter().map(|(node, _)| node.span).chain(known.iter().map(|it| it.0.span));
    for span in others {
        decoder
            .error(span, "not a document of facts")
            .hint("this file may only have documents of kind `ImageFacts`");
    }
    decoder.diagnostics.sort_by_key(|diagnostic| diagnostic.place.span.start);
    match decoder.diagnostics.iter().any(|it| it.severity == Severity::Error) {
        true => Err(decoder.diagnostics),
        false => Ok(facts),
    }
}

/// Like [`parse_on`], but with errors it still returns the policies that could be read.
pub(super) fn read(files: &[PolicyFile], today: Option<Date>) -> (Loaded, Vec<Diagnostic>) {
    let mut reading = Reading::new(today);
    // One file at a time: decoding takes several times the memory of the result.
    for source in files {
        let file = File::read(source);
        if !file.known.is_empty() {
            // A list of known images applies to all policies, including those read before it.
            return read_together(files, today);
        }
        reading.build(file, &KNOWN);
    }
    reading.end(&KNOWN)
}

fn read_together(files: &[PolicyFile], today: Option<Date>) -> (Loaded, Vec<Diagnostic>) {
    let mut files: Vec<_> = files.iter().map(File::read).collect();
    let known = known_images(&mut files);
    let mut reading = Reading::new(today);
    for file in files {
        reading.build(file, &known);
    }
    reading.end(&known)
}

/// The policies and diagnostics read so far.
struct Reading {
    today: Option<Date>,
    policies: Vec<Policy>,
    facts: Vec<ImageFacts>,
    diagnostics: Vec<Diagnostic>,
}

impl Reading {
    fn new(today: Option<Date>) -> Self {
        Self { today, policies: Vec::new(), facts: Vec::new(), diagnostics: Vec::new() }
    }

    fn build(&mut self, file: File<'_>, known: &Known) {
        let File { mut decoder, manifests, facts, .. } = file;
        self.facts.extend(facts);
        let today = self.today;
        let mut builder = Builder { base: Some(&RESTRICTED), known, today, decoder: &mut decoder };
        for (node, manifest) in manifests {
            self.policies.extend(builder.build(&node, manifest));
        }
        decoder.diagnostics.sort_by_key(|diagnostic| diagnostic.place.span.start);
        self.diagnostics.append(&mut decoder.diagnostics);
    }

    fn end(self, known: &Known) -> (Loaded, Vec<Diagnostic>) {
        let facts = Arc::new(FactTable::new(&self.facts));
        let with_facts = |policy| Policy { facts: Arc::clone(&facts), ..policy };
        let fallback = match known.is(&KNOWN) {
            true => RESTRICTED.clone(),
            false => known.given_to(RESTRICTED.clone()),
        };
        let policies = self.policies.into_iter().map(with_facts).collect();
        let fallback = with_facts(fallback);
        (Loaded { policies, fallback, warnings: Vec::new() }, self.diagnostics)
    }
}

/// The compiled-in policy `restricted`.
pub fn embedded_restricted() -> Policy {
    RESTRICTED.clone()
}

/// The compiled-in files.
pub fn embedded_files() -> Vec<PolicyFile> {
    let source = |(name, text): (&str, &str)| PolicyFile { name: name.into(), text: text.into() };
    vec![source(IMAGES_FILE), source(RESTRICTED_FILE)]
}

const RESTRICTED_FILE: (&str, &str) =
    ("policies/restricted.yaml", include_str!("../../policies/restricted.yaml"));
const IMAGES_FILE: (&str, &str) =
    ("policies/images.yaml", include_str!("../../policies/images.yaml"));

static RESTRICTED: LazyLock<Policy> = LazyLock::new(|| {
    let mut file = File::parse(RESTRICTED_FILE.0, RESTRICTED_FILE.1);
    let manifest = file.manifests.pop();
    let mut builder =
        Builder { base: None, known: &KNOWN, today: None, decoder: &mut file.decoder };
    let policy = manifest.and_then(|(node, manifest)| builder.build(&node, manifest));
    embedded(policy, &file.decoder)
});

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut file = File::parse(IMAGES_FILE.0, IMAGES_FILE.1);
    embedded(file.known.pop().map(|(_, known)| Known::new(&known)), &file.decoder)
});

#[expect(
    clippy::panic,
    reason = "the text is compiled in; the test `the_embedded_documents_are_good` reads it"
)]
fn embedded<T>(value: Option<T>, decoder: &Decoder) -> T {
    match value {
        Some(value) if decoder.diagnostics.is_empty() => value,
        _ => panic!("the embedded documents are broken: {:?}", decoder.diagnostics),
    }
}

/// A file with its documents decoded.
struct File<'s> {
    decoder: Decoder,
    manifests: Vec<(Node<'s>, Manifest)>,
    known: Vec<(Node<'s>, KnownImages)>,
    facts: Vec<ImageFacts>,
}

impl<'s> File<'s> {
    fn read(source: &'s PolicyFile) -> Self {
        Self::parse(&source.name, &source.text)
    }

    fn parse(name: &str, text: &'s str) -> Self {
        let mut decoder = Decoder::new(name);
        let (mut manifests, mut known, mut facts) = (Vec::new(), Vec::new(), Vec::new());
        for node in documents(text, &mut decoder) {
            match Kind::of(&node, &mut decoder) {
                Some(Kind::HardeningPolicy) => {
                    let manifest = Manifest::decode(&node, &mut decoder);
                    manifests.extend(manifest.map(|manifest| (node, manifest)));
                }
                Some(Kind::KnownImages) => {
                    let images = KnownImages::decode(&node, &mut decoder);
                    known.extend(images.map(|images| (node, images)));
                }
                Some(Kind::ImageFacts) => {
                    let document = FactsDocument::decode(&node, &mut decoder);
                    let images = document.into_iter().flat_map(|document| document.images);
                    facts.extend(images.map(Entry::facts));
                }
                None => {}
            }
        }
        Self { decoder, manifests, known, facts }
    }
}

/// The known images of a load: those of the one document that lists some, else the compiled-in
/// ones. A list replaces the compiled-in one instead of extending it, so that what is in force
/// can be read in one place.
fn known_images(files: &mut [File<'_>]) -> Known {
    let mut found: Option<(Known, Place)> = None;
    for File { decoder, known, .. } in files {
        for (node, document) in known.drain(..) {
            match &found {
                None => found = Some((Known::new(&document), decoder.place(node.span))),
                Some((_, first)) => {
                    let first = first.clone();
                    decoder
                        .error(node.span, "a second list of known images")
                        .related(first, "the first")
                        .hint("keep one document of kind `KnownImages`");
                }
            }
        }
    }
    found.map_or_else(|| KNOWN.clone(), |(known, _)| known)
}
