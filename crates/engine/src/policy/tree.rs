//! YAML text to a tree of nodes with positions.
//!
//! serde's model has no place for positions of every value, for duplicate keys or
//! for more than one error, so a policy is decoded from this tree instead. The text is parsed
//! like a manifest, by `kube_yaml`.

mod lines;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use kube_yaml::{ErrorKind, Kind, NodeId, Tree};

use super::decode::Decoder;
use crate::text::quoted;
use lines::Lines;

/// A range of a file's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// The line of the first byte, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
}

/// A value and its position. A list or map in block style has the position of its first entry.
#[derive(Clone, Debug)]
pub(crate) struct Node<'s> {
    pub(crate) span: Span,
    pub(crate) value: Value<'s>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value<'s> {
    /// `plain` if it has neither quotes nor block style, so that it may be a number, a boolean
    /// or null.
    Scalar {
        text: Cow<'s, str>,
        plain: bool,
    },
    List(Vec<Node<'s>>),
    /// In the order of the text. A duplicate key appears once.
    Map(Vec<(Node<'s>, Node<'s>)>),
    /// Something that was already reported.
    Broken,
}

/// Maximum number of nodes that the aliases of one file may expand to together. Policies need a
/// handful. Without a limit, a few lines of nested aliases fill the memory.
const MOST_ALIASED: usize = 10_000;

/// The documents of `text` that are not empty. Syntax errors and duplicate keys are reported to
/// `decoder`. A document that cannot be read is left out; later ones are not.
pub(crate) fn documents<'s>(text: &'s str, decoder: &mut Decoder) -> Vec<Node<'s>> {
    let lines = Lines::of(text);
    let parts = kube_yaml::split(text).unwrap_or_else(|bad| {
        let span = lines.span(bad.offset..bad.offset + 3);
        decoder.error(span, "only a comment may follow `---` on its line");
        Vec::new()
    });
    let mut documents = Vec::new();
    let mut aliased = Some(MOST_ALIASED);
    for part in parts {
        let here = text.get(part.range.clone()).unwrap_or_default();
        match Tree::read(here, part.syntax) {
            Ok(tree) => {
                let start = part.range.start;
                let mut builder = Builder {
                    here,
                    start,
                    lines: &lines,
                    tree: &tree,
                    decoder,
                    built: HashMap::new(),
                    open: Vec::new(),
                    aliased: &mut aliased,
                };
                let document = tree.root().map(|root| builder.node(root));
                documents.extend(document.filter(|node| !node.is_null()));
                if let Some(unread) = tree.unread() {
                    let at = start + unread;
                    decoder
                        .error(lines.span(at..at + 1), "the document ends before this")
                        .hint("separate documents with `---`");
                }
            }
            Err(error) => syntax(&error, part.range.start, &lines, decoder),
        }
    }
    documents
}

impl<'s> Node<'s> {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar without quotes, which YAML may interpret.
    pub(crate) fn plain(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.plain(), Some("" | "~" | "null" | "Null" | "NULL"))
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self.plain()? {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }

    /// Whether YAML reads it as a number.
    pub(crate) fn is_number(&self) -> bool {
        self.plain().is_some_and(|text| {
            text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                && (text.parse::<f64>().is_ok() || is_prefixed_number(text))
        })
    }

    /// The value of `key`, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// A description, for "found …".
    pub(crate) fn found(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, .. } => quoted(text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Broken => "something unreadable".to_owned(),
        }
    }

    /// The range from its first byte to the last byte of its content.
    pub(crate) fn extent(&self) -> RangeInclusive<usize> {
        let end = |node: &Self| *node.extent().end();
        let last = match &self.value {
            Value::List(items) => items.last().map(end),
            Value::Map(entries) => entries.last().map(|(_, value)| end(value)),
            Value::Scalar { .. } | Value::Broken => None,
        };
        self.span.start..=last.unwrap_or_default().max(self.span.end)
    }

    /// Number of nodes in it, counted up to `limit`.
    fn size(&self, limit: usize) -> usize {
        let mut size = 1;
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            match &node.value {
                Value::List(items) => open.extend(items),
                Value::Map(entries) => open.extend(entries.iter().flat_map(|(k, v)| [k, v])),
                Value::Scalar { .. } | Value::Broken => {}
            }
            size += 1;
            if size > limit {
                break;
            }
        }
        size
    }
}

struct Builder<'s, 'b> {
    here: &'s str,
    /// Start of the document in the file.
    start: usize,
    lines: &'b Lines<'s>,
    tree: &'b Tree<'s>,
    decoder: &'b mut Decoder,
    /// Nodes with an anchor.
    built: HashMap<NodeId, Node<'s>>,
    /// The enclosing nodes.
    open: Vec<NodeId>,
    /// Number of nodes that this file's aliases may still expand to; `None` after an excess.
    aliased: &'b mut Option<usize>,
}

impl<'s> Builder<'s, '_> {
    fn node(&mut self, id: NodeId) -> Node<'s> {
        let tree = self.tree;
        let node = tree.node(id);
        self.refuse_tag(node);
        self.open.push(id);
        let (start, value) = match &node.kind {
            Kind::Scalar { text, .. } => {
                let plain = node.is_plain() && node.tag != "str";
                (None, Value::Scalar { text: text.clone(), plain })
            }
            Kind::Sequence { flow, items } => {
                let items: Vec<_> = items.iter().map(|item| self.node(*item)).collect();
                let first = items.first().filter(|_| !flow).map(|item| item.span);
                (first, Value::List(items))
            }
            Kind::Mapping { flow, entries } => {
                let (entries, first) = self.entries(entries);
                (first.filter(|_| !flow), Value::Map(entries))
            }
            Kind::Alias { target } => {
                self.open.pop();
                return self.alias(*target, self.span(&node.range));
            }
        };
        self.open.pop();
        // A list or map in block style has the position of its first entry.
        let node_here = Node { span: start.unwrap_or_else(|| self.span(&node.range)), value };
        if node.anchored {
            self.built.insert(id, node_here.clone());
        }
        node_here
    }

    /// The entries without duplicates, and the position of the first key.
    fn entries(
        &mut self,
        entries: &[(NodeId, NodeId)],
    ) -> (Vec<(Node<'s>, Node<'s>)>, Option<Span>) {
        let mut kept = Vec::with_capacity(entries.len());
        let mut seen: HashMap<Cow<'s, str>, Span> = HashMap::new();
        let mut start = None;
        for (key, value) in entries {
            let key = self.node(*key);
            let value = self.node(*value);
            start = start.or(Some(key.span));
            let Value::Scalar { text: name, .. } = &key.value else {
                self.decoder
                    .error(key.span, format!("a key must be a word, found {}", key.found()));
                continue;
            };
            if let Some(first) = seen.get(name) {
                let first = self.decoder.place(*first);
                self.decoder
                    .error(key.span, format!("duplicate key {}", quoted(name)))
                    .related(first, "first defined here")
                    .hint("keep one of the two");
            } else {
                seen.insert(name.clone(), key.span);
                kept.push((key, value));
            }
        }
        (kept, start)
    }

    /// The node that `*name` refers to.
    fn alias(&mut self, target: NodeId, span: Span) -> Node<'s> {
        if self.open.contains(&target) {
            self.decoder.error(span, "an alias inside its own anchor");
            return Node { span, value: Value::Broken };
        }
        let Some(node) = self.built.get(&target) else {
            return Node { span, value: Value::Broken };
        };
        let left = self.aliased.and_then(|left| left.checked_sub(node.size(left)));
        if left.is_some() {
            *self.aliased = left;
            return node.clone();
        }
        if self.aliased.take().is_some() {
            self.decoder
                .error(span, format!("the aliases expand to more than {MOST_ALIASED} values"))
                .hint("replace the aliases with their values");
        }
        Node { span, value: Value::Broken }
    }

    /// Refuses tags such as `!secret`: nothing here gives them a meaning.
    fn refuse_tag(&mut self, node: &kube_yaml::Node<'_>) {
        const KNOWN: [&str; 8] = ["", "bool", "float", "int", "map", "null", "seq", "str"];
        let Some(properties) = node.properties.filter(|_| !KNOWN.contains(&&*node.tag)) else {
            return;
        };
        let before = self.here.get(properties..).unwrap_or_default();
        let at = properties + before.find('!').unwrap_or_default();
        let written = self.here.get(at..).unwrap_or_default();
        let written = written.split(char::is_whitespace).next().unwrap_or_default();
        let span = self.span(&(at..at + written.len()));
        self.decoder
            .error(span, format!("unknown tag {}", quoted(written)))
            .hint("policies use no tags; remove it");
    }

    fn span(&self, range: &Range<usize>) -> Span {
        self.lines.span(self.start + range.start..self.start + range.end)
    }
}

/// Reports why a document cannot be read.
fn syntax(error: &kube_yaml::Error, start: usize, lines: &Lines<'_>, decoder: &mut Decoder) {
    let at = start + error.offset;
    // A caret needs a character to point at.
    let rest = lines.text.get(at..).unwrap_or_default();
    let width = rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    let span = lines.span(at..at + width);
    let message = match error.kind {
        ErrorKind::UnknownAnchor(_) => error.to_string(),
        _ => format!("not valid YAML: {error}"),
    };
    let found = decoder.error(span, message);
    match error.kind {
        ErrorKind::Tab => {
            found.hint("indent with spaces");
        }
        ErrorKind::UnknownAnchor(_) => {
            found.hint("an alias (`*name`) needs an anchor (`&name`) above it");
        }
        ref kind if kind.is_of_indentation() => {
            found.hint("check the indentation of this line and the one before it");
        }
        _ => {}
    }
}

/// `0x1f`, `0o17`: an integer of YAML with its base.
fn is_prefixed_number(text: &str) -> bool {
    let digits = |prefix, base| {
        let digits: Option<&str> = text.strip_prefix(prefix);
        digits.is_some_and(|it| !it.is_empty() && it.chars().all(|digit| digit.is_digit(base)))
    };
    digits("0x", 16) || digits("0o", 8)
}

#[cfg(test)]
mod tests;
