//! Plain, quoted and block scalars, as go-yaml v2 reads them (`scannerc.go`).

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};
use crate::scanner::{Scanned, Scanner, Token, TokenKind};
use crate::tree::Style;

impl<'t> Scanner<'t> {
    pub(crate) fn plain_scalar(&mut self) -> Scanned<Token<'t>> {
        let (start, column) = (self.at, self.column);
        let mut end = start;
        // Text on a single line is taken as written.
        let mut text = Cow::Borrowed("");
        let mut blanks = Blanks::default();
        let flow = self.flow_level() > 0;
        loop {
            if self.is_marker() || self.byte(0) == b'#' {
                break;
            }
            let word = self.skip_until(|byte, next| match byte {
                b' ' | b'\t' | b'\n' | b'\r' => true,
                b':' => matches!(next, b' ' | b'\t' | b'\n' | b'\r' | 0),
                b',' | b'?' | b'[' | b']' | b'{' | b'}' => flow,
                _ => false,
            });
            if !word.is_empty() {
                if blanks.lines == 0 && matches!(text, Cow::Borrowed(_)) {
                    text = Cow::Borrowed(self.since(start));
                    blanks.within.clear();
                } else {
                    let text = text.to_mut();
                    blanks.join(text);
                    text.push_str(word);
                }
                end = self.at;
            }
            if !self.is_blank_or_end(0) || self.is_end() {
                break;
            }
            self.blanks(&mut blanks, self.indent)?;
            if !flow && self.column < self.indent {
                break;
            }
        }
        self.key_allowed |= blanks.lines > 0;
        Ok(Token { kind: TokenKind::Scalar(Style::Plain), text, range: start..end, column })
    }

    pub(crate) fn quoted_scalar(&mut self, style: Style) -> Scanned<Token<'t>> {
        let (start, column) = (self.at, self.column);
        let single = style == Style::SingleQuoted;
        let quote = if single { b'\'' } else { b'"' };
        self.skip_ascii(1);
        // Text on a single line and without an escape is taken as written.
        let simple = self.skip_until(|byte, _| {
            byte == quote || matches!(byte, b'\n' | b'\r') || (!single && byte == b'\\')
        });
        let token = |scanner: &Self, text| Token {
            kind: TokenKind::Scalar(style),
            text,
            range: start..scanner.place(),
            column,
        };
        if self.byte(0) == quote && !self.is_doubled(single) {
            self.skip_ascii(1);
            return Ok(token(self, Cow::Borrowed(simple)));
        }
        // Blanks at the end of a line do not belong to the text.
        let kept = simple.trim_end_matches([' ', '\t']);
        let mut text = kept.to_owned();
        let mut blanks = Blanks::default();
        blanks.within.push_str(simple.get(kept.len()..).unwrap_or_default());
        if !self.is_break() {
            blanks.join(&mut text);
        }
        loop {
            if self.is_marker() {
                return Err(Error::new(ErrorKind::MarkerInQuotes, self.at));
            }
            if self.is_end() {
                return Err(Error::new(ErrorKind::OpenQuotes, start));
            }
            while !self.is_blank_or_end(0) && (self.byte(0) != quote || self.is_doubled(single)) {
                if self.is_doubled(single) {
                    self.skip_ascii(1);
                } else if !single && self.byte(0) == b'\\' {
                    self.skip_ascii(1);
                    if self.is_break() {
                        self.skip_line();
                        blanks.escaped = true;
                        break;
                    }
                    text.push(self.escape()?);
                    continue;
                }
                text.extend(self.skip());
            }
            if self.byte(0) == quote {
                // Blanks before an escaped line break are kept.
                break;
            }
            self.blanks(&mut blanks, 0)?;
            blanks.join(&mut text);
        }
        self.skip_ascii(1);
        Ok(token(self, Cow::Owned(text)))
    }

    /// Whether this is a doubled quote, which stands for the quote itself.
    fn is_doubled(&self, single: bool) -> bool {
        single && self.byte(0) == b'\'' && self.byte(1) == b'\''
    }

    /// The character of an escape, after its backslash.
    fn escape(&mut self) -> Scanned<char> {
        let start = self.at - 1;
        let kind = self.skip();
        let refused = || Error::new(ErrorKind::Escape(kind.unwrap_or('\\')), start);
        let width = match kind {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('0') => return Ok('\0'),
            Some('a') => return Ok('\u{7}'),
            Some('b') => return Ok('\u{8}'),
            Some('t' | '\t') => return Ok('\t'),
            Some('n') => return Ok('\n'),
            Some('v') => return Ok('\u{b}'),
            Some('f') => return Ok('\u{c}'),
            Some('r') => return Ok('\r'),
            Some('e') => return Ok('\u{1b}'),
            Some('N') => return Ok('\u{85}'),
            Some('_') => return Ok('\u{a0}'),
            Some('L') => return Ok('\u{2028}'),
            Some('P') => return Ok('\u{2029}'),
            Some(c @ (' ' | '"' | '\'' | '\\')) => return Ok(c),
            _ => return Err(refused()),
        };
        let mut value = 0;
        for _ in 0..width {
            let digit = self.skip().and_then(|c| c.to_digit(16));
            value = (value << 4) | digit.ok_or_else(refused)?;
        }
        char::from_u32(value).ok_or(Error::new(ErrorKind::EscapedSurrogate, start))
    }

    /// Reads blanks and line breaks within text. A tab is not allowed in the first `indent`
    /// columns of a line.
    fn blanks(&mut self, blanks: &mut Blanks, indent: usize) -> Scanned {
        loop {
            let fresh = blanks.lines > 0 || blanks.escaped;
            match self.byte(0) {
                b'\t' if blanks.lines > 0 && self.column < indent => {
                    return Err(Error::new(ErrorKind::Tab, self.at));
                }
                b' ' | b'\t' if fresh => self.skip_ascii(1),
                b' ' | b'\t' => blanks.within.extend(self.skip()),
                b'\n' | b'\r' => {
                    blanks.within.clear();
                    blanks.lines += 1;
                    self.skip_line();
                }
                _ => return Ok(()),
            }
        }
    }

    pub(crate) fn block_scalar(&mut self, literal: bool) -> Scanned<Token<'t>> {
        let (start, column) = (self.at, self.column);
        self.skip_ascii(1);
        let mut chomp = None;
        let mut indent = 0;
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomp.is_none() => chomp = Some(sign),
                b'0' if indent == 0 => {
                    return Err(Error::new(ErrorKind::ZeroIndentation, self.at));
                }
                digit if indent == 0 && digit.is_ascii_digit() => {
                    indent = self.indent.saturating_sub(1) + usize::from(digit - b'0');
                }
                _ => break,
            }
            self.skip_ascii(1);
        }
        while matches!(self.byte(0), b' ' | b'\t') {
            self.skip_ascii(1);
        }
        self.skip_comment();
        if self.is_break() {
            self.skip_line();
        } else if !self.is_end() {
            return Err(Error::new(ErrorKind::BlockHeader, self.at));
        }

        let mut text = String::new();
        let mut after_break = false;
        let mut after_blank = false;
        let mut end = self.at;
        let mut breaks = self.block_breaks(&mut indent, &mut end)?;
        while self.column == indent && !self.is_end() {
            let blank = matches!(self.byte(0), b' ' | b'\t');
            if !literal && !after_blank && !blank && after_break {
                if breaks == 0 {
                    text.push(' ');
                }
            } else if after_break {
                text.push('\n');
            }
            text.extend(std::iter::repeat_n('\n', breaks));
            after_blank = blank;
            text.push_str(self.skip_to_break());
            after_break = self.is_break();
            if after_break {
                self.skip_line();
            }
            end = self.at;
            breaks = self.block_breaks(&mut indent, &mut end)?;
        }
        if after_break && chomp != Some(b'-') {
            text.push('\n');
        }
        if chomp == Some(b'+') {
            text.extend(std::iter::repeat_n('\n', breaks));
        }
        let end = end.min(self.place());
        let style = if literal { Style::Literal } else { Style::Folded };
        Ok(Token { kind: TokenKind::Scalar(style), text: text.into(), range: start..end, column })
    }

    /// Reads the indentation and the empty lines before a line of a block scalar. Returns the
    /// number of empty lines, and sets `end` to the end of the last. Sets `indent` if it is not
    /// known yet.
    fn block_breaks(&mut self, indent: &mut usize, end: &mut usize) -> Scanned<usize> {
        let mut breaks = 0;
        let mut widest = 0;
        loop {
            while self.byte(0) == b' ' && (*indent == 0 || self.column < *indent) {
                self.skip_ascii(1);
            }
            widest = widest.max(self.column);
            if self.byte(0) == b'\t' && (*indent == 0 || self.column < *indent) {
                return Err(Error::new(ErrorKind::Tab, self.at));
            }
            if !self.is_break() {
                break;
            }
            self.skip_line();
            *end = self.at;
            breaks += 1;
        }
        if *indent == 0 {
            *indent = widest.max(self.indent).max(1);
        }
        Ok(breaks)
    }
}

/// Blanks and line breaks between two words.
#[derive(Default)]
struct Blanks {
    within: String,
    lines: usize,
    /// Whether a backslash precedes the first line break, which then does not count.
    escaped: bool,
}

impl Blanks {
    /// Appends their meaning to the text, and resets them.
    fn join(&mut self, text: &mut String) {
        let blanks = std::mem::take(self);
        match blanks.lines {
            0 => text.push_str(&blanks.within),
            lines if blanks.escaped => text.extend(std::iter::repeat_n('\n', lines)),
            1 => text.push(' '),
            lines => text.extend(std::iter::repeat_n('\n', lines - 1)),
        }
    }
}
