//! The command line on files, as other programs and the file system see it: what is
//! written in place, what `patch` and `git apply` make of a diff, what Helm and kustomize
//! make of hardened output, what code scanning and pipelines read.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test stops at the first surprise, and its modules are nobody else's"
)]

#[path = "../support/judge.rs"]
#[allow(dead_code, reason = "other tests judge pods, these ones readings")]
mod judge;
#[path = "../support/reader.rs"]
mod reader;
#[path = "../support/update.rs"]
mod update;

mod diff;
mod kinds;
mod pipelines;
mod render;
mod sarif;
mod write;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A pod that says nothing.
pub const POD: &str = "# a comment\napiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  \
                       containers:\n  - name: app\n    image: registry.example/app:1\n";

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// ironhull in a directory, with no standard input.
pub fn ironhull(directory: &Path, arguments: &[&str]) -> Output {
    command(Path::new(env!("CARGO_BIN_EXE_ironhull")), directory, arguments).output().unwrap()
}

pub fn command(program: &Path, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a command prints that must succeed.
pub fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    stdout(&output)
}

/// Puts files into a directory.
pub fn lay(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}
