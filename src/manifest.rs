//! Manifests: what `kube_yaml` reads, and the parts of it that can be hardened.

mod fields;
mod kinds;
mod slips;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use kube_yaml::{BOM, ErrorKind, Tree};
pub use kube_yaml::{Edited, Encoding, Syntax, to_yaml};
use serde_json::Value;

use crate::workload::Kinds;
pub use kinds::{Contents, Left, Part, Unknown, Workload};

/// A file of manifests, or standard input.
#[derive(Debug)]
pub struct ManifestFile {
    /// Its name, as errors and outputs show it.
    pub name: String,
    /// Path it was read from. `None` for standard input, and for what was never a file.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
    /// Encoding of the text in the file.
    pub encoding: Encoding,
    /// Its documents, in order; their ranges cover the text without gaps.
    pub documents: Vec<Document>,
}

/// One document of a [`ManifestFile`].
#[derive(Debug)]
pub struct Document {
    /// Position among the file's documents, from 1; empty ones count. `None` for a document that is
    /// empty or holds only comments.
    pub number: Option<usize>,
    /// Its bytes in the source's text, including the `---` before it.
    pub range: Range<usize>,
    /// The value that Kubernetes reads from it.
    pub value: Value,
    /// The parts of it that can be hardened.
    pub contents: Contents,
    /// Remarks for the author: duplicate keys, text that Kubernetes never reads, fields and
    /// annotations that mean nothing where they stand.
    pub remarks: Vec<Remark>,
    /// How its text is written.
    pub syntax: Syntax,
}

/// A remark on a document's text, for its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Line and column in the source, from 1.
    pub at: (usize, usize),
    /// Text of the remark.
    pub message: String,
}

/// Why a source cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The source's name.
    pub file: String,
    /// The number of the document.
    pub document: Option<usize>,
    /// Line and column in the source, from 1.
    pub at: Option<(usize, usize)>,
    /// The source line of the error.
    pub excerpt: String,
    /// What is wrong.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
}

impl std::error::Error for ManifestError {}

impl ManifestError {
    /// What is wrong and what may help, on one line.
    pub fn in_full(&self) -> Cow<'_, str> {
        match &self.hint {
            Some(hint) => Cow::Owned(format!("{}; {hint}", self.message)),
            None => Cow::Borrowed(&self.message),
        }
    }

    /// An error about a source as a whole.
    pub fn about(file: &str, message: impl ToString) -> Self {
        Self {
            file: file.to_owned(),
            document: None,
            at: None,
            excerpt: String::new(),
            message: message.to_string(),
            hint: None,
        }
    }

    /// An error about the value that a JSON Pointer names in a document.
    pub fn of(source: &ManifestFile, document: &Document, pointer: &str, message: String) -> Self {
        let offset = source.tree_of(document).map(|tree| tree.offset_of(pointer));
        let offset = document.range.start + offset.unwrap_or_default();
        Self::at(&source.name, &source.text, document.number, offset, message, None)
    }

    /// An error at a byte of a source. `kind` points to what often causes it.
    fn at(
        file: &str,
        text: &str,
        document: Option<usize>,
        offset: usize,
        message: String,
        kind: Option<&ErrorKind>,
    ) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let comments = text.trim_start().starts_with("//") || text.trim_start().starts_with("/*");
        let in_json = || "Kubernetes does not accept comments in JSON: remove them".to_owned();
        Self {
            file: file.to_owned(),
            document,
            at: Some(kube_yaml::position(text, offset)),
            excerpt: line.to_owned(),
            hint: if comments { Some(in_json()) } else { hint(line, kind) },
            message,
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        match self.document {
            Some(document) => write!(f, ": document {document}: {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

impl ManifestFile {
    /// Reads every document of `text`, and finds the pods of the kinds in the engine's table.
    ///
    /// # Errors
    /// As [`Self::read_knowing`].
    pub fn read(name: &str, text: String) -> Result<Self, Vec<ManifestError>> {
        Self::read_knowing(&Kinds::default(), name, text)
    }

    /// Reads every document of `text`, and finds the pods of these kinds.
    ///
    /// # Errors
    /// One error for each document that Kubernetes could not read either.
    pub fn read_knowing(
        kinds: &Kinds,
        name: &str,
        text: String,
    ) -> Result<Self, Vec<ManifestError>> {
        let parts = kube_yaml::split(&text).map_err(|bad| {
            let message = "only a comment may follow `---` on its line".to_owned();
            vec![ManifestError::at(name, &text, None, bad.offset, message, None)]
        })?;
        let mut documents: Vec<Document> = Vec::with_capacity(parts.len());
        let mut errors = Vec::new();
        let mut number = 0;
        for part in parts {
            let here = text.get(part.range.clone()).unwrap_or_default();
            let read = match part.value {
                Some(value) => Ok(kube_yaml::of_json(here, value)),
                None => kube_yaml::read(here, part.syntax),
            };
            match read {
                Ok(read) => {
                    let empty = read.value.is_null();
                    // Comments before the first `---` are not a document.
                    number +=
                        usize::from(!empty || here.trim_start_matches(BOM).starts_with("---"));
                    let contents = kinds::contents(&read.value, kinds);
                    let mut remarks = remarks(&read, &text, part.range.start);
                    remarks.extend(slip_remarks(&read, &contents, &text, part.range.start));
                    documents.push(Document {
                        number: (!empty).then_some(number),
                        contents,
                        remarks,
                        value: read.value,
                        syntax: part.syntax,
                        range: part.range,
                    });
                }
                Err(error) => {
                    number += 1;
                    let offset = part.range.start + error.offset;
                    let message = error.to_string();
                    let kind = Some(&error.kind);
                    let error = ManifestError::at(name, &text, Some(number), offset, message, kind);
                    errors.push(error);
                }
            }
        }
        if errors.is_empty() {
            Ok(Self {
                name: name.to_owned(),
                path: None,
                encoding: Encoding::default(),
                documents,
                text,
            })
        } else {
            Err(errors)
        }
    }

    /// The text of one of its documents.
    pub fn text_of(&self, document: &Document) -> &str {
        self.text.get(document.range.clone()).unwrap_or_default()
    }

    fn tree_of(&self, document: &Document) -> Option<Tree<'_>> {
        Tree::read(self.text_of(document), document.syntax).ok()
    }

    /// Line and column, from 1, of the value that each JSON Pointer names in a document. If that
    /// does not exist, of the innermost value around it that does.
    pub fn positions<'p>(
        &self,
        document: &Document,
        pointers: impl Iterator<Item = &'p str>,
    ) -> Vec<(usize, usize)> {
        let text = self.text_of(document);
        let (first, indent) = kube_yaml::position(&self.text, document.range.start);
        let tree = self.tree_of(document);
        let offset =
            |pointer| tree.as_ref().map(|tree| tree.offset_of(pointer)).unwrap_or_default();
        let offsets: Vec<usize> = pointers.map(offset).collect();
        // Several objects may stand on one line.
        let at = |(line, column)| {
            (first + line - 1, if line == 1 { indent + column - 1 } else { column })
        };
        kube_yaml::positions(text, &offsets).into_iter().map(at).collect()
    }

    /// Applies an RFC 6902 patch of `add` and `replace` to one of the documents.
    ///
    /// # Errors
    /// When the patch does not apply, or the new text would not mean what it should.
    pub fn apply(&self, document: &Document, patch: &[Value]) -> Result<Edited, String> {
        kube_yaml::apply(self.text_of(document), document.syntax, &document.value, patch)
    }
}

/// Remarks for the author on how a document is written.
fn remarks(read: &kube_yaml::Document<'_>, text: &str, start: usize) -> Vec<Remark> {
    let at = |offset| kube_yaml::position(text, start + offset);
    let offsets: Vec<usize> = read.duplicates.iter().map(|one| start + one.offset).collect();
    let places = kube_yaml::positions(text, &offsets);
    let duplicates = read.duplicates.iter().zip(places).map(|(duplicate, at)| Remark {
        at,
        message: format!(
            "duplicate key `{}`; the last one counts, earlier ones are lost",
            duplicate.key
        ),
    });
    let unread = read.tree.unread().map(|offset| Remark {
        at: at(offset),
        message: "the document ends before this, and Kubernetes reads no further; \
                  separate documents with `---`"
            .to_owned(),
    });
    duplicates.chain(unread).collect()
}

/// Remarks on what is written where Kubernetes does not look for it, each with its position.
fn slip_remarks(
    read: &kube_yaml::Document<'_>,
    contents: &Contents,
    text: &str,
    start: usize,
) -> Vec<Remark> {
    let remark = |slip: slips::Slip| {
        let offset = start + read.tree.offset_of(&slip.pointer);
        Remark { at: kube_yaml::position(text, offset), message: slip.message }
    };
    let slips = slips::find(&read.value, contents);
    let mut remarks: Vec<Remark> = slips.into_iter().map(remark).collect();
    remarks.sort_by_key(|remark| remark.at);
    remarks
}

/// The first variable, such as `${NAME}` or `${NAME:=1}`, on a line outside a comment.
fn variable(line: &str) -> Option<&str> {
    let code = line.split(" #").next().unwrap_or_default();
    let (before, rest) = code.split_once("${")?;
    let end = rest.find('}')? + 1;
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    rest.starts_with(letter).then_some(())?;
    code.get(before.len()..before.len() + 2 + end)
}

/// Hint on what commonly goes wrong on such a line.
fn hint(line: &str, kind: Option<&ErrorKind>) -> Option<String> {
    if line.contains("{{") {
        return Some(
            "this looks like a template; render it first, for example with `helm template`"
                .to_owned(),
        );
    }
    if let Some(variable) = variable(line) {
        return Some(format!(
            "`{variable}` is a placeholder (for Flux, envsubst or the like): harden the result, for \
             example `envsubst < FILE | ironhull harden`"
        ));
    }
    let indentation = line.len() - line.trim_start().len();
    let tab = line.get(..indentation).is_some_and(|blank| blank.contains('\t'));
    if tab || kind == Some(&ErrorKind::Tab) {
        return Some("indent YAML with spaces, never with tabs".to_owned());
    }
    kind.is_some_and(ErrorKind::is_of_indentation)
        .then(|| "check the indentation of this line and the one before it".to_owned())
}
