//! Text encoding of files, as in kubectl: UTF-16 by its byte-order mark, everything else as
//! UTF-8 (`k8s.io/cli-runtime/pkg/resource`, `FileVisitor`).

use std::borrow::Cow;

/// The text encoding of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with a byte-order mark or without.
    #[default]
    Utf8,
    /// UTF-16, little-endian, after a byte-order mark: what PowerShell writes.
    Utf16Le,
    /// UTF-16, big-endian, after a byte-order mark.
    Utf16Be,
}

impl Encoding {
    /// Decodes bytes. Returns the text, its byte-order mark included, and the encoding.
    ///
    /// # Errors
    /// What the bytes are instead.
    pub fn decode(bytes: &[u8]) -> Result<(String, Self), String> {
        match bytes {
            // Checked before UTF-16, whose mark begins alike.
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(not_read("UTF-32")),
            [0, 0, 0, _, ..] | [_, 0, 0, 0, ..] => Err(not_read("UTF-32")),
            [0xff, 0xfe, ..] => utf_16(bytes, u16::from_le_bytes).map(|t| (t, Self::Utf16Le)),
            [0xfe, 0xff, ..] => utf_16(bytes, u16::from_be_bytes).map(|t| (t, Self::Utf16Be)),
            [0, _, 0, _, ..] | [_, 0, _, 0, ..] => {
                Err(not_read("UTF-16 without a byte-order mark"))
            }
            _ => match str::from_utf8(bytes) {
                Ok(text) => Ok((text.to_owned(), Self::Utf8)),
                Err(error) => Err(format!("is not UTF-8 from byte {} on", error.valid_up_to())),
            },
        }
    }

    /// Encodes a text.
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Self::Utf8 => Cow::Borrowed(text.as_bytes()),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

fn not_read(what: &str) -> String {
    format!("is {what}, which Kubernetes does not read; save it as UTF-8")
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut at = 0;
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match c {
            Ok(c) => {
                text.push(c);
                at += 2 * c.len_utf16();
            }
            Err(_) => return Err(format!("is not UTF-16 from byte {at} on")),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(format!("is not UTF-16 from byte {at} on")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_byte_order_mark_says_how_a_text_is_written() {
        let text = "\u{feff}kind: Pod # é, 🦀\r\n";
        for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
            let bytes = encoding.encode(text);
            assert_eq!(Encoding::decode(&bytes), Ok((text.to_owned(), encoding)));
        }
        assert_eq!(Encoding::decode(b"a"), Ok(("a".to_owned(), Encoding::Utf8)));
        assert_eq!(Encoding::decode(b""), Ok((String::new(), Encoding::Utf8)));
        assert_eq!(Encoding::decode(&[0xff, 0xfe]), Ok(("\u{feff}".to_owned(), Encoding::Utf16Le)),);
    }

    #[test]
    fn what_is_not_read_is_named() {
        let without = |text: &str, encoding: Encoding| encoding.encode(text).into_owned();
        for (bytes, said) in [
            (without("a: 1", Encoding::Utf16Le), "is UTF-16 without"),
            (without("a: 1", Encoding::Utf16Be), "is UTF-16 without"),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), "is UTF-32,"),
            (b"\0\0\xfe\xff\0\0\0a".to_vec(), "is UTF-32,"),
            (b"a\0\0\0".to_vec(), "is UTF-32,"),
            (b"\0\0\0a".to_vec(), "is UTF-32,"),
            (b"\xff\xfea\0\0\xd8".to_vec(), "is not UTF-16 from byte 4 on"),
            (b"\xff\xfea\0b".to_vec(), "is not UTF-16 from byte 4 on"),
            (b"a: \xe9\n".to_vec(), "is not UTF-8 from byte 3 on"),
        ] {
            let error = Encoding::decode(&bytes).unwrap_err();
            assert!(error.contains(said), "{bytes:?}: {error}");
        }
    }
}
