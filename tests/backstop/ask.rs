//! The backstop of a policy, and what an API server's evaluator says of pods under it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ironhull::evidence::backstop::{Action, Options, objects};
use ironhull::policy::{PolicyFile, PolicySet};
use jiff::civil::{Date, date};
use serde::Deserialize;
use serde_json::{Value, json};

/// The day on which every backstop here is made.
pub(crate) const MADE: Date = date(2026, 11, 30);

/// What one ValidatingAdmissionPolicy says of one pod: see e2e/judge.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    pub(crate) policy: String,
    pub(crate) matched: bool,
    pub(crate) allowed: bool,
    pub(crate) error: bool,
    pub(crate) messages: Vec<String>,
    pub(crate) cost: u64,
    pub(crate) conditions_cost: u64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    verdicts: Vec<Decision>,
    #[serde(default)]
    error: Option<String>,
}

impl Decision {
    /// The checks that the message names, each with who fails it.
    pub(crate) fn refused(&self) -> BTreeSet<String> {
        assert!(!self.error, "{self:?}");
        let parts = self.messages.iter().flat_map(|message| {
            let list = message.split_once("): ").map_or("", |(_, list)| list);
            list.split(" [Pod Security").next().unwrap_or_default().split("; ")
        });
        let refused: BTreeSet<_> = parts
            .filter_map(|part| part.split_once(" (").map(|(check, _)| check.to_owned()))
            .collect();
        assert_eq!(self.allowed, refused.is_empty(), "{self:?}");
        refused
    }
}

/// Policies out of YAML; the compiled-in one out of nothing.
pub(crate) fn policies(text: &str) -> PolicySet {
    let file = PolicyFile { name: "policies.yaml".to_owned(), text: text.to_owned() };
    let files = if text.is_empty() { vec![] } else { vec![file] };
    match PolicySet::load(&files, Some(MADE)) {
        Ok((set, _)) => set,
        Err(errors) => panic!("{errors:?}"),
    }
}

/// A policy with this `spec`, for every namespace.
pub(crate) fn policy(spec: Value) -> PolicySet {
    let mut spec = spec;
    spec["namespaces"] = json!(["*"]);
    policies(
        &json!({"apiVersion": "ironhull.dev/v1alpha1", "kind": "HardeningPolicy",
            "metadata": {"name": "ours"}, "spec": spec})
        .to_string(),
    )
}

pub(crate) fn backstop(set: &PolicySet) -> Vec<Value> {
    let excluded = vec!["ironhull-system".to_owned()];
    objects(set, &Options { date: MADE, actions: vec![Action::Deny], excluded })
}

/// A request: a pod that is created today, unless more is said.
pub(crate) fn created(pod: &Value) -> Value {
    json!({"pod": pod, "now": "2026-11-30T12:00:00Z"})
}

/// Asks the evaluator about each request, under the backstop of `set`: for each, the decisions of all
/// its policies.
pub(crate) fn ask(judge: &PathBuf, set: &PolicySet, requests: &[Value]) -> Vec<Vec<Decision>> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backstop.yaml");
    let documents: Vec<_> =
        backstop(set).iter().map(|object| serde_yaml::to_string(object).unwrap()).collect();
    std::fs::write(&file, documents.join("---\n")).unwrap();
    ask_file(judge, &file, requests)
}

fn ask_file(judge: &PathBuf, file: &Path, requests: &[Value]) -> Vec<Vec<Decision>> {
    let mut child = Command::new(judge)
        .args(["cel", "--policy"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = requests
        .iter()
        .enumerate()
        .map(|(index, request)| {
            let mut line = request.clone();
            line["id"] = json!(index.to_string());
            line.to_string()
        })
        .collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(stdin, "{line}").expect("the judge reads");
        }
    });
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<_> = stdout
        .lines()
        .map(|line| {
            let answer: Answer = serde_json::from_str(&line.unwrap()).unwrap();
            assert_eq!(answer.error, None);
            answer.verdicts
        })
        .collect();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.len(), requests.len());
    answers
}

/// The only decision: of a backstop of one policy.
pub(crate) fn only(decisions: &[Decision]) -> &Decision {
    let [decision] = decisions else { panic!("{decisions:?}") };
    decision
}

/// Pod Security's reasons, as the backstop's names of checks.
pub(crate) fn checks(reasons: &[String]) -> BTreeSet<String> {
    let each = reasons.iter().flat_map(|reason| {
        let (id, detail) = reason.split_once(": ").unwrap();
        match id {
            "hostNamespaces"
            | "hostPorts"
            | "privileged"
            | "allowPrivilegeEscalation"
            | "runAsNonRoot"
            | "runAsUser"
            | "seLinuxOptions"
            | "sysctls" => vec![id],
            "restrictedVolumes" => vec!["volumes"],
            "hostProbesAndHostLifecycle" => vec!["hostProbes"],
            "windowsHostProcess" => vec!["hostProcess"],
            "capabilities_restricted" => vec!["capabilities"],
            "seccompProfile_restricted" => vec!["seccompProfile"],
            "procMount_restricted" => vec!["procMount"],
            "appArmorProfile" => {
                let (setters, _) = detail.split_once(" must not set").unwrap();
                let mut found = Vec::new();
                if setters.contains("annotation") {
                    found.push("appArmorAnnotations");
                }
                if setters.contains("pod") || setters.contains("container") {
                    found.push("appArmorProfile");
                }
                found
            }
            other => panic!("an unknown check of Pod Security: {other}"),
        }
    });
    each.map(str::to_owned).collect()
}
