//! What is generated from the code is current: `docs/rules.md` and the tables between
//! markers in the README. `UPDATE_EXPECT=1` rewrites them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails says where"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ironhull::outcome::Skip;
use ironhull::policy::Policy;
use ironhull::rules::{RuleName, RuleScope};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a file with what it should be, or writes it.
fn current(name: &str, expected: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path(name), expected).unwrap();
    }
    let present = std::fs::read_to_string(path(name)).unwrap_or_default();
    assert_eq!(present, expected, "{name} is not current: run `make docs`");
}

/// The first sentence under "What it does".
fn summary(rule: RuleName) -> String {
    let doc = rule.doc();
    let text = doc.split("## What it does").nth(1).unwrap().split("\n## ").next().unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    text[..end].to_owned()
}

fn rules_page() -> String {
    let mut page = String::from(
        "# The rules\n\nGenerated from the rules' own sources by `make docs`; `ironhull rules RULE` prints the same.\n\n",
    );
    page.push_str(&rules_table());
    for rule in RuleName::ALL {
        // Each page is a chapter here: its headings go one level down.
        let doc = rule.doc().replace("\n## ", "\n### ");
        let doc = doc.strip_prefix("# ").unwrap();
        let _ = write!(page, "\n## {}\n", doc.trim_end());
    }
    page.push_str("\n## Reasons for leaving something alone\n\n");
    page.push_str(
        "The closed list; each is a name in outcomes, metrics and `ironhull explain`.\n\n",
    );
    page.push_str("| reason | rules that name it |\n|---|---|\n");
    for skip in Skip::ALL {
        let named = |rule: &&RuleName| rule.doc().contains(&format!("(`{}`)", skip.as_str()));
        let rules: Vec<_> =
            RuleName::ALL.iter().filter(named).map(|rule| format!("`{rule}`")).collect();
        let rules =
            if rules.is_empty() { "the pod as a whole".to_owned() } else { rules.join(", ") };
        let _ = writeln!(page, "| `{}` | {rules} |", skip.as_str());
    }
    page
}

fn rules_table() -> String {
    let mut table = String::from("| rule | by default | acts on | |\n|---|---|---|---|\n");
    for rule in RuleName::ALL {
        let action = Policy::restricted().rules.action(*rule);
        let scope = match rule.scope() {
            RuleScope::Container => "each container",
            RuleScope::Pod => "the pod",
        };
        let anchor = rule.as_str().to_lowercase();
        let _ = writeln!(
            table,
            "| [`{rule}`](docs/rules.md#{anchor}) | {action} | {scope} | {} |",
            summary(*rule)
        );
    }
    table
}

/// The README with what stands between two markers replaced.
fn between(text: &str, name: &str, new: &str) -> String {
    let begin = format!("<!-- begin {name} -->\n");
    let end = format!("<!-- end {name} -->");
    let from = text.find(&begin).unwrap() + begin.len();
    let to = text.find(&end).unwrap();
    format!("{}\n{new}\n{}", &text[..from], &text[to..])
}

#[test]
fn the_rules_page_is_current() {
    current("docs/rules.md", &rules_page().replace("(docs/rules.md#", "(#"));
}

#[test]
fn the_readmes_table_is_current() {
    let readme = std::fs::read_to_string(path("README.md")).unwrap();
    current("README.md", &between(&readme, "rules", &rules_table()));
}

#[test]
fn every_rule_has_every_heading() {
    for rule in RuleName::ALL {
        let doc = rule.doc();
        let headings: Vec<_> = doc.lines().filter(|line| line.starts_with('#')).collect();
        let name = format!("# `{rule}`");
        let expected = [
            name.as_str(),
            "## What it does",
            "## Why",
            "## Fields",
            "## Left alone when",
            "## Exempting",
            "## Source",
        ];
        assert_eq!(headings, expected, "{rule}");
    }
}

/// A link to a file of the project must lead somewhere.
#[test]
fn links_lead_somewhere() {
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let docs = std::fs::read_dir(path("docs")).unwrap().map(|e| e.unwrap().path());
    let mut broken = Vec::new();
    for page in pages
        .iter()
        .map(|name| path(name))
        .chain(docs.filter(|p| p.extension().is_some_and(|e| e == "md")))
    {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let file = target.split('#').next().unwrap();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            if !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
