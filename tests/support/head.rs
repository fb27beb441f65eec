//! The head of a request, as far as an API server of a test needs one.

use std::io::BufRead;

/// The request line and the headers, each with its line end; nothing once the client is gone.
pub fn head(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if !reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            return None;
        }
        if line.trim().is_empty() {
            return Some(head);
        }
        head.push(line);
    }
}

/// What is asked for: path and query.
pub fn target(head: &[String]) -> &str {
    head[0].split(' ').nth(1).unwrap()
}
