//! A preview as Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use super::report::{NamespacePreview, Preview, Verdicts, WorkloadPreview};
use super::table::sentence;
use crate::cli::markdown::{Page, code, escaped};
use crate::foresight::risk::Verdict;
use crate::text::{self, clean};

/// The whole preview: what needs somebody first, the rest folded away.
pub(super) fn markdown(preview: &Preview) -> String {
    let mut all = Verdicts::default();
    preview.namespaces.iter().for_each(|namespace| all.add(&namespace.verdicts));
    let head = format!("### ironhull preview\n\n{}\n", escaped(&sentence(&all, false)));
    let mut page = Page::new(head);
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
    end(page, &all, preview)
}

fn end(mut page: Page, all: &Verdicts, preview: &Preview) -> String {
    if all.unknown > 0 {
        page.text.push_str(
            "\nWhat is unknown has to be tried. `ironhull image facts` reads the images, and \
                 `--facts` then tells more.\n",
        );
    }
    if page.left_out > 0 {
        let _ = writeln!(
            page.text,
            "\nThere was no room for {} lines: `ironhull preview -o table` has all.",
            page.left_out
        );
    }
    let from = code(&preview.policies);
    let date = &preview.date;
    let _ = write!(page.text, "\n<sub>Policies: {from}. Exemptions as of {date}.</sub>\n");
    page.text
}

fn row(workload: &WorkloadPreview) -> String {
    let whys = workload.risks.iter();
    let whys =
        whys.map(|risk| format!("{}: {}", code(text::named(&risk.container)), escaped(&risk.why)));
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
    let name = code(&workload.title());
    match &workload.file {
        Some(file) => format!("{name} in {}", code(file)),
        None => name,
    }
}
