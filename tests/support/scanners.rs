//! What well-known scanners find in pods (`e2e/scanners`), beside what a report says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

/// Where `make agreement` puts the scanners; `None`, and a loud note, where they are not built.
pub(crate) fn binary() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/scanners");
    if path.is_file() {
        return Some(path);
    }
    eprintln!("NOT RUN: the scanners are not built (they need Go): run `make agreement`");
    None
}

/// A check of a scanner that looks at what a check of a report looks at.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    /// The report's check.
    pub(crate) check: &'static str,
    pub(crate) scanner: &'static str,
    /// The scanner's own name for its check.
    pub(crate) id: &'static str,
    /// Whether it judges the pod as a whole, or does not say which container it means.
    pub(crate) of_pod: bool,
}

const fn trivy(check: &'static str, id: &'static str) -> Pair {
    Pair { check, scanner: "trivy", id, of_pod: false }
}

const fn of_pod(check: &'static str, id: &'static str) -> Pair {
    Pair { check, scanner: "trivy", id, of_pod: true }
}

const fn kube_score(check: &'static str, id: &'static str) -> Pair {
    Pair { check, scanner: "kube-score", id, of_pod: false }
}

/// Every check that both have.
pub(crate) const PAIRS: &[Pair] = &[
    trivy("runAsNonRoot", "KSV-0012"),
    of_pod("runAsNonRoot", "KSV-0105"),
    of_pod("runAsGroup", "KSV-0116"),
    trivy("privileged", "KSV-0017"),
    kube_score("privileged", "container-security-context-privileged"),
    trivy("allowPrivilegeEscalation", "KSV-0001"),
    trivy("dropCapabilities", "KSV-0003"),
    of_pod("dropCapabilities", "KSV-0106"),
    trivy("addCapabilities", "KSV-0022"),
    of_pod("netRaw", "KSV-0119"),
    trivy("seccompProfile", "KSV-0030"),
    trivy("seccompProfile", "KSV-0104"),
    kube_score("seccompProfile", "container-seccomp-profile"),
    trivy("readOnlyRootFilesystem", "KSV-0014"),
    kube_score("readOnlyRootFilesystem", "container-security-context-readonlyrootfilesystem"),
    of_pod("hostNetwork", "KSV-0009"),
    of_pod("hostPid", "KSV-0010"),
    of_pod("hostIpc", "KSV-0008"),
    of_pod("hostPath", "KSV-0023"),
    of_pod("volumeTypes", "KSV-0028"),
    of_pod("hostPorts", "KSV-0024"),
    trivy("procMount", "KSV-0027"),
    of_pod("seLinuxOptions", "KSV-0025"),
    trivy("appArmorProfile", "KSV-0002"),
    of_pod("sysctls", "KSV-0026"),
    of_pod("hostProcess", "KSV-0103"),
    of_pod("serviceAccountToken", "KSV-0036"),
    of_pod("defaultNamespace", "KSV-0110"),
];

/// A check that fails.
#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    scanner: String,
    pub(crate) check: String,
    pub(crate) container: Option<String>,
}

/// What the scanners find in pods, in their order, of these checks. Trivy takes some milliseconds for each.
pub(crate) fn scan<'i>(
    binary: &Path,
    checks: impl Iterator<Item = &'i str>,
    pods: &[Value],
) -> Vec<Vec<Finding>> {
    #[derive(Deserialize)]
    struct Answer {
        findings: Vec<Finding>,
    }
    let of_trivy = checks.filter(|check| check.starts_with("KSV-"));
    let mut child = Command::new(binary)
        .args(["--trivy", &of_trivy.collect::<Vec<_>>().join(",")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the scanners start");
    let mut stdin = child.stdin.take().expect("they have a standard input");
    let lines: Vec<String> =
        pods.iter().map(|pod| json!({"id": "", "pod": pod}).to_string()).collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(stdin, "{line}").expect("the scanners read");
        }
    });
    let stdout = BufReader::new(child.stdout.take().expect("they have a standard output"));
    let answers = stdout.lines().map(|line| {
        let answer: Answer = serde_json::from_str(&line.expect("a line")).expect("an answer");
        answer.findings
    });
    let answers: Vec<_> = answers.collect();
    writer.join().expect("all is written");
    assert!(child.wait().expect("they end").success());
    assert_eq!(answers.len(), pods.len());
    answers
}

/// Both verdicts on one thing.
#[derive(Debug)]
pub(crate) struct Verdict<'p> {
    pub(crate) pair: &'static Pair,
    pub(crate) pod: &'p Value,
    /// The container; null where the pod is judged as a whole.
    pub(crate) container: &'p Value,
    /// The cell, the worst of the pod's where that is judged as a whole.
    pub(crate) cell: Value,
    /// Whether the scanner finds nothing.
    pub(crate) passes: bool,
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pair, pod, container, cell, passes } = self;
        let (verb, container) = (if *passes { "passes" } else { "fails" }, &container["name"]);
        write!(f, "{}, container {container}: {}; ", name(pod), cell)?;
        write!(f, "{} {verb} {}\n  {}", pair.scanner, pair.id, pod["spec"])
    }
}

impl Verdict<'_> {
    pub(crate) fn state(&self) -> &str {
        self.cell["state"].as_str().unwrap()
    }

    /// An exempt cell is as red to a scanner as one that fails.
    pub(crate) fn agree(&self) -> bool {
        match self.state() {
            "pass" | "notApplicable" => self.passes,
            "fail" | "exempt" => !self.passes,
            _ => false,
        }
    }
}

/// Verdicts of a report (`-o json`) and of the scanners on the same pods. Ephemeral containers are left
/// out: neither scanner looks at them.
pub(crate) fn verdicts<'p>(
    report: &Value,
    pods: &'p [Value],
    found: &[Vec<Finding>],
) -> Vec<Verdict<'p>> {
    let cells = cells(report);
    let mut verdicts = Vec::new();
    for (pod, found) in pods.iter().zip(found) {
        let Some(own) = cells.get(&name(pod)) else { continue };
        let containers: Vec<&Value> = ["initContainers", "containers"]
            .iter()
            .filter_map(|list| pod["spec"][list].as_array())
            .flatten()
            .collect();
        for pair in PAIRS {
            let of = |container: &Value| {
                let cells = own.get(container["name"].as_str()?)?;
                cells.iter().find(|cell| cell["check"] == pair.check).cloned()
            };
            let mut fails =
                found.iter().filter(|it| (&*it.scanner, &*it.check) == (pair.scanner, pair.id));
            if pair.of_pod {
                let worst = containers.iter().filter_map(|it| of(it)).max_by_key(weight);
                let Some(cell) = worst else { continue };
                let passes = fails.next().is_none();
                verdicts.push(Verdict { pair, pod, container: &Value::Null, cell, passes });
                continue;
            }
            let fails: BTreeSet<&str> = fails.map(|it| it.container.as_deref().unwrap()).collect();
            for container in &containers {
                let Some(cell) = of(container) else { continue };
                let passes = !fails.contains(container["name"].as_str().unwrap());
                verdicts.push(Verdict { pair, pod, container, cell, passes });
            }
        }
    }
    verdicts
}

/// `NAMESPACE/NAME`.
fn name(pod: &Value) -> String {
    let of = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
    format!("{}/{}", of("namespace"), of("name"))
}

fn weight(cell: &Value) -> u8 {
    match cell["state"].as_str() {
        Some("fail") => 4,
        Some("exempt") => 3,
        Some("unknown") => 2,
        Some("pass") => 1,
        _ => 0,
    }
}

/// Cells of a report by pod and container.
fn cells(report: &Value) -> BTreeMap<String, BTreeMap<String, Vec<Value>>> {
    let mut all: BTreeMap<String, BTreeMap<String, Vec<Value>>> = BTreeMap::new();
    for workload in report["workloads"].as_array().unwrap() {
        for container in workload["containers"].as_array().unwrap() {
            for pod in container["podNames"].as_array().unwrap() {
                let metadata = json!({"namespace": workload["namespace"], "name": pod});
                let own = all.entry(name(&json!({"metadata": metadata}))).or_default();
                let cells = container["cells"].as_array().unwrap().clone();
                own.insert(container["name"].as_str().unwrap().to_owned(), cells);
            }
        }
    }
    all
}
