//! The pages are current: what is generated from the code is what the code says now, what
//! they tell people to type works, what they show of policies and manifests can be read,
//! and links lead somewhere. `UPDATE_EXPECT=1` rewrites what is generated.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that fails says where"
)]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

#[path = "support/api_server.rs"]
#[allow(dead_code, reason = "other tests have it fail")]
mod api_server;
#[path = "../benches/support/page.rs"]
mod page_of_figures;
mod pages;
#[path = "support/update.rs"]
mod update;

use std::fmt::Write;

use ironhull::outcome::Skip;
use ironhull::policy::{Policy, PolicyFile, PolicySet};
use ironhull::rule::{Action, RuleName, RuleScope};

use pages::fences::fences;
use pages::{
    cli, commands, controls, current, current_between, json, kinds, known_images, path, picture,
    reference, session, versions,
};

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
        // Each page is a chapter here. Its headings, the same in all of them, would fill the outline, and a search
        // would show them without the rule's name.
        let doc = rule.doc();
        let lines = doc.trim_end().lines().map(|line| match line.strip_prefix("## ") {
            Some(heading) => format!("**{heading}**\n"),
            None => line.to_owned(),
        });
        let doc = lines.collect::<Vec<_>>().join("\n");
        let _ = write!(page, "\n## {}\n", doc.strip_prefix("# ").unwrap());
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

#[test]
fn the_rules_page_is_current() {
    current("docs/rules.md", &rules_page().replace("(docs/rules.md#", "(#"));
}

#[test]
fn the_page_of_known_images_is_current() {
    current("docs/known-images.md", &known_images::page());
}

#[test]
fn the_table_of_kinds_is_current() {
    current_between("docs/manifests.md", "kinds", &kinds::table());
}

/// The chart's webhook for `/advise` has a rule for each group.
#[test]
fn the_charts_list_of_kinds_is_current() {
    current("deploy/chart/files/kinds.yaml", &kinds::chart());
}

#[test]
fn the_page_of_controls_is_current() {
    current_between("docs/controls.md", "controls", &controls::tables());
}

#[test]
fn the_table_of_versions_is_current() {
    current_between("docs/versions.md", "versions", &versions::table());
}

#[test]
fn what_is_recorded_of_versions_is_of_what_there_is() {
    versions::check();
}

/// A condition that stands in a comment alone is one that ironhull does not act on.
#[test]
fn every_condition_of_a_known_image_has_a_field() {
    let (unstated, count) = known_images::unstated();
    assert!(
        unstated.is_empty(),
        "conditions in policies/images.yaml without a field, or a `# note:`:\n{}",
        unstated.join("\n")
    );
    assert!(count > 50, "the conditions are not found any more");
}

#[test]
fn the_readmes_table_is_current() {
    current_between("README.md", "rules", &rules_table());
}

#[test]
fn the_readmes_picture_is_current() {
    current("docs/before-after.svg", &picture::svg());
}

/// What the picture shows is what the program prints for the commands of its page.
#[test]
fn the_recorded_session_is_current() {
    current("docs/quickstart.svg", &session::svg());
}

/// What the README says of real workloads is what their page says.
#[test]
fn the_readmes_figures_are_current() {
    let page = std::fs::read_to_string(path("docs/real-workloads.md")).unwrap();
    let readme = std::fs::read_to_string(path("README.md")).unwrap();
    let figure = |row: &str| -> u64 {
        let line = page.lines().find(|line| line.contains(row)).unwrap();
        line.rsplit('|').nth(1).unwrap().trim().parse().unwrap()
    };
    let (baseline, restricted) =
        (figure("pass *baseline* as they ship"), figure("of those, pass *restricted* hardened"));
    let others = baseline - restricted;
    let thousands = |n: u64| format!("{},{:03}", n / 1000, n % 1000);
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        format!("of {} pods", thousands(baseline)),
        format!("{} pass *restricted*", thousands(restricted)),
        format!("the {others} others"),
    ] {
        assert!(readme.contains(&words), "the README does not say \"{words}\"");
    }
}

#[test]
fn the_tables_of_flags_and_metrics_are_current() {
    current_between("docs/webhook.md", "flags", &reference::flags("serve"));
    current_between("docs/webhook.md", "metrics", &reference::metrics());
    current_between("docs/monitoring.md", "flags", &reference::flags("watch"));
    current_between("docs/monitoring.md", "metrics", &reference::watch_metrics());
    current_between("docs/monitoring.md", "dashboard", &reference::dashboard());
}

/// The table of messages that `explain` and `watch` go by.
#[test]
fn the_table_of_messages_is_current() {
    let mut table =
        String::from("| kind | what it means | what helps, the surest first |\n|---|---|---|\n");
    let mut before = "";
    for symptom in ironhull::foresight::advice::table::entries() {
        // Some kinds have several entries, one for each way to say it.
        if std::mem::replace(&mut before, symptom.name) == symptom.name {
            continue;
        }
        let remedies: Vec<_> = symptom.remedies().collect();
        let _ = writeln!(
            table,
            "| [{}](#{}) | {} | {} |",
            symptom.name,
            symptom.section,
            symptom.why,
            remedies.join("; or ")
        );
    }
    current_between("docs/troubleshooting.md", "messages", &table);
}

#[test]
fn the_page_of_abuse_shows_the_last_run() {
    let run = std::fs::read_to_string(path("docs/abuse.json")).unwrap();
    let run = serde_json::from_str(&run).unwrap();
    let template = include_str!("../benches/abuse/page.md.jinja");
    let page = page_of_figures::page(template, &run).unwrap();
    current_between("docs/abuse.md", "abuse", &page);
}

#[test]
fn the_page_of_commands_is_current() {
    current("docs/cli.md", &cli::page());
}

#[test]
fn the_page_of_outputs_and_their_schemas_are_current() {
    current("docs/json.md", &json::page());
    let mut kept: Vec<_> = std::fs::read_dir(path("docs/schemas"))
        .map(|files| files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    for (file, schema) in json::files().into_iter().chain([controls::schema()]) {
        current(&format!("docs/schemas/{file}"), &schema);
        kept.retain(|name| *name != file);
    }
    assert!(kept.is_empty(), "no command writes these any more: {kept:?}");
}

#[test]
fn commands_do_what_the_pages_say() {
    let wrong = commands::run_all();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Every policy that a page shows can be loaded.
#[test]
fn policies_on_the_pages_are_good() {
    let mut count = 0;
    for fence in fences("yaml").into_iter().filter(|f| f.text.contains("ironhull.dev/v1alpha1")) {
        count += 1;
        let place = fence.place.clone();
        let loaded = PolicySet::load(&[PolicyFile { name: fence.place, text: fence.text }], None);
        if let Err(errors) = loaded {
            panic!("{place}: {errors:#?}");
        }
    }
    assert!(count > 2, "the pages' policies are not found any more");
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

/// A link to a file of the project must lead somewhere, to a heading that is there.
#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages::with_parts() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            let fine = match anchor {
                "" => file.exists(),
                _ => std::fs::read_to_string(&file)
                    .is_ok_and(|text| anchors(&text).contains(&anchor.to_owned())),
            };
            if !fine {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The site's navigation has every page once, and nothing else.
#[test]
fn the_summary_has_every_page() {
    let summary = std::fs::read_to_string(path("docs/SUMMARY.md")).unwrap();
    let links = summary.split("](").skip(1).map(|link| link.split(')').next().unwrap());
    let mut listed: Vec<_> =
        links.map(|link| path("docs").join(link).canonicalize().expect(link)).collect();
    let advisories = std::fs::read_dir(path("docs/advisories")).unwrap();
    let mut pages = pages::all();
    pages.retain(|page| !page.ends_with("docs/SUMMARY.md"));
    pages.extend(advisories.map(|entry| entry.unwrap().path()));
    pages.push(path("deploy/README.md"));
    let mut pages: Vec<_> = pages.iter().map(|page| page.canonicalize().unwrap()).collect();
    listed.sort();
    pages.sort();
    assert_eq!(listed, pages);
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Every reason for which the code leaves something alone has a row in SECURITY.md that says who can
/// bring it about and what then runs.
#[test]
fn every_excuse_has_its_row() {
    let text = std::fs::read_to_string(path("SECURITY.md")).unwrap();
    let section = text.split("### What excuses a container").nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> =
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    for row in &rows {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
    let mut named: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let actions = Action::ALL.iter().filter(|action| **action != Action::Enforce);
    // An exemption is declared or granted; and there may be no answer at all.
    let mut known: Vec<&str> = Skip::ALL.iter().map(|skip| skip.as_str()).collect();
    known.extend(actions.map(|action| action.as_str()));
    known.extend(["annotation", "grant", "noAnswer"]);
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}
