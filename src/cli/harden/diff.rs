//! A unified diff, as `patch -p1` and `git apply` take it.

use std::io::{self, Write};
use std::path::Path;

use clap::builder::styling::{AnsiColor, Style};
use similar::TextDiff;

use super::{Hardened, output};

/// The diff of every source that changes.
pub(super) fn diff(hardened: &[Hardened]) -> String {
    let mut text = String::new();
    for one in hardened.iter().filter(|one| !one.changes.is_empty()) {
        let new = output::new_text(one);
        let name = relative(&one.source.name);
        let (old_name, new_name) = (header("a", &name), header("b", &name));
        text.push_str(
            &TextDiff::from_lines(&one.source.text, &new)
                .unified_diff()
                .header(&old_name, &new_name)
                .missing_newline_hint(true)
                .to_string(),
        );
    }
    text
}

/// Writes it, coloured.
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

/// The name as it is seen from the current directory, without `./`.
fn relative(name: &str) -> String {
    let path = Path::new(name);
    let here = std::env::current_dir().ok();
    let path = here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    let clean: std::path::PathBuf = path
        .components()
        .filter(|part| {
            matches!(part, std::path::Component::Normal(_) | std::path::Component::ParentDir)
        })
        .collect();
    clean.display().to_string()
}

/// One file name of the header, by git's conventions: quoted where it holds control
/// characters, quotes or backslashes, ended by a tab where it holds spaces.
fn header(side: &str, name: &str) -> String {
    let name = format!("{side}/{name}");
    if name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        let mut quoted = String::from('"');
        for c in name.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                c if c.is_control() => quoted.push_str(&format!("\\{:03o}", u32::from(c))),
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        return quoted;
    }
    if name.contains(' ') { format!("{name}\t") } else { name }
}
