//! Commands that read files, whole: each folder of tests/manifests is a
//! command with its files and exactly what comes of it.
//!
//! `cmd` holds the arguments, then `exit N` where it is not 0 and `stdin FILE` where it
//! reads one; `expected.stdout` and `expected.stderr` hold what is printed, and are
//! missing where nothing is. With `--write` the command works on a copy, and `expected/`
//! holds every file that is another afterwards. `UPDATE_EXPECT=1` rewrites all of them.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "support/expected.rs"]
#[allow(unreachable_pub, reason = "the modules of a test are nobody else's")]
mod expected;

use expected::compare;
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    let trials = cases.into_iter().map(|case| {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || run(&case))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn run(case: &Path) -> Result<(), Failed> {
    let cmd = fs::read_to_string(case.join("cmd"))?;
    let mut lines = cmd.lines();
    let arguments: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let copy = arguments.contains(&"--write").then(|| copy_of(case)).transpose()?;
    let directory = copy.as_ref().map_or(case, TempDir::path);
    let mut exit = 0;
    let mut stdin = Stdio::null();
    for line in lines {
        match line.split_once(' ') {
            Some(("exit", code)) => exit = code.parse()?,
            Some(("stdin", file)) => stdin = fs::File::open(case.join(file))?.into(),
            _ => return Err(format!("cmd: what is `{line}`?").into()),
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .stdin(stdin)
        .output()?;
    compare(&case.join("expected.stdout"), &output.stdout)?;
    compare(&case.join("expected.stderr"), &output.stderr)?;
    if copy.is_some() {
        compare_files(case, directory)?;
    }
    if output.status.code() != Some(exit) {
        return Err(format!("{}, and not {exit}", output.status).into());
    }
    Ok(())
}

/// A copy of the case's directory, without what is expected.
fn copy_of(case: &Path) -> Result<TempDir, Failed> {
    let directory = tempfile::tempdir()?;
    for file in files(case)? {
        let to = directory.path().join(&file);
        fs::create_dir_all(to.parent().unwrap())?;
        fs::copy(case.join(&file), to)?;
    }
    Ok(directory)
}

/// Every file in a directory and below, by its path there, but for what is expected.
fn files(root: &Path) -> Result<BTreeSet<PathBuf>, Failed> {
    let mut files = BTreeSet::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.starts_with(root.join("expected"))
                || path.ends_with("expected.stdout")
                || path.ends_with("expected.stderr")
            {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
            } else {
                files.insert(path.strip_prefix(root)?.to_owned());
            }
        }
    }
    Ok(files)
}

/// Compares the files after a command with those before it, and with what is expected.
fn compare_files(case: &Path, after: &Path) -> Result<(), Failed> {
    let (before, there) = (files(case)?, files(after)?);
    if before != there {
        return Err(format!("other files than before: {there:?}").into());
    }
    for file in before {
        let new = fs::read(after.join(&file))?;
        let expected = case.join("expected").join(&file);
        if new != fs::read(case.join(&file))? {
            fs::create_dir_all(expected.parent().unwrap())?;
            compare(&expected, &new)?;
        } else if expected.exists() {
            return Err(format!("{} is as it was", file.display()).into());
        }
    }
    Ok(())
}
