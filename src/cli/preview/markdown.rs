//! A preview as Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use super::report::{NamespacePreview, Preview, Verdicts, WorkloadPreview};
use super::table::sentence;
use crate::cli::pass::titled;
use crate::foresight::risk::Verdict;
use crate::text::clean;

/// Maximum length, in bytes. GitHub takes 65,536 characters in a comment.
const LONGEST: usize = 60_000;

/// The whole preview: what needs somebody first, the rest folded away.
pub(super) fn markdown(preview: &Preview) -> String {
    let mut all = Verdicts::default();
    preview.namespaces.iter().for_each(|namespace| all.add(&namespace.verdicts));
    let head = format!("### ironhull preview\n\n{}\n", escaped(&sentence(&all, false)));
    let mut page = Page { text: head, full: false, left_out: 0 };
    for namespace in &preview.namespaces {
        let workloads = |verdict: Verdict| -> Vec<&WorkloadPreview> {
            namespace.workloads.iter().filter(|workload| workload.verdict == verdict).collect()
        };
        let (breaks, unknown) = (workloads(Verdict::Breaks), workloads(Verdict::Unknown));
        if !breaks.is_empty() || !unknown.is_empty() {
            page.head(&format!(
                "\n#### Namespace {}\n\n| workload | verdict | why |\n|---|---|---|\n",
                code(&namespace.name)
            ));
            breaks.iter().chain(&unknown).for_each(|workload| page.add(&row(workload)));
            breaks.iter().for_each(|workload| page.add(&remedy(workload)));
        }
        folded(&mut page, namespace, &workloads(Verdict::Starts));
    }
    page.end(&all, preview)
}

/// A text of bounded length.
struct Page {
    text: String,
    /// Whether something had no room. Nothing is added then, so that nothing stands below the wrong
    /// heading.
    full: bool,
    /// Number of parts for which there was no room.
    left_out: usize,
}

impl Page {
    /// Adds a part, if there is room.
    fn add(&mut self, part: &str) {
        self.left_out += usize::from(!self.head(part) && !part.is_empty());
    }

    /// Adds a heading, which nobody misses by itself. Returns whether there was room.
    fn head(&mut self, part: &str) -> bool {
        self.full |= self.text.len() + part.len() > LONGEST;
        if !self.full {
            self.text.push_str(part);
        }
        !self.full
    }

    fn end(mut self, all: &Verdicts, preview: &Preview) -> String {
        if all.unknown > 0 {
            self.text.push_str(
                "\nWhat is unknown has to be tried. `ironhull image facts` reads the images, and \
                 `--facts` then tells more.\n",
            );
        }
        if self.left_out > 0 {
            let _ = writeln!(
                self.text,
                "\nThere was no room for {} lines: `ironhull preview -o table` has all.",
                self.left_out
            );
        }
        let from = code(&preview.policies);
        let date = &preview.date;
        let _ = write!(self.text, "\n<sub>Policies: {from}. Exemptions as of {date}.</sub>\n");
        self.text
    }
}

fn row(workload: &WorkloadPreview) -> String {
    let whys = workload.risks.iter();
    let whys = whys.map(|risk| format!("{}: {}", code(&risk.container), escaped(&risk.why)));
    let error = workload.error.as_deref().map(escaped);
    let whys: Vec<String> = error.into_iter().chain(whys).collect();
    let mark = match workload.verdict {
        Verdict::Breaks => "**breaks**",
        Verdict::Unknown => "unknown",
        Verdict::Starts => "starts",
    };
    format!("| {} | {mark} | {} |\n", named(workload), whys.join("<br>"))
}

/// What helps, ready to be copied.
fn remedy(workload: &WorkloadPreview) -> String {
    let remedy = &workload.remedy;
    if remedy.annotations.is_empty() && remedy.advice.is_empty() && remedy.void.is_none() {
        return String::new();
    }
    let mut text = format!("\n{}\n", named(workload));
    for advice in remedy.void.iter().chain(&remedy.advice) {
        let _ = writeln!(text, "- {}", escaped(advice));
    }
    if !remedy.annotations.is_empty() {
        let _ = write!(text, "- annotations in {}:\n\n", code(&remedy.annotations_at));
        text.push_str("  ```yaml\n");
        let yaml = serde_yaml::to_string(&remedy.annotations).unwrap_or_default();
        for line in yaml.lines() {
            let _ = writeln!(text, "  {}", line.replace("```", "'''"));
        }
        text.push_str("  ```\n");
    }
    text
}

fn folded(page: &mut Page, namespace: &NamespacePreview, starts: &[&WorkloadPreview]) {
    if starts.is_empty() {
        return;
    }
    let count = match starts.len() {
        1 => "1 workload starts".to_owned(),
        count => format!("{count} workloads start"),
    };
    let name = clean(&namespace.name);
    let open = page.head(&format!("\n<details><summary>{name}: {count}</summary>\n\n"));
    for workload in starts {
        let mut rules: Vec<&str> = workload.changes.iter().map(|change| change.rule).collect();
        rules.dedup();
        let changes = match rules.as_slice() {
            [] => "nothing changes".to_owned(),
            rules => rules.join(", "),
        };
        page.add(&format!("- {}: {changes}\n", named(workload)));
    }
    if open {
        page.text.push_str("\n</details>\n");
    }
}

/// `Deployment/web` in `app.yaml`
fn named(workload: &WorkloadPreview) -> String {
    let name = code(&titled(&workload.kind, &workload.name));
    match &workload.file {
        Some(file) => format!("{name} in {}", code(file)),
        None => name,
    }
}

/// Text as code, in which nothing has a meaning. What comes from a manifest may hold anything.
fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// Text in which no character of Markdown or HTML has a meaning, but for code between backticks, as
/// messages have it.
fn escaped(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len());
    let even = text.matches('`').count().is_multiple_of(2);
    let mut in_code = false;
    for character in text.chars() {
        match character {
            '`' if even => in_code = !in_code,
            '|' => out.push('\\'),
            '\\' | '*' | '_' | '#' | '[' | ']' | '<' | '>' | '&' | '~' | '!' | '`' if !in_code => {
                out.push('\\');
            }
            _ => {}
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_a_bound() {
        let mut page = Page { text: String::new(), full: false, left_out: 0 };
        let part = "x".repeat(1000);
        (0..100).for_each(|_| page.add(&part));
        page.add("");
        assert!(!page.head("a heading"));
        assert_eq!((page.text.len(), page.left_out), (60_000, 40));
    }

    #[test]
    fn nothing_from_a_manifest_is_markdown() {
        assert_eq!(
            escaped("writes `/a_b` as <b>*x*</b> | y"),
            "writes `/a_b` as \\<b\\>\\*x\\*\\</b\\> \\| y"
        );
        assert_eq!(escaped("a ` b"), "a \\` b");
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a`b"), "`` a`b ``");
    }
}
