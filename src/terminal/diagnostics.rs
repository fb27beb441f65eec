//! Diagnostics for people: with the line of the source, a caret and the hint.

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Snippet};

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

fn render(renderer: &Renderer, diagnostics: &[Diagnostic], files: &[PolicyFile]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&[group(diagnostic, files)]));
        text.push_str("\n\n");
    }
    text
}

fn group<'d>(diagnostic: &'d Diagnostic, files: &'d [PolicyFile]) -> Group<'d> {
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
    match hint {
        Some(hint) => group.element(Level::HELP.message(hint)),
        None => group,
    }
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
    let annotation = kind.span(from..to).label(label);
    Some(Snippet::source(line).path(&*place.file).line_start(place.line).annotation(annotation))
}
