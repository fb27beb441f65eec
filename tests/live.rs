//! `ironhull preview`, `report`, `explain POD` and `policy diff` with a cluster: each folder of
//! tests/live is a command, what an API server has, and exactly what is printed.
//! tests/live/README.md says what is in a folder. `UPDATE_EXPECT=1` rewrites what is
//! expected.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails says where"
)]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

#[path = "support/api_server.rs"]
mod api_server;
#[path = "support/expected.rs"]
mod expected;
#[path = "support/live.rs"]
mod live;

use std::fs;
use std::path::Path;

use expected::compare;
use libtest_mimic::{Arguments, Failed, Trial};
use live::Case;

/// What may be in a folder.
const FILES: [&str; 11] = [
    "cmd",
    "cluster.yaml",
    "server.yaml",
    "policy.yaml",
    "new.yaml",
    "old.yaml",
    "manifests.yaml",
    "earlier.json",
    "own.yaml",
    "expected.stdout",
    "expected.stderr",
];

fn main() {
    let trials = live::cases().into_iter().map(|case| {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || run(&case))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn run(directory: &Path) -> Result<(), Failed> {
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if FILES.iter().all(|file| name != *file) {
            return Err(format!("{} is one file too many", name.display()).into());
        }
    }
    let case = Case::read(directory)?;
    let output = case.run(&[]);
    compare(&directory.join("expected.stdout"), &output.stdout)?;
    compare(&directory.join("expected.stderr"), &output.stderr)?;
    if output.status.code() != Some(case.exit) {
        return Err(format!("{}, and not {}", output.status, case.exit).into());
    }
    Ok(())
}
