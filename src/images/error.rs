//! Why an image cannot be read.

use std::fmt::Display;
use std::io;

/// Why an image cannot be read, for people. No message holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImageError {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// The closed list of what keeps an image from being read. Their words are labels of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The name is not one of an image.
    BadName,
    /// The registry wants credentials, or other ones.
    Unauthorized,
    /// There is no such image, tag or blob.
    NotFound,
    /// Nobody answers, or the connection breaks.
    Unreachable,
    /// The certificate is not trusted, or TLS fails otherwise.
    Tls,
    /// TLS is not spoken.
    NoTls,
    /// A limit is passed.
    TooLarge,
    /// The content is not what it should be.
    BadImage,
    /// The registry asks to come back later.
    RateLimited,
    /// It takes too long.
    Timeout,
    /// The format is not one that can be read.
    Unsupported,
    /// A layer is kept elsewhere, and may not be distributed.
    ForeignLayer,
    /// A redirect leads where none should.
    Forbidden,
    /// A file or a directory cannot be read.
    Unreadable,
    /// The registry answers with an error of its own.
    Registry,
}

impl ErrorKind {
    /// Whether it is about the registry, rather than about one image in it.
    pub const fn is_of_registry(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Tls
                | Self::NoTls
                | Self::RateLimited
                | Self::Timeout
                | Self::Forbidden
                | Self::Registry
        )
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadName => "bad_name",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::NoTls => "no_tls",
            Self::TooLarge => "too_large",
            Self::BadImage => "bad_image",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
            Self::ForeignLayer => "foreign_layer",
            Self::Forbidden => "forbidden",
            Self::Unreadable => "unreadable",
            Self::Registry => "registry",
        }
    }
}

impl ImageError {
    /// An error with this message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Content that is not what it should be.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadImage, message)
    }

    /// A limit that is passed.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    /// A file that cannot be read.
    pub(super) fn unreadable(what: impl Display, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Unreadable,
        };
        Self::new(kind, format!("{what}: {error}"))
    }

    /// The same error, with the place where it was found.
    #[must_use]
    pub(super) fn at(self, place: impl Display) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
    }
}

/// Errors travel through [`io::Read`], and come out as they went in.
impl From<ImageError> for io::Error {
    fn from(error: ImageError) -> Self {
        Self::other(error)
    }
}

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        let own = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
        match (own, error.kind()) {
            (Some(own), _) => own.clone(),
            (None, io::ErrorKind::UnexpectedEof) => Self::bad("the data ends too early"),
            (None, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
                Self::bad(format!("the data is damaged: {error}"))
            }
            (None, _) => Self::new(ErrorKind::Unreadable, error.to_string()),
        }
    }
}
