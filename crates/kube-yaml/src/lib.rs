//! YAML as Kubernetes means it: read as `kubectl` and the API server read it, and edited in
//! place, so that what does not change stays as it was.
#![doc = include_str!("../README.md")]

mod characters;
mod decode;
mod edit;
mod emit;
mod encoding;
mod error;
mod json;
mod names;
mod parser;
mod resolve;
mod scalars;
mod scanner;
mod split;
mod tree;

use serde_json::Value;

pub use characters::BOM;
pub use decode::Duplicate;
pub use edit::{Edited, apply};
pub use emit::document as to_yaml;
pub use encoding::Encoding;
pub use error::{Error, ErrorKind};
pub use resolve::{Scalar, resolve};
pub use split::{BadSeparator, Part, split};
pub use tree::{Kind, Node, NodeId, Style, Tree, escape};

/// The syntax of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// YAML, including KYAML.
    Yaml,
    /// JSON, without a `---` before it.
    Json,
}

/// A document as Kubernetes reads it.
#[derive(Debug)]
pub struct Document<'t> {
    /// Its syntax tree.
    pub tree: Tree<'t>,
    /// Its value as JSON; null for an empty text.
    pub value: Value,
    /// The keys that occur more than once in their map.
    pub duplicates: Vec<Duplicate>,
}

/// Reads one document, as [`split`] separates them.
///
/// # Errors
/// Why Kubernetes refuses it, and where.
pub fn read(text: &str, syntax: Syntax) -> Result<Document<'_>, Error> {
    match syntax {
        Syntax::Yaml => {
            let tree = Tree::parse(text)?;
            let (value, duplicates) = decode::decode(&tree)?;
            Ok(Document { tree, value, duplicates })
        }
        Syntax::Json => {
            let value = serde_json::from_str(text).map_err(|error| {
                Error::new(ErrorKind::Json(error.to_string()), json_offset(text, &error))
            })?;
            Ok(of_json(text, value))
        }
    }
}

/// The document for a JSON text and the `value` that was read from it.
pub fn of_json(text: &str, value: Value) -> Document<'_> {
    let tree = Tree::of_json(text);
    let duplicates = decode::duplicates(&tree);
    Document { tree, value, duplicates }
}

/// Byte offset where serde_json stopped.
fn json_offset(text: &str, error: &serde_json::Error) -> usize {
    let before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let line: usize = before.map(str::len).sum();
    (line + error.column().saturating_sub(1)).min(text.len())
}

/// Lines and columns of byte offsets, as [`position`] has them, in the order of `offsets`. The text is
/// read once.
pub fn positions(text: &str, offsets: &[usize]) -> Vec<(usize, usize)> {
    // An offset that no character begins at is the text's end, as for one alone.
    let whole = |offset: &usize| if text.is_char_boundary(*offset) { *offset } else { text.len() };
    let mut order: Vec<(usize, usize)> = offsets.iter().map(whole).zip(0..).collect();
    order.sort_unstable();
    let mut positions = vec![(1, 1); offsets.len()];
    let (mut at, mut line, mut column) = (0, 1, 1);
    for (wanted, index) in order {
        let between = text.get(at..wanted).unwrap_or_default();
        line += between.bytes().filter(|byte| *byte == b'\n').count();
        column = match between.rsplit_once('\n') {
            Some((_, last)) => last.chars().count() + 1,
            None => column + between.chars().count(),
        };
        at = wanted;
        if let Some(position) = positions.get_mut(index) {
            *position = (line, column);
        }
    }
    positions
}

/// Line and column of a byte offset. Both count from 1, the column in characters.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::{position, positions};

    #[test]
    fn many_positions_are_those_of_each() {
        let text = "a: é\nü: {x: 😀}\n\nlast";
        let offsets: Vec<usize> = (0..=text.len() + 2).rev().chain(0..text.len()).collect();
        let one_by_one: Vec<_> = offsets.iter().map(|offset| position(text, *offset)).collect();
        assert_eq!(positions(text, &offsets), one_by_one);
        assert_eq!(positions("", &[]), []);
    }
}
