//! The scanner's position in the text, in bytes, characters and columns, and how it advances.

use super::Scanner;

impl<'t> Scanner<'t> {
    /// Whether a line begins here with the marker `---` or `...`, and not with a word.
    pub(crate) fn is_marker(&self) -> bool {
        let is = |c| (0..3).all(|ahead| self.byte(ahead) == c);
        self.column == 0 && (is(b'-') || is(b'.')) && self.is_blank_or_end(3)
    }

    pub(crate) fn is_end(&self) -> bool {
        self.at >= self.end
    }

    /// The current position, at most the end of the text as written.
    pub(crate) fn place(&self) -> usize {
        self.at.min(self.text.len())
    }

    pub(crate) fn is_break(&self) -> bool {
        matches!(self.byte(0), b'\n' | b'\r')
    }

    pub(crate) fn is_blank_or_end(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t' | b'\n' | b'\r' | 0)
    }

    /// The byte `ahead` of here; 0 past the end, since the text has no zeros.
    pub(crate) fn byte(&self, ahead: usize) -> u8 {
        let at = self.at + ahead;
        match self.text.as_bytes().get(at) {
            Some(byte) => *byte,
            None if at < self.end => b'\n',
            None => 0,
        }
    }

    /// The text from `start` to here.
    pub(crate) fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.place()).unwrap_or_default()
    }

    /// Takes the next character, of any number of bytes.
    pub(crate) fn skip(&mut self) -> Option<char> {
        let c = self.text.get(self.at..)?.chars().next()?;
        self.at += c.len_utf8();
        self.index += 1;
        self.column += 1;
        Some(c)
    }

    /// Skips `count` characters of one byte each.
    pub(crate) fn skip_ascii(&mut self, count: usize) {
        self.at += count;
        self.index += count;
        self.column += count;
    }

    /// Takes bytes until `ends` is true. It is given each byte and the one after it, 0 at the end.
    pub(crate) fn skip_until(&mut self, ends: impl Fn(u8, u8) -> bool) -> &'t str {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let following = rest.iter().skip(1).copied().chain(std::iter::once(0));
        let length = rest.iter().copied().zip(following).position(|(byte, next)| ends(byte, next));
        let length = length.unwrap_or(rest.len());
        let skipped = rest.get(..length).unwrap_or_default();
        // Counts all but the continuation bytes.
        let characters = skipped.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        self.at += length;
        self.index += characters;
        self.column += characters;
        self.since(start)
    }

    /// Takes the rest of the line.
    pub(crate) fn skip_to_break(&mut self) -> &'t str {
        self.skip_until(|byte, _| matches!(byte, b'\n' | b'\r'))
    }

    pub(crate) fn skip_line(&mut self) {
        let width = if self.byte(0) == b'\r' && self.byte(1) == b'\n' { 2 } else { 1 };
        self.at += width;
        self.index += width;
        self.line += 1;
        self.column = 0;
    }
}
