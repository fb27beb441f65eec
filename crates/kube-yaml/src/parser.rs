//! From tokens to nodes, as go-yaml v2 does it (`parserc.go`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, ErrorKind};
use crate::scanner::{Scanned, Scanner, Token, TokenKind};
use crate::tree::{Kind, Node, NodeId, Style, Tree};

/// The first document of the text.
pub(crate) fn parse(text: &str) -> Scanned<Tree<'_>> {
    let scanner = Scanner::new(text);
    let mut parser =
        Parser { scanner, nodes: Vec::new(), anchors: HashMap::new(), depth: 0, last: 0 };
    let root = match parser.next()? {
        TokenKind::DocumentStart => {
            parser.take();
            match parser.next()? {
                TokenKind::DocumentStart | TokenKind::DocumentEnd | TokenKind::End => {
                    Some(parser.unwritten())
                }
                _ => Some(parser.node(true, false)?),
            }
        }
        TokenKind::DocumentEnd => return parser.refuse(ErrorKind::EarlyEnd),
        TokenKind::End => None,
        _ => Some(parser.node(true, false)?),
    };
    // Looks at what ends the document, and at nothing after it.
    let unread = match parser.scanner.peek()? {
        (TokenKind::End, ..) => None,
        (TokenKind::DocumentEnd, ..) => {
            parser.take();
            let end = parser.last;
            match parser.scanner.peek() {
                Ok((TokenKind::End, ..)) => None,
                Ok((_, at, _)) => Some(at),
                Err(_) => Some(end),
            }
        }
        (_, at, _) => Some(at),
    };
    let Parser { scanner, nodes, .. } = parser;
    // A root that is not written counts as nothing.
    let root = root.filter(|root| !nodes.get(*root).is_some_and(Node::is_unwritten));
    Ok(Tree { nodes, root, unread, comments: scanner.comments })
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    nodes: Vec<Node<'t>>,
    anchors: HashMap<Cow<'t, str>, NodeId>,
    depth: usize,
    /// The end of the last token taken.
    last: usize,
}

/// Tag and anchor before a node.
#[derive(Default)]
struct Properties<'t> {
    tag: Cow<'t, str>,
    anchor: Option<Cow<'t, str>>,
    start: Option<usize>,
}

impl<'t> Parser<'t> {
    fn next(&mut self) -> Scanned<TokenKind> {
        Ok(self.scanner.peek()?.0)
    }

    /// Takes the token that was peeked at.
    fn take(&mut self) -> Option<Token<'t>> {
        let token = self.scanner.take();
        if let Some(token) = &token {
            self.last = token.range.end;
        }
        token
    }

    /// Takes the next token if it is of this kind.
    fn takes(&mut self, kind: TokenKind) -> Scanned<bool> {
        let is = self.next()? == kind;
        if is {
            self.take();
        }
        Ok(is)
    }

    fn refuse<T>(&mut self, kind: ErrorKind) -> Scanned<T> {
        let (_, at, _) = self.scanner.peek()?;
        Err(Error::new(kind, at))
    }

    /// A node without properties.
    fn push(&mut self, kind: Kind<'t>, range: Range<usize>, column: usize) -> NodeId {
        self.nodes.push(Node::new(kind, range, column));
        self.nodes.len() - 1
    }

    /// A value that is not written, placed after the preceding dash, colon or properties.
    fn unwritten(&mut self) -> NodeId {
        let scalar = Kind::Scalar { text: Cow::Borrowed(""), style: Style::Plain };
        self.push(scalar, self.last..self.last, 0)
    }

    /// A node, or an unwritten one if one of the tokens in `ends` comes instead.
    fn node_unless(
        &mut self,
        ends: &[TokenKind],
        block: bool,
        indentless: bool,
    ) -> Scanned<NodeId> {
        if ends.contains(&self.next()?) {
            Ok(self.unwritten())
        } else {
            self.node(block, indentless)
        }
    }

    /// The value of a key, or an unwritten one if there is no colon.
    fn value(&mut self, ends: &[TokenKind], block: bool, indentless: bool) -> Scanned<NodeId> {
        if self.takes(TokenKind::Value)? {
            self.node_unless(ends, block, indentless)
        } else {
            Ok(self.unwritten())
        }
    }

    fn node(&mut self, block: bool, indentless: bool) -> Scanned<NodeId> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.refuse(ErrorKind::TooDeep);
        }
        let (kind, at, column) = self.scanner.peek()?;
        let id = if kind == TokenKind::Alias {
            let name = self.scanner.peeked_text();
            let Some(&target) = self.anchors.get(name) else {
                return Err(Error::new(ErrorKind::UnknownAnchor(name.to_owned()), at));
            };
            self.take();
            self.push(Kind::Alias { target }, at..self.last, column)
        } else {
            self.content(block, indentless)?
        };
        self.depth -= 1;
        Ok(id)
    }

    fn properties(&mut self) -> Scanned<Properties<'t>> {
        let mut properties = Properties::default();
        let mut tagged = false;
        loop {
            let (kind, at, _) = self.scanner.peek()?;
            match kind {
                TokenKind::Anchor if properties.anchor.is_none() => {
                    properties.anchor = self.take().map(|token| token.text);
                }
                TokenKind::Tag if !tagged => {
                    tagged = true;
                    properties.tag = self.take().map(|token| token.text).unwrap_or_default();
                }
                _ => break,
            }
            properties.start.get_or_insert(at);
        }
        Ok(properties)
    }

    fn content(&mut self, block: bool, indentless: bool) -> Scanned<NodeId> {
        let properties = self.properties()?;
        let bare = properties.start.is_none();
        let id = self.nodes.len();
        let anchored = properties.anchor.is_some();
        if let Some(name) = properties.anchor {
            self.anchors.insert(name, id);
        }
        let (kind, at, column) = self.scanner.peek()?;
        match kind {
            TokenKind::Scalar(style) => {
                let text = self.take().map(|token| token.text).unwrap_or_default();
                self.push(Kind::Scalar { text, style }, at..self.last, column);
            }
            TokenKind::BlockEntry if indentless => self.indentless_sequence(at, column)?,
            TokenKind::FlowSequence => self.flow_sequence(at, column)?,
            TokenKind::FlowMapping => self.flow_mapping(at, column)?,
            TokenKind::BlockSequence if block => self.block_sequence(at, column)?,
            TokenKind::BlockMapping if block => self.block_mapping(at, column)?,
            _ if bare => return self.refuse(ErrorKind::NoContent),
            _ => drop(self.unwritten()),
        }
        if let Some(node) = self.nodes.get_mut(id) {
            node.tag = properties.tag;
            node.properties = properties.start;
            node.anchored = anchored;
        }
        Ok(id)
    }

    fn item(&mut self, id: NodeId, item: NodeId) {
        if let Some(Kind::Sequence { items, .. }) =
            self.nodes.get_mut(id).map(|node| &mut node.kind)
        {
            items.push(item);
        }
    }

    fn entry(&mut self, id: NodeId, key: NodeId, value: NodeId) {
        if let Some(Kind::Mapping { entries, .. }) =
            self.nodes.get_mut(id).map(|node| &mut node.kind)
        {
            entries.push((key, value));
        }
    }

    /// Ends a collection: at its bracket in flow style, else with its last leaf.
    fn close(&mut self, id: NodeId, leaf: Option<NodeId>) {
        let leaf = leaf.map(|leaf| self.nodes.get(leaf).map_or(0, |leaf| leaf.range.end));
        let end = leaf.unwrap_or(self.last);
        if let Some(node) = self.nodes.get_mut(id) {
            node.range.end = end.max(node.range.start);
        }
    }

    fn sequence(&mut self, flow: bool, at: usize, column: usize) -> NodeId {
        self.push(Kind::Sequence { flow, items: Vec::new() }, at..at, column)
    }

    fn mapping(&mut self, flow: bool, at: usize, column: usize) -> NodeId {
        self.push(Kind::Mapping { flow, entries: Vec::new() }, at..at, column)
    }

    /// A sequence whose dashes stand in the column of the key it belongs to.
    fn indentless_sequence(&mut self, at: usize, column: usize) -> Scanned {
        let id = self.sequence(false, at, column);
        let ends = [TokenKind::BlockEntry, TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
        let mut last = None;
        while self.takes(TokenKind::BlockEntry)? {
            let item = self.node_unless(&ends, true, false)?;
            self.item(id, item);
            last = Some(item);
        }
        self.close(id, last);
        Ok(())
    }

    fn block_sequence(&mut self, at: usize, column: usize) -> Scanned {
        let id = self.sequence(false, at, column);
        self.take();
        let mut last = None;
        while self.takes(TokenKind::BlockEntry)? {
            let item =
                self.node_unless(&[TokenKind::BlockEntry, TokenKind::BlockEnd], true, false)?;
            self.item(id, item);
            last = Some(item);
        }
        self.close(id, last);
        if self.takes(TokenKind::BlockEnd)? {
            return Ok(());
        }
        self.refuse(ErrorKind::InBlockSequence)
    }

    fn block_mapping(&mut self, at: usize, column: usize) -> Scanned {
        let id = self.mapping(false, at, column);
        self.take();
        let ends = [TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
        let mut last = None;
        while self.takes(TokenKind::Key)? {
            let key = self.node_unless(&ends, true, true)?;
            let value = self.value(&ends, true, true)?;
            self.entry(id, key, value);
            last = Some(value);
        }
        self.close(id, last);
        if self.takes(TokenKind::BlockEnd)? {
            return Ok(());
        }
        self.refuse(ErrorKind::InBlockMapping)
    }

    /// Whether the flow collection that began at `start` goes on. Takes its end, or the comma
    /// before any entry but the first.
    fn goes_on(&mut self, end: TokenKind, start: usize, first: &mut bool) -> Scanned<bool> {
        if self.takes(end)? {
            return Ok(false);
        }
        let sequence = end == TokenKind::FlowSequenceEnd;
        if self.next()? == TokenKind::End {
            let bracket = if sequence { '[' } else { '{' };
            return Err(Error::new(ErrorKind::OpenBracket(bracket), start));
        }
        if !std::mem::take(first) && !self.takes(TokenKind::FlowEntry)? {
            let kind = if sequence { ErrorKind::InFlowSequence } else { ErrorKind::InFlowMapping };
            return self.refuse(kind);
        }
        Ok(true)
    }

    fn flow_sequence(&mut self, start: usize, column: usize) -> Scanned {
        let id = self.sequence(true, start, column);
        self.take();
        let end = TokenKind::FlowSequenceEnd;
        let ends = [TokenKind::FlowEntry, end];
        let mut first = true;
        while self.goes_on(end, start, &mut first)? {
            let (kind, at, column) = self.scanner.peek()?;
            if self.takes(TokenKind::Key)? {
                // `[a: b]` is a list with a map of one entry.
                let map = self.mapping(true, at, column);
                let next = self.next()?;
                let key = if next == TokenKind::Value || ends.contains(&next) {
                    // go-yaml takes the token here, whatever it is.
                    let key = self.unwritten();
                    self.take();
                    key
                } else {
                    self.node(false, false)?
                };
                let value = self.value(&ends, false, false)?;
                self.entry(map, key, value);
                self.close(map, Some(value));
                self.item(id, map);
            } else if kind != end {
                let item = self.node(false, false)?;
                self.item(id, item);
            }
        }
        self.close(id, None);
        Ok(())
    }

    fn flow_mapping(&mut self, start: usize, column: usize) -> Scanned {
        let id = self.mapping(true, start, column);
        self.take();
        let end = TokenKind::FlowMappingEnd;
        let ends = [TokenKind::FlowEntry, end];
        let mut first = true;
        while self.goes_on(end, start, &mut first)? {
            if self.takes(TokenKind::Key)? {
                let ends_key = [TokenKind::Value, TokenKind::FlowEntry, end];
                let key = self.node_unless(&ends_key, false, false)?;
                let value = self.value(&ends, false, false)?;
                self.entry(id, key, value);
            } else if self.next()? != end {
                let key = self.node(false, false)?;
                let value = self.unwritten();
                self.entry(id, key, value);
            }
        }
        self.close(id, None);
        Ok(())
    }
}

impl Node<'_> {
    /// Whether the node has no text at all.
    fn is_unwritten(&self) -> bool {
        self.range.is_empty() && self.properties.is_none() && self.is_plain()
    }
}

/// Maximum nesting depth, to keep the stack bounded. It is deeper than what is decoded.
const MAX_DEPTH: usize = 1000;

#[cfg(test)]
mod tests;
