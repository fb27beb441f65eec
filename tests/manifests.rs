//! `ironhull harden` and `ironhull explain`, whole: each folder of tests/manifests is a
//! command with its files and exactly what comes of it.
//!
//! `cmd` holds the arguments, then `exit N` where it is not 0 and `stdin FILE` where it
//! reads one; `expected.stdout` and `expected.stderr` hold what is printed, and are
//! missing where nothing is. `UPDATE_EXPECT=1` rewrites them.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

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
    let arguments = lines.next().unwrap_or_default().split_whitespace();
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
        .current_dir(case)
        .env("NO_COLOR", "1")
        .stdin(stdin)
        .output()?;
    compare(&case.join("expected.stdout"), &output.stdout)?;
    compare(&case.join("expected.stderr"), &output.stderr)?;
    if output.status.code() != Some(exit) {
        return Err(format!("{}, and not {exit}", output.status).into());
    }
    Ok(())
}

/// Compares what was printed with a file, byte for byte.
fn compare(path: &Path, printed: &[u8]) -> Result<(), Failed> {
    let expected = fs::read(path).unwrap_or_default();
    if expected == printed {
        return Ok(());
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        if printed.is_empty() {
            fs::remove_file(path)?;
        } else {
            fs::write(path, printed)?;
        }
        return Ok(());
    }
    let (expected, printed) =
        (String::from_utf8_lossy(&expected), String::from_utf8_lossy(printed));
    let diff = similar::TextDiff::from_lines(&*expected, &*printed);
    Err(format!("{}\n{}", path.display(), diff.unified_diff().header("expected", "printed")).into())
}
