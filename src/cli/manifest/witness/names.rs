//! Anchors, aliases and tags, as go-yaml v2 reads them (`scannerc.go`).

use super::scanner::{Scanned, Scanner, Token, error, refused};

impl Scanner<'_> {
    pub(super) fn named(&mut self, token: fn(String) -> Token) -> Scanned {
        self.node(|scanner| {
            let start = scanner.at;
            scanner.skip();
            let name = scanner.word();
            let ends = scanner.is_blank_or_end(0) || b"?:,]}%@`".contains(&scanner.byte(0));
            if name.is_empty() || !ends {
                return Err(refused(start));
            }
            Ok(token(name))
        })
    }

    pub(super) fn tag(&mut self) -> Scanned<Token> {
        let start = self.at;
        self.skip();
        let verbatim = self.byte(0) == b'<';
        let mut tag = String::new();
        if verbatim {
            self.skip();
        } else {
            tag = self.word();
        }
        let mut handle = "!";
        if !verbatim && self.byte(0) == b'!' {
            if !tag.is_empty() {
                return Err(error(start, NO_SUCH_TAG));
            }
            handle = "!!";
            self.skip();
        }
        while self.byte(0).is_ascii_alphanumeric()
            || b"-_;/?:@&=+$,.!~*'()[]".contains(&self.byte(0))
        {
            tag.push(char::from(self.byte(0)));
            self.skip();
        }
        if verbatim {
            handle = "";
            if self.byte(0) != b'>' {
                return Err(error(start, NO_SUCH_TAG));
            }
            self.skip();
        }
        if !self.is_blank_or_end(0) || (tag.is_empty() && handle != "!") {
            return Err(error(start, NO_SUCH_TAG));
        }
        Ok(Token::Tag(match handle {
            "!!" => tag,
            "" => tag.strip_prefix(STANDARD).unwrap_or(&tag).to_owned(),
            _ => format!("{handle}{tag}"),
        }))
    }

    /// Letters, digits, `-` and `_`.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while self.byte(0).is_ascii_alphanumeric() || matches!(self.byte(0), b'-' | b'_') {
            word.push(char::from(self.byte(0)));
            self.skip();
        }
        word
    }
}

const NO_SUCH_TAG: &str = "Kubernetes takes no such tag; take it out, or put a blank after it";

const STANDARD: &str = "tag:yaml.org,2002:";
