//! Diagnostics about policy files: where, what, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The text of one policy file.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// Its name in diagnostics: the path as given to the reader.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A range of text in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, as its [`PolicyFile`] has it.
    pub file: Arc<str>,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The column on which it begins, from 1, in characters.
    pub column: usize,
    /// The range in bytes.
    pub span: Range<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Whether a diagnostic prevents the policy from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// The policy is used, but somebody should look at it.
    Warning,
}

impl Severity {
    /// The word for people and for JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong, or worth a look, in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its severity.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What it is: lower case, no full stop, the offending text in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// A related place and the message for it.
    pub related: Option<(Place, String)>,
}

impl Diagnostic {
    /// An error at `place`.
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, place, message.into())
    }

    /// A warning at `place`.
    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, place, message.into())
    }

    fn new(severity: Severity, place: Place, message: String) -> Self {
        Self { severity, place, message, hint: None, related: None }
    }

    /// Adds a hint: what to do about it.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a related place.
    pub fn related(&mut self, place: Place, message: impl Into<String>) -> &mut Self {
        self.related = Some((place, message.into()));
        self
    }
}

/// One line, for logs: `file:line:column: error: message (hint)`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.severity.as_str(), self.message)?;
        if let Some((place, message)) = &self.related {
            write!(f, "; {message} at {place}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}
