//! The table of kinds in `docs/manifests.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use ironhull::workload::table::KINDS;
use ironhull::workload::{Holds, Kind, Takes};

/// The table: a row for each kind.
pub fn table() -> String {
    let mut table =
        String::from("| kind | resource | its pods | | source |\n|---|---|---|---|---|\n");
    for row in KINDS {
        let _ = writeln!(
            table,
            "| {} | `{}` | {} | {} | {} |",
            row.kind,
            resource(row),
            places(row),
            remarks(row),
            row.source
        );
    }
    table
}

/// The list for the chart: the resources of each API group that is not Kubernetes' own.
pub fn chart() -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let theirs = KINDS.iter().filter(|row| !row.is_built_in() && row.makes_pods());
    for row in theirs {
        groups.entry(row.group()).or_default().push(row.resource);
    }
    let mut list = String::from("# Generated from the table of kinds by `make docs`.\n");
    for (group, resources) in groups {
        let _ = writeln!(list, "- {{group: {group}, resources: [{}]}}", resources.join(", "));
    }
    list
}

/// The name that `kubectl get` and a Role's rules know it by.
fn resource(row: &Kind) -> String {
    match row.group() {
        "" => row.resource.to_owned(),
        group => format!("{}.{group}", row.resource),
    }
}

fn places(row: &Kind) -> String {
    let place = |path: &str, holds: Holds| {
        let path =
            if path.is_empty() { "the object itself".to_owned() } else { format!("`{path}`") };
        match holds {
            Holds::Template => path,
            Holds::PodSpec => format!("{path} (a pod's `spec`)"),
            Holds::ArgoTemplate => format!("{path} (a workflow's template)"),
            Holds::Object => format!("{path} (whole objects)"),
        }
    };
    let places: Vec<String> = row.pods.iter().map(|it| place(it.path, it.holds)).collect();
    places.join("<br>")
}

fn remarks(row: &Kind) -> String {
    let takes = match row.takes {
        Takes::All => String::new(),
        Takes::Containers if row.note.is_empty() => "On the containers alone".to_owned(),
        Takes::Containers => String::new(),
        Takes::Merged | Takes::Defaulted => {
            "A template without images is its operator's to fill in, and left alone".to_owned()
        }
        Takes::Nothing(why) => format!("Not edited: {why}"),
    };
    [takes, row.note.to_owned()]
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join(". ")
}
