//! `ironhull policy` and `ironhull rules`, and how policy files are found.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "support/update.rs"]
mod update;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use clap::Parser;
use ironhull::cli::{policy, policy_files, rules};
use ironhull::policy::PolicySet;
use ironhull::rule::RuleName;
use ironhull::terminal::diagnostics;

#[derive(Parser)]
enum Cli {
    #[command(subcommand)]
    Policy(policy::Command),
    Rules(rules::Args),
}

/// What a command came to: its exit code (2 for an error), what it answered, and what
/// it said was wrong.
fn run(arguments: &[&str]) -> (u8, String, String) {
    let cli = Cli::try_parse_from([&["ironhull"], arguments].concat())
        .unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let result = match &cli {
        Cli::Policy(command) => policy::run(command, &mut out, &mut err),
        Cli::Rules(args) => rules::run(args, &mut out),
    };
    let (out, mut err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
    let code = result.unwrap_or_else(|error| {
        err = format!("{error:#}");
        2
    });
    (code, out, err)
}

#[test]
fn check_says_how_many() {
    let (code, out, err) = run(&["policy", "check", "policies"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "4 policies in 5 files: no errors, no warnings\n");
    let (code, out, _) = run(&["policy", "check"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "compiled in: 1 policy in 2 files: no errors, no warnings\n")
    );
}

#[test]
fn check_reports_every_error_of_every_path() {
    let (code, out, err) =
        run(&["policy", "check", "tests/policy-errors/uid/policy.yaml", "tests/policy-errors/gid"]);
    assert_eq!(code, 2);
    // Eight in one file, four in the other, and both claim one name and one namespace.
    assert_eq!(out, "2 files: 14 errors, no warnings\n");
    assert!(err.contains("tests/policy-errors/uid/policy.yaml:8:24"), "{err}");
    assert!(err.contains("tests/policy-errors/gid/policy.yaml:8:25"), "{err}");
}

#[test]
fn check_answers_in_json() {
    let case = "tests/policy-errors/warning-ended/policy.yaml";
    let (code, out, err) =
        run(&["policy", "check", case, "--date", "2026-07-01", "--output", "json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["policies"][0]["name"], "payments");
    let said = &report["diagnostics"][0];
    assert_eq!(
        (&said["severity"], &said["line"], &said["column"]),
        (&"warning".into(), &9.into(), &12.into())
    );
    let (_, out, _) = run(&["policy", "check", case, "--date", "2026-06-30", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["diagnostics"], serde_json::json!([]));
    let (code, out, _) = run(&["policy", "check", "tests/policy-errors/uid", "-o", "json"]);
    assert_eq!(code, 2);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["diagnostics"].as_array().unwrap().len(), 8);
}

#[test]
fn show_says_which_policy_and_why() {
    let (code, out, _) = run(&["policy", "show", "payments"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("# namespace `payments`: policy `restricted`"), "{out}");
    assert!(out.contains("# chosen because no policy claims this namespace"), "{out}");
    let (_, out, _) = run(&["policy", "show", "payments", "--policy", "policies"]);
    assert!(out.contains("# chosen by `*`, policies/restricted.yaml:13:16\n"), "{out}");
    assert!(out.contains("can choose `fill-only`, `openshift`, `warn-only`\n"), "{out}");
    let (code, _, err) = run(&["policy", "show", "Payments"]);
    assert_eq!((code, err.as_str()), (2, "`Payments` cannot be the name of a namespace"));
    let (code, out, err) = run(&["policy", "show", "a", "--policy", "tests/policy-errors/uid"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("expected a uid"), "{err}");
}

#[test]
fn schema_is_the_one_that_is_kept() {
    let (code, out, _) = run(&["policy", "schema"]);
    assert_eq!((code, out), (0, fs::read_to_string("policies/schema.json").unwrap()));
}

#[test]
fn rules_are_listed_and_explained() {
    let (code, out, _) = run(&["rules"]);
    assert_eq!((code, out.lines().count()), (0, 1 + RuleName::ALL.len()));
    assert!(out.lines().nth(1).unwrap().starts_with("privileged"), "{out}");
    let (code, out, _) = run(&["rules", "capabilities"]);
    assert_eq!((code, out.trim_end()), (0, RuleName::Capabilities.doc().trim_end()));
    let (code, _, err) = run(&["rules", "capability"]);
    assert_eq!(
        (code, err.as_str()),
        (2, "unknown rule `capability`; did you mean `capabilities`?")
    );
}

fn names(path: &Path) -> Vec<String> {
    let files = policy_files::read(path).unwrap_or_else(|error| panic!("{error}"));
    let relative = |name: &str| name.replace(&path.display().to_string(), "");
    files.iter().map(|file| relative(&file.name)).collect()
}

#[test]
fn a_mounted_config_map_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("..2026_07_01_00_00_00.1");
    fs::create_dir(&data).unwrap();
    for name in ["b.yaml", "a.yml", "notes.txt"] {
        fs::write(data.join(name), "").unwrap();
        symlink(Path::new("..data").join(name), dir.path().join(name)).unwrap();
    }
    symlink("..2026_07_01_00_00_00.1", dir.path().join("..data")).unwrap();
    symlink("nowhere", dir.path().join("..hidden.yaml")).unwrap();
    fs::create_dir(dir.path().join("c.yaml")).unwrap();
    assert_eq!(names(dir.path()), ["/a.yml", "/b.yaml"]);
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let said = |path: &Path| {
        let error = anyhow::Error::from(policy_files::read(path).unwrap_err());
        format!("{error:#}").replace(&dir.path().display().to_string(), "DIR")
    };
    assert_eq!(said(dir.path()), "no file in `DIR` ends in .yaml or .yml");
    let path = dir.path().join("a.yaml");
    assert_eq!(said(&path), "cannot read `DIR/a.yaml`: No such file or directory (os error 2)");
    fs::write(&path, b"\xff\xfe").unwrap();
    assert_eq!(said(dir.path()), "`DIR/a.yaml` is not UTF-8 text");
    fs::remove_file(&path).unwrap();
    symlink("nowhere", &path).unwrap();
    assert!(said(dir.path()).starts_with("cannot read `DIR/a.yaml`"), "a dangling link is said");
}
/// Every file under `tests/policy-errors/<case>/` ending in `.yaml` is loaded, and all
/// that is said about them is in `expected.txt`. `UPDATE_EXPECT=1` rewrites it.
#[test]
fn every_message_reads_well() {
    let root = Path::new("tests/policy-errors");
    let mut cases: Vec<_> = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    let mut wrong = Vec::new();
    for case in &cases {
        for entry in fs::read_dir(case).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name.ends_with(".yaml") || name == "expected.txt", "{case:?} holds {name}");
        }
        let mut files = policy_files::read(case).unwrap();
        for file in &mut files {
            file.name = Path::new(&file.name).file_name().unwrap().to_str().unwrap().to_owned();
        }
        let (said, used) = match PolicySet::load(&files, Some("2026-07-01".parse().unwrap())) {
            Ok((_, warnings)) => (warnings, "used"),
            Err(errors) => (errors, "refused"),
        };
        said.iter().for_each(|said| assert_is_style(&said.message));
        let text = format!("{}{used}\n", diagnostics::plain(&said, &files));
        let expected = case.join("expected.txt");
        if update::is_wanted() {
            fs::write(&expected, &text).unwrap();
        }
        if fs::read_to_string(&expected).ok() != Some(text.clone()) {
            wrong.push(format!("{}:\n{text}", case.display()));
        }
    }
    assert!(cases.len() >= 57, "cases are missing");
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 rewrites these:\n{}", wrong.join("\n"));
}

/// Messages begin in lower case (or with what they quote) and end without a full stop.
fn assert_is_style(message: &str) {
    assert!(!message.starts_with(char::is_uppercase), "{message}");
    assert!(!message.ends_with('.'), "{message}");
    assert!(!message.contains(char::is_control), "{message:?}");
}
