//! Differences between policies, for people.

use super::{Change, Differences};
use crate::cli::width;
use crate::terminal::table::{BOLD, Cell, DIM, Table};

pub(super) fn of(found: &Differences) -> String {
    let mut table = Table::new(["WORKLOAD", "CONTAINER", "RULE"], "OLD → NEW");
    for one in &found.workloads {
        let mut title = format!("{}/{}/{}", one.namespace, one.kind, one.name);
        let mut row = |container: &str, rule: &str, change: String| {
            let title = Cell::new(std::mem::take(&mut title), BOLD);
            table.row([title, Cell::plain(container), Cell::plain(rule)], change);
        };
        if one.policy.old != one.policy.new {
            row("", "policy", format!("{} → {}", one.policy.old, one.policy.new));
        }
        let off = || "off".to_owned();
        for change in &one.rules {
            let (old, new) = (change.old.clone(), change.new.clone());
            let change_text = format!("{} → {}", old.unwrap_or_else(off), new.unwrap_or_else(off));
            row(&change.container, change.rule, change_text);
        }
        let Change { old, new } = one.verdict;
        if old != new {
            row("", "verdict", format!("{} → {}", old.as_str(), new.as_str()));
        }
        if one.restricted.old != one.restricted.new {
            let list = |fields: &[String]| match fields {
                [] => "passes".to_owned(),
                fields => format!("refused for {}", fields.join(", ")),
            };
            let (old, new) = (list(&one.restricted.old), list(&one.restricted.new));
            row("", "restricted", format!("{old} → {new}"));
        }
    }
    let mut text = table.render(width());
    let said = match (found.workloads.len(), found.judged) {
        (_, 0) => "no workload".to_owned(),
        (0, 1) => "the one workload does not differ".to_owned(),
        (1, 1) => "the one workload differs".to_owned(),
        (0, all) => format!("none of {all} workloads differs"),
        (1, all) => format!("1 of {all} workloads differs"),
        (some, all) => format!("{some} of {all} workloads differ"),
    };
    text.push_str(&format!("{DIM}{said}{DIM:#}\n"));
    text
}
