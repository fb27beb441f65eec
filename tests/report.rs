//! `ironhull report` at scale, and its CSV as spreadsheets read it.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test that fails says where"
)]
#![allow(unreachable_pub, dead_code, reason = "the modules of a test are nobody else's")]

#[path = "support/api_server.rs"]
mod api_server;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use api_server::{ApiServer, Settings};
use ironhull::evidence::controls::ControlSet;
use serde_json::{Value, json};

/// Number of pods, and of the Deployments that they belong to.
const PODS: usize = 10_000;
const DEPLOYMENTS: usize = 500;

/// Peak memory for that many pods. They are read 500 at a time; what is kept grows with workloads.
const MEMORY: usize = 200 << 20;
/// Time, of a program without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn ten_thousand_pods() {
    let server = ApiServer::start(cluster(), Settings::default());
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = home.path().join("kubeconfig");
    fs::write(&kubeconfig, config(&server.address.to_string())).unwrap();
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(["report", "-A", "-o", "json"])
        .env_clear()
        .env("KUBECONFIG", &kubeconfig)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    });
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (text, took) = (reader.join().unwrap(), started.elapsed());
    assert!(status.success());
    eprintln!(
        "{PODS} pods of {DEPLOYMENTS} Deployments: {:.1} s, {} MiB at most, {} KiB of JSON",
        took.as_secs_f64(),
        peak >> 20,
        text.len() >> 10
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["summary"]["pods"], PODS);
    assert_eq!(report["summary"]["containers"], PODS);
    assert_eq!(report["summary"]["workloads"], DEPLOYMENTS);
    // A tenth of the pods of each Deployment is root.
    assert_eq!(report["summary"]["root"], PODS / 10);
    assert!(took < PATIENCE, "{took:?}");
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
    assert!(peak > 0 || !cfg!(target_os = "linux"), "nothing was measured");
}

/// Peak memory of a process so far, in bytes; 0 where that cannot be read.
fn high_water(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or_default() << 10
}

fn cluster() -> Vec<Value> {
    let mut objects = vec![json!({"kind": "Namespace", "metadata": {
        "name": "shop", "labels": {"ironhull.dev/harden": "enforce"},
    }})];
    let containers = json!([{"name": "app", "image": "registry.corp/app:1"}]);
    for at in 0..DEPLOYMENTS {
        let name = format!("app-{at}");
        objects
            .push(json!({"kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}}));
        objects.push(json!({
            "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{name}-1"), "namespace": "shop",
                "ownerReferences": [{"kind": "Deployment", "name": name}],
            },
            "spec": {"replicas": 20, "template": {"spec": {"containers": containers}}},
        }));
    }
    for at in 0..PODS {
        let owner = format!("app-{}-1", at % DEPLOYMENTS);
        let uid = if (at / DEPLOYMENTS).is_multiple_of(10) { 0 } else { 1000 };
        objects.push(json!({
            "kind": "Pod",
            "metadata": {
                "name": format!("{owner}-{at}"), "namespace": "shop",
                "ownerReferences": [{"kind": "ReplicaSet", "name": owner}],
                // As large as managedFields make real ones.
                "annotations": {"padding": "x".repeat(6_000)},
            },
            "spec": {"containers": containers},
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "app", "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
                "user": {"linux": {"uid": uid, "gid": uid, "supplementalGroups": [uid]}},
            }]},
        }));
    }
    objects
}

fn config(address: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: c, cluster: {{server: \"http://{address}\"}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n\
         contexts: [{{name: test, context: {{cluster: c, user: u, namespace: shop}}}}]\n"
    )
}

/// A cluster on its way, as a page: all of it has to be there, and the site shows it as a sample
/// (`IRONHULL_REPORT_PAGES`).
#[test]
fn a_page_of_a_whole_cluster() {
    let today = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date();
    let day = |days: i32| today.saturating_add(jiff::Span::new().days(days)).to_string();
    let revision = &ironhull::policy::Policy::restricted().revision;
    let text = fs::read_to_string("site/sample-cluster.yaml").unwrap();
    let text = text
        .replace("@REVISION", &format!("@{revision}"))
        .replace("STARTED", &format!("{}T08:12:40Z", day(-13)))
        .replace("UNTIL", &day(14));
    let settings = Settings { version: "1.37.2".to_owned(), ..Settings::default() };
    let server = ApiServer::start(serde_saphyr::from_multiple(&text).unwrap(), settings);
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = home.path().join("kubeconfig");
    let address = server.address.to_string();
    fs::write(&kubeconfig, config(&address)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(["report", "-A", "-o", "html"])
        .env_clear()
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = String::from_utf8(output.stdout).unwrap();
    if let Ok(directory) = std::env::var("IRONHULL_REPORT_PAGES") {
        let page = page.replace(&format!("http://{address}"), "https://api.shop.example:6443");
        fs::write(Path::new(&directory).join("sample.html"), page).unwrap();
    }
    for said in [
        "8 of 25 running containers",
        "OPS-212",
        &format!("until {}", day(14)),
        "14 days left",
        "storefront",
        "import-by-hand",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

/// Names and reasons that others write, in the CSV as a spreadsheet reads it: RFC 4180 to the
/// letter, every row as wide as the head, and nothing that is a formula.
#[test]
fn csv_is_read_as_it_is_meant() {
    let reason = "until=2099-01-01 =HYPERLINK(\"http://x\"),\"a\" ; b";
    let text = csv("csv", reason);
    let rows = read(&text);
    let head = rows[0].clone();
    assert_eq!(head[..3], ["namespace", "kind", "workload"]);
    assert_eq!(rows.len(), 1 + 26, "a row for each check");
    for row in &rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        for field in row {
            assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field:?}");
        }
    }
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let root = rows.iter().find(|row| row[at("check")] == "runAsNonRoot").unwrap();
    assert_eq!((root[at("state")].as_str(), root[at("value")].as_str()), ("exempt", "0"));
    assert_eq!(root[at("reason")], "'=HYPERLINK(\"http://x\"),\"a\" ; b");
    assert_eq!(root[at("image")], "'@SUM(A1)");
}

/// The report in a format, on a pod that is root and exempt for this reason.
fn csv(format: &str, reason: &str) -> String {
    let pod = json!({
        "kind": "Pod",
        "metadata": {
            "name": "web", "namespace": "shop",
            "annotations": {"exempt.ironhull.dev/runAsNonRoot": reason},
        },
        "spec": {"containers": [{"name": "web", "image": "@SUM(A1)", "securityContext": {
            "runAsUser": 0, "seccompProfile": {"type": "Localhost", "localhostProfile": "a\r\n=1,\"b\""},
        }}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "web", "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}},
        ]},
    });
    let namespace = json!({"kind": "Namespace", "metadata": {
        "name": "shop", "labels": {"ironhull.dev/harden": "enforce"},
    }});
    let server = ApiServer::start(vec![namespace, pod], Settings::default());
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = home.path().join("kubeconfig");
    fs::write(&kubeconfig, config(&server.address.to_string())).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(["report", "-n", "shop", "-o", format])
        .env_clear()
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The same by control: a row for each, with the field that decided and the exemption that allows it.
#[test]
fn csv_by_control_is_read_as_it_is_meant() {
    let reason = "until=2099-01-01 =HYPERLINK(\"http://x\"),\"a\" ; b";
    let text = csv("csv-controls", reason);
    let rows = read(&text);
    let head = rows[0].clone();
    assert_eq!(head[..3], ["standard", "version", "control"]);
    let controls: usize =
        ControlSet::built_in().frameworks.iter().map(|framework| framework.controls.len()).sum();
    assert_eq!(rows.len(), 1 + controls, "a row for each control");
    for row in &rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        for field in row {
            assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field:?}");
        }
    }
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let of = |standard: &str, control: &str| {
        let found = rows.iter().find(|row| row[0].starts_with(standard) && row[2] == control);
        found.unwrap_or_else(|| panic!("no {standard} {control}"))
    };
    let root = of("CIS", "5.2.7");
    assert_eq!((root[at("result")].as_str(), root[at("extent")].as_str()), ("exempt", "part"));
    assert_eq!(root[at("decidedBy")], "runAsNonRoot exempt (0)");
    assert_eq!(root[at("until")], "2099-01-01");
    assert_eq!(root[at("reason")], "'=HYPERLINK(\"http://x\"),\"a\" ; b");
    let fine = of("CIS", "5.2.2");
    assert_eq!((fine[at("result")].as_str(), fine[at("decidedBy")].as_str()), ("pass", ""));
    assert_eq!(fine[at("fields")], "privileged pass (false)");
}

/// Fields of RFC 4180: records end in CRLF, a quote stands only at the ends of a field or doubled.
fn read(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        let field = match rest.strip_prefix('"') {
            Some(mut inner) => {
                let mut field = String::new();
                loop {
                    let end = inner.find('"').expect("a quote that ends");
                    field.push_str(&inner[..end]);
                    inner = &inner[end + 1..];
                    match inner.strip_prefix('"') {
                        Some(more) => {
                            field.push('"');
                            inner = more;
                        }
                        None => break,
                    }
                }
                rest = inner;
                field
            }
            None => {
                let end = rest.find([',', '\r']).expect("a field that ends");
                let field = &rest[..end];
                assert!(!field.contains(['"', '\n']), "{field:?}");
                rest = &rest[end..];
                field.to_owned()
            }
        };
        row.push(field);
        if let Some(next) = rest.strip_prefix(',') {
            rest = next;
        } else {
            rest = rest.strip_prefix("\r\n").expect("CRLF");
            rows.push(std::mem::take(&mut row));
        }
    }
    rows
}
