//! `ironhull report`, and templates that `ironhull harden` has hardened, beside well-known scanners:
//! `make agreement`.
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

#[path = "../support/api_server.rs"]
mod api_server;
#[path = "../support/disagreements.rs"]
mod disagreements;
#[path = "../support/fixtures.rs"]
mod fixtures;
#[path = "../support/judge.rs"]
mod judge;
#[path = "../support/pods.rs"]
mod manifests;
mod page;
#[path = "../support/plugin.rs"]
mod plugin;
mod pods;
#[path = "../support/scanners.rs"]
mod scanners;
#[path = "../support/corpus.rs"]
mod support;
mod templates;
#[path = "../support/update.rs"]
mod update;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use api_server::{ApiServer, Settings};
use serde_json::{Value, json};

use disagreements::{CLASSES, reason};
use scanners::PAIRS;

/// Every disagreement has a reason, and every reason a disagreement.
#[test]
#[ignore = "needs the scanners: make agreement"]
fn disagreements_have_reasons() {
    let (Some(binary), Some(corpus)) = (scanners::binary(), support::directory()) else { return };
    let all = pods::all(&corpus);
    eprintln!("{} different pods", all.len());
    let report = report(&all);
    assert_eq!(report["summary"]["pods"], all.len());
    let found = scanners::scan(&binary, PAIRS.iter().map(|pair| pair.id), &all);
    let verdicts = scanners::verdicts(&report, &all, &found);
    let mut unexplained = Vec::new();
    let mut seen = BTreeSet::new();
    for verdict in verdicts.iter().filter(|verdict| !verdict.agree()) {
        match reason(verdict) {
            Some(class) => drop(seen.insert(class.name)),
            None => unexplained.push(verdict.to_string()),
        }
    }
    let text = page::table(all.len(), &verdicts);
    println!("{text}");
    assert!(
        unexplained.is_empty(),
        "{} disagreements have no reason:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    let names: BTreeSet<&str> = CLASSES.iter().map(|class| class.name).collect();
    let unseen: Vec<_> = names.difference(&seen).collect();
    // The kubelet of a cluster reports users, and these pods have none.
    assert_eq!(unseen, page::LIVE.iter().collect::<Vec<_>>(), "reasons of no disagreement");
    page::current("agreement", &text);
}

/// The page has every reason, in a run without the scanners as well.
#[test]
fn the_page_has_every_reason() {
    page::current("reasons", &page::reasons());
}

/// The report (`-o json`) on pods, by the built-in policy.
fn report(pods: &[Value]) -> Value {
    let name = |pod: &Value| pod["metadata"]["namespace"].as_str().unwrap().to_owned();
    let namespaces: BTreeSet<String> = pods.iter().map(name).collect();
    let namespaces =
        namespaces.iter().map(|name| json!({"kind": "Namespace", "metadata": {"name": name}}));
    let objects = namespaces.chain(pods.iter().cloned()).collect();
    let settings = Settings { version: "1.36.1".to_owned(), ..Settings::default() };
    let server = ApiServer::start(objects, settings);
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = home.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: c, cluster: {{server: \"http://{}\"}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n\
         contexts: [{{name: test, context: {{cluster: c, user: u}}}}]\n",
        server.address
    );
    fs::write(&kubeconfig, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(["report", "-A", "-o", "json"])
        .env_clear()
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
