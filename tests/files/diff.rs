//! `harden -o diff`, applied by the programs it is for.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{POD, ironhull, lay, printed, stderr, stdout};

/// Whether a program can be run; in CI it must be.
fn there_is(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
        eprintln!("NOT RUN: {program} is not installed");
    }
    there
}

fn apply(directory: &Path, program: &str, arguments: &[&str], diff: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(diff.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success(), "{program} {arguments:?}: {said}\n{diff}");
    // A hunk that only fits elsewhere, or line ends that were stripped.
    assert!(!said.contains("fuzz") && !said.contains("trip") && !said.contains("offset"), "{said}");
}

/// Files with everything that a diff can stumble over.
fn tree(directory: &Path) -> Vec<String> {
    let crlf = POD.replace('\n', "\r\n");
    let open = POD.trim_end();
    let flow = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a}]}}";
    // To YAML a carriage return ends a line, to those who apply diffs not.
    let carriage = POD.replace("# a comment", "# a comment\r# another");
    let two = format!("{POD}---\n{POD}");
    let files = [
        ("plain.yaml", POD),
        ("crlf.yaml", &crlf),
        ("open end.yaml", open),
        ("flow.yaml", flow),
        ("a/b/c/nested.yaml", POD),
        ("a/two words/x y.yaml", &two),
        ("a/quote\"d\\.yaml", POD),
        ("a/tab\tbed.yaml", POD),
        ("a/grün.yaml", POD),
        ("carriage.yaml", &carriage),
        ("bom.yaml", &format!("\u{feff}{POD}")),
        ("crlf-open.yaml", crlf.trim_end()),
    ];
    lay(directory, &files);
    files.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Applies the diff of the whole tree, and compares with what `--write` makes of it.
fn applied(program: &str, arguments: &[&[&str]], named: &[&str]) {
    if !there_is(program) {
        return;
    }
    let (patched, written) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = tree(patched.path());
    tree(written.path());
    let wanted = ironhull(written.path(), &["harden", "--write", "-f", "."]);
    assert!(wanted.status.success(), "{}", stderr(&wanted));

    let absolute = patched.path().display().to_string();
    let named: Vec<&str> =
        named.iter().map(|name| if *name == "/" { &absolute } else { *name }).collect();
    let mut command = vec!["harden", "-o", "diff"];
    named.iter().for_each(|name| command.extend(["-f", name]));
    let diff = ironhull(patched.path(), &command);
    assert!(diff.status.success(), "{}", stderr(&diff));
    for arguments in arguments {
        apply(patched.path(), program, arguments, &stdout(&diff));
    }
    for name in names {
        let (patched, written) = (patched.path().join(&name), written.path().join(&name));
        let (patched, written) = (std::fs::read(patched).unwrap(), std::fs::read(written).unwrap());
        assert!(patched == written, "{name}: {}", String::from_utf8_lossy(&patched));
    }
}

#[test]
fn git_applies_it() {
    applied("git", &[&["apply", "--check"], &["apply"]], &["."]);
}

/// With a repository there, git also looks at what it knows of the files.
#[test]
fn git_applies_it_in_a_repository_and_to_the_index() {
    let directory = tempfile::tempdir().unwrap();
    if !there_is("git") {
        return;
    }
    tree(directory.path());
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        let who =
            ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.autocrlf=false"];
        printed(git.current_dir(directory.path()).args(who).args(arguments))
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "before"]);
    let diff = ironhull(directory.path(), &["harden", "-o", "diff", "-f", "."]);
    apply(directory.path(), "git", &["apply", "--index"], &stdout(&diff));
    let output = ironhull(directory.path(), &["harden", "--check", "-f", "."]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn patch_applies_it() {
    // As users type it: without --binary.
    applied("patch", &[&["-p1", "--dry-run"], &["-p1"]], &["."]);
}

#[test]
fn files_that_are_named_absolutely_are_seen_from_here() {
    applied("git", &[&["apply"]], &["/"]);
    applied("patch", &[&["-p1"]], &["/"]);
}
