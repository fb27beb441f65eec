//! Pieces of CEL: literals and regular expressions.

use std::fmt::Write as _;

/// A string literal.
pub(super) fn text(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => out.extend(['\\', c]),
            // Nothing that a reader cannot see: policies are texts of strangers, too.
            c if crate::text::is_deceptive(c) => {
                push(&mut out, format_args!("\\U{:08x}", u32::from(c)))
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A list of string literals.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<_> = texts.into_iter().map(text).collect();
    format!("[{}]", texts.join(", "))
}

/// A regular expression (RE2) that matches exactly `text`.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | ':' | '@') => {
                out.push(c)
            }
            '.' => out.push_str("\\."),
            c => push(&mut out, format_args!("\\x{{{:X}}}", u32::from(c))),
        }
    }
    out
}

/// A regular expression that matches the whole of what `glob` does, where `*` stands for any
/// characters.
pub(super) fn glob(glob: &str) -> String {
    glob.split('*').map(quoted).collect::<Vec<_>>().join(".*")
}

/// A raw string literal that matches one of `alternatives` as a whole. None of them may have a quote.
pub(super) fn any_of(alternatives: &[String]) -> String {
    match alternatives {
        [one] => format!("r'(?s)^{one}$'"),
        _ => format!("r'(?s)^({})$'", alternatives.join("|")),
    }
}

/// The inside of a character class (`[…]`) with every character that `holds` of. It is made of the
/// engine's own function, so that the two cannot differ.
pub(super) fn class(holds: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    let mut chars = ('\0'..=char::MAX).filter(|c| holds(*c)).peekable();
    while let Some(first) = chars.next() {
        let mut last = first;
        while let Some(next) = chars.next_if(|next| u32::from(*next) == u32::from(last) + 1) {
            last = next;
        }
        push(&mut out, format_args!("\\x{{{:X}}}", u32::from(first)));
        if last != first {
            push(&mut out, format_args!("-\\x{{{:X}}}", u32::from(last)));
        }
    }
    out
}

fn push(out: &mut String, piece: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _infallible = out.write_fmt(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_policies_say_stays_a_literal() {
        assert_eq!(text("it's \\ a"), r"'it\'s \\ a'");
        assert_eq!(text("a\nb\u{202e}"), r"'a\U0000000ab\U0000202e'");
        assert_eq!(list(["a", "b'"]), r"['a', 'b\'']");
        assert_eq!(quoted("a.b'(c)\\"), r"a\.b\x{27}\x{28}c\x{29}\x{5C}");
        assert_eq!(glob("docker.io/*:*"), r"docker\.io/.*:.*");
        assert_eq!(any_of(&["a".to_owned(), "b".to_owned()]), "r'(?s)^(a|b)$'");
    }

    #[test]
    fn classes_have_ranges() {
        assert_eq!(class(|c| ('a'..='c').contains(&c) || c == 'x'), r"\x{61}-\x{63}\x{78}");
        assert!(class(crate::text::is_deceptive).starts_with(r"\x{0}-\x{1F}\x{7F}-\x{9F}\x{AD}"));
    }
}
