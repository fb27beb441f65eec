//! Kubernetes' own Pod Security evaluator, as a process.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

/// What Kubernetes says of one pod.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Judgement {
    /// Whether and why not it passes *baseline*.
    #[serde(default)]
    pub baseline: Verdict,
    /// Whether and why not it passes *restricted*.
    #[serde(default)]
    pub restricted: Verdict,
    /// What the strict decoder objects to.
    #[serde(default)]
    pub strict: Option<String>,
    /// Why it cannot be decoded at all.
    #[serde(default)]
    pub error: Option<String>,
}

/// One level's verdict.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Verdict {
    /// Whether the pod is admitted.
    pub allowed: bool,
    /// Why it is not.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// Where the judge's binary is: `IRONHULL_JUDGE`, else where `make judge` puts it. None
/// (and a loud note) where it is not built; in CI that is a failure.
pub fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("IRONHULL_JUDGE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/judge"),
        PathBuf::from,
    );
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "the judge is not built: run `make judge`");
    eprintln!("NOT RUN: the judge is not built (it needs Go): run `make judge`");
    None
}

/// Judges pods, in their order.
pub fn judge(binary: &PathBuf, pods: &[Value]) -> Vec<Judgement> {
    let mut child = Command::new(binary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the judge starts");
    let mut stdin = child.stdin.take().expect("it has a standard input");
    let lines: Vec<String> = pods
        .iter()
        .enumerate()
        .map(|(index, pod)| json!({"id": index.to_string(), "pod": pod}).to_string())
        .collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(stdin, "{line}").expect("the judge reads");
        }
    });
    let stdout = BufReader::new(child.stdout.take().expect("it has a standard output"));
    let judgements = stdout
        .lines()
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("a judgement"))
        .collect::<Vec<_>>();
    writer.join().expect("all is written");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(judgements.len(), pods.len());
    judgements
}
