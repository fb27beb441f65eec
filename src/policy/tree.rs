//! YAML text to a tree of nodes that know where they stand.
//!
//! serde's model has no place for positions of every value, for duplicate keys or
//! for more than one error, so a policy is decoded from this tree instead. The
//! events come from the parser below serde-saphyr.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde_saphyr::granit_parser::{
    self as granit, ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StrInput,
    StructureStyle,
};

use super::decode::Decoder;
use crate::text::quoted;

/// A stretch of a file's text.
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

/// A value and where it stands. A list or map in block style stands where its
/// first entry does.
#[derive(Clone, Debug)]
pub(crate) struct Node<'s> {
    pub(crate) span: Span,
    pub(crate) value: Value<'s>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value<'s> {
    /// `plain` when it has neither quotes nor block style, so that it may be a
    /// number, a boolean or null.
    Scalar {
        text: Cow<'s, str>,
        plain: bool,
    },
    List(Vec<Node<'s>>),
    /// In the order of the text; a key that is given twice is here once.
    Map(Vec<(Node<'s>, Node<'s>)>),
    /// Something that was already reported.
    Broken,
}

/// How many nodes the aliases of one file may stand for together. Policies need a
/// handful; without a bound a few lines of nested aliases fill the memory.
const MOST_ALIASED: usize = 10_000;

/// The documents of `text` that are not empty. Syntax errors and duplicate keys are
/// reported to `decoder`; a document that cannot be read is left out, the ones after
/// it are not.
pub(crate) fn documents<'s>(text: &'s str, decoder: &mut Decoder) -> Vec<Node<'s>> {
    let options = granit::options! { emit_comments: false, emit_unresolved_aliases: true };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut builder =
        Builder { text, parser, decoder, anchors: HashMap::new(), aliased: Some(MOST_ALIASED) };
    let mut documents = Vec::new();
    loop {
        match builder.document() {
            Ok(Step::Document(node)) if !node.is_null() => documents.push(node),
            Ok(Step::Document(_) | Step::Other) => {}
            Ok(Step::End) => return documents,
            Err(error) => {
                builder.syntax(&error);
                if !matches!(builder.parser.proceed_next_document(), Ok(true)) {
                    return documents;
                }
            }
        }
    }
}

impl<'s> Node<'s> {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar without quotes, which YAML may read as something else.
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
                && (text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o"))
        })
    }

    /// The value of `key`, when this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// What it is, for "found …".
    pub(crate) fn found(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, .. } => quoted(text),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Broken => "something unreadable".to_owned(),
        }
    }

    /// From the first byte of it to the last byte of what is in it.
    pub(crate) fn extent(&self) -> RangeInclusive<usize> {
        let end = |node: &Self| *node.extent().end();
        let last = match &self.value {
            Value::List(items) => items.last().map(end),
            Value::Map(entries) => entries.last().map(|(_, value)| end(value)),
            Value::Scalar { .. } | Value::Broken => None,
        };
        self.span.start..=last.unwrap_or_default().max(self.span.end)
    }

    /// How many nodes it is made of, counted as far as `limit`.
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

/// What some editors put before the text of a file.
const BOM: char = '\u{feff}';

enum Step<'s> {
    Document(Node<'s>),
    Other,
    End,
}

struct Builder<'s, 'd> {
    text: &'s str,
    parser: Parser<'s, StrInput<'s>>,
    decoder: &'d mut Decoder,
    anchors: HashMap<usize, Node<'s>>,
    /// How many nodes aliases may still stand for; nothing once there were too many.
    aliased: Option<usize>,
}

impl<'s> Builder<'s, '_> {
    fn next(&mut self) -> Result<(Event<'s>, granit::Span), ScanError> {
        self.parser.next_event().unwrap_or_else(|| Ok((Event::StreamEnd, granit::Span::default())))
    }

    fn document(&mut self) -> Result<Step<'s>, ScanError> {
        match self.next()? {
            (Event::DocumentStart(..), _) => {
                self.anchors.clear();
                let (event, span) = self.next()?;
                self.node(event, span).map(Step::Document)
            }
            (Event::StreamEnd, _) => Ok(Step::End),
            _ => Ok(Step::Other),
        }
    }

    fn node(&mut self, event: Event<'s>, at: granit::Span) -> Result<Node<'s>, ScanError> {
        let span = self.span(at.start, at.end);
        self.refuse_tag(&event, at);
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain
                    && !tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                (anchor, Node { span, value: Value::Scalar { text, plain } })
            }
            Event::SequenceStart(style, anchor, _) => (anchor, self.list(span, style)?),
            Event::MappingStart(style, anchor, _) => (anchor, self.map(span, style)?),
            Event::Alias(id) => return Ok(self.alias(id, span)),
            Event::UnresolvedAlias(name) => {
                let message = format!("unknown anchor {}", quoted(&name));
                self.decoder
                    .error(span, message)
                    .hint("an alias (`*name`) needs an anchor (`&name`) above it");
                return Ok(Node { span, value: Value::Broken });
            }
            _ => return Ok(Node { span, value: Value::Broken }),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, start: Span, style: StructureStyle) -> Result<Node<'s>, ScanError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let first = items.first().map(|item: &Node<'_>| item.span);
                    let span = self.around(start, style, first, end);
                    return Ok(Node { span, value: Value::List(items) });
                }
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self, start: Span, style: StructureStyle) -> Result<Node<'s>, ScanError> {
        let mut entries = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let first = entries.first().map(|(key, _): &(Node<'_>, _)| key.span);
                let span = self.around(start, style, first, span);
                return Ok(Node { span, value: Value::Map(entries) });
            }
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            let Some(name) = key.text() else {
                self.decoder
                    .error(key.span, format!("a key must be a word, found {}", key.found()));
                continue;
            };
            if let Some(first) = seen.get(name) {
                let first = self.decoder.place(*first);
                self.decoder
                    .error(key.span, format!("duplicate key {}", quoted(name)))
                    .related(first, "first given")
                    .hint("keep one of the two");
            } else {
                seen.insert(name.to_owned(), key.span);
                entries.push((key, value));
            }
        }
    }

    /// What `*name` stands for.
    fn alias(&mut self, id: usize, span: Span) -> Node<'s> {
        let Some(node) = self.anchors.get(&id) else {
            self.decoder.error(span, "an alias within what it stands for");
            return Node { span, value: Value::Broken };
        };
        let left = self.aliased.and_then(|left| left.checked_sub(node.size(left)));
        if left.is_some() {
            self.aliased = left;
            return node.clone();
        }
        if self.aliased.take().is_some() {
            self.decoder
                .error(span, format!("the aliases stand for more than {MOST_ALIASED} values"))
                .hint("write the values out");
        }
        Node { span, value: Value::Broken }
    }

    /// A tag such as `!secret` would have to mean something; here nothing does.
    fn refuse_tag(&mut self, event: &Event<'_>, at: granit::Span) {
        if let Some(tag) = event.tag().filter(|tag| !tag.is_yaml_core_schema()) {
            let at = at.tag_span().unwrap_or(at);
            let span = self.span(at.start, at.end);
            self.decoder
                .error(span, format!("unknown tag {}", quoted(&tag.original())))
                .hint("policies have no tags");
        }
    }

    /// Where a list or map stands: whole in flow style, else where its first entry does.
    fn around(
        &self,
        start: Span,
        style: StructureStyle,
        first: Option<Span>,
        end: granit::Span,
    ) -> Span {
        match (style, first) {
            (StructureStyle::Block, Some(first)) => first,
            (StructureStyle::Flow, _) => Span { end: self.byte(end.end).max(start.end), ..start },
            (StructureStyle::Block, None) => start,
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = *error.marker();
        let mut span = self.span(at, at);
        // A caret needs something to stand under.
        let rest = self.text.get(span.start..).unwrap_or_default();
        span.end += rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let found = self.decoder.error(span, format!("not valid YAML: {}", error.info()));
        match error.kind() {
            ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabNotAllowed => {
                found.hint("indent with spaces");
            }
            ErrorKind::ExpectedBlockMappingKey
            | ErrorKind::ExpectedBlockSequenceEntry
            | ErrorKind::MappingValueNotAllowed => {
                found.hint("is this line, and the one before, indented as far as it should be?");
            }
            _ => {}
        }
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        let first = self.byte(start);
        // No editor counts a byte-order mark as a column.
        let bom = usize::from(start.line() <= 1 && start.col() > 0 && self.text.starts_with(BOM));
        Span {
            start: first,
            end: self.byte(end).max(first),
            line: start.line().max(1),
            column: start.col() + 1 - bom,
        }
    }

    fn byte(&self, at: Marker) -> usize {
        at.byte_offset().unwrap_or_default().min(self.text.len())
    }
}
