//! `docs/performance.md` and its pictures, out of the figures and nothing else.
//!
//! A test compares, so that nobody edits them by hand.

#[path = "plot.rs"]
mod plot;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::page::page;
use crate::support::stats::Spread;
use plot::Bar;

/// Files by their names below `docs/`.
pub fn files(report: &Value) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut figures = report.clone();
    // In the order in which they are measured.
    figures["parts"] = report.as_object().into_iter().flatten().map(|part| json!(part)).collect();
    let mut files = vec![("performance.md", page(include_str!("page.md.jinja"), &figures)?)];
    let rows = |part: &str, of: &str| report[part]["figures"][of].as_array();
    if let Some(sizes) = rows("engine", "sizes") {
        let line = |name, of: &str| {
            let point =
                |row: &Value| Some((row["containers"].as_f64()?, row[of]["median"].as_f64()?));
            let points = sizes.iter().filter_map(point).map(|(x, ns)| (x, ns / 1e3));
            (name, points.collect())
        };
        let lines = [
            line("a whole review", "review_ns"),
            line("everything to do", "all_ns"),
            line("nothing to do", "none_ns"),
        ];
        let title = "Engine: time for a pod, by its containers";
        files.push(("performance-engine.svg", plot::lines(title, ["containers", "µs"], &lines)?));
    }
    if let Some(loads) = rows("https", "loads") {
        let bars: Vec<Bar<'_>> = loads
            .iter()
            .map(|row| {
                let hook = row["hook"].as_str().unwrap_or_default();
                (counted(&row["connections"], "connection"), hook, spread(&row["cpu_us"]))
            })
            .collect();
        let title = "HTTPS: the server's CPU time for a request";
        files.push((
            "performance-https.svg",
            plot::bars(title, "µs: median, and quartiles", &bars)?,
        ));
    }
    if let Some(creations) = rows("apiserver", "creations") {
        let hardened = creations.iter().filter(|row| row["variant"] != "none");
        let bars: Vec<Bar<'_>> = hardened
            .map(|row| {
                let kind = if row["dry_run"] == true { "dry run" } else { "real" };
                let variant = match row["variant"].as_str().unwrap_or_default() {
                    "mutating-policy" => "MutatingAdmissionPolicy",
                    variant => variant,
                };
                let group = format!("{kind}, {}", counted(&row["clients"], "client"));
                (group, variant, spread(&row["added_ms"]))
            })
            .collect();
        let title = "Pod creation: time added to no admission at all";
        files.push((
            "performance-apiserver.svg",
            plot::bars(title, "ms: median, and quartiles", &bars)?,
        ));
    }
    Ok(files)
}

fn counted(count: &Value, what: &str) -> String {
    format!("{count} {what}{}", if *count == 1 { "" } else { "s" })
}

fn spread(value: &Value) -> Spread {
    Spread::deserialize(value).unwrap()
}
