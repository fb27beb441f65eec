//! Characters that Kubernetes' reader refuses, or that mean something else to it than here.
//! They count wherever they stand: in text, in comments, and after the end of the document
//! too, since it reads ahead.

use crate::error::{Error, ErrorKind};

/// Refuses the first such character.
///
/// - U+0085, U+2028 and U+2029 end a line in YAML 1.1, and with it a comment: text after one
///   would count in the cluster, and nobody sees it.
/// - A byte-order mark that happens to be first in go-yaml's buffer takes with it the first
///   character of each line that follows.
/// - Others go-yaml refuses.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    // A byte-order mark at the very beginning tells the encoding, and is no part of the text.
    let rest = text.strip_prefix(BOM).unwrap_or(text);
    // Nearly every text consists of these bytes alone.
    if rest.bytes().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        return Ok(());
    }
    let start = text.len() - rest.len();
    match rest.char_indices().find(|&(_, c)| !is_taken(c)) {
        Some((at, c)) => Err(Error::new(ErrorKind::Character(c), start + at)),
        None => Ok(()),
    }
}

/// Whether go-yaml (`readerc.go`) accepts the character, and takes it for the same as we do.
fn is_taken(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | BOM => false,
        c => matches!(c, '\u{a0}'..='\u{fffd}' | '\u{10000}'..),
    }
}

/// The byte-order mark.
pub const BOM: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_refuses_or_reads_otherwise_is_found() {
        for (text, at, part) in [
            ("a: \0", 3, "U+0000"),
            ("a: 1 # \u{1b}[31m", 7, "U+001B"),
            ("a: \"\u{7f}\"", 4, "U+007F"),
            ("a: \u{9f}", 3, "U+009F"),
            ("a: 'é\u{fffe}'", 6, "U+FFFE"),
            ("a: 1\n...\n\u{ffff}", 9, "U+FFFF"),
            ("a: 1 # c\u{85}b: 2", 8, "line break"),
            ("a: b\u{2028}c", 4, "line break"),
            ("\n\u{feff}a: 1\n", 1, "byte-order mark"),
            ("a: 1\n\u{feff}b: 2\n", 5, "byte-order mark"),
            ("\u{feff}\u{feff}a: 1\n", 3, "byte-order mark"),
            ("a: \"\u{feff}\"\n", 4, "byte-order mark"),
        ] {
            let found = check(text).map_err(|error| (error.offset, error.to_string()));
            let is_right =
                matches!(&found, Err((offset, words)) if *offset == at && words.contains(part));
            assert!(is_right, "{text:?}: {found:?}");
        }
        for text in ["\u{feff}a: 1\r\n", "a:\tb ~", "a: \u{a0}é\u{d7ff}\u{e000}\u{fffd}\u{1f600}"]
        {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
    }
}
