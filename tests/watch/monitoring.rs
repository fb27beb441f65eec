//! The alerts and the dashboard: Prometheus' own tool takes them, every alert is tested and
//! described, and what they ask for is what a server and a watch really export.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ironhull::serve::certs::self_signed;
use ironhull::serve::{self, Certificate, Config};
use serde_json::Value;

use super::breakage::crashed;
use super::client::Trust;
use super::images::{cluster, learning, of_image};
use super::objects::{annotated, namespace, pod};
use super::process::get;

const RULES: [&str; 2] = ["webhook.rules.yaml", "watch.rules.yaml"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn shipped(name: &str) -> String {
    fs::read_to_string(path("deploy/chart/monitoring").join(name)).unwrap()
}

/// Where promtool is: `IRONHULL_PROMTOOL`, else where `e2e/setup` puts it. None (and a loud
/// note) where it is not; in CI that is a failure.
fn promtool() -> Option<PathBuf> {
    let place = std::env::var_os("IRONHULL_PROMTOOL")
        .map_or_else(|| path("target/tools/promtool"), PathBuf::from);
    if place.is_file() {
        return Some(place);
    }
    assert!(std::env::var_os("CI").is_none(), "promtool is missing: run e2e/setup");
    eprintln!("NOT RUN: promtool is missing: run e2e/setup");
    None
}

fn run(promtool: &PathBuf, arguments: &[&str]) {
    let output = Command::new(promtool).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("FAILED"), "{arguments:?}: {said}");
}

/// Every alert: its name and its expression.
fn alerts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in RULES {
        let file: Value = serde_yaml::from_str(&shipped(name)).unwrap();
        let groups = file["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        found.extend(rules.map(|rule| {
            let text = |key: &str| rule[key].as_str().unwrap().to_owned();
            (text("alert"), text("expr"))
        }));
    }
    assert!(found.len() > 10);
    found
}

/// Every query of the dashboard's panels: the panel's title and the expression.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&shipped("dashboard.json")).unwrap();
    let mut found = Vec::new();
    let mut ids = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap().to_owned();
        assert!(!ids.contains(&&panel["id"]), "{title}: its id is there twice");
        ids.push(&panel["id"]);
        let targets = panel["targets"].as_array();
        assert_eq!(targets.is_none(), panel["type"] == "row", "{title}");
        for target in targets.into_iter().flatten() {
            found.push((title.clone(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    assert!(found.len() > 10);
    found
}

#[test]
fn prometheus_takes_the_alerts_and_they_do_as_they_should() {
    let Some(promtool) = promtool() else { return };
    for name in RULES {
        let file = path("deploy/chart/monitoring").join(name);
        run(&promtool, &["check", "rules", "--lint-fatal", file.to_str().unwrap()]);
    }
    let tests = path("tests/monitoring/rules.test.yaml");
    run(&promtool, &["test", "rules", tests.to_str().unwrap()]);
}

#[test]
fn prometheus_understands_every_query_of_the_dashboard() {
    let Some(promtool) = promtool() else { return };
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        .map(|(number, (_, expr))| {
            // What Grafana puts in.
            let expr = expr.replace("$__rate_interval", "5m").replace("$namespace", ".*");
            serde_json::json!({"record": format!("query:{number}"), "expr": expr})
        })
        .collect();
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("queries.yaml");
    let groups = serde_json::json!({"groups": [{"name": "queries", "rules": rules}]});
    fs::write(&file, groups.to_string()).unwrap();
    run(&promtool, &["check", "rules", file.to_str().unwrap()]);
}

#[test]
fn every_alert_is_tested_and_described() {
    let tests = fs::read_to_string(path("tests/monitoring/rules.test.yaml")).unwrap();
    let page = fs::read_to_string(path("docs/monitoring.md")).unwrap();
    let alerts_page = page.split("\n## Alerts\n").nth(1).unwrap();
    let mut described: Vec<_> =
        alerts_page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let mut names: Vec<_> = alerts().into_iter().map(|(name, _)| name).collect();
    names.dedup();
    for name in &names {
        // It is seen not to fire, and to fire.
        let quiet = format!("alertname: {name}, exp_alerts: []");
        assert!(tests.contains(&quiet), "{name}: is it quiet when all is well?");
        let mentions = tests.matches(name.as_str()).count();
        assert!(mentions > 1, "{name}: does it ever fire?");
    }
    described.sort_unstable();
    names.sort_unstable();
    names.dedup();
    assert_eq!(described, names, "docs/monitoring.md");
}

/// What a server and a watch export that have seen something of everything.
fn exported() -> String {
    let pair = self_signed(&["localhost"]).unwrap();
    let trust = Trust::new([pair.certificate.as_slice()]);
    let server = serve::start(Config::on_loopback(Certificate::Given(pair))).unwrap();
    let mut client = trust.connect(server.webhook_addr).unwrap();
    let review = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
        "uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},
        "resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop",
        "operation":"CREATE","object":{"kind":"Pod","metadata":{"name":"web"},"spec":{
        "containers":[{"name":"web","image":"web"}]}}}}"#;
    assert_eq!(client.post("/enforce", review).unwrap().status, 200);
    let mut text = get(server.ops_addr, "/metrics").1;

    let api = cluster();
    api.put("namespaces", namespace("new", &[("ironhull.dev/harden", "audit")]));
    let exempt =
        annotated(pod("shop", "a", 0), "exempt.ironhull.dev/fsGroup", "until=2099-12-31 x");
    api.put("pods", exempt);
    api.put("pods", of_image("unreadable", "127.0.0.1:1/web:1"));
    let mut crashed = crashed("shop", "web", 0);
    crashed["status"]["containerStatuses"][0]["state"]["terminated"]["message"] =
        "mkdir /data/x: Read-only file system".into();
    api.put("pods", crashed);
    let watch = learning(&api, "127.0.0.1:1", &["--breakage", "--reports"]);
    watch.ready();
    watch
        .reaches(r#"ironhull_watch_images_failed{registry="127.0.0.1:1",reason="unreachable"}"#, 1);
    text += &watch.get("/metrics").1;
    server.stop().unwrap();
    text
}

#[test]
fn alerts_and_dashboard_ask_for_what_is_exported() {
    let text = exported();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (name, expr) in alerts().into_iter().chain(queries()) {
        for selector in selectors(&expr) {
            seen += 1;
            if !text.lines().any(|line| selector.matches(line)) {
                wrong.push(format!("{name}: {selector:?}"));
            }
        }
    }
    assert!(seen > 40, "{seen}");
    assert!(wrong.is_empty(), "nobody exports\n{}", wrong.join("\n"));
    let dashboard: Value = serde_json::from_str(&shipped("dashboard.json")).unwrap();
    let variable = &dashboard["templating"]["list"][1];
    assert_eq!(variable["query"]["query"], "label_values(ironhull_watch_pods, namespace)");
    assert!(text.contains("\nironhull_watch_pods{namespace="));
}

/// A metric that is asked for, and what its labels must be.
#[derive(Debug, PartialEq)]
struct Selector {
    metric: String,
    /// A label, and its value where only one will do.
    labels: Vec<(String, Option<String>)>,
}

impl Selector {
    fn matches(&self, line: &str) -> bool {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        name == self.metric
            && self.labels.iter().all(|(label, value)| match value {
                Some(value) => rest.contains(&format!("{label}=\"{value}\"")),
                // Of every scrape.
                None if label == "instance" || label == "job" => true,
                None => rest.contains(&format!("{label}=\"")),
            })
    }
}

/// What an expression asks for.
fn selectors(expr: &str) -> Vec<Selector> {
    const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];
    const OF_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    let mut found = Vec::new();
    let mut rest = expr;
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            rest = rest.split_once(']').unwrap().1;
            continue;
        }
        if first == '"' || first.is_ascii_digit() {
            // No string stands outside of braces in these but `quantile`'s numbers do.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '"');
            continue;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let next = after.trim_start();
        if OF_LABELS.contains(&name) {
            rest = next.strip_prefix('(').unwrap().split_once(')').unwrap().1;
        } else if next.starts_with('(') || aggregates(next) || OPERATORS.contains(&name) {
            rest = after;
        } else {
            let (labels, after) = match after.strip_prefix('{') {
                Some(inner) => inner.split_once('}').unwrap(),
                None => ("", after),
            };
            let labels = labels.split(',').filter(|label| !label.is_empty());
            let labels = labels.map(|label| {
                let end = label.find(|c| !word(c)).unwrap();
                let (label, value) = label.split_at(end);
                let exact = value.strip_prefix("=\"").and_then(|value| value.strip_suffix('"'));
                (label.to_owned(), exact.map(str::to_owned))
            });
            found.push(Selector { metric: name.to_owned(), labels: labels.collect() });
            rest = after;
        }
    }
    found
}

/// Whether what stands before is `sum` or the like, in front of its labels.
fn aggregates(next: &str) -> bool {
    ["by", "without"]
        .iter()
        .any(|word| next.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with('(')))
}

#[test]
fn expressions_are_read() {
    let read = selectors(
        r#"histogram_quantile(0.99, sum by (le, x) (rate(a_bucket{le="0.05",b=~"c|d"}[5m]))) / on (i) group_left () b > 7 * 86400 or absent(c == 1)"#,
    );
    let one = |metric: &str, labels: &[(&str, Option<&str>)]| Selector {
        metric: metric.to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect(),
    };
    assert_eq!(
        read,
        [one("a_bucket", &[("le", Some("0.05")), ("b", None)]), one("b", &[]), one("c", &[])]
    );
    assert!(read[0].matches(r#"a_bucket{b="e",le="0.05"} 1"#));
    assert!(!read[0].matches(r#"a_bucket{le="0.05"} 1"#));
    assert!(!read[0].matches(r#"a_bucket{b="e",le="0.1"} 1"#));
}
