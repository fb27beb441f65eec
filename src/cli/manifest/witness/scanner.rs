//! From text to tokens, as go-yaml v2 does it (`scannerc.go`).

use std::collections::VecDeque;

use super::SyntaxError;
use crate::cli::manifest::characters::BOM;

/// What the parser is told of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
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
    Alias(String),
    Anchor(String),
    Tag(String),
    Scalar { text: String, plain: bool },
}

/// Something that was read, or what Kubernetes says of it.
pub(super) type Scanned<T = ()> = Result<T, SyntaxError>;

pub(super) struct Scanner<'t> {
    text: &'t str,
    /// Where it is: in bytes, in characters, and on which line in which column, from 0.
    pub(super) at: usize,
    index: usize,
    line: usize,
    pub(super) column: usize,
    /// Tokens with their places that nobody has taken yet, and how many were taken.
    tokens: VecDeque<(Token, usize)>,
    taken: usize,
    /// One more than the column of the innermost block collection, and of those around it; 0
    /// where there is none.
    pub(super) indent: usize,
    indents: Vec<usize>,
    /// For each flow collection around, and what is around them all: what may be a key there,
    /// if a `:` comes.
    keys: Vec<Option<SimpleKey>>,
    /// Whether a key may begin here, as at the beginning of a line and after a dash. In block
    /// context no tab may then.
    pub(super) key_allowed: bool,
}

/// A token that is a key if a `:` follows.
#[derive(Clone, Copy)]
struct SimpleKey {
    /// How many tokens were before it.
    token: usize,
    /// Whether it cannot be anything else where it stands.
    required: bool,
    at: usize,
    index: usize,
    line: usize,
    column: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            // A byte-order mark says how the text is written, and is no part of it.
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
        }
    }

    /// The next token and where it begins.
    pub(super) fn peek(&mut self) -> Scanned<(&Token, usize)> {
        // While the next one may still turn out to be a key, a token is missing before it.
        while self.tokens.is_empty() || self.may_be_key()? {
            self.fetch()?;
        }
        Ok(self.tokens.front().map_or((&Token::End, self.at), |(token, at)| (token, *at)))
    }

    /// Takes the token that was looked at.
    pub(super) fn take(&mut self) -> Option<Token> {
        self.taken += 1;
        self.tokens.pop_front().map(|(token, _)| token)
    }

    fn may_be_key(&mut self) -> Scanned<bool> {
        let is_next = |key: &Option<SimpleKey>| key.is_some_and(|key| key.token == self.taken);
        match self.keys.iter().position(is_next) {
            Some(level) => Ok(self.valid_key(level)?.is_some()),
            None => Ok(false),
        }
    }

    /// What may still be a key at that level: one on this line, and near enough.
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
            Some(key) if key.required => Err(refused(key.at)),
            _ => Ok(()),
        }
    }

    /// Notes that what comes next may be a key.
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

    pub(super) fn flow_level(&self) -> usize {
        self.keys.len() - 1
    }

    /// Begins a block collection, its first token before that many.
    fn roll(&mut self, column: usize, token: Token, at: usize, before: Option<usize>) {
        if self.flow_level() == 0 && self.indent < column + 1 {
            self.indents.push(self.indent);
            self.indent = column + 1;
            let place = before.map_or(self.tokens.len(), |number| number - self.taken);
            self.tokens.insert(place, (token, at));
        }
    }

    /// Ends the block collections that are further in than what comes next.
    fn unroll(&mut self, indent: usize) {
        while self.flow_level() == 0 && self.indent > indent {
            self.tokens.push_back((Token::BlockEnd, self.at));
            self.indent = self.indents.pop().unwrap_or_default();
        }
    }

    fn fetch(&mut self) -> Scanned {
        self.skip_blank();
        if self.is_end() {
            // As if the last line had ended: no `:` will make a key of anything before it.
            if self.column > 0 {
                self.column = 0;
                self.line += 1;
            }
            self.unroll(0);
            self.drop_key(self.flow_level())?;
            self.key_allowed = false;
            self.tokens.push_back((Token::End, self.at));
            return Ok(());
        }
        self.unroll(self.column + 1);
        let flow = self.flow_level() > 0;
        match self.byte(0) {
            b'%' if self.column == 0 => Err(refused(self.at)),
            b'-' if self.is_marker() => self.document(Token::DocumentStart),
            b'.' if self.is_marker() => self.document(Token::DocumentEnd),
            b'[' => self.open(Token::FlowSequence),
            b'{' => self.open(Token::FlowMapping),
            b']' => self.close(Token::FlowSequenceEnd),
            b'}' => self.close(Token::FlowMappingEnd),
            b',' => {
                self.drop_key(self.flow_level())?;
                self.key_allowed = true;
                self.indicator(Token::FlowEntry, 1);
                Ok(())
            }
            b'-' if self.is_blank_or_end(1) => self.entry(Token::BlockEntry, Token::BlockSequence),
            b'?' if flow || self.is_blank_or_end(1) => self.entry(Token::Key, Token::BlockMapping),
            b':' if flow || self.is_blank_or_end(1) => self.value(),
            b'*' => self.named(Token::Alias),
            b'&' => self.named(Token::Anchor),
            b'!' => self.node(Self::tag),
            c @ (b'|' | b'>') if !flow => {
                self.drop_key(self.flow_level())?;
                self.key_allowed = true;
                let at = self.at;
                let scalar = self.block_scalar(c == b'|')?;
                self.tokens.push_back((scalar, at));
                Ok(())
            }
            b'\'' => self.node(|scanner| scanner.quoted_scalar(true)),
            b'"' => self.node(|scanner| scanner.quoted_scalar(false)),
            b'-' if !matches!(self.byte(1), b' ' | b'\t') => self.node(Self::plain_scalar),
            b'?' | b':' if !flow && !self.is_blank_or_end(1) => self.node(Self::plain_scalar),
            b'\t' => Err(error(self.at, A_TAB)),
            b'-' | b'?' | b':' | b'|' | b'>' | b'%' | b'@' | b'`' => Err(refused(self.at)),
            _ => self.node(Self::plain_scalar),
        }
    }

    fn document(&mut self, token: Token) -> Scanned {
        self.unroll(0);
        self.drop_key(self.flow_level())?;
        self.key_allowed = false;
        self.indicator(token, 3);
        Ok(())
    }

    fn open(&mut self, token: Token) -> Scanned {
        self.save_key()?;
        self.keys.push(None);
        self.key_allowed = true;
        self.indicator(token, 1);
        Ok(())
    }

    fn close(&mut self, token: Token) -> Scanned {
        self.drop_key(self.flow_level())?;
        if self.flow_level() > 0 {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.indicator(token, 1);
        Ok(())
    }

    /// A dash or a question mark.
    fn entry(&mut self, token: Token, collection: Token) -> Scanned {
        let block = self.flow_level() == 0;
        if block {
            if !self.key_allowed {
                return Err(refused(self.at));
            }
            self.roll(self.column, collection, self.at, None);
        }
        self.drop_key(self.flow_level())?;
        self.key_allowed = block || token == Token::BlockEntry;
        self.indicator(token, 1);
        Ok(())
    }

    /// A colon.
    fn value(&mut self) -> Scanned {
        let level = self.flow_level();
        if let Some(key) = self.valid_key(level)? {
            let place = key.token - self.taken;
            self.tokens.insert(place, (Token::Key, key.at));
            self.roll(key.column, Token::BlockMapping, key.at, Some(key.token));
            if let Some(last) = self.keys.last_mut() {
                *last = None;
            }
            self.key_allowed = false;
        } else {
            if level == 0 {
                if !self.key_allowed {
                    return Err(refused(self.at));
                }
                self.roll(self.column, Token::BlockMapping, self.at, None);
            }
            self.key_allowed = level == 0;
        }
        self.indicator(Token::Value, 1);
        Ok(())
    }

    /// What may be a key, or stand before one.
    pub(super) fn node(&mut self, scan: impl FnOnce(&mut Self) -> Scanned<Token>) -> Scanned {
        self.save_key()?;
        self.key_allowed = false;
        let at = self.at;
        let token = scan(self)?;
        self.tokens.push_back((token, at));
        Ok(())
    }

    fn indicator(&mut self, token: Token, width: usize) {
        self.tokens.push_back((token, self.at));
        for _ in 0..width {
            self.skip();
        }
    }

    fn skip_blank(&mut self) {
        loop {
            let tabs = self.flow_level() > 0 || !self.key_allowed;
            while self.byte(0) == b' ' || (tabs && self.byte(0) == b'\t') {
                self.skip();
            }
            self.skip_comment();
            if !self.is_break() {
                return;
            }
            self.skip_line();
            self.key_allowed |= self.flow_level() == 0;
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.byte(0) == b'#' {
            while !self.is_break() && !self.is_end() {
                self.skip();
            }
        }
    }

    /// Whether a line begins here with `---` or `...` and nothing that makes it a word.
    pub(super) fn is_marker(&self) -> bool {
        let is = |c| (0..3).all(|ahead| self.byte(ahead) == c);
        self.column == 0 && (is(b'-') || is(b'.')) && self.is_blank_or_end(3)
    }

    pub(super) fn is_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn is_break(&self) -> bool {
        matches!(self.byte(0), b'\n' | b'\r')
    }

    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t' | b'\n' | b'\r' | 0)
    }

    /// The byte that far ahead, or 0 where there is none; the text has no zeros.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or_default()
    }

    pub(super) fn skip(&mut self) -> Option<char> {
        let c = self.text.get(self.at..)?.chars().next()?;
        self.at += c.len_utf8();
        self.index += 1;
        self.column += 1;
        Some(c)
    }

    pub(super) fn skip_line(&mut self) {
        let width = if self.byte(0) == b'\r' && self.byte(1) == b'\n' { 2 } else { 1 };
        self.at += width;
        self.index += width;
        self.line += 1;
        self.column = 0;
    }
}

pub(super) fn error(offset: usize, message: &str) -> SyntaxError {
    SyntaxError { message: message.to_owned(), offset }
}

/// What Kubernetes refuses and the first reading does not: no text is known, so there is nothing
/// to say of it but this.
pub(super) fn refused(offset: usize) -> SyntaxError {
    error(
        offset,
        "Kubernetes refuses what begins here, though YAML 1.2 has it; write it in block style, in \
         quotes where it is text",
    )
}

pub(super) const A_TAB: &str = "Kubernetes refuses a tab here";

/// How many characters a key may have, up to its colon.
const KEY_LENGTH: usize = 1024;
