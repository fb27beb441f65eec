//! Markdown for comments: of bounded length, and nothing in it that somebody else wrote has a meaning.

use crate::text::clean;

/// Maximum length, in bytes. GitHub takes 65,536 characters in a comment.
const LONGEST: usize = 60_000;

/// A text of bounded length.
pub(super) struct Page {
    pub(super) text: String,
    /// Whether something had no room. Nothing is added then, so that nothing stands below the wrong
    /// heading.
    full: bool,
    /// Number of parts for which there was no room.
    pub(super) left_out: usize,
}

impl Page {
    /// A text that begins so.
    pub(super) fn new(head: String) -> Self {
        Self { text: head, full: false, left_out: 0 }
    }

    /// Adds a part, if there is room.
    pub(super) fn add(&mut self, part: &str) {
        self.left_out += usize::from(!self.head(part) && !part.is_empty());
    }

    /// Adds a heading, which nobody misses by itself. Returns whether there was room.
    pub(super) fn head(&mut self, part: &str) -> bool {
        self.full |= self.text.len() + part.len() > LONGEST;
        if !self.full {
            self.text.push_str(part);
        }
        !self.full
    }
}

/// Text as code, in which nothing has a meaning. What comes from a manifest may hold anything.
pub(super) fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// Text in which no character of Markdown or HTML has a meaning, but for code between backticks, as
/// messages have it.
pub(super) fn escaped(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len());
    let even = text.matches('`').count().is_multiple_of(2);
    let mut in_code = false;
    for character in text.chars() {
        match character {
            '`' if even => in_code = !in_code,
            '|' => out.push('\\'),
            '\\' | '*' | '_' | '#' | '[' | ']' | '<' | '>' | '&' | '~' | '!' | '`' if !in_code => {
                out.push('\\');
            }
            _ => {}
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_a_bound() {
        let mut page = Page::new(String::new());
        let part = "x".repeat(1000);
        (0..100).for_each(|_| page.add(&part));
        page.add("");
        assert!(!page.head("a heading"));
        assert_eq!((page.text.len(), page.left_out), (60_000, 40));
    }

    #[test]
    fn nothing_from_a_manifest_is_markdown() {
        assert_eq!(
            escaped("writes `/a_b` as <b>*x*</b> | y"),
            "writes `/a_b` as \\<b\\>\\*x\\*\\</b\\> \\| y"
        );
        assert_eq!(escaped("a ` b"), "a \\` b");
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a`b"), "`` a`b ``");
    }
}
