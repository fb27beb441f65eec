//! What a person at a terminal sees: messages with an excerpt of their source, tables, progress.

pub mod diagnostics;
#[cfg(feature = "server")]
pub mod progress;
pub mod say;
#[cfg(feature = "server")]
pub mod table;
