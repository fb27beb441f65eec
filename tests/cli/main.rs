//! The command line as people and programs meet it: help, exit statuses, colours, outputs for
//! programs, completion, manual pages, the plugin of kubectl.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that fails says where"
)]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

#[path = "../support/api_server.rs"]
mod api_server;
mod colour;
mod completion;
mod help;
mod json;
#[path = "../support/live.rs"]
mod live;
mod man;
mod messages;
mod plugin;
mod report;
#[path = "../support/schema.rs"]
mod schema;
mod status;

use std::process::{Command, Output, Stdio};

/// The program, in the project's directory, with nothing of the caller's environment that it
/// asks for.
fn ironhull(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ironhull"));
    command.args(line.split_whitespace()).current_dir(env!("CARGO_MANIFEST_DIR"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "IRONHULL_POLICY", "CI"] {
        command.env_remove(variable);
    }
    command.env("COLUMNS", "80").stdin(Stdio::null());
    command
}

fn run(line: &str) -> Output {
    ironhull(line).output().unwrap()
}

/// What it writes to standard output, if it exits with 0.
fn answer(line: &str) -> String {
    let output = run(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether there is such a program; says loudly what is not run without it.
fn there_is(program: &str, what: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("NOT RUN: {what} needs {program}");
    }
    there
}
