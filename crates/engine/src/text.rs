//! Untrusted text (names, reasons, messages), made safe to show.
//!
//! An invisible character can turn a line around, hide a part of it, or make two names look
//! alike (Unicode TR 36; CVE-2021-42574). Everything that is shown goes through here.

use std::borrow::Cow;

/// Whether a reader cannot see the character where it stands: a control character, a line or
/// paragraph separator, or a format character (bidirectional controls, zero-width and
/// invisible ones, tags). These are Unicode's categories Cc, Zl and Zp, and those of Cf that
/// text has no use for here.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A name of an object or container, or what stands where there is none.
pub const fn named(name: &str) -> &str {
    if name.is_empty() { "(no name)" } else { name }
}

/// Replaces each deceptive character with a space.
pub fn clean(text: &str) -> Cow<'_, str> {
    let ordinary = |byte: u8| (0x20..0x7f).contains(&byte);
    if text.bytes().all(ordinary) || !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(is_deceptive, " "))
}

/// [`clean`], cut to `max` characters.
pub fn printable(text: &str, max: usize) -> Cow<'_, str> {
    let clean = clean(text);
    // No text has more characters than bytes.
    if clean.len() <= max {
        return clean;
    }
    let count = clean.chars().count();
    if count <= max {
        return clean;
    }
    let mut short: String = clean.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

/// Foreign text in backticks, with deceptive characters escaped, cut to 60 characters: enough
/// to recognise it.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.is_empty() {
        return "`\"\"`".to_owned();
    }
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        if is_deceptive(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// Bytes in hexadecimal, two lower-case digits each.
pub fn hex<'b>(bytes: impl IntoIterator<Item = &'b u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The word in `words` that was probably meant by `word`.
///
/// Case, `-` and `_` do not count: `run_as_user` means `runAsUser`. Otherwise at
/// most a third of the letters may differ, so that a hint is never a wild guess.
pub fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let plain = |word: &str| word.replace(['-', '_', ' '], "").to_lowercase();
    let given = plain(word);
    let distance = |known: &str| strsim::osa_distance(&given, &plain(known));
    let (best, distance) = words.iter().map(|w| (*w, distance(w))).min_by_key(|(_, d)| *d)?;
    (distance <= best.chars().count().div_ceil(3).min(3)).then_some(best)
}

/// `` `a`, `b`, `c` ``
pub fn listed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_bounded_and_printable() {
        assert_eq!(printable("a\nb\u{1b}[0m", 10), "a b [0m");
        assert_eq!(printable("ééééé", 3), "éé…");
        assert_eq!(printable("ééé", 3), "ééé");
        assert_eq!(clean("naïve – 日本 🦀"), "naïve – 日本 🦀");
    }

    #[test]
    fn nothing_turns_a_line_or_hides_in_it() {
        for c in [
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{e0041}',
            '\u{7f}',
            '\u{9b}',
        ] {
            let text = format!("a{c}b");
            assert_eq!(clean(&text), "a b", "U+{:04X}", u32::from(c));
            assert_eq!(printable(&text, 9), "a b");
            assert_eq!(quoted(&text), format!("`a{}b`", c.escape_default()));
        }
    }

    #[test]
    fn quoted_input_cannot_break_a_line() {
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["runAsUser", "runAsGroup", "enforce", "off"];
        for (word, expected) in [
            ("runAsUsr", Some("runAsUser")),
            ("run_as_user", Some("runAsUser")),
            ("RunAsGroup", Some("runAsGroup")),
            ("enforced", Some("enforce")),
            ("of", Some("off")),
            ("seccomp", None),
            ("no", None),
        ] {
            assert_eq!(nearest(word, &words), expected, "{word}");
        }
    }
}
