//! The syntax tree of one YAML document: what stands where in its text.

use std::collections::HashMap;
use std::ops::Range;

use super::ambiguity;
use super::resolve::resolve;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, options};

/// A place of a node in its [`Tree`].
pub(super) type NodeId = usize;

/// A document's nodes.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    root: Option<NodeId>,
    /// Where the text goes on after the document's end, a `...`: Kubernetes reads no
    /// further.
    pub(super) unread: Option<usize>,
}

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Its own text, without anchor and tag. For a block collection it begins at the
    /// first key or dash; its end is that of its last leaf.
    pub(super) range: Range<usize>,
    /// The column of the first byte, counted in characters from 0.
    pub(super) column: usize,
    /// The tag without `tag:yaml.org,2002:`, or empty.
    pub(super) tag: String,
    /// Where an anchor or a tag before the node begins.
    pub(super) properties: Option<usize>,
    /// Whether it has an anchor.
    pub(super) anchored: bool,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Scalar { text: String, style: ScalarStyle },
    Sequence { flow: bool, items: Vec<NodeId> },
    Mapping { flow: bool, entries: Vec<(NodeId, NodeId)> },
    Alias { target: NodeId },
}

/// Text that is not YAML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) offset: usize,
}

impl Tree {
    /// Reads the first document of the text.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        Builder::default().read(text)
    }

    /// The document's node. None for a text that holds none.
    pub(super) fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// The node of that id.
    pub(super) fn node(&self, id: NodeId) -> &Node {
        static NOTHING: Node = Node {
            kind: Kind::Scalar { text: String::new(), style: ScalarStyle::Plain },
            range: 0..0,
            column: 0,
            tag: String::new(),
            properties: None,
            anchored: false,
        };
        self.nodes.get(id).unwrap_or(&NOTHING)
    }

    /// The node, and where it is an alias, what it stands for.
    pub(super) fn resolved(&self, id: NodeId) -> &Node {
        match self.node(id).kind {
            // An alias never stands for an alias: anchors are not put on them.
            Kind::Alias { target } => self.node(target),
            _ => self.node(id),
        }
    }

    /// The entry of that key in a mapping, the last where there are several; merged
    /// entries are not looked at.
    pub(super) fn entry(&self, mapping: &Node, name: &str) -> Option<(NodeId, NodeId)> {
        let Kind::Mapping { entries, .. } = &mapping.kind else { return None };
        entries.iter().rev().copied().find(|&(key, _)| {
            self.node(key).key_name().as_deref() == Some(name) && !self.node(key).is_merge()
        })
    }

    /// Where the node that a JSON Pointer names begins, or the innermost one around it.
    pub(super) fn offset_of(&self, pointer: &str) -> usize {
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
}

/// A part of a JSON Pointer as a key.
pub(super) fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

impl Node {
    /// A scalar as the key of a map.
    pub(super) fn key_name(&self) -> Option<String> {
        match &self.kind {
            Kind::Scalar { text, .. } => resolve(text, self.is_plain(), &self.tag).ok()?.into_key(),
            _ => None,
        }
    }

    /// Whether this is the key `<<`, which merges.
    pub(super) fn is_merge(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, style } => {
                text == "<<"
                    && ((*style == ScalarStyle::Plain && self.tag.is_empty())
                        || self.tag == "merge")
            }
            _ => false,
        }
    }

    /// Whether it is a scalar without quotes.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Scalar { style: ScalarStyle::Plain, .. })
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<Open>,
    root: Option<NodeId>,
    anchors: HashMap<usize, NodeId>,
}

/// A collection that has not ended.
struct Open {
    id: NodeId,
    key: Option<NodeId>,
}

impl Builder {
    fn read(mut self, text: &str) -> Result<Tree, SyntaxError> {
        let options = options! {
            emit_comments: false,
            emit_anchor_events: true,
            // As libyaml does.
            bom_inside_document_as_content: true,
        };
        let mut documents = 0;
        let mut unread = None;
        for event in Parser::new_from_str_with_options(text, options) {
            // Kubernetes reads no further than the end of the first document: what comes
            // after is neither data nor an error.
            let (event, span) = match event {
                Ok(event) => event,
                Err(_) if documents > 1 => break,
                Err(error) => return Err(syntax_error(&error, text)),
            };
            if matches!(event, Event::DocumentStart(..)) {
                documents += 1;
                if documents > 1 {
                    unread = Some(start_of(&span));
                    break;
                }
                continue;
            }
            self.take(event, &span)?;
        }
        let tree = Tree { nodes: self.nodes, root: self.root, unread };
        match ambiguity::find(&tree, text) {
            Some(error) => Err(error),
            None => Ok(tree),
        }
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), SyntaxError> {
        let (kind, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (Kind::Scalar { text: text.into_owned(), style }, anchor, tag)
            }
            Event::SequenceStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                (Kind::Sequence { flow, items: Vec::new() }, anchor, tag)
            }
            Event::MappingStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                (Kind::Mapping { flow, entries: Vec::new() }, anchor, tag)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(&target) => (Kind::Alias { target }, 0, None),
                None => {
                    return Err(SyntaxError {
                        message: "unknown anchor".to_owned(),
                        offset: start_of(span),
                    });
                }
            },
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(span);
                return Ok(());
            }
            Event::Anchor(id, name) => {
                let at = start_of(span);
                // To YAML 1.1 the name ends at the first other character, and a value
                // begins there.
                if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
                    return Err(SyntaxError {
                        message: format!(
                            "the anchor `{name}` is not made of letters, digits, `-` and `_` alone"
                        ),
                        offset: at,
                    });
                }
                if let Some(node) = self.anchors.get(&id).and_then(|&id| self.nodes.get_mut(id)) {
                    node.properties = Some(node.properties.map_or(at, |other| other.min(at)));
                    node.anchored = true;
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let open = matches!(kind, Kind::Sequence { .. } | Kind::Mapping { .. });
        let id = self.nodes.len();
        self.nodes.push(Node {
            kind,
            range: span.byte_range().unwrap_or_default(),
            column: span.start.col(),
            tag: tag.map(|tag| tag_name(&tag)).unwrap_or_default(),
            properties: span.tag_start().and_then(|mark| mark.byte_offset()),
            anchored: false,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        if open {
            self.open.push(Open { id, key: None });
        } else {
            self.attach(id);
        }
        Ok(())
    }

    /// Ends the innermost collection.
    fn close(&mut self, span: &Span) {
        let Some(Open { id, .. }) = self.open.pop() else { return };
        let end = match self.nodes.get(id).map(|node| &node.kind) {
            Some(Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. }) => {
                span.byte_range().map(|range| range.end)
            }
            // The parser ends a block collection where the next token begins.
            Some(Kind::Sequence { items, .. }) => items.last().and_then(|&last| self.end_of(last)),
            Some(Kind::Mapping { entries, .. }) => {
                entries.last().and_then(|&(_, last)| self.end_of(last))
            }
            _ => None,
        };
        if let (Some(node), Some(end)) = (self.nodes.get_mut(id), end) {
            node.range.end = end.max(node.range.start);
        }
        self.attach(id);
    }

    fn end_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.get(id).map(|node| node.range.end)
    }

    /// Puts a complete node where it belongs.
    fn attach(&mut self, id: NodeId) {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(id);
            return;
        };
        match self.nodes.get_mut(parent.id).map(|node| &mut node.kind) {
            Some(Kind::Sequence { items, .. }) => items.push(id),
            Some(Kind::Mapping { entries, .. }) => match parent.key.take() {
                Some(key) => entries.push((key, id)),
                None => parent.key = Some(id),
            },
            _ => {}
        }
    }
}

fn start_of(span: &Span) -> usize {
    span.byte_range().map_or(0, |range| range.start)
}

/// `tag:yaml.org,2002:int` as `int`, every other tag whole.
fn tag_name(tag: &granit_parser::Tag) -> String {
    match tag.suffix_in_namespace("tag:yaml.org,2002:") {
        Some(suffix) => suffix.into_owned(),
        None => format!("{}{}", tag.handle(), tag.suffix()),
    }
}

fn syntax_error(error: &ScanError, text: &str) -> SyntaxError {
    SyntaxError {
        message: error.info(),
        offset: error.marker().byte_offset().unwrap_or(text.len()),
    }
}
