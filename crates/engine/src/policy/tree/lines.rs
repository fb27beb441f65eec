//! Where the bytes of a policy file are, as lines and columns.

use std::ops::Range;

use kube_yaml::BOM;

use super::Span;

/// The lines of a file, and its characters.
pub(super) struct Lines<'s> {
    pub(super) text: &'s str,
    /// The start of each line.
    starts: Vec<usize>,
    /// Number of characters that begin before each block: a whole file may be one line, whose
    /// columns must not be counted from its start each time.
    characters: Vec<usize>,
}

/// Length of a block, in bytes.
const BLOCK: usize = 1024;

impl<'s> Lines<'s> {
    pub(super) fn of(text: &'s str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let blocks = text.as_bytes().chunks(BLOCK).scan(0, |before, block| {
            let here = *before;
            *before += begun(block);
            Some(here)
        });
        let characters = blocks.collect();
        Self { text, starts, characters }
    }

    /// Number of characters before a byte that one begins at.
    fn characters_before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        // The text's end may be where a block would begin.
        let (block, before) = match self.characters.get(block) {
            Some(before) => (block, *before),
            None => (block.saturating_sub(1), self.characters.last().copied().unwrap_or_default()),
        };
        before + begun(self.text.as_bytes().get(block * BLOCK..at).unwrap_or_default())
    }

    /// The place of a range of bytes, widened to whole characters: a position in an error of YAML
    /// is that of a byte, and what draws a source takes no half of a character.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let start = self.text.floor_char_boundary(range.start);
        let line = self.starts.partition_point(|line| *line <= start);
        let line_start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied();
        let line_start = line_start.unwrap_or_default();
        // Editors do not count a byte-order mark as a column.
        let marked = line_start < start && self.text.get(line_start..).is_some_and(starts_marked);
        let column = self.characters_before(start) - self.characters_before(line_start);
        let column = column - usize::from(marked) + 1;
        let end = self.text.ceil_char_boundary(range.end).max(start);
        Span { start, end, line: line.max(1), column }
    }
}

fn starts_marked(text: &str) -> bool {
    text.starts_with(BOM)
}

/// Number of characters that begin in these bytes of a text.
fn begun(bytes: &[u8]) -> usize {
    /// The two bits that tell a byte within a character (RFC 3629).
    const WITHIN: u8 = 0b1000_0000;
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != WITHIN).count()
}
