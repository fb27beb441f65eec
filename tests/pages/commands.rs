//! What the pages tell people to type, typed.
//!
//! - `console`: each line after `$ ` is a command, run in the project's directory; what
//!   follows is all that it prints, on either stream. `…` alone on a line stands for any
//!   lines, within a line for any text. `# exits with 1` after a command says so.
//! - `sh`: lines that begin with `ironhull` are run, and must succeed.
//!
//! `ironhull serve` is started with a certificate made for it and stopped once it listens.
//! The cluster of the others is a small API server with the objects of [`CLUSTER`]; `POD`
//! and `NAMESPACE` are names there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use ironhull::policy::Policy;
use ironhull::serve::certs::self_signed;

use serde_json::{Value, json};

use super::fences::{Fence, fences};
use super::{binary, path};
use crate::api_server::{ApiServer, Settings};

/// What the pages' cluster has.
const CLUSTER: &str = r#"[
    {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "payments"}}},
    {"kind": "Namespace", "metadata": {"name": "payments"}},
    {"kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
     "spec": {"containers": [{"name": "web", "image": "busybox", "command": ["sleep", "1"]}]},
     "status": {"phase": "Running"}},
    {"kind": "Namespace", "metadata": {"name": "before"}},
    {"kind": "Deployment", "metadata": {"name": "web", "namespace": "before"}, "spec": {"template":
      {"spec": {"containers": [{"name": "web", "image": "registry.corp/web:1"}]}}}},
    {"kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "before",
      "ownerReferences": [{"kind": "Deployment", "name": "web"}]}, "spec": {"replicas": 1, "template":
      {"spec": {"containers": [{"name": "web", "image": "registry.corp/web:1"}]}}}},
    {"kind": "Pod", "metadata": {"name": "web-1-x", "namespace": "before",
      "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1"}]},
     "spec": {"containers": [{"name": "web", "image": "registry.corp/web:1"}]},
     "status": {"phase": "Running", "containerStatuses": [{"name": "web", "state": {"running": {}},
      "user": {"linux": {"uid": 0, "gid": 0}}}]}},
    {"kind": "Namespace", "metadata": {"name": "after", "labels": {"ironhull.dev/harden": "enforce"}}},
    {"kind": "Deployment", "metadata": {"name": "web", "namespace": "after"}, "spec": {"template":
      {"spec": {"containers": [{"name": "web", "image": "registry.corp/web:1"}]}}}},
    {"kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "after",
      "ownerReferences": [{"kind": "Deployment", "name": "web"}]}, "spec": {"replicas": 1, "template":
      {"spec": {"containers": [{"name": "web", "image": "registry.corp/web:1"}]}}}},
    {"kind": "Pod", "metadata": {"name": "web-1-x", "namespace": "after",
      "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1"}],
      "annotations": {"ironhull.dev/hardened": "{\"policy\":\"restricted@REVISION\",\"set\":{\"pod\":[\"runAsNonRoot\",\"runAsUser\",\"runAsGroup\"]}}"}},
     "spec": {"securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000},
      "containers": [{"name": "web", "image": "registry.corp/web:1"}]},
     "status": {"phase": "Running", "containerStatuses": [{"name": "web", "state": {"running": {}},
      "user": {"linux": {"uid": 1000, "gid": 1000}}}]}}
]"#;

/// Starts the pages' cluster; where its kubeconfig is.
fn cluster() -> (ApiServer, tempfile::TempDir) {
    let cluster = CLUSTER.replace("REVISION", &Policy::restricted().revision.to_string());
    let objects: Vec<Value> = serde_json::from_str(&cluster).unwrap();
    let server = ApiServer::start(objects, Settings::default());
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "docs",
        "clusters": [{"name": "docs", "cluster": {"server": format!("http://{}", server.address)}}],
        "contexts": [{"name": "docs", "context": {"cluster": "docs", "user": "docs", "namespace": "shop"}}],
        "users": [{"name": "docs", "user": {}}],
    });
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("kubeconfig"), config.to_string()).unwrap();
    (server, home)
}

/// Runs every command; what is wrong with any of them.
pub fn run_all() -> Vec<String> {
    let (_server, home) = cluster();
    let kubeconfig = home.path().join("kubeconfig");
    let run = |place: &str, command: &str, expected: Option<&[&str]>| {
        let command = command.replace(" POD", " web").replace(" NAMESPACE", " shop");
        run(place, &command, expected, &kubeconfig)
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for fence in fences("console") {
        for (command, expected) in sessions(&fence) {
            count += 1;
            wrong.extend(run(&fence.place, command, Some(&expected)).err());
        }
    }
    for fence in fences("sh") {
        for command in fence.text.lines().filter(|line| line.starts_with("ironhull ")) {
            count += 1;
            wrong.extend(run(&fence.place, command, None).err());
        }
    }
    assert!(count > 5, "the pages' commands are not found any more");
    wrong
}

/// The commands of a `console` block, each with what it prints.
pub(super) fn sessions(fence: &Fence) -> Vec<(&str, Vec<&str>)> {
    let mut sessions: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in fence.text.lines() {
        match (line.strip_prefix("$ "), sessions.last_mut()) {
            (Some(command), _) => sessions.push((command, Vec::new())),
            (None, Some((_, expected))) => expected.push(line),
            (None, None) => panic!("{}: begins with no command", fence.place),
        }
    }
    sessions
}

fn run(
    place: &str,
    command: &str,
    expected: Option<&[&str]>,
    kubeconfig: &Path,
) -> Result<(), String> {
    let (line, status) = match command.split_once("# exits with ") {
        Some((line, status)) => (line.trim_end(), status.trim().parse().unwrap()),
        None => (command, 0),
    };
    if line.starts_with("ironhull serve ") && expected.is_none() {
        return serve(line).map_err(|error| format!("{place}: `{line}`: {error}"));
    }
    let mut shell = shell(line);
    let output = shell.current_dir(path("")).env("KUBECONFIG", kubeconfig).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    if output.status.code() != Some(status) {
        return Err(format!("{place}: `{line}`: {}\n{printed}", output.status));
    }
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    match expected {
        Some(expected) if !matches(expected, &lines) => {
            Err(format!("{place}: `{line}` prints something else:\n{printed}"))
        }
        _ => Ok(()),
    }
}

/// A shell that finds the built program, with both streams as one.
pub(super) fn shell(line: &str) -> Command {
    let directory = binary().parent().unwrap().display().to_string();
    let search = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec 2>&1; {line}")).env("PATH", format!("{directory}:{search}"));
    shell.env_remove("IRONHULL_POLICY").stdin(Stdio::null());
    shell
}

/// Whether the lines are as expected.
fn matches(expected: &[&str], lines: &[&str]) -> bool {
    match expected {
        [] => lines.is_empty(),
        ["…", rest @ ..] => (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..])),
        [first, rest @ ..] => {
            lines.first().is_some_and(|line| fits(first, line)) && matches(rest, &lines[1..])
        }
    }
}

fn fits(expected: &str, line: &str) -> bool {
    let Some((before, after)) = expected.split_once('…') else { return expected == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
}

/// Starts the server as the line says and waits until it listens.
fn serve(line: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let pair = self_signed(&["localhost"]).unwrap();
    fs::write(directory.path().join("tls.crt"), &pair.certificate).unwrap();
    fs::write(directory.path().join("tls.key"), &pair.key).unwrap();
    std::os::unix::fs::symlink(path("policies"), directory.path().join("policies")).unwrap();
    let mut child = shell(&format!("exec {line}"))
        .current_dir(directory.path())
        .env("IRONHULL_LISTEN", "127.0.0.1:0")
        .env("IRONHULL_OPS_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = String::new();
    let listens = BufReader::new(child.stdout.take().unwrap()).lines().any(|line| {
        let line = line.unwrap();
        log.push_str(&line);
        log.push('\n');
        line.contains("listening")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    if listens { Ok(()) } else { Err(format!("does not listen:\n{log}")) }
}
