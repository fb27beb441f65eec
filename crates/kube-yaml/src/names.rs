//! Anchors, aliases and tags, as go-yaml v2 reads them (`scannerc.go`).

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};
use crate::scanner::{Scanned, Scanner, Token, TokenKind};

impl<'t> Scanner<'t> {
    /// `&name` or `*name`.
    pub(crate) fn named(&mut self, kind: TokenKind) -> Scanned<Token<'t>> {
        let (start, column) = (self.at, self.column);
        self.skip_ascii(1);
        let name = self.word();
        let ends = self.is_blank_or_end(0) || b"?:,]}%@`".contains(&self.byte(0));
        if name.is_empty() || !ends {
            return Err(Error::new(ErrorKind::Name, start));
        }
        Ok(Token { kind, text: Cow::Borrowed(name), range: start..self.at, column })
    }

    /// `!`, `!name`, `!!name` or `!<name>`. Names of YAML's own are kept without their
    /// namespace, so that `!!int` and `!<tag:yaml.org,2002:int>` are both `int`.
    pub(crate) fn tag(&mut self) -> Scanned<Token<'t>> {
        let (start, column) = (self.at, self.column);
        let refused = || Err(Error::new(ErrorKind::Tag, start));
        self.skip_ascii(1);
        let verbatim = self.byte(0) == b'<';
        let mut tag = String::new();
        if verbatim {
            self.skip_ascii(1);
        } else {
            tag.push_str(self.word());
        }
        let mut handle = "!";
        if !verbatim && self.byte(0) == b'!' {
            if !tag.is_empty() {
                return refused();
            }
            handle = "!!";
            self.skip_ascii(1);
        }
        tag.push_str(self.skip_until(|byte, _| {
            !(byte.is_ascii_alphanumeric() || b"-_;/?:@&=+$,.!~*'()[]".contains(&byte))
        }));
        if verbatim {
            handle = "";
            if self.byte(0) != b'>' {
                return refused();
            }
            self.skip_ascii(1);
        }
        if !self.is_blank_or_end(0) || (tag.is_empty() && handle != "!") {
            return refused();
        }
        let text = match handle {
            "!!" => tag,
            "" => tag.strip_prefix(NAMESPACE).unwrap_or(&tag).to_owned(),
            _ => format!("{handle}{tag}"),
        };
        Ok(Token { kind: TokenKind::Tag, text: text.into(), range: start..self.at, column })
    }

    /// Letters, digits, `-` and `_`.
    fn word(&mut self) -> &'t str {
        self.skip_until(|byte, _| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))
    }
}

const NAMESPACE: &str = "tag:yaml.org,2002:";
