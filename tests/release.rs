//! What a release says of itself: one version everywhere, the chart's metadata, what Krew and Homebrew read, the notes,
//! the provenance, and the workflows that call the same targets as people do. `make release` makes the files, and `make
//! release-check` uses them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that fails says where"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REGISTRY: &str = "registry.example/team";
const REPOSITORY: &str = "https://git.example/team/ironhull";

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Runs a script of `deploy/release`: whether it succeeded, and its standard output and error.
fn script(name: &str, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(project("deploy/release").join(name))
        .args(arguments)
        .env("RELEASE_REGISTRY", REGISTRY)
        .env("RELEASE_REPOSITORY", REPOSITORY)
        .env("SOURCE_DATE_EPOCH", "1750000000")
        .env_remove("GITHUB_WORKFLOW_REF")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn printed(name: &str, arguments: &[&str]) -> String {
    let (success, out, err) = script(name, arguments);
    assert!(success, "{name}: {err}");
    out
}

/// Checksums as `sha256sum` writes them: of each platform's archive, and of something else.
fn sums() -> (tempfile::NamedTempFile, [(&'static str, String); 2]) {
    let archives = [("amd64", "a".repeat(64)), ("arm64", "b".repeat(64))];
    let mut text = format!("{}  ironhull-chart-{VERSION}.tgz\n", "c".repeat(64));
    for (arch, sum) in &archives {
        text.push_str(&format!("{sum}  ironhull-{VERSION}-linux-{arch}.tar.gz\n"));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    (file, archives)
}

#[test]
fn one_version_everywhere() {
    let chart = yaml(&read("deploy/chart/Chart.yaml"));
    assert_eq!(chart["version"], VERSION);
    assert_eq!(chart["appVersion"], VERSION);
    assert_eq!(yaml(&read("deploy/helm-post-renderer/plugin.yaml"))["version"], VERSION);
    for package in ["engine", "kube-yaml"] {
        let text = read(&format!("crates/{package}/Cargo.toml"));
        assert!(text.contains(&format!("\nversion = \"{VERSION}\"\n")), "{package}");
    }
    // What people are told to type.
    let pages = ["README.md", "deploy/README.md", "docs/pipelines.md", "deploy/ci/gitlab.yml"];
    let mut named = 0;
    for page in pages.into_iter().chain(["Dockerfile", "deploy/install.yaml"]) {
        let text = read(page);
        for before in
            ["ironhull:", "ironhull-krm:", "rev: v", "image.tag=", "VERSION=", "ironhull@v"]
        {
            for (at, _) in text.match_indices(before) {
                let version = &text[at + before.len()..];
                if version.starts_with(|first: char| first.is_ascii_digit()) {
                    assert!(version.starts_with(VERSION), "{page}: {before}{version:.10}");
                    named += 1;
                }
            }
        }
    }
    assert!(named >= 8, "only {named} places name the version");
}

#[test]
fn the_charts_metadata() {
    let directory = tempfile::tempdir().unwrap();
    printed("chart", &[directory.path().to_str().unwrap()]);
    let file = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let chart = yaml(&file("Chart.yaml"));
    assert_eq!(chart["home"], REPOSITORY);
    assert_eq!(chart["version"], VERSION);
    assert!(chart["kubeVersion"].is_string() && chart["keywords"].is_array());
    let annotation = |name: &str| {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str();
        text.unwrap_or_else(|| panic!("no text at {name}")).to_owned()
    };
    // Artifact Hub's categories.
    assert_eq!(annotation("category"), "security");
    assert!(read("Cargo.toml").contains(&format!("license = \"{}\"", annotation("license"))));
    assert_eq!(annotation("prerelease"), VERSION.contains('-').to_string());
    let changes = yaml(&annotation("changes"));
    let changes = changes.as_array().unwrap();
    for change in changes {
        let kind = change["kind"].as_str().unwrap();
        let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
        assert!(kinds.contains(&kind), "{change}");
        let description = change["description"].as_str().unwrap();
        assert!(!description.is_empty() && !description.contains('`'), "{change}");
    }
    let security = changes.iter().any(|change| change["kind"] == "security");
    assert_eq!(annotation("containsSecurityUpdates"), security.to_string());
    assert_eq!(
        yaml(&annotation("images")),
        json!([{
            "name": "ironhull",
            "image": format!("{REGISTRY}/ironhull:{VERSION}"),
            "platforms": ["linux/amd64", "linux/arm64"],
        }])
    );
    for link in yaml(&annotation("links")).as_array().unwrap() {
        let prefix = format!("{REPOSITORY}/blob/v{VERSION}/");
        let path = link["url"].as_str().unwrap().strip_prefix(&prefix).unwrap();
        assert!(project(path).is_file(), "{path}");
    }
    // The CRD is the one that the chart has.
    let crd = yaml(&read("deploy/chart/files/reports-crd.yaml"));
    let listed = yaml(&annotation("crds"));
    assert_eq!(listed[0]["name"], crd["metadata"]["name"]);
    assert_eq!(listed[0]["kind"], crd["spec"]["names"]["kind"]);
    assert_eq!(listed[0]["version"], crd["spec"]["versions"][0]["name"]);
    // A key that signs nothing is not named: charts are signed by cosign, in the registry.
    assert!(chart["annotations"].get("artifacthub.io/signKey").is_none());

    let values = yaml(&file("values.yaml"));
    assert_eq!(values["image"]["repository"], format!("{REGISTRY}/ironhull"));
    let readme = file("README.md");
    assert!(readme.contains(&format!("oci://{REGISTRY}/charts/ironhull --version {VERSION}")));
    assert!(!readme.contains("No image is published") && !readme.contains("](.."), "{readme}");
    assert_eq!(file("LICENSE"), read("LICENSE"));
}

#[test]
fn nothing_is_published_nowhere() {
    let (sums, _) = sums();
    for name in ["chart", "krew", "formula", "provenance"] {
        let output = Command::new(project("deploy/release").join(name))
            .arg(sums.path())
            .env_remove("RELEASE_REGISTRY")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("RELEASE_REGISTRY"), "{name}: {said}");
    }
}

#[test]
fn what_krew_reads() {
    let (file, archives) = sums();
    let manifest = yaml(&printed("krew", &[file.path().to_str().unwrap()]));
    assert_eq!(manifest["metadata"]["name"], "ironhull");
    let spec = &manifest["spec"];
    assert_eq!(spec["version"], format!("v{VERSION}"));
    // Krew's lists have room for so much.
    assert!(spec["shortDescription"].as_str().unwrap().len() <= 50);
    let platforms = spec["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), archives.len());
    for (platform, (arch, sum)) in platforms.iter().zip(&archives) {
        let name = format!("ironhull-{VERSION}-linux-{arch}");
        assert_eq!(
            *platform,
            json!({
                "selector": { "matchLabels": { "os": "linux", "arch": arch } },
                "uri": format!("{REPOSITORY}/releases/download/v{VERSION}/{name}.tar.gz"),
                "sha256": sum,
                "files": [
                    { "from": format!("{name}/ironhull"), "to": "." },
                    { "from": format!("{name}/LICENSE"), "to": "." },
                ],
                "bin": "ironhull",
            })
        );
    }
}

#[test]
fn what_homebrew_reads() {
    let (file, archives) = sums();
    let formula = printed("formula", &[file.path().to_str().unwrap()]);
    for (arch, sum) in &archives {
        let url = format!(
            "    url \"{REPOSITORY}/releases/download/v{VERSION}/ironhull-{VERSION}-linux-{arch}.tar.gz\"\n    sha256 \"{sum}\"\n"
        );
        assert!(formula.contains(&url), "{formula}");
    }
    assert!(formula.contains(&format!("  version \"{VERSION}\"\n")));
    let opened = formula.lines().filter(|line| {
        let line = line.trim();
        line.ends_with(" do") || line.starts_with("def ") || line.starts_with("class ")
    });
    let closed = formula.lines().filter(|line| line.trim() == "end");
    assert_eq!(opened.count(), closed.count(), "{formula}");
    let Ok(ruby) = Command::new("ruby").arg("-c").arg("-e").arg(&formula).output() else {
        return eprintln!("NOT RUN: Ruby's own parser: it is not installed");
    };
    assert!(ruby.status.success(), "{}", String::from_utf8_lossy(&ruby.stderr));
}

#[test]
fn a_checksum_that_is_missing_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let amd64 = format!("{}  ironhull-{VERSION}-linux-amd64.tar.gz\n", "a".repeat(64));
    for text in [String::new(), amd64.clone(), amd64.repeat(2)] {
        fs::write(file.path(), text).unwrap();
        for name in ["krew", "formula"] {
            let (success, _, err) = script(name, &[file.path().to_str().unwrap()]);
            assert!(!success && err.contains("has not one checksum of"), "{name}: {err}");
        }
    }
}

#[test]
fn the_provenance() {
    let (file, archives) = sums();
    if Command::new("jq").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "jq is missing: run e2e/setup");
        return eprintln!("NOT RUN: jq is missing: run e2e/setup");
    }
    let statement = printed("provenance", &[file.path().to_str().unwrap()]);
    assert_eq!(statement, printed("provenance", &[file.path().to_str().unwrap()]));
    let statement: Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let subjects = statement["subject"].as_array().unwrap();
    assert_eq!(subjects.len(), 3);
    for (subject, (arch, sum)) in subjects[1..].iter().zip(&archives) {
        let name = format!("ironhull-{VERSION}-linux-{arch}.tar.gz");
        assert_eq!(*subject, json!({ "name": name, "digest": { "sha256": sum } }));
    }
    let build = &statement["predicate"]["buildDefinition"];
    // The page that explains it has these chapters.
    let page = read("docs/releasing.md");
    let builder = statement["predicate"]["runDetails"]["builder"]["id"].as_str().unwrap();
    for uri in [build["buildType"].as_str().unwrap(), builder] {
        let (address, anchor) = uri.split_once('#').unwrap();
        assert_eq!(address, format!("{REPOSITORY}/blob/v{VERSION}/docs/releasing.md"));
        let heading = |line: &str| {
            line.starts_with("## ") && line[3..].to_lowercase().replace(' ', "-") == anchor
        };
        assert!(page.lines().any(heading), "{anchor}");
    }
    let commit = Command::new("git").args(["rev-parse", "HEAD"]).output().unwrap();
    let commit = String::from_utf8(commit.stdout).unwrap();
    assert_eq!(build["resolvedDependencies"][0]["digest"]["gitCommit"], commit.trim());
}

#[test]
fn the_notes() {
    let log = "# Changelog\n\n## [Unreleased]\n\n- Later.\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n\
               - A `thing` of [its own](docs/thing.md). It is long,\n  and goes on.\n- Another, e.g. \"this\": v1.2 of it\n\n\
               ### Security\n\nIn short:\n\n- A hole. Mend it.\n\n## [1.1.0] - 2025-01-02\n\n- Older.\n\n\
               [1.2.0]: https://git.example/compare/v1.1.0...v1.2.0\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), log).unwrap();
    let path = file.path().to_str().unwrap();
    let section =
        log.split_once("2026-01-02\n\n").unwrap().1.split_once("\n\n## [1.1.0]").unwrap().0;
    assert_eq!(printed("notes", &["1.2.0", path]), format!("{section}\n"));
    assert_eq!(printed("notes", &["1.1.0", path]).trim_end(), "- Older.");
    assert_eq!(
        yaml(&printed("notes", &["--artifact-hub", "1.2.0", path])),
        json!([
            { "kind": "added", "description": "A thing of its own." },
            { "kind": "added", "description": "Another, e.g. \"this\": v1.2 of it" },
            { "kind": "security", "description": "A hole." },
        ])
    );
    for missing in ["1.2", "1.2.0-rc.1", "2.0.0"] {
        let (success, out, err) = script("notes", &[missing, path]);
        assert!(!success && out.is_empty(), "{missing}: {out}");
        assert!(err.contains(&format!("has nothing about [{missing}]")), "{err}");
    }
}

/// Steps of the workflows, with the name of their file.
fn steps() -> Vec<(String, Value)> {
    let mut steps = Vec::new();
    for entry in fs::read_dir(project(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let workflow = yaml(&fs::read_to_string(&path).unwrap());
        // Nothing is allowed but what a job asks for.
        assert_eq!(workflow["permissions"], json!({}), "{name}");
        for (job, definition) in workflow["jobs"].as_object().unwrap() {
            assert!(definition["permissions"].is_object(), "{name}: {job}");
            assert!(definition["timeout-minutes"].is_number(), "{name}: {job}");
            let listed = definition["steps"].as_array().unwrap();
            steps.extend(listed.iter().map(|step| (name.clone(), step.clone())));
        }
    }
    assert!(steps.len() > 5);
    steps
}

#[test]
fn workflows_call_the_same_targets() {
    let makefile = read("Makefile");
    let (mut targets, mut scripts) = (0, 0);
    for (name, step) in steps() {
        let Some(run) = step["run"].as_str() else { continue };
        // An expression within a script is replaced before the shell reads it.
        assert!(!run.contains("${{"), "{name}: {run}");
        for line in run.lines() {
            let mut words = line
                .split_whitespace()
                .skip_while(|word| *word == "sudo" || word.starts_with("--preserve-env"));
            match words.next() {
                Some("make") => {
                    for target in words.filter(|word| !word.contains('=') && !word.starts_with('-'))
                    {
                        assert!(
                            makefile.contains(&format!("\n.PHONY: {target}\n")),
                            "{name}: {line}"
                        );
                        targets += 1;
                    }
                }
                Some(program) if program.contains('/') => {
                    assert!(project(program).is_file(), "{name}: {line}");
                    scripts += 1;
                }
                _ => {}
            }
        }
    }
    assert!(targets >= 4 && scripts >= 1, "{targets} targets, {scripts} scripts");
}

#[test]
fn actions_are_pinned() {
    for (name, step) in steps() {
        let Some(uses) = step["uses"].as_str() else { continue };
        let (_, version) = uses.split_once('@').unwrap_or_else(|| panic!("{name}: {uses}"));
        let digest = version.len() == 40 && version.chars().all(|c| c.is_ascii_hexdigit());
        let exact = version.strip_prefix('v').is_some_and(|version| {
            version.split('.').count() == 3
                && version.split('.').all(|part| part.parse::<u32>().is_ok())
        });
        assert!(digest || exact, "{name}: {uses} may be another tomorrow");
    }
}
