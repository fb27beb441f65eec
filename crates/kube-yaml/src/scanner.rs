//! From text to tokens, as go-yaml v2 does it (`scannerc.go`).

mod text;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use crate::characters::BOM;
use crate::error::{Error, ErrorKind};
use crate::tree::Style;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    End,
    DocumentStart,
    DocumentEnd,
    BlockSequence,
    BlockMapping,
    BlockEnd,
    FlowSequence,
    FlowSequenceEnd,
    FlowMapping,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias,
    Anchor,
    Tag,
    Scalar(Style),
}

/// A token: what the parser learns about a range of the text.
#[derive(Clone, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind,
    /// The meaning of a scalar, or the name of an anchor, an alias or a tag; empty for others.
    pub(crate) text: Cow<'t, str>,
    /// Its bytes in the text; empty for a token that is not written.
    pub(crate) range: Range<usize>,
    /// Column of its first byte, in characters from 0.
    pub(crate) column: usize,
}

/// A parsed value, or the reason why it cannot be read.
pub(crate) type Scanned<T = ()> = Result<T, Error>;

pub(crate) struct Scanner<'t> {
    text: &'t str,
    /// The end of the text. A last line without an end gets one, as in kubectl.
    end: usize,
    /// The current position: byte, character, line and column, from 0.
    pub(crate) at: usize,
    index: usize,
    line: usize,
    pub(crate) column: usize,
    /// Tokens not taken yet, and the number of tokens taken.
    tokens: VecDeque<Token<'t>>,
    taken: usize,
    /// Column of the innermost block collection plus one, and the same for those around it; 0
    /// outside of any.
    pub(crate) indent: usize,
    indents: Vec<usize>,
    /// The token that becomes a key if a `:` follows: one entry for each enclosing flow
    /// collection, and one for the level outside of all.
    keys: Vec<Option<SimpleKey>>,
    /// Whether a key may begin here, as at the start of a line and after a dash. In block
    /// context no tab is allowed then.
    pub(crate) key_allowed: bool,
    /// The comments, `#` included.
    pub(crate) comments: Vec<Range<usize>>,
}

/// A token that is a key if a `:` follows.
#[derive(Clone, Copy)]
struct SimpleKey {
    /// Number of tokens before it.
    token: usize,
    /// Whether it must be a key in its position.
    required: bool,
    at: usize,
    index: usize,
    line: usize,
    column: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            end: text.len() + usize::from(!text.ends_with('\n')),
            // A byte-order mark tells the encoding, and is no part of the text.
            at: if text.starts_with(BOM) { BOM.len_utf8() } else { 0 },
            index: 0,
            line: 0,
            column: 0,
            tokens: VecDeque::new(),
            taken: 0,
            indent: 0,
            indents: Vec::new(),
            keys: vec![None],
            key_allowed: true,
            comments: Vec::new(),
        }
    }

    /// Kind, start and column of the next token.
    pub(crate) fn peek(&mut self) -> Scanned<(TokenKind, usize, usize)> {
        // While the next token may still turn out to be a key, a token is missing before it.
        while self.tokens.is_empty() || self.may_be_key()? {
            self.fetch()?;
        }
        let (at, column) = (self.place(), self.column);
        let next = self.tokens.front().map(|token| (token.kind, token.range.start, token.column));
        Ok(next.unwrap_or((TokenKind::End, at, column)))
    }

    /// The text of the token returned by [`Self::peek`].
    pub(crate) fn peeked_text(&self) -> &str {
        self.tokens.front().map_or("", |token| &token.text)
    }

    /// Takes the token returned by [`Self::peek`].
    pub(crate) fn take(&mut self) -> Option<Token<'t>> {
        self.taken += 1;
        self.tokens.pop_front()
    }

    fn may_be_key(&mut self) -> Scanned<bool> {
        let is_next = |key: &Option<SimpleKey>| key.is_some_and(|key| key.token == self.taken);
        match self.keys.iter().position(is_next) {
            Some(level) => Ok(self.valid_key(level)?.is_some()),
            None => Ok(false),
        }
    }

    /// The possible key at a level, if it is on this line and near enough.
    fn valid_key(&mut self, level: usize) -> Scanned<Option<SimpleKey>> {
        let Some(Some(key)) = self.keys.get(level).copied() else { return Ok(None) };
        if key.line == self.line && self.index <= key.index + KEY_LENGTH {
            return Ok(Some(key));
        }
        self.drop_key(level)?;
        Ok(None)
    }

    fn drop_key(&mut self, level: usize) -> Scanned {
        match self.keys.get_mut(level).and_then(Option::take) {
            Some(key) if key.required => Err(Error::new(ErrorKind::NoColon, key.at)),
            _ => Ok(()),
        }
    }

    /// Remembers that the next token may be a key.
    fn save_key(&mut self) -> Scanned {
        if self.key_allowed {
            self.drop_key(self.flow_level())?;
            let key = SimpleKey {
                token: self.taken + self.tokens.len(),
                required: self.flow_level() == 0 && self.indent == self.column + 1,
                at: self.at,
                index: self.index,
                line: self.line,
                column: self.column,
            };
            if let Some(last) = self.keys.last_mut() {
                *last = Some(key);
            }
        }
        Ok(())
    }

    pub(crate) fn flow_level(&self) -> usize {
        self.keys.len() - 1
    }

    /// Appends a token without text, which ends at the current position.
    fn push(&mut self, kind: TokenKind, start: usize, column: usize) {
        let text = Cow::Borrowed("");
        let end = self.place();
        self.tokens.push_back(Token { kind, text, range: start.min(end)..end, column });
    }

    /// Begins a block collection, with its first token before token number `before`.
    fn roll(&mut self, column: usize, kind: TokenKind, at: usize, before: Option<usize>) {
        if self.flow_level() == 0 && self.indent < column + 1 {
            self.indents.push(self.indent);
            self.indent = column + 1;
            let place = before.map_or(self.tokens.len(), |number| number - self.taken);
            self.insert(place, kind, at, column);
        }
    }

    /// Inserts a token that is not written.
    fn insert(&mut self, place: usize, kind: TokenKind, at: usize, column: usize) {
        let text = Cow::Borrowed("");
        self.tokens.insert(place, Token { kind, text, range: at..at, column });
    }

    /// Ends the block collections that are indented further than what comes next.
    fn unroll(&mut self, indent: usize) {
        while self.flow_level() == 0 && self.indent > indent {
            self.push(TokenKind::BlockEnd, self.at, self.column);
            self.indent = self.indents.pop().unwrap_or_default();
        }
    }

    fn fetch(&mut self) -> Scanned {
        self.skip_blank();
        if self.is_end() {
            // As if the last line had ended: no later `:` makes a key of anything before it.
            if self.column > 0 {
                self.column = 0;
                self.line += 1;
            }
            self.unroll(0);
            self.drop_key(self.flow_level())?;
            self.key_allowed = false;
            self.push(TokenKind::End, self.at, self.column);
            return Ok(());
        }
        self.unroll(self.column + 1);
        let flow = self.flow_level() > 0;
        match self.byte(0) {
            b'%' if self.column == 0 => Err(Error::new(ErrorKind::Directive, self.at)),
            b'-' if self.is_marker() => self.document(TokenKind::DocumentStart),
            b'.' if self.is_marker() => self.document(TokenKind::DocumentEnd),
            b'[' => self.open(TokenKind::FlowSequence),
            b'{' => self.open(TokenKind::FlowMapping),
            b']' => self.close(TokenKind::FlowSequenceEnd),
            b'}' => self.close(TokenKind::FlowMappingEnd),
            b',' => {
                self.drop_key(self.flow_level())?;
                self.key_allowed = true;
                self.indicator(TokenKind::FlowEntry, 1);
                Ok(())
            }
            b'-' if self.is_blank_or_end(1) => {
                self.entry(TokenKind::BlockEntry, TokenKind::BlockSequence, ErrorKind::Entry)
            }
            b'?' if flow || self.is_blank_or_end(1) => {
                self.entry(TokenKind::Key, TokenKind::BlockMapping, ErrorKind::Key)
            }
            b':' if flow || self.is_blank_or_end(1) => self.value(),
            b'*' => self.node(|scanner| scanner.named(TokenKind::Alias)),
            b'&' => self.node(|scanner| scanner.named(TokenKind::Anchor)),
            b'!' => self.node(Self::tag),
            c @ (b'|' | b'>') if !flow => {
                self.drop_key(self.flow_level())?;
                self.key_allowed = true;
                let token = self.block_scalar(c == b'|')?;
                self.tokens.push_back(token);
                Ok(())
            }
            b'\'' => self.node(|scanner| scanner.quoted_scalar(Style::SingleQuoted)),
            b'"' => self.node(|scanner| scanner.quoted_scalar(Style::DoubleQuoted)),
            b'-' if !matches!(self.byte(1), b' ' | b'\t') => self.node(Self::plain_scalar),
            b'?' | b':' if !flow && !self.is_blank_or_end(1) => self.node(Self::plain_scalar),
            b'\t' => Err(Error::new(ErrorKind::Tab, self.at)),
            b'-' | b'?' | b':' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                Err(Error::new(ErrorKind::NoToken, self.at))
            }
            _ => self.node(Self::plain_scalar),
        }
    }

    fn document(&mut self, kind: TokenKind) -> Scanned {
        self.unroll(0);
        self.drop_key(self.flow_level())?;
        self.key_allowed = false;
        self.indicator(kind, 3);
        Ok(())
    }

    fn open(&mut self, kind: TokenKind) -> Scanned {
        self.save_key()?;
        self.keys.push(None);
        self.key_allowed = true;
        self.indicator(kind, 1);
        Ok(())
    }

    fn close(&mut self, kind: TokenKind) -> Scanned {
        self.drop_key(self.flow_level())?;
        if self.flow_level() > 0 {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.indicator(kind, 1);
        Ok(())
    }

    /// Reads a dash or a question mark.
    fn entry(&mut self, kind: TokenKind, collection: TokenKind, misplaced: ErrorKind) -> Scanned {
        let block = self.flow_level() == 0;
        if block {
            if !self.key_allowed {
                return Err(Error::new(misplaced, self.at));
            }
            self.roll(self.column, collection, self.at, None);
        }
        self.drop_key(self.flow_level())?;
        self.key_allowed = block || kind == TokenKind::BlockEntry;
        self.indicator(kind, 1);
        Ok(())
    }

    /// Reads a colon.
    fn value(&mut self) -> Scanned {
        let level = self.flow_level();
        if let Some(key) = self.valid_key(level)? {
            let place = key.token - self.taken;
            self.insert(place, TokenKind::Key, key.at, key.column);
            self.roll(key.column, TokenKind::BlockMapping, key.at, Some(key.token));
            if let Some(last) = self.keys.last_mut() {
                *last = None;
            }
            self.key_allowed = false;
        } else {
            if level == 0 {
                if !self.key_allowed {
                    return Err(Error::new(ErrorKind::Value, self.at));
                }
                self.roll(self.column, TokenKind::BlockMapping, self.at, None);
            }
            self.key_allowed = level == 0;
        }
        self.indicator(TokenKind::Value, 1);
        Ok(())
    }

    /// Reads what may be a key, or stand before one.
    fn node(&mut self, scan: impl FnOnce(&mut Self) -> Scanned<Token<'t>>) -> Scanned {
        self.save_key()?;
        self.key_allowed = false;
        let token = scan(self)?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn indicator(&mut self, kind: TokenKind, width: usize) {
        let (start, column) = (self.at, self.column);
        self.skip_ascii(width);
        self.push(kind, start, column);
    }

    fn skip_blank(&mut self) {
        loop {
            let tabs = self.flow_level() > 0 || !self.key_allowed;
            while self.byte(0) == b' ' || (tabs && self.byte(0) == b'\t') {
                self.skip_ascii(1);
            }
            self.skip_comment();
            if !self.is_break() {
                return;
            }
            self.skip_line();
            self.key_allowed |= self.flow_level() == 0;
        }
    }

    pub(crate) fn skip_comment(&mut self) {
        if self.byte(0) == b'#' {
            let start = self.at;
            self.skip_to_break();
            self.comments.push(start..self.at);
        }
    }
}

/// Maximum length of a key, up to its colon, in characters.
const KEY_LENGTH: usize = 1024;
