//! Reading manifests as kubectl does, and writing them back with nothing changed but
//! what is to change.
//!
//! Kubernetes reads YAML by rules of its own: those of YAML 1.1 as go-yaml v2 has them,
//! after a division into documents that looks at lines alone. A manifest that means one
//! thing here and another in the cluster would be hardened wrongly, so none of that is
//! left to a YAML library: [`split`] divides, [`tree`] says what stands where,
//! [`resolve`] and [`decode`] say what it means. That Kubernetes sees the same stand there,
//! [`witness`] sees to.

mod ambiguity;
mod characters;
mod decode;
mod edit;
mod emit;
mod encoding;
mod fields;
mod kinds;
mod resolve;
mod slips;
mod split;
mod tree;
mod witness;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value;

use characters::BOM;
use decode::Duplicate;
pub use edit::Edited;
pub use encoding::Encoding;
pub use kinds::{Contents, Part, Unknown, Workload};
use tree::Tree;

/// A file of manifests, or standard input.
#[derive(Debug)]
pub struct Source {
    /// Its name, as errors and outputs show it.
    pub name: String,
    /// Where it was read from. None for standard input, and for what was never a file.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
    /// How the text is written in the file.
    pub encoding: Encoding,
    /// Its documents, in order; their ranges cover the text without gaps.
    pub documents: Vec<Document>,
}

/// One document of a [`Source`].
#[derive(Debug)]
pub struct Document {
    /// Which of the file's documents it is, from 1: empty ones count. None for one that is
    /// empty or holds only comments.
    pub number: Option<usize>,
    /// Its bytes in the source's text, the `---` before it included.
    pub range: Range<usize>,
    /// What Kubernetes makes of it.
    pub value: Value,
    /// What of it can be hardened.
    pub contents: Contents,
    /// What the author should know: duplicate keys, text that Kubernetes never reads, fields
    /// and annotations that mean nothing where they stand.
    pub remarks: Vec<Remark>,
    /// How it is written.
    pub syntax: Syntax,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// YAML, KYAML among it.
    Yaml,
    /// JSON, without a `---` before it.
    Json,
}

/// Something about a document's text that its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Line and column in the source, from 1.
    pub at: (usize, usize),
    /// What it is.
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
    /// The line of the source on which it is.
    pub excerpt: String,
    /// What is wrong.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
}

/// A value as a YAML document that every reader takes for the same.
pub fn to_yaml(value: &Value) -> String {
    emit::document(value)
}

impl std::error::Error for ManifestError {}

impl ManifestError {
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

    /// An error about what a JSON Pointer names in a document.
    pub fn of(source: &Source, document: &Document, pointer: &str, message: String) -> Self {
        let tree = Tree::parse(source.text_of(document));
        let offset = tree.map(|tree| tree.offset_of(pointer)).unwrap_or_default();
        Self::at(
            &source.name,
            &source.text,
            document.number,
            document.range.start + offset,
            message,
        )
    }

    /// An error about a byte of a source.
    fn at(file: &str, text: &str, document: Option<usize>, offset: usize, message: String) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let comments = text.trim_start().starts_with("//") || text.trim_start().starts_with("/*");
        let in_json = || "Kubernetes reads no comments in JSON: take them out".to_owned();
        Self {
            file: file.to_owned(),
            document,
            at: Some(position(text, offset)),
            excerpt: line.to_owned(),
            hint: if comments { Some(in_json()) } else { hint(line, &message) },
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

impl Source {
    /// Reads every document of `text`.
    ///
    /// # Errors
    /// One for each document that Kubernetes could not read either.
    pub fn read(name: &str, text: String) -> Result<Self, Vec<ManifestError>> {
        let error =
            |document, offset, message| ManifestError::at(name, &text, document, offset, message);
        let parts = split::split(&text).map_err(|bad| {
            let message = "only a comment may follow `---` on its line".to_owned();
            vec![error(None, bad.offset, message)]
        })?;
        let mut documents: Vec<Document> = Vec::with_capacity(parts.len());
        let mut errors = Vec::new();
        let mut number = 0;
        for part in parts {
            let here = text.get(part.range.clone()).unwrap_or_default();
            let read = match part.value {
                Some(value) => Ok(Reading::json(value, here)),
                None => Reading::yaml(here),
            };
            match read {
                Ok(reading) => {
                    let empty = reading.value.is_null();
                    // Comments before the first `---` are no document.
                    number +=
                        usize::from(!empty || here.trim_start_matches(BOM).starts_with("---"));
                    let contents = kinds::contents(&reading.value);
                    let mut remarks = reading.remarks(&text, part.range.start);
                    remarks.extend(slip_remarks(&reading.value, &contents, &text, &part.range));
                    documents.push(Document {
                        number: (!empty).then_some(number),
                        contents,
                        remarks,
                        value: reading.value,
                        syntax: part.syntax,
                        range: part.range,
                    });
                }
                Err((message, offset)) => {
                    number += 1;
                    errors.push(error(Some(number), part.range.start + offset, message));
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

    /// Line and column, from 1, of what each JSON Pointer names in a document, or of the
    /// innermost thing around it that is there.
    pub fn positions<'p>(
        &self,
        document: &Document,
        pointers: impl Iterator<Item = &'p str>,
    ) -> Vec<(usize, usize)> {
        let text = self.text_of(document);
        let (first, indent) = position(&self.text, document.range.start);
        let tree = Tree::parse(text).ok();
        let at = |pointer| {
            let offset = tree.as_ref().map(|tree| tree.offset_of(pointer)).unwrap_or_default();
            let (line, column) = position(text, offset);
            // One object after another may stand on one line.
            (first + line - 1, if line == 1 { indent + column - 1 } else { column })
        };
        pointers.map(at).collect()
    }
}

/// A document that was read.
struct Reading {
    value: Value,
    duplicates: Vec<Duplicate>,
    unread: Option<usize>,
}

impl Reading {
    fn yaml(text: &str) -> Result<Self, (String, usize)> {
        if let Some((offset, message)) = characters::find(text) {
            return Err((message, offset));
        }
        if let Some(offset) = ambiguity::early_end(text) {
            return Err(("a document ends here that has not begun".to_owned(), offset));
        }
        let tree = Tree::parse(text).map_err(|error| (error.message, error.offset))?;
        if let Some(offset) = ambiguity::new_escape(&tree, text) {
            let message = "Kubernetes does not know the escape `\\/`; write `/`";
            return Err((message.to_owned(), offset));
        }
        let (value, duplicates) =
            decode::decode(&tree).map_err(|error| (error.message, error.offset))?;
        if let Some(error) = witness::find(&tree, text) {
            return Err((error.message, error.offset));
        }
        Ok(Self { value, duplicates, unread: tree.unread })
    }

    fn json(value: Value, text: &str) -> Self {
        let duplicates =
            Tree::parse(text).map(|tree| decode::duplicates(&tree)).unwrap_or_default();
        Self { value, duplicates, unread: None }
    }

    fn remarks(&self, text: &str, start: usize) -> Vec<Remark> {
        let duplicates = self.duplicates.iter().map(|duplicate| Remark {
            at: position(text, start + duplicate.offset),
            message: format!(
                "the key `{}` stands here again; the last one counts, the earlier are lost",
                duplicate.key
            ),
        });
        let unread = self.unread.map(|offset| Remark {
            at: position(text, start + offset),
            message: "the document ends before this, and Kubernetes reads no further; part \
                      documents with `---`"
                .to_owned(),
        });
        duplicates.chain(unread).collect()
    }
}

/// What is written where Kubernetes does not look for it, each at its place.
fn slip_remarks(
    value: &Value,
    contents: &Contents,
    text: &str,
    range: &Range<usize>,
) -> Vec<Remark> {
    let slips = slips::find(value, contents);
    if slips.is_empty() {
        return Vec::new();
    }
    let tree = Tree::parse(text.get(range.clone()).unwrap_or_default()).ok();
    let remark = |slip: slips::Slip| {
        let offset = tree.as_ref().map(|tree| tree.offset_of(&slip.pointer)).unwrap_or_default();
        Remark { at: position(text, range.start + offset), message: slip.message }
    };
    let mut remarks: Vec<Remark> = slips.into_iter().map(remark).collect();
    remarks.sort_by_key(|remark| remark.at);
    remarks
}

/// The value of a document's text, by the same rules as [`Source::read`].
fn value_of(text: &str, syntax: Syntax) -> Option<Value> {
    match syntax {
        Syntax::Json => serde_json::from_str(text).ok(),
        Syntax::Yaml => Reading::yaml(text).ok().map(|reading| reading.value),
    }
}

/// Line and column of a byte, both from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The first thing like `${NAME}` or `${NAME:=1}` on a line outside a comment.
fn variable(line: &str) -> Option<&str> {
    let code = line.split(" #").next().unwrap_or_default();
    let (before, rest) = code.split_once("${")?;
    let end = rest.find('}')? + 1;
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    rest.starts_with(letter).then_some(())?;
    code.get(before.len()..before.len() + 2 + end)
}

/// What commonly goes wrong on such a line.
fn hint(line: &str, message: &str) -> Option<String> {
    if line.contains("{{") {
        return Some(
            "this looks like a template; render it first, for example with `helm template`"
                .to_owned(),
        );
    }
    if let Some(variable) = variable(line) {
        return Some(format!(
            "`{variable}` is to be replaced (by Flux, envsubst or the like): harden what comes of \
             that, for example `envsubst < FILE | ironhull harden`"
        ));
    }
    let indentation = line.len() - line.trim_start().len();
    let tab = line.get(..indentation).is_some_and(|blank| blank.contains('\t'));
    if tab || message.contains("a tab") {
        return Some("YAML is indented with spaces, never with tabs".to_owned());
    }
    let uneven = ["expected key", "expected '-' indicator", "mapping values are not allowed"];
    if uneven.iter().any(|words| message.contains(words)) {
        return Some(
            "is this line, and the one before, indented as far as it should be?".to_owned(),
        );
    }
    None
}
