//! Diagnostics of policies and errors in manifests, for people: with the line of the source, a caret
//! and the hint.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Snippet};

use super::say::EXIT_ERROR;
use crate::manifest::ManifestError;
use crate::policy::{Diagnostic, Place, PolicyFile, Severity};

/// Renders `diagnostics` in colour, with a blank line after each. A stream that cannot show colours
/// has to strip them, as anstream's do.
pub fn styled(diagnostics: &[Diagnostic], files: &[PolicyFile]) -> String {
    render(&Renderer::styled(), diagnostics, files)
}

/// As [`styled`], without colours.
pub fn plain(diagnostics: &[Diagnostic], files: &[PolicyFile]) -> String {
    render(&Renderer::plain(), diagnostics, files)
}

/// Writes errors in manifests, each with its source line, a caret and a hint. Returns the exit code.
///
/// # Errors
/// When `err` cannot be written to.
pub fn errors(err: &mut dyn Write, errors: &[ManifestError]) -> io::Result<u8> {
    for error in errors {
        writeln!(err, "{}\n", Renderer::styled().render(&[of_manifest(error)]))?;
    }
    Ok(EXIT_ERROR)
}

fn render(renderer: &Renderer, diagnostics: &[Diagnostic], files: &[PolicyFile]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&[of_policy(diagnostic, files)]));
        text.push_str("\n\n");
    }
    text
}

fn of_policy<'d>(diagnostic: &'d Diagnostic, files: &'d [PolicyFile]) -> Group<'d> {
    let Diagnostic { severity, place, message, hint, related } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(message));
    match snippet(place, AnnotationKind::Primary, None, files) {
        Some(snippet) => group = group.element(snippet),
        // This text is compiled in, and not among the files.
        None => group = group.element(Level::NOTE.message(format!("at {place}"))),
    }
    if let Some((place, message)) = related
        && let Some(snippet) = snippet(place, AnnotationKind::Context, Some(message), files)
    {
        group = group.element(snippet);
    }
    with_hint(group, hint.as_deref())
}

fn of_manifest(error: &ManifestError) -> Group<'_> {
    let title = match error.at {
        Some(_) => error.message.clone(),
        None => format!("`{}`: {}", error.file, error.message),
    };
    let mut group = Group::with_title(Level::ERROR.primary_title(title));
    if let Some((line, column)) = error.at {
        let from = error.excerpt.char_indices().nth(column.saturating_sub(1));
        let from = from.map_or(error.excerpt.len(), |(at, _)| at);
        let rest = error.excerpt.get(from..).unwrap_or_default();
        let word = rest.split([' ', '\t', ',', '#']).next().unwrap_or_default();
        let place = (&*error.file, line, from..from + word.len());
        group = group.element(marked(&error.excerpt, place, AnnotationKind::Primary, None));
    }
    if let Some(document) = error.document {
        group = group.element(Level::NOTE.message(format!("in document {document} of the file")));
    }
    with_hint(group, error.hint.as_deref())
}

fn with_hint<'d>(group: Group<'d>, hint: Option<&'d str>) -> Group<'d> {
    match hint {
        Some(hint) => group.element(Level::HELP.message(hint)),
        None => group,
    }
}

/// One line of a source with a caret below: file, line (1-based) and the marked bytes of the line.
fn marked<'d>(
    text: &'d str,
    (file, line, span): (&'d str, usize, Range<usize>),
    kind: AnnotationKind,
    label: Option<&'d str>,
) -> Snippet<'d, Annotation<'d>> {
    Snippet::source(text).path(file).line_start(line).annotation(kind.span(span).label(label))
}

/// Source line on which `place` begins, with the marked part. The renderer gets only that line,
/// because it would search a large file again for each diagnostic.
fn snippet<'d>(
    place: &'d Place,
    kind: AnnotationKind,
    label: Option<&'d str>,
    files: &'d [PolicyFile],
) -> Option<Snippet<'d, Annotation<'d>>> {
    let source = files.iter().find(|source| *source.name == *place.file)?;
    let before = source.text.get(..place.span.start)?;
    let bom = if source.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let start = before.rfind('\n').map_or(bom, |newline| newline + 1).min(place.span.start);
    let rest = source.text.get(start..)?;
    let line = rest.lines().next().unwrap_or_default();
    let from = (place.span.start - start).min(line.len());
    let to = place.span.end.saturating_sub(start).clamp(from, line.len());
    Some(marked(line, (&place.file, place.line, from..to), kind, label))
}
