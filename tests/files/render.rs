//! Behind Helm and kustomize: real renderings, hardened, mean what the engine's patches
//! make of them, by Kubernetes' own reading; and both tools take them back.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::reader::Kubernetes;
use crate::{judge, lay, printed, root, stderr, stdout};

/// A tool that the Makefile builds. None (and a loud note) where it is not there; in CI
/// that is a failure.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = root().join("target/tools").join(name);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{name} is not built: run `make tools`");
    eprintln!("NOT RUN: {name} is not built (it needs Go): run `make tools`");
    None
}

/// What ironhull makes of a standard input.
pub fn piped(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// What Kubernetes reads in a stream of documents, in order.
pub fn objects(judge: &Path, text: &str) -> Vec<Value> {
    let mut kubernetes = Kubernetes::start(judge);
    let text = format!("\n{text}");
    let parts = text.split("\n---");
    let objects = parts.map(|part| kubernetes.reads(&format!("{part}\n")).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}

/// The rendering's objects with the engine's patches.
fn patched(judge: &Path, rendering: &str) -> Vec<Value> {
    let mut objects = objects(judge, rendering);
    let patches = piped(&["harden", "-o", "patch"], rendering);
    assert!(!patches.is_empty(), "there is something to harden");
    for line in patches.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let number = usize::try_from(line["document"].as_u64().unwrap()).unwrap();
        let patch: json_patch::Patch = serde_json::from_value(line["patch"].clone()).unwrap();
        json_patch::patch(&mut objects[number - 1], &patch).unwrap();
    }
    objects
}

/// The hardened rendering, checked.
fn hardened(judge: &Path, rendering: &str) -> String {
    let hardened = piped(&["harden"], rendering);
    assert_eq!(objects(judge, &hardened), patched(judge, rendering));
    assert_eq!(piped(&["harden"], &hardened), hardened, "hardened again, nothing changes");
    hardened
}

pub fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects
        .sort_by_key(|object| (object["kind"].to_string(), object["metadata"]["name"].to_string()));
    objects
}

/// A chart whose objects need hardening: one that is installed, and a hook.
fn chart(directory: &Path) {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  \
               containers:\n  - name: app\n    image: nginx:{{ .Values.tag }}  # a comment\n";
    let hook =
        pod.replace("{{ .Release.Name }}", "hook\n  annotations: {helm.sh/hook: pre-install}");
    let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    lay(
        directory,
        &[
            ("web/Chart.yaml", chart),
            ("web/values.yaml", "tag: \"1.27\"\n"),
            ("web/templates/pod.yaml", pod),
            ("web/templates/hook.yaml", &hook),
        ],
    );
}

/// ironhull's own chart, with nearly everything set, and all that it renders beside pods.
#[test]
fn what_helm_renders() {
    let (Some(helm), Some(judge)) = (tool("helm"), judge::binary()) else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("tests/chart/values")).unwrap() {
        let values = entry.unwrap().path().display().to_string();
        let mut command = Command::new(&helm);
        command.args(["template", "ironhull", "deploy/chart", "--values", &values]);
        let rendering = printed(command.current_dir(root()));
        // The chart's pods need little; without a context they need all.
        for rendering in [rendering.replace("securityContext:", "unknownContext:"), rendering] {
            hardened(&judge, &rendering);
            seen += 1;
        }
    }
    assert!(seen > 4, "the chart's values are not found any more");
}

#[test]
fn as_helms_post_renderer() {
    let (Some(helm), Some(judge)) = (tool("helm"), judge::binary()) else { return };
    let directory = tempfile::tempdir().unwrap();
    chart(directory.path());
    let program = Path::new(env!("CARGO_BIN_EXE_ironhull")).parent().unwrap().display().to_string();
    let helm = |arguments: &[&str]| {
        let mut helm = Command::new(&helm);
        helm.current_dir(directory.path()).args(["template", "release", "web"]).args(arguments);
        helm.env("HELM_PLUGINS", root().join("deploy"));
        let search = std::env::var("PATH").unwrap_or_default();
        helm.env("PATH", format!("{program}:{search}"));
        helm
    };
    let plain = printed(&mut helm(&[]));
    let rendered = printed(&mut helm(&["--post-renderer", "ironhull"]));
    let expected = hardened(&judge, &plain);
    assert_eq!(sorted(objects(&judge, &rendered)), sorted(objects(&judge, &expected)));
    assert_eq!(rendered.matches("runAsNonRoot: true").count(), 2, "the hook too:\n{rendered}");
    assert!(rendered.contains("# a comment"));
    // Arguments reach it, and its errors are Helm's.
    let wrong = ["--post-renderer", "ironhull", "--post-renderer-args=--policy=missing"];
    assert!(!helm(&wrong).output().unwrap().status.success());
}

#[test]
fn what_kustomize_builds() {
    let (Some(kustomize), Some(judge)) = (tool("kustomize"), judge::binary()) else { return };
    let build =
        |directory: &Path| printed(Command::new(&kustomize).arg("build").current_dir(directory));
    let rendering = build(&root().join("docs/examples/kustomize/prod"));
    let hardened = hardened(&judge, &rendering);
    assert!(hardened.contains("namespace: shop") && hardened.contains("name: logs"));
    // Taken back as a resource, it means the same.
    let directory = tempfile::tempdir().unwrap();
    let kustomization = "resources: [all.yaml]\n";
    lay(directory.path(), &[("all.yaml", &hardened), ("kustomization.yaml", kustomization)]);
    let again = build(directory.path());
    assert_eq!(sorted(objects(&judge, &again)), sorted(objects(&judge, &hardened)));
    assert_eq!(piped(&["harden"], &again), again);
}

/// A base that is hardened in place, and what an overlay then makes of it.
#[test]
fn a_kustomization_that_is_hardened_in_place() {
    let (Some(kustomize), Some(_)) = (tool("kustomize"), judge::binary()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(root().join("docs/examples/kustomize")).arg(directory.path());
    printed(&mut copy);
    let here = directory.path().join("kustomize");
    let output = crate::ironhull(&here, &["harden", "--write", "-f", "."]);
    assert!(stdout(&output).starts_with("wrote ./base/web.yaml: "), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("1 file written, 2 unchanged\n"), "{}", stdout(&output));
    let note = "note: ./prod/kustomization.yaml: 1 file left out, as patches";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    printed(Command::new(&kustomize).arg("build").current_dir(here.join("prod")));
}
