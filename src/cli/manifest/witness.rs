//! Kubernetes' reader of YAML once more, to bear witness against the first reading.
//!
//! YAML 1.1 and 1.2 part in many small things, and go-yaml's reader from both: where a tab may
//! stand, how long a key is, what ends a word in a flow collection, how lines are folded. A
//! list of them would never be complete. So the document is read a second time, by the very
//! steps of go-yaml v2 ([`scanner`], [`scalars`], [`names`], [`parser`]), and what comes of it must be
//! what [`super::tree`] has. The tree knows the places, the comments and how a text is edited;
//! this knows only what Kubernetes sees.

mod names;
mod parser;
mod scalars;
mod scanner;

use std::borrow::Cow;

use granit_parser::ScalarStyle;

use super::tree::{Kind, Node, SyntaxError, Tree};
use parser::{Seen, What};

/// Why Kubernetes would refuse the text, or take it for something else than this tree.
pub(super) fn find(tree: &Tree, text: &str) -> Option<SyntaxError> {
    // kubectl ends every line of what it hands to the reader.
    let text = match text.ends_with('\n') {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{text}\n")),
    };
    let seen = match parser::parse(&text) {
        Ok(seen) => seen,
        Err(error) => return Some(error),
    };
    let mut pairs = tree.nodes.iter().zip(&seen);
    if let Some((node, seen)) = pairs.find(|(node, seen)| !is_same(node, seen)) {
        return Some(SyntaxError { message: otherwise(node, seen), offset: node.range.start });
    }
    // An empty document has a value that is not written, or none at all.
    let count = tree.nodes.len().max(1);
    let further = seen.get(count).map(|seen| seen.at);
    let missing = || tree.nodes.get(seen.len().max(1)).map(|node| node.range.start);
    let offset = further.or_else(missing)?;
    Some(SyntaxError { message: OTHERWISE.to_owned(), offset })
}

fn is_same(node: &Node, seen: &Seen) -> bool {
    let what = match (&node.kind, &seen.what) {
        (Kind::Scalar { text, style }, What::Scalar { text: other, plain }) => {
            // What is not written is `~` in the tree.
            let unwritten = node.range.is_empty() && node.tag.is_empty() && text == "~";
            let text = if unwritten { "" } else { text };
            text == other && (*style == ScalarStyle::Plain) == *plain
        }
        (Kind::Sequence { items, .. }, What::Sequence(count)) => items.len() == *count,
        (Kind::Mapping { entries, .. }, What::Mapping(count)) => entries.len() == *count,
        (Kind::Alias { target }, What::Alias(other)) => target == other,
        _ => false,
    };
    what && node.tag == seen.tag
}

fn otherwise(node: &Node, seen: &Seen) -> String {
    match (&node.kind, &seen.what) {
        (Kind::Scalar { text, .. }, What::Scalar { text: other, .. }) if text != other => {
            format!(
                "Kubernetes reads {other:?} here, and readers of YAML 1.2 {text:?}; write it in \
                 double quotes, on one line"
            )
        }
        _ => OTHERWISE.to_owned(),
    }
}

const OTHERWISE: &str = "Kubernetes reads this otherwise than YAML 1.2 has it; write it in block \
                         style, in quotes where it is text";

#[cfg(test)]
mod tests;
