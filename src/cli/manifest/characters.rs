//! Characters that mean something else to Kubernetes' reader than here, or that it refuses,
//! wherever they stand: in text, in comments, and after the end of the document too, since
//! it reads ahead.

/// The first of them, and what to say of it.
pub(super) fn find(text: &str) -> Option<(usize, String)> {
    // At the very beginning a byte-order mark says how the text is written, and is no part of it.
    let rest = text.strip_prefix(BOM).unwrap_or(text);
    let (at, c) = rest.char_indices().find(|&(_, c)| !is_taken(c))?;
    let message = match c {
        // To YAML 1.1 these end a line, and with it a comment: what follows one there would
        // count in the cluster and not here.
        '\u{85}' | '\u{2028}' | '\u{2029}' => {
            "Kubernetes takes this character for a line break; write it escaped, in double quotes"
                .to_owned()
        }
        // In go-yaml, one that comes to stand first in its buffer takes the first character
        // of each line that follows with it.
        BOM => "a byte-order mark belongs to the beginning of a file alone".to_owned(),
        c => format!(
            "Kubernetes refuses the character U+{:04X}; take it out, or write it escaped, in \
             double quotes",
            u32::from(c)
        ),
    };
    Some((text.len() - rest.len() + at, message))
}

/// Whether go-yaml (`readerc.go`) takes the character, and for the same as we do.
fn is_taken(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | BOM => false,
        c => matches!(c, '\u{a0}'..='\u{fffd}' | '\u{10000}'..),
    }
}

/// The byte-order mark.
pub(super) const BOM: char = '\u{feff}';

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
            let found = find(text);
            let is_right =
                |(offset, message): &(usize, String)| *offset == at && message.contains(part);
            assert!(found.as_ref().is_some_and(is_right), "{text:?}: {found:?}");
        }
        for text in ["\u{feff}a: 1\r\n", "a:\tb ~", "a: \u{a0}é\u{d7ff}\u{e000}\u{fffd}\u{1f600}"]
        {
            assert_eq!(find(text), None, "{text:?}");
        }
    }
}
