//! Applies a patch to a document's text, so that comments, order, quotes, blank lines
//! and everything else that does not change stay as they were.
//!
//! Every operation becomes splices of the text at the position of its node ([`sketch`],
//! [`block`], [`flow`]). None of them is trusted: the new text is read again, and must mean
//! exactly what the patch makes of the value. First all operations are tried together. If that
//! fails, they are tried one after the other. If the place of one cannot be edited, what
//! encloses it is rewritten, the smallest such thing first.

mod aliases;
mod block;
mod flow;
mod sketch;

use std::ops::Range;

use json_patch::{AddOperation, PatchOperation, ReplaceOperation};
use serde_json::Value;

use crate::tree::Tree;
use crate::{Syntax, emit, read};
use sketch::Sketch;

/// A document after a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// Its new text.
    pub text: String,
    /// Its value, as Kubernetes reads it.
    pub value: Value,
    /// JSON Pointers of the places that could not be edited. They were rewritten: without their
    /// comments, or in place of an alias.
    pub rewritten: Vec<String>,
}

/// One replacement in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Splice {
    at: Range<usize>,
    text: String,
    /// Column of the inserted text. Of insertions at one place the deeper comes first, and of
    /// two in one column the list's item before the map's member.
    column: usize,
    item: bool,
}

impl Splice {
    fn replace(at: Range<usize>, text: String) -> Self {
        Self { at, text, column: 0, item: false }
    }
}

/// Applies an RFC 6902 patch of `add` and `replace` to the text of a document. `value` is what
/// was read from the text.
///
/// # Errors
/// When the patch does not apply, or the new text would not mean what it should: then nothing
/// is written rather than something wrong.
pub fn apply(text: &str, syntax: Syntax, value: &Value, patch: &[Value]) -> Result<Edited, String> {
    let operations: json_patch::Patch = serde_json::from_value(Value::Array(patch.to_vec()))
        .map_err(|error| format!("not a patch: {error}"))?;
    let mut after = value.clone();
    json_patch::patch(&mut after, &operations)
        .map_err(|error| format!("the patch does not apply: {error}"))?;
    let draft = Draft { text: text.to_owned(), syntax };
    if let Some(text) = draft.all_at_once(&operations, &after) {
        return Ok(Edited { text, value: after, rewritten: Vec::new() });
    }
    let (draft, rewritten) = draft.one_by_one(&operations, value.clone());
    if draft.means(&after) {
        return Ok(Edited { text: draft.text, value: after, rewritten });
    }
    Err("the hardened document cannot be written so that it reads back the same".to_owned())
}

/// A document's text while operations are applied.
struct Draft {
    text: String,
    syntax: Syntax,
}

impl Draft {
    /// Whether the text reads back as this value.
    fn means(&self, value: &Value) -> bool {
        read(&self.text, self.syntax).is_ok_and(|document| document.value == *value)
    }

    fn tree(&self) -> Option<Tree<'_>> {
        Tree::read(&self.text, self.syntax).ok()
    }

    fn comments(&self) -> Option<Vec<String>> {
        let comments = |tree: Tree<'_>| {
            tree.sorted_comments(&self.text).into_iter().map(str::to_owned).collect()
        };
        self.tree().map(comments)
    }

    /// The text with the splices; `None` unless it then means `value` and has every comment it
    /// had.
    fn spliced(&self, splices: Vec<Splice>, value: &Value) -> Option<Self> {
        // A comment can only be lost where text is removed.
        let removed = |splice: &Splice| self.text.get(splice.at.clone());
        let risky = splices.iter().filter_map(removed).any(|removed| removed.contains('#'));
        let draft = self.written_anew(splices, value)?;
        (!risky || self.comments() == draft.comments()).then_some(draft)
    }

    /// The text with the splices; `None` unless it then means `value`.
    fn written_anew(&self, splices: Vec<Splice>, value: &Value) -> Option<Self> {
        let text = splice(&self.text, splices)?;
        let draft = Self { text, syntax: self.syntax };
        draft.means(value).then_some(draft)
    }

    fn all_at_once(&self, operations: &[PatchOperation], value: &Value) -> Option<String> {
        let tree = self.tree()?;
        let sketch = Sketch::new(&self.text, &tree, self.syntax)?;
        let mut splices: Vec<Splice> = Vec::new();
        for operation in operations {
            for splice in sketch.splices(&place_of(operation)?, value)? {
                // Two pods that share an anchor both change, in one place.
                if !splices.contains(&splice) {
                    splices.push(splice);
                }
            }
        }
        self.spliced(splices, value).map(|draft| draft.text)
    }

    /// Applies the operations one by one. Returns the text and the pointers that were rewritten.
    fn one_by_one(self, operations: &[PatchOperation], mut value: Value) -> (Self, Vec<String>) {
        let mut rewritten = Vec::new();
        let mut draft = self.without_shared_anchors(operations, &value, &mut rewritten);
        for operation in operations {
            let Some(place) = place_of(operation) else { continue };
            if json_patch::patch(&mut value, std::slice::from_ref(operation)).is_err() {
                continue;
            }
            draft = match draft.step(&place, &value) {
                Some(next) => next,
                None => draft.rewrite(place.path, &value, &mut rewritten),
            };
        }
        (draft, rewritten)
    }

    fn step(&self, place: &Place<'_>, value: &Value) -> Option<Self> {
        let tree = self.tree()?;
        let sketch = Sketch::new(&self.text, &tree, self.syntax)?;
        self.spliced(sketch.splices(place, value)?, value)
    }

    /// Rewrites the smallest thing around `path` that can be rewritten.
    fn rewrite(self, path: &str, value: &Value, rewritten: &mut Vec<String>) -> Self {
        let mut place = path;
        while let Some((parent, _)) = place.rsplit_once('/') {
            place = parent;
            let next = self.tree().and_then(|tree| {
                let sketch = Sketch::new(&self.text, &tree, self.syntax)?;
                self.written_anew(sketch.rewrite(place, value.pointer(place)?)?, value)
            });
            if let Some(next) = next {
                note(rewritten, place);
                return next;
            }
        }
        note(rewritten, "");
        let text = match self.syntax {
            Syntax::Json => format!("{value:#}\n"),
            Syntax::Yaml if self.text.starts_with("---") => {
                format!("---\n{}", emit::document(value))
            }
            Syntax::Yaml => emit::document(value),
        };
        Self { text, syntax: self.syntax }
    }
}

fn note(rewritten: &mut Vec<String>, place: &str) {
    if !rewritten.iter().any(|known| known == place) {
        rewritten.push(place.to_owned());
    }
}

/// What an operation puts where.
struct Place<'o> {
    /// Its JSON Pointer.
    path: &'o str,
    value: &'o Value,
    /// Whether an item is inserted at the index that the path ends with, if it does.
    inserts: bool,
}

/// What an operation puts where. The engine writes no other operations.
fn place_of(operation: &PatchOperation) -> Option<Place<'_>> {
    let (path, value, inserts) = match operation {
        PatchOperation::Add(AddOperation { path, value }) => (path, value, true),
        PatchOperation::Replace(ReplaceOperation { path, value }) => (path, value, false),
        _ => return None,
    };
    Some(Place { path: path.as_str(), value, inserts })
}

/// Applies the splices, with the text's own line ends. `None` if two of them meet.
fn splice(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    splices.sort_by_key(|splice| {
        (splice.at.start, splice.at.end, std::cmp::Reverse((splice.column, splice.item)))
    });
    let carriage = text.split_inclusive('\n').next().is_some_and(|line| line.ends_with("\r\n"));
    let mut new = String::with_capacity(text.len() + 256);
    let mut from = 0;
    for splice in &splices {
        new.push_str(text.get(from..splice.at.start)?);
        if carriage {
            new.push_str(&splice.text.replace('\n', "\r\n"));
        } else {
            new.push_str(&splice.text);
        }
        from = splice.at.end;
    }
    new.push_str(text.get(from..)?);
    Some(new)
}

#[cfg(test)]
mod tests;
