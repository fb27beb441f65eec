//! A preview as Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use super::report::{NamespacePreview, Preview, Verdicts, WorkloadPreview};
use super::table::sentence;
use crate::foresight::risk::Verdict;
use crate::text::clean;

/// The whole preview: what needs somebody first, the rest folded away.
pub(super) fn markdown(preview: &Preview) -> String {
    let mut all = Verdicts::default();
    preview.namespaces.iter().for_each(|namespace| all.add(&namespace.verdicts));
    let mut text = format!("### ironhull preview\n\n{}\n", escaped(&sentence(&all, false)));
    for namespace in &preview.namespaces {
        let (starts, others): (Vec<_>, Vec<_>) =
            namespace.workloads.iter().partition(|workload| workload.verdict == Verdict::Starts);
        if !others.is_empty() {
            let _ = write!(text, "\n#### Namespace {}\n\n", code(&namespace.name));
            table(&mut text, &others);
            remedies(&mut text, &others);
        }
        folded(&mut text, namespace, &starts);
    }
    let from = code(&preview.policies);
    let _ = write!(text, "\n<sub>Policies: {from}. Exemptions as of {}.</sub>\n", preview.date);
    text
}

fn table(text: &mut String, workloads: &[&WorkloadPreview]) {
    text.push_str("| workload | verdict | why |\n|---|---|---|\n");
    for workload in workloads {
        let whys = workload
            .risks
            .iter()
            .map(|risk| format!("{}: {}", code(&risk.container), escaped(&risk.why)));
        let error = workload.error.as_deref().map(escaped);
        let whys: Vec<String> = error.into_iter().chain(whys).collect();
        let mark = match workload.verdict {
            Verdict::Breaks => "**breaks**",
            Verdict::Unknown => "unknown",
            Verdict::Starts => "starts",
        };
        let _ = writeln!(text, "| {} | {mark} | {} |", named(workload), whys.join("<br>"));
    }
}

/// What helps, ready to be copied.
fn remedies(text: &mut String, workloads: &[&WorkloadPreview]) {
    for workload in workloads {
        let remedy = &workload.remedy;
        if remedy.annotations.is_empty() && remedy.advice.is_empty() {
            continue;
        }
        let _ = write!(text, "\n{}\n", named(workload));
        for advice in &remedy.advice {
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
        if let Some(void) = &remedy.void {
            let _ = writeln!(text, "- {}", escaped(void));
        }
    }
}

fn folded(text: &mut String, namespace: &NamespacePreview, starts: &[&WorkloadPreview]) {
    if starts.is_empty() {
        return;
    }
    let count = match starts.len() {
        1 => "1 workload starts".to_owned(),
        count => format!("{count} workloads start"),
    };
    let name = clean(&namespace.name);
    let _ = write!(text, "\n<details><summary>{name}: {count}</summary>\n\n");
    for workload in starts {
        let mut rules: Vec<&str> = workload.changes.iter().map(|change| change.rule).collect();
        rules.dedup();
        let changes = match rules.as_slice() {
            [] => "nothing changes".to_owned(),
            rules => rules.join(", "),
        };
        let _ = writeln!(text, "- {}: {changes}", named(workload));
    }
    text.push_str("\n</details>\n");
}

/// `Deployment/web` in `app.yaml`
fn named(workload: &WorkloadPreview) -> String {
    let name = code(&format!("{}/{}", workload.kind, workload.name));
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
    let even = text.matches('`').count() % 2 == 0;
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
