//! What is wrong with a text.

use std::fmt;

/// Why Kubernetes cannot read a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Byte offset in the text.
    pub offset: usize,
}

/// The kind of error. `Display` uses go-yaml's own words where it has some: `kubectl` prints
/// them too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A character that no text may hold, or that ends a line in YAML 1.1 alone.
    Character(char),
    /// A character that no token begins with.
    NoToken,
    /// A tab where indentation or a key may begin.
    Tab,
    /// A key without its `:` on the same line, after at most 1024 characters.
    NoColon,
    /// A `-` within a line, or in a flow collection.
    Entry,
    /// A `?` within a line.
    Key,
    /// A `:` where no value may begin.
    Value,
    /// An anchor or alias without a name, or with other characters than letters, digits, `-` and `_`.
    Name,
    /// An alias whose anchor is not defined above it.
    UnknownAnchor(String),
    /// An anchor inside the node it names.
    RecursiveAnchor,
    /// A tag that does not end as it should.
    Tag,
    /// A directive (`%YAML`): no `---` can follow it in the same document.
    Directive,
    /// `---` or `...` at the beginning of a line within a quoted text.
    MarkerInQuotes,
    /// A quoted text without a closing quote.
    OpenQuotes,
    /// A `[` or `{` without a closing bracket.
    OpenBracket(char),
    /// An escape that YAML 1.1 does not have, or one without its hexadecimal digits. Holds the
    /// character after the backslash.
    Escape(char),
    /// A numeric escape that is half a character, or none.
    EscapedSurrogate,
    /// `0` as the indentation of a block scalar.
    ZeroIndentation,
    /// Something other than a comment after the header of a block scalar.
    BlockHeader,
    /// A `...` before any document has begun.
    EarlyEnd,
    /// Neither the next item of a block sequence nor its end.
    InBlockSequence,
    /// Neither the next key of a block mapping nor its end.
    InBlockMapping,
    /// Neither `,` nor `]`.
    InFlowSequence,
    /// Neither `,` nor `}`.
    InFlowMapping,
    /// Nothing that could be a value.
    NoContent,
    /// Not JSON, in serde_json's words.
    Json(String),
    /// Collections that are nested too deeply.
    TooDeep,
    /// More nodes behind aliases than go-yaml expands.
    TooManyAliases,
    /// A scalar that is not what its tag says.
    NotOfTag {
        /// The scalar.
        text: String,
        /// The tag, without `!!`.
        tag: String,
    },
    /// A `!!binary` that is not base64.
    NotBase64,
    /// An infinity or NaN: JSON has no such number.
    NotJson(String),
    /// A scalar that cannot be the key of a JSON object.
    NotAKey(String),
    /// A mapping or sequence as a key.
    CollectionAsKey,
    /// `<<` with neither a mapping nor a sequence of mappings.
    Merge,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character('\u{85}' | '\u{2028}' | '\u{2029}') => f.write_str(
                "Kubernetes reads this character as a line break; write it escaped, in double \
                 quotes",
            ),
            Self::Character('\u{feff}') => {
                f.write_str("a byte-order mark is allowed only at the start of a file")
            }
            Self::Character(c) => write!(
                f,
                "Kubernetes refuses the character U+{:04X}; remove it, or write it escaped, in \
                 double quotes",
                u32::from(*c)
            ),
            Self::Escape('/') => {
                f.write_str("Kubernetes does not know the escape `\\/`; write `/`")
            }
            Self::Escape(c @ ('x' | 'u' | 'U')) => {
                let digits = if *c == 'x' {
                    2
                } else if *c == 'u' {
                    4
                } else {
                    8
                };
                write!(f, "the escape `\\{c}` needs {digits} hexadecimal digits")
            }
            Self::Escape(c) => write!(
                f,
                "Kubernetes does not know the escape `\\{c}`; write `\\\\{c}` for a backslash"
            ),
            Self::OpenBracket(c) => write!(f, "the `{c}` that opens here is never closed"),
            Self::UnknownAnchor(name) => write!(f, "unknown anchor `{name}`"),
            Self::NotOfTag { text, tag } => write!(f, "cannot read `{text}` as `!!{tag}`"),
            Self::Json(words) => f.write_str(words),
            Self::NotJson(text) => write!(f, "`{text}` is not a number in JSON"),
            Self::NotAKey(text) => write!(f, "`{text}` cannot be a key"),
            other => f.write_str(other.words()),
        }
    }
}

impl ErrorKind {
    /// Whether wrong indentation of a line is a frequent cause.
    pub fn is_of_indentation(&self) -> bool {
        matches!(self, Self::InBlockMapping | Self::InBlockSequence | Self::NoColon | Self::Value)
    }

    /// The message, if it does not depend on the text.
    fn words(&self) -> &'static str {
        match self {
            Self::NoToken => "found character that cannot start any token",
            Self::Tab => "a tab is not allowed here",
            Self::NoColon => "could not find expected `:`",
            Self::Entry => "block sequence entries are not allowed in this context",
            Self::Key => "mapping keys are not allowed in this context",
            Self::Value => "mapping values are not allowed in this context",
            Self::Name => "an anchor's name may have only letters, digits, `-` and `_`",
            Self::RecursiveAnchor => "an anchor contains itself",
            Self::Tag => "Kubernetes does not accept this tag; remove it, or put a space after it",
            Self::Directive => "Kubernetes does not accept directives; remove the line",
            Self::MarkerInQuotes => "found unexpected document indicator in quoted text",
            Self::OpenQuotes => "the quotes that open here are never closed",
            Self::EscapedSurrogate => {
                "Kubernetes does not accept an escaped surrogate; write the character itself"
            }
            Self::ZeroIndentation => "found an indentation indicator equal to 0",
            Self::BlockHeader => "did not find expected comment or line break",
            Self::EarlyEnd => "a document ends here without having started",
            Self::InBlockSequence => "did not find expected `-` indicator",
            Self::InBlockMapping => "did not find expected key",
            Self::InFlowSequence => "did not find expected `,` or `]`",
            Self::InFlowMapping => "did not find expected `,` or `}`",
            Self::NoContent => "did not find expected node content",
            Self::TooDeep => "the document is nested too deeply",
            Self::TooManyAliases => "the document has too many aliases",
            Self::NotBase64 => "a `!!binary` value is not base64",
            Self::CollectionAsKey => "a map or a list cannot be a key",
            Self::Merge => "a merge (`<<`) needs a map or a list of maps",
            Self::Character(_)
            | Self::Escape(_)
            | Self::OpenBracket(_)
            | Self::UnknownAnchor(_)
            | Self::NotOfTag { .. }
            | Self::Json(_)
            | Self::NotJson(_)
            | Self::NotAKey(_) => "",
        }
    }
}
