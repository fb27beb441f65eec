//! The syntax tree of one document, with positions in its text.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Error;
use crate::resolve::resolve;
use crate::{Syntax, characters, json, parser};

/// Index of a node in its [`Tree`].
pub type NodeId = usize;

/// A document's nodes, each collection before its content.
#[derive(Debug, Default)]
pub struct Tree<'t> {
    pub(crate) nodes: Vec<Node<'t>>,
    pub(crate) root: Option<NodeId>,
    pub(crate) unread: Option<usize>,
    /// The comments, `#` included, in order.
    pub(crate) comments: Vec<Range<usize>>,
}

/// One node.
#[derive(Debug)]
pub struct Node<'t> {
    /// What it is.
    pub kind: Kind<'t>,
    /// Its own text, without anchor and tag. A block collection begins at its first key or
    /// dash and ends with its last leaf; a block scalar begins at its `|` or `>` and ends with
    /// its last line.
    pub range: Range<usize>,
    /// The column of the first byte, in characters from 0.
    pub column: usize,
    /// The tag, without `!!` if it is one of YAML's own; empty if there is none.
    pub tag: Cow<'t, str>,
    /// Start of an anchor or a tag before the node.
    pub properties: Option<usize>,
    /// Whether it has an anchor.
    pub anchored: bool,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind<'t> {
    /// A text, a number, a boolean or null.
    Scalar {
        /// The text after quotes, escapes, folds and indentation are resolved; empty if it is
        /// not written.
        text: Cow<'t, str>,
        /// How it is written.
        style: Style,
    },
    /// A list.
    Sequence {
        /// Whether it is written `[…]`.
        flow: bool,
        /// Its items.
        items: Vec<NodeId>,
    },
    /// A map.
    Mapping {
        /// Whether it is written `{…}`.
        flow: bool,
        /// Its keys and values, in the order of the text. A key may occur twice.
        entries: Vec<(NodeId, NodeId)>,
    },
    /// `*name`
    Alias {
        /// The node with the anchor.
        target: NodeId,
    },
}

/// The style of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

impl<'t> Tree<'t> {
    /// Reads a document. A JSON text must be one that serde_json has accepted.
    ///
    /// # Errors
    /// Why Kubernetes refuses it.
    pub fn read(text: &'t str, syntax: Syntax) -> Result<Self, Error> {
        match syntax {
            Syntax::Yaml => Self::parse(text),
            Syntax::Json => Ok(Self::of_json(text)),
        }
    }

    /// Reads the first document of a YAML text, by the steps of go-yaml v2.
    ///
    /// # Errors
    /// Why Kubernetes refuses it.
    pub fn parse(text: &'t str) -> Result<Self, Error> {
        characters::check(text)?;
        parser::parse(text)
    }

    /// The tree of a JSON text that serde_json has accepted.
    pub fn of_json(text: &'t str) -> Self {
        json::parse(text)
    }

    /// The document's node; `None` for a text that holds none.
    pub fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// Where the text continues after the document's end, a `...`. Kubernetes reads no further.
    pub fn unread(&self) -> Option<usize> {
        self.unread
    }

    /// All nodes, each collection before its content.
    pub fn nodes(&self) -> impl Iterator<Item = &Node<'t>> {
        self.nodes.iter()
    }

    /// The node with this id; an empty scalar for an id of another tree.
    pub fn node(&self, id: NodeId) -> &Node<'t> {
        const NOTHING: &Node<'_> = &Node {
            kind: Kind::Scalar { text: Cow::Borrowed(""), style: Style::Plain },
            range: 0..0,
            column: 0,
            tag: Cow::Borrowed(""),
            properties: None,
            anchored: false,
        };
        self.nodes.get(id).unwrap_or(NOTHING)
    }

    /// The node, or the node it refers to if it is an alias.
    pub fn resolved(&self, id: NodeId) -> &Node<'t> {
        match self.node(id).kind {
            // An alias never refers to an alias: aliases have no anchors.
            Kind::Alias { target } => self.node(target),
            _ => self.node(id),
        }
    }

    /// The entry with this key in a mapping, the last if there are several. Merged entries are
    /// not searched.
    pub fn entry(&self, mapping: &Node<'_>, name: &str) -> Option<(NodeId, NodeId)> {
        let Kind::Mapping { entries, .. } = &mapping.kind else { return None };
        entries.iter().rev().copied().find(|&(key, _)| {
            self.node(key).key_name().as_deref() == Some(name) && !self.node(key).is_merge()
        })
    }

    /// Start of the node that a JSON Pointer names, or of the innermost existing node around
    /// it.
    pub fn offset_of(&self, pointer: &str) -> usize {
        let Some(mut id) = self.root else { return 0 };
        let mut offset = self.node(id).range.start;
        for part in pointer.split('/').skip(1) {
            let node = self.resolved(id);
            let (at, next) = match &node.kind {
                Kind::Sequence { items, .. } => {
                    match part.parse().ok().and_then(|index: usize| items.get(index)) {
                        Some(&item) => (item, item),
                        None => break,
                    }
                }
                _ => match self.entry(node, &unescape(part)) {
                    Some(entry) => entry,
                    None => break,
                },
            };
            offset = self.node(at).range.start;
            id = next;
        }
        offset
    }

    /// The comments of the text, sorted, without trailing blanks.
    pub(crate) fn sorted_comments(&self, text: &'t str) -> Vec<&'t str> {
        let comment = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default().trim_end();
        let mut comments: Vec<&str> = self.comments.iter().map(comment).collect();
        comments.sort_unstable();
        comments
    }
}

/// Unescapes a reference token of a JSON Pointer into a key.
pub(crate) fn unescape(part: &str) -> Cow<'_, str> {
    if part.contains('~') {
        return Cow::Owned(part.replace("~1", "/").replace("~0", "~"));
    }
    Cow::Borrowed(part)
}

/// Escapes a key as a reference token of a JSON Pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl<'t> Node<'t> {
    /// A node without anchor and tag.
    pub(crate) fn new(kind: Kind<'t>, range: Range<usize>, column: usize) -> Self {
        Self { kind, range, column, tag: Cow::Borrowed(""), properties: None, anchored: false }
    }

    /// A scalar as the key of a map.
    pub fn key_name(&self) -> Option<Cow<'_, str>> {
        match &self.kind {
            Kind::Scalar { text, .. } => resolve(text, self.is_plain(), &self.tag).ok()?.into_key(),
            _ => None,
        }
    }

    /// Whether this is the key `<<`, which merges.
    pub fn is_merge(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, style } => {
                text == "<<"
                    && ((*style == Style::Plain && self.tag.is_empty()) || self.tag == "merge")
            }
            _ => false,
        }
    }

    /// Whether it is a scalar without quotes.
    pub fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Scalar { style: Style::Plain, .. })
    }
}
