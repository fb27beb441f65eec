//! Lines of a stream, none longer than a snapshot can be.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Maximum length of a line. A snapshot with every list full has a tenth of it.
const MAX_LINE: usize = 1 << 20;

/// Reads lines. One that is too long is left out.
pub(super) struct Lines<R> {
    from: R,
    /// What was read and is no whole line yet.
    rest: Vec<u8>,
    /// Whether the present line is too long already.
    skipping: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, rest: Vec::new(), skipping: false }
    }

    /// The next line, without its end; `None` when the stream ends. Nothing is lost when it is not
    /// waited for to the end.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') {
                let after = self.rest.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.rest, after);
                line.pop();
                if !std::mem::take(&mut self.skipping) {
                    return Some(line);
                }
                continue;
            }
            if self.rest.len() > MAX_LINE {
                self.rest.clear();
                self.skipping = true;
            }
            match self.from.read_buf(&mut self.rest).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(bytes);
            let mut all = Vec::new();
            while let Some(line) = lines.next().await {
                all.push(String::from_utf8(line).unwrap());
            }
            all
        })
    }

    #[test]
    fn whole_lines_only() {
        assert_eq!(all(b"one\n\ntwo\nthr"), ["one", "", "two"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut bytes = vec![b'x'; 3 * MAX_LINE];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(all(&bytes), ["next"]);
    }
}
