//! The lines of a stream. A line that is too long is skipped and its content dropped, so that no
//! object of the cluster decides how much memory is used.

use futures_util::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Maximum length of a line, in bytes. etcd takes objects of 1.5 MiB, which JSON makes larger.
pub const LONGEST: usize = 4 << 20;

/// Buffer capacity that is kept after a long line.
const ROOM: usize = 64 << 10;

/// A stream, line by line.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'l> {
    /// A line, without its end.
    Line(&'l [u8]),
    /// A line that was too long.
    TooLong,
    /// Nothing: the stream has ended.
    End,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// The lines of `reader`.
    pub const fn new(reader: R) -> Self {
        Self { reader, line: Vec::new() }
    }

    /// The next line.
    ///
    /// # Errors
    /// When the stream breaks off.
    pub async fn next(&mut self) -> std::io::Result<Next<'_>> {
        self.line.clear();
        self.line.shrink_to(ROOM);
        let mut too_long = false;
        loop {
            let read = self.reader.fill_buf().await?;
            let (part, ended) = match read.iter().position(|byte| *byte == b'\n') {
                Some(end) => (read.get(..end).unwrap_or_default(), true),
                None => (read, false),
            };
            let (length, over) = (part.len(), read.is_empty());
            too_long |= self.line.len() + length > LONGEST;
            match too_long {
                true => self.line = Vec::new(),
                false => self.line.extend_from_slice(part),
            }
            self.reader.consume_unpin(length + usize::from(ended));
            match (ended, over) {
                (true, _) if too_long => return Ok(Next::TooLong),
                (true, _) => return Ok(Next::Line(&self.line)),
                // What the end of the stream cut off is no line.
                (false, true) => return Ok(Next::End),
                (false, false) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use futures_util::io::{BufReader, Cursor};

    use super::*;

    #[tokio::test]
    async fn lines_come_whole_or_not_at_all() {
        let long = "x".repeat(LONGEST + 1);
        let text = format!("one\n\n{long}\ntwo\ncut off");
        let mut lines = Lines::new(BufReader::with_capacity(7, Cursor::new(text)));
        assert_eq!(lines.next().await.unwrap(), Next::Line(b"one"));
        assert_eq!(lines.next().await.unwrap(), Next::Line(b""));
        assert_eq!(lines.next().await.unwrap(), Next::TooLong);
        assert!(lines.line.capacity() <= ROOM);
        assert_eq!(lines.next().await.unwrap(), Next::Line(b"two"));
        assert_eq!(lines.next().await.unwrap(), Next::End);
    }
}
