//! What goes to standard error: one line each, coloured on terminals alone.

use std::fmt::Display;
use std::io::Write as _;

use clap::builder::styling::{AnsiColor, Style};

use super::manifest::ManifestError;

/// The exit code for "something would change" (`--check`).
pub const EXIT_CHANGES: u8 = 1;
/// The exit code for input that cannot be worked with.
pub const EXIT_ERROR: u8 = 2;

/// Something that stops the command.
pub fn error(message: impl Display) {
    line("error", AnsiColor::Red, message);
}

/// Something a person should act on.
pub fn warning(message: impl Display) {
    line("warning", AnsiColor::Yellow, message);
}

/// Something good to know.
pub fn note(message: impl Display) {
    line("note", AnsiColor::Cyan, message);
}

/// An error of a manifest, and the hint to it.
pub fn manifest_error(manifest: &ManifestError) {
    error(manifest);
    if let Some(hint) = &manifest.hint {
        line("hint", AnsiColor::Green, hint);
    }
}

fn line(word: &str, colour: AnsiColor, message: impl Display) {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    // Nothing can be done where standard error is closed.
    let _ = writeln!(anstream::stderr(), "{style}{word}{style:#}: {message}");
}
