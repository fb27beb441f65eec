//! Text without quotes, in quotes and in blocks, as go-yaml v2 reads it (`scannerc.go`).

use super::scanner::{A_TAB, Scanned, Scanner, Token, error, refused};

impl Scanner<'_> {
    pub(super) fn plain_scalar(&mut self) -> Scanned<Token> {
        let mut text = String::new();
        let mut blanks = Blanks::default();
        let flow = self.flow_level() > 0;
        loop {
            if self.is_marker() || self.byte(0) == b'#' {
                break;
            }
            while !self.is_blank_or_end(0) {
                let colon = self.byte(0) == b':' && self.is_blank_or_end(1);
                if colon || (flow && b",?[]{}".contains(&self.byte(0))) {
                    break;
                }
                blanks.join(&mut text);
                text.extend(self.skip());
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
        Ok(Token::Scalar { text, plain: true })
    }

    pub(super) fn quoted_scalar(&mut self, single: bool) -> Scanned<Token> {
        let start = self.at;
        let quote = if single { b'\'' } else { b'"' };
        let mut text = String::new();
        self.skip();
        loop {
            if self.is_marker() {
                return Err(refused(self.at));
            }
            if self.is_end() {
                return Err(refused(start));
            }
            let mut blanks = Blanks::default();
            while !self.is_blank_or_end(0) && (self.byte(0) != quote || self.is_doubled(single)) {
                if self.is_doubled(single) {
                    self.skip();
                } else if !single && self.byte(0) == b'\\' {
                    self.skip();
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
                // What an escaped line break has before it is kept as it is.
                break;
            }
            self.blanks(&mut blanks, 0)?;
            blanks.join(&mut text);
        }
        self.skip();
        Ok(Token::Scalar { text, plain: false })
    }

    /// Whether this is a quote that stands for itself.
    fn is_doubled(&self, single: bool) -> bool {
        single && self.byte(0) == b'\'' && self.byte(1) == b'\''
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Scanned<char> {
        let start = self.at - 1;
        let width = match self.skip() {
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
            _ => {
                return Err(refused(start));
            }
        };
        let mut value = 0;
        for _ in 0..width {
            let digit = self.skip().and_then(|c| c.to_digit(16));
            let digit = digit.ok_or_else(|| refused(start))?;
            value = (value << 4) | digit;
        }
        char::from_u32(value).ok_or_else(|| {
            error(start, "Kubernetes takes no escape that is half a character; write the character")
        })
    }

    /// Blanks and line breaks within text. In the first `indent` columns of a line no tab may
    /// be.
    fn blanks(&mut self, blanks: &mut Blanks, indent: usize) -> Scanned {
        loop {
            let fresh = blanks.lines > 0 || blanks.escaped;
            match self.byte(0) {
                b'\t' if blanks.lines > 0 && self.column < indent => {
                    return Err(error(self.at, A_TAB));
                }
                b' ' | b'\t' if fresh => drop(self.skip()),
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

    pub(super) fn block_scalar(&mut self, literal: bool) -> Scanned<Token> {
        self.skip();
        let mut chomp = None;
        let mut indent = 0;
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomp.is_none() => chomp = Some(sign),
                b'0' if indent == 0 => {
                    return Err(refused(self.at));
                }
                digit if indent == 0 && digit.is_ascii_digit() => {
                    indent = self.indent.saturating_sub(1) + usize::from(digit - b'0');
                }
                _ => break,
            }
            self.skip();
        }
        while matches!(self.byte(0), b' ' | b'\t') {
            self.skip();
        }
        self.skip_comment();
        if self.is_break() {
            self.skip_line();
        } else if !self.is_end() {
            return Err(refused(self.at));
        }

        let mut text = String::new();
        let mut after_break = false;
        let mut after_blank = false;
        let mut breaks = self.block_breaks(&mut indent)?;
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
            while !self.is_break() && !self.is_end() {
                text.extend(self.skip());
            }
            after_break = self.is_break();
            if after_break {
                self.skip_line();
            }
            breaks = self.block_breaks(&mut indent)?;
        }
        if after_break && chomp != Some(b'-') {
            text.push('\n');
        }
        if chomp == Some(b'+') {
            text.extend(std::iter::repeat_n('\n', breaks));
        }
        Ok(Token::Scalar { text, plain: false })
    }

    /// The indentation and the empty lines before a line of a block scalar; how many these
    /// are. Where the indentation is not known yet, it is said here.
    fn block_breaks(&mut self, indent: &mut usize) -> Scanned<usize> {
        let mut breaks = 0;
        let mut widest = 0;
        loop {
            while self.byte(0) == b' ' && (*indent == 0 || self.column < *indent) {
                self.skip();
            }
            widest = widest.max(self.column);
            if self.byte(0) == b'\t' && (*indent == 0 || self.column < *indent) {
                return Err(error(self.at, A_TAB));
            }
            if !self.is_break() {
                break;
            }
            self.skip_line();
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
    /// Whether a backslash stood before the first line break, which does not count then.
    escaped: bool,
}

impl Blanks {
    /// Puts what they mean to the text, and forgets them.
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
