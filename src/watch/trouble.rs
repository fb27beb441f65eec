//! Why a watch or a list ended.

use std::fmt;

/// Why a watch or a list ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The version to resume from is gone (410).
    Gone,
    /// The resource may not be read (401, 403).
    Forbidden(String),
    /// The API server answers with another error.
    Refused(String),
    /// The API server does not answer, or the connection breaks off.
    Unreachable(String),
    /// The API server does not send lists as streams.
    NoStream,
}

impl Trouble {
    /// Words for the reasons, by the index that [`Self::reason`] returns.
    pub const REASONS: [&str; 5] = ["gone", "forbidden", "refused", "unreachable", "no_stream"];

    /// Index of the reason in [`Self::REASONS`].
    pub fn reason(&self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Forbidden(_) => 1,
            Self::Refused(_) => 2,
            Self::Unreachable(_) => 3,
            Self::NoStream => 4,
        }
    }

    /// Whether this happens in normal operation.
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Self::Gone | Self::NoStream)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => {
                f.write_str("the API server no longer has the `resourceVersion` to resume from")
            }
            Self::NoStream => {
                f.write_str("the API server does not stream lists: reading them in pages")
            }
            Self::Forbidden(what) | Self::Refused(what) | Self::Unreachable(what) => {
                f.write_str(what)
            }
        }
    }
}
