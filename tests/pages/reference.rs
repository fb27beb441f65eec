//! Tables that are made from the program: the server's flags and metrics, the dashboard's panels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory;
use ironhull::admission::{Facts, Mode, Verdict};
use ironhull::cli::Cli;
use ironhull::evidence::watched::WatchedPod;
use ironhull::foresight::workloads::Maker;
use ironhull::policy::PolicySet;
use ironhull::rule::RuleName;
use ironhull::serve::metrics::{Metrics, PolicyRow};
use ironhull::serve::ops::Observed;
use ironhull::watch::breakage::case::{self, Case, State};
use ironhull::watch::breakage::owner::Workload;
use ironhull::watch::breakage::store::Store;
use ironhull::watch::images::Progress;
use ironhull::watch::images::known::Counts;
use ironhull::watch::images::metrics::Shown;
use ironhull::watch::metrics::WatchMetrics;
use ironhull::watch::reports;
use ironhull::watch::state::{Besides, ClusterState};
use ironhull::watch::tally::What;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::path;

/// The flags of a command.
pub fn flags(command: &str) -> String {
    let mut cli = Cli::command();
    cli.build();
    let serve = cli.find_subcommand(command).unwrap();
    let mut table = String::from("| flag | variable | default | |\n|---|---|---|---|\n");
    for argument in serve.get_arguments() {
        let Some(long) = argument.get_long().filter(|long| *long != "help") else { continue };
        // Every command has --color.
        if argument.is_global_set() {
            continue;
        }
        let env = argument.get_env().map(|env| format!("`{}`", env.to_str().unwrap()));
        let default = argument.get_default_values().first();
        let default = default.map(|value| format!("`{}`", value.to_str().unwrap()));
        let default = match (default, argument.is_required_set()) {
            (Some(default), _) => default,
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let env = env.unwrap_or_default();
        let _ = writeln!(table, "| `--{long}` | {env} | {default} | {help} |");
    }
    table
}

/// The panels of the dashboard, each below the title of its row.
pub fn dashboard() -> String {
    let text = std::fs::read_to_string(path("deploy/chart/monitoring/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut table = String::from("| panel | |\n|---|---|\n");
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        let _ = match panel["type"].as_str().unwrap() {
            "row" => writeln!(table, "| **{title}** | |"),
            _ => {
                let description = panel["description"].as_str().unwrap_or_default();
                writeln!(table, "| {title} | {description} |")
            }
        };
    }
    table
}

/// The metrics of `ironhull watch`.
pub fn watch_metrics() -> String {
    let mut registry = Registry::default();
    let policies = PolicySet::new(Vec::new()).unwrap();
    let state = ClusterState::new(policies, false, Besides::default(), &mut registry);
    let failed = BTreeMap::from([(("r.corp".to_owned(), "timeout"), 1)]);
    let known = Counts { failed, oldest: Some(1), ..Counts::default() };
    let watch = registry.sub_registry_with_prefix("ironhull").sub_registry_with_prefix("watch");
    watch.register_collector(Box::new(Shown(known, Progress::default())));
    watch.register_collector(Box::new(broken()));
    watch.register_collector(Box::new(changed()));
    let metrics = WatchMetrics::new(registry, Arc::clone(&state));
    let take = |what, object: serde_json::Value| {
        let object = serde_json::value::to_raw_value(&object).unwrap();
        state.take(what, &object, false);
        state.finish(what);
    };
    let labels = json!({"ironhull.dev/harden": "enforce"});
    take(What::Namespaces, json!({"metadata": {"name": "shop", "labels": labels}}));
    let annotations = json!({"exempt.ironhull.dev/fsGroup": "until=2099-12-31 x"});
    let container = json!({"name": "web", "image": "web"});
    let status = json!([{"name": "web", "state": {"running": {}}}]);
    take(
        What::Pods,
        json!({
            "metadata": {"uid": "1", "namespace": "shop", "annotations": annotations},
            "spec": {"containers": [container]},
            "status": {"containerStatuses": status},
        }),
    );
    table(&metrics.metrics())
}

/// A workload whose Report is yet to be written.
fn changed() -> reports::store::Store {
    let (uid, name) = ("1".into(), "web".into());
    let maker = Maker { api_version: "v1".into(), kind: "Pod".into(), name, uid };
    let pod = WatchedPod { maker, containers: Vec::new() };
    let mut store = reports::store::Store::default();
    store.pod("shop", "1", pod, jiff::Timestamp::UNIX_EPOCH);
    store
}

/// A pod that fails.
fn broken() -> Store {
    let meta = json!({"namespace": "shop", "name": "web", "uid": "1"});
    let meta: ObjectMeta = serde_json::from_value(meta).unwrap();
    let failing = Case::of(&meta, &Workload::of(&meta).unwrap());
    let mut store = Store::default();
    store.fails(failing, case::Verdict::Unknown, false, State::Fails, jiff::Timestamp::UNIX_EPOCH);
    store
}

/// The metrics of `ironhull serve`.
pub fn metrics() -> String {
    let metrics = Metrics::new();
    metrics.asks();
    let facts = Facts {
        uid: String::new(),
        namespace: String::new(),
        name: String::new(),
        kind: String::new(),
        policy: None,
        dry_run: false,
        verdict: Verdict::Unchanged,
        results: Default::default(),
        skips: vec![(RuleName::Capabilities, "privileged")],
        exemptions: Vec::new(),
        warnings: 0,
    };
    metrics.review(&PolicyRow::new("restricted"), Mode::Enforce, &facts, Duration::ZERO);
    table(&metrics.encode())
}

/// The metrics, each with its type, its labels and its help.
fn table(text: &str) -> String {
    let mut table = String::from("| metric | type | labels | |\n|---|---|---|---|\n");
    let mut rows = BTreeSet::new();
    for line in text.lines() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        let kind =
            text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
        let exposed = match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        };
        let labels = labels(text, name);
        rows.insert(format!("| `{exposed}` | {kind} | {labels} | {help} |"));
    }
    for row in rows {
        let _ = writeln!(table, "{row}");
    }
    table
}

/// The labels of a metric, but for a histogram's own.
fn labels(text: &str, name: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some((series, rest)) = line.split_once('{') else { continue };
        let own = ["", "_total", "_info", "_bucket"];
        if !series.strip_prefix(name).is_some_and(|suffix| own.contains(&suffix)) {
            continue;
        }
        let Some((pairs, _)) = rest.split_once('}') else { continue };
        for label in pairs.split(',').filter_map(|pair| pair.split('=').next()) {
            let label = format!("`{label}`");
            if label != "`le`" && !found.contains(&label) {
                found.push(label);
            }
        }
    }
    found.join(", ")
}
