//! ironhull as `kubectl ironhull`, by the name of a link.

use std::os::unix::process::CommandExt as _;
use std::process::Output;

use super::ironhull;

fn called(name: &str, line: &str) -> Output {
    ironhull(line).arg0(name).output().unwrap()
}

fn stdout(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_says_how_it_was_called() {
    let name = "/usr/local/bin/kubectl-ironhull";
    let help = stdout(called(name, "harden --help"));
    assert!(help.contains("\nUsage: kubectl ironhull harden [OPTIONS]\n"), "{help}");
    assert!(help.contains("  kubectl ironhull harden -f manifests/ --check"), "{help}");
    assert!(!help.contains("\n  ironhull"), "{help}");
    let wrong = called(name, "policy chek");
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("Usage: kubectl ironhull policy"), "{said}");
}

#[test]
fn it_does_the_same() {
    let line = "explain -f docs/examples/auditor.yaml -o json";
    assert_eq!(stdout(called("kubectl-ironhull", line)), stdout(called("ironhull", line)));
}

/// As kubectl calls it to complete, through a link: the word at the cursor is the last.
#[test]
fn kubectl_can_complete_it() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("kubectl_complete-ironhull");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ironhull"), &link).unwrap();
    let answer = |words: &[&str]| {
        let output = std::process::Command::new(&link).args(words).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(answer(&["har"]), "harden\tHarden manifests, as the webhook would\n:4\n");
    assert_eq!(answer(&["harden", "--output", "d"]), "diff\tA unified diff\n:4\n");
    assert_eq!(answer(&["explain", "-f", ""]), ":0\n");
    assert!(answer(&["policy", ""]).starts_with("backstop\tPrint an admission policy"));
}
