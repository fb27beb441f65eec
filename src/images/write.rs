//! Facts as text: documents as [`crate::policy::parse::facts`] reads them.

use crate::facts::{self, ImageFacts};
use crate::policy::API_VERSION;

/// What comes before an entry's line.
const BULLET: &str = "- ";

/// The entries of one image, a line each: JSON, which is YAML where nothing in it would be read
/// otherwise.
pub fn lines(facts: &[ImageFacts]) -> String {
    let lines = facts.iter().map(|facts| {
        let json = serde_json::to_string(facts).unwrap_or_default();
        let mut line = String::with_capacity(json.len());
        for c in json.chars() {
            // YAML takes no control characters, and these end a line.
            match c {
                '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                    line.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => line.push(c),
            }
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Bytes that the entries of an image take in a document.
pub fn size(lines: &str) -> usize {
    lines.lines().map(|line| BULLET.len() + line.len() + 1).sum()
}

/// A document of the entries of some images, given as [`lines`].
pub fn document<'l>(images: impl Iterator<Item = &'l str>) -> String {
    let mut text = format!("apiVersion: {API_VERSION}\nkind: {}\nimages:", facts::KIND);
    let head = text.len();
    for line in images.flat_map(str::lines) {
        text.push('\n');
        text.push_str(BULLET);
        text.push_str(line);
    }
    if text.len() == head {
        text.push_str(" []");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;
    use crate::policy::{PolicyFile, parse};

    fn read(text: String) -> Vec<ImageFacts> {
        parse::facts(&PolicyFile { name: "facts".to_owned(), text }).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let odd = "a\u{7f}b\u{85}c\u{2028}d\u{feff}é 😀 \"\\ # : - {x}\t\n";
        let one = ImageFacts {
            image: "r.corp/web:1".to_owned(),
            user: Some(odd.to_owned()),
            entrypoint: vec![odd.to_owned(), "yes".to_owned(), "0x10".to_owned(), String::new()],
            uid: Some(7),
            ..ImageFacts::default()
        };
        let other = ImageFacts { platforms: vec!["linux/arm64".to_owned()], ..one.clone() };
        let single = lines(std::slice::from_ref(&one));
        let two = lines(&[one.clone(), other.clone()]);
        let text = document([two.as_str(), single.as_str()].into_iter());
        assert_eq!(text.lines().count(), 6);
        let head = document(["x"].into_iter()).len() - size("x");
        assert_eq!(head + size(&two) + size(&single), text.len());
        assert_eq!(read(text), [one.clone(), other, one]);
    }

    #[test]
    fn there_may_be_none() {
        assert_eq!(read(document([].into_iter())), []);
    }
}
