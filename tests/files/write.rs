//! `harden --write`: what the file system shows afterwards. What the files then say is in
//! tests/manifests.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::{POD, command, ironhull, lay, stderr, stdout};

/// Everything in a directory and below, in order.
fn entries(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(below) = directories.pop() {
        for entry in fs::read_dir(below).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            }
            found.push(entry.path().strip_prefix(directory).unwrap().display().to_string());
        }
    }
    found.sort();
    found
}

fn is_hardened(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# a comment\n"), "{text}");
    text.contains("runAsNonRoot: true")
}

#[test]
fn permissions_and_owner_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pod.yaml");
    lay(directory.path(), &[("pod.yaml", POD)]);
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&path).unwrap();
    let output = ironhull(directory.path(), &["harden", "--write", "-f", "pod.yaml"]);
    assert_eq!(stdout(&output), "wrote pod.yaml: 7 changes\n1 file written, 0 unchanged\n");
    assert!(is_hardened(&path));
    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino(), "the file is replaced, not written over");
    assert_eq!(entries(directory.path()), ["pod.yaml"]);
}

#[test]
fn what_needs_nothing_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pod.yaml");
    lay(directory.path(), &[("pod.yaml", POD)]);
    ironhull(directory.path(), &["harden", "--write", "-f", "."]);
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
    let before = fs::metadata(&path).unwrap();
    let output = ironhull(directory.path(), &["harden", "--write", "-f", "."]);
    assert_eq!(stdout(&output), "0 files written, 1 unchanged\n");
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.ino(), after.modified().unwrap()), (before.ino(), old));
}

#[test]
fn a_link_stays_a_link_and_one_to_outside_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    lay(directory.path(), &[("in/b/pod.yaml", POD), ("outside.yaml", POD)]);
    symlink("b/pod.yaml", directory.path().join("in/a.yaml")).unwrap();
    symlink("../outside.yaml", directory.path().join("in/c.yaml")).unwrap();
    let output = ironhull(directory.path(), &["harden", "--write", "-f", "in"]);
    assert_eq!(stdout(&output), "wrote in/a.yaml: 7 changes\n1 file written, 0 unchanged\n");
    assert!(stderr(&output).contains("in/c.yaml: left out, a link to outside"));
    assert!(directory.path().join("in/a.yaml").is_symlink());
    assert!(is_hardened(&directory.path().join("in/b/pod.yaml")));
    assert!(!is_hardened(&directory.path().join("outside.yaml")));
    // By its own name it is somebody's wish.
    ironhull(directory.path(), &["harden", "--write", "-f", "in/c.yaml"]);
    assert!(directory.path().join("in/c.yaml").is_symlink());
    assert!(is_hardened(&directory.path().join("outside.yaml")));
    assert_eq!(entries(directory.path()).len(), 6);
}

/// ironhull as somebody whom permissions stop: root goes past them.
fn as_nobody(directory: &Path, arguments: &[&str]) -> std::process::Output {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_ironhull"));
    if !rustix::process::geteuid().is_root() {
        return command(&program, directory, arguments).output().unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let copy = home.path().join("ironhull");
    fs::copy(program, &copy).unwrap();
    command(&copy, directory, arguments).uid(65534).gid(65534).output().unwrap()
}

#[test]
fn a_directory_that_cannot_be_written_to_stops_everything_or_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    lay(here, &[("a/pod.yaml", POD), ("b/pod.yaml", POD), ("c/pod.yaml", POD)]);
    fs::set_permissions(here.join("b"), Permissions::from_mode(0o555)).unwrap();
    for open in [here.to_owned(), here.join("a"), here.join("c")] {
        fs::set_permissions(open, Permissions::from_mode(0o777)).unwrap();
    }
    for file in ["a/pod.yaml", "b/pod.yaml", "c/pod.yaml"] {
        fs::set_permissions(here.join(file), Permissions::from_mode(0o666)).unwrap();
    }
    let before = entries(here);

    let output = as_nobody(here, &["harden", "--write", "-f", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert!(
        said.contains("`./b/pod.yaml`: cannot write in `") && said.contains("denied"),
        "{said}"
    );
    assert!(said.contains("nothing was written"), "{said}");
    assert!(!["a", "b", "c"].iter().any(|d| is_hardened(&here.join(d).join("pod.yaml"))));
    assert_eq!(entries(here), before);

    let output = as_nobody(here, &["harden", "--write", "--keep-going", "-f", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stdout(&output),
        "wrote ./a/pod.yaml: 7 changes\nwrote ./c/pod.yaml: 7 changes\n\
         2 files written, 0 unchanged, 1 refused\n"
    );
    let hardened = ["a", "b", "c"].map(|d| is_hardened(&here.join(d).join("pod.yaml")));
    assert_eq!(hardened, [true, false, true]);
    assert_eq!(entries(here), before);
}

#[test]
fn a_read_only_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    lay(directory.path(), &[("a.yaml", POD), ("b.yaml", POD)]);
    let path = directory.path().join("a.yaml");
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let output = ironhull(directory.path(), &["harden", "--write", "-f", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`./a.yaml`: is read-only"), "{}", stderr(&output));
    assert!(!is_hardened(&path) && !is_hardened(&directory.path().join("b.yaml")));
}

/// Told to stop in the middle, it writes all or nothing, and nothing is left lying about.
#[test]
fn a_signal_leaves_nothing_half_done() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..300).map(|n| format!("{n:03}.yaml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), POD)).collect();
    lay(directory.path(), &files);
    let program = Path::new(env!("CARGO_BIN_EXE_ironhull"));
    let mut child = command(program, directory.path(), &["harden", "--write", "-f", "."])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !entries(directory.path()).iter().any(|name| name.starts_with(".ironhull-")) {
        assert!(start.elapsed() < Duration::from_secs(60), "it never begins to write");
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    let pid = rustix::process::Pid::from_child(&child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let status = child.wait().unwrap();
    let hardened = names.iter().filter(|name| is_hardened(&directory.path().join(name))).count();
    println!("{status}: {hardened} of {} written", names.len());
    assert_eq!(hardened, if status.success() { names.len() } else { 0 });
    assert_eq!(entries(directory.path()), names);
}
