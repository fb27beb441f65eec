//! Messages on standard error. They are coloured, for a stream that strips colours where they
//! cannot be shown.

use std::fmt::Display;
use std::io::{self, Write};

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{AnnotationKind, Group, Level, Snippet};
use clap::builder::styling::{AnsiColor, Style};

use crate::manifest::ManifestError;

/// The exit code for "something would change" (`--check`).
pub const EXIT_CHANGES: u8 = 1;
/// The exit code for input that cannot be worked with.
pub const EXIT_ERROR: u8 = 2;
/// The exit code for pods that could not be judged, beside others that need no change
/// (`harden --check`).
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

/// Writes what keeps the command from its work: each error with its source line, a caret and a
/// hint. Returns the exit code.
///
/// # Errors
/// When `err` cannot be written to.
pub fn errors(err: &mut dyn Write, errors: &[ManifestError]) -> io::Result<u8> {
    for error in errors {
        writeln!(err, "{}\n", Renderer::styled().render(&[group(error)]))?;
    }
    Ok(EXIT_ERROR)
}

fn group(error: &ManifestError) -> Group<'_> {
    let mut group = match error.at {
        Some(_) => Group::with_title(Level::ERROR.primary_title(&error.message)),
        None => {
            let title = format!("`{}`: {}", error.file, error.message);
            Group::with_title(Level::ERROR.primary_title(title))
        }
    };
    if let Some((line, column)) = error.at {
        let from = error.excerpt.char_indices().nth(column.saturating_sub(1));
        let from = from.map_or(error.excerpt.len(), |(at, _)| at);
        let rest = error.excerpt.get(from..).unwrap_or_default();
        let word = rest.split([' ', '\t', ',', '#']).next().unwrap_or_default();
        let caret = AnnotationKind::Primary.span(from..from + word.len());
        let snippet = Snippet::source(&*error.excerpt).path(&*error.file).line_start(line);
        group = group.element(snippet.annotation(caret));
    }
    if let Some(document) = error.document {
        group = group.element(Level::NOTE.message(format!("in document {document} of the file")));
    }
    match &error.hint {
        Some(hint) => group.element(Level::HELP.message(hint)),
        None => group,
    }
}
