//! Why a watch or a list ended.

use std::fmt;

/// Why a watch or a list ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The version to go on from is gone (410).
    Gone,
    /// It may not be read (401, 403).
    Forbidden(String),
    /// The API server says something else.
    Refused(String),
    /// The API server does not answer, or breaks off.
    Unreachable(String),
    /// The API server sends no lists as streams.
    NoStream,
}

impl Trouble {
    /// Every word for why, by [`Self::reason`].
    pub const REASONS: [&str; 5] = ["gone", "forbidden", "refused", "unreachable", "no_stream"];

    /// The index of the word for it.
    pub fn reason(&self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Forbidden(_) => 1,
            Self::Refused(_) => 2,
            Self::Unreachable(_) => 3,
            Self::NoStream => 4,
        }
    }

    /// Whether it is part of a normal life.
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Self::Gone | Self::NoStream)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the API server has forgotten the version to go on from"),
            Self::NoStream => {
                f.write_str("the API server sends no lists as streams: in pages then")
            }
            Self::Forbidden(what) | Self::Refused(what) | Self::Unreachable(what) => {
                f.write_str(what)
            }
        }
    }
}
