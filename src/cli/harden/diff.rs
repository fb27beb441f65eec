//! A unified diff that `patch -p1` and `git apply` accept.

use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use similar::TextDiff;

use super::engine::Hardened;
use crate::cli::sarif::relative;
use crate::manifest::Encoding;
use crate::terminal::say;
use crate::text::is_deceptive;

/// The diff of every source that changes.
pub(super) fn diff(hardened: &[Hardened]) -> String {
    let mut text = String::new();
    for one in hardened.iter().filter(|one| !one.changes.is_empty()) {
        let new = one.new_text();
        // An absolute path goes below the sides' names, for `patch -p1` in the root directory.
        let name = relative(&one.source.name).display().to_string();
        let name = name.trim_start_matches('/');
        let (old_name, new_name) = (header("a", name), header("b", name));
        // Programs that apply a diff know no line ends but these; `from_lines` knows more.
        let old_lines: Vec<&str> = one.source.text.split_inclusive('\n').collect();
        let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
        text.push_str(
            &TextDiff::configure()
                .newline_terminated(true)
                .diff_slices(&old_lines, &new_lines)
                .unified_diff()
                .header(&old_name, &new_name)
                .missing_newline_hint(true)
                .to_string(),
        );
    }
    text
}

/// Names the files whose diff is no use to `git apply` and `patch`.
pub(super) fn say_encodings(hardened: &[Hardened], err: &mut dyn Write) -> io::Result<()> {
    let others = hardened
        .iter()
        .filter(|one| !one.changes.is_empty() && one.source.encoding != Encoding::Utf8);
    for one in others {
        let name = &one.source.name;
        say::note(
            err,
            format!(
                "{name}: the file is UTF-16 and its diff UTF-8, which cannot be applied; use --write"
            ),
        )?;
    }
    Ok(())
}

/// Writes the diff, coloured.
pub(super) fn write(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut head = true;
    for line in text.split_inclusive('\n') {
        head = line.starts_with("--- ") || (head && line.starts_with("+++ "));
        let style = match line.chars().next() {
            _ if head => Style::new().bold(),
            Some('+') => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Some('-') => Style::new().fg_color(Some(AnsiColor::Red.into())),
            Some('@') => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
            _ => Style::new(),
        };
        write!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}

/// A file name of the header, by git's conventions: quoted if it has control characters, quotes or
/// backslashes in it, and followed by a tab if it has spaces.
fn header(side: &str, name: &str) -> String {
    let name = format!("{side}/{name}");
    if name.chars().any(|c| is_deceptive(c) || matches!(c, '"' | '\\')) {
        let mut quoted = String::from('"');
        for c in name.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                c if is_deceptive(c) => {
                    let mut bytes = [0; 4];
                    for byte in c.encode_utf8(&mut bytes).bytes() {
                        quoted.push_str(&format!("\\{byte:03o}"));
                    }
                }
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        return quoted;
    }
    if name.contains(' ') { format!("{name}\t") } else { name }
}
