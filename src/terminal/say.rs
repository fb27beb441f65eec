//! Messages on standard error. They are coloured, for a stream that strips colours where they
//! cannot be shown.

use std::fmt::Display;
use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};

/// The exit code for "something would change" (`--check`).
pub const EXIT_CHANGES: u8 = 1;
/// The exit code for input that cannot be worked with.
pub const EXIT_ERROR: u8 = 2;
/// The exit code for pods that could not be judged, beside others that need no change, and for a search
/// that found no manifest (`--check`).
pub const EXIT_UNKNOWN: u8 = 3;

/// Writes something a person should act on, on one line.
///
/// # Errors
/// When `err` cannot be written to.
pub fn warning(err: &mut dyn Write, message: impl Display) -> io::Result<()> {
    line(err, "warning", AnsiColor::Yellow, message)
}

/// Writes what keeps the command from its work, on one line.
///
/// # Errors
/// When `err` cannot be written to.
pub fn error(err: &mut dyn Write, message: impl Display) -> io::Result<()> {
    line(err, "error", AnsiColor::Red, message)
}

/// Writes something good to know, on one line.
///
/// # Errors
/// When `err` cannot be written to.
pub fn note(err: &mut dyn Write, message: impl Display) -> io::Result<()> {
    line(err, "note", AnsiColor::Cyan, message)
}

fn line(
    err: &mut dyn Write,
    word: &str,
    colour: AnsiColor,
    message: impl Display,
) -> io::Result<()> {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    writeln!(err, "{style}{word}{style:#}: {message}")
}
