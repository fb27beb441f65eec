//! The golden cases: what goes in and everything that must come out, as files.
//!
//! `tests/golden/README.md` says what a case is and how to add one. The inventory is
//! exact: a missing file fails, and so does an extra one. `UPDATE_EXPECT=1` rewrites what
//! is expected; read the difference before you commit it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at the first surprise"
)]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

mod harness;
#[path = "support/judge.rs"]
#[allow(dead_code, reason = "another test asks for many pods at once")]
mod program;
#[path = "support/update.rs"]
mod update;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use harness::{Judge, cases};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let judge: &'static Judge = Box::leak(Box::new(Judge::find()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (cases, surprise) = match cases::discover(&root) {
        Ok(cases) => (cases, Ok(())),
        Err(surprise) => (Vec::new(), Err(surprise)),
    };
    let inventory = surprise.and_then(|()| cases::complete(&root, &cases));
    let mut trials = vec![Trial::test("inventory", move || inventory.map_err(Into::into))];
    trials.extend(cases.into_iter().map(|case| {
        let name = case.name.clone();
        Trial::test(name, move || case.run(judge).map_err(Into::into))
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}
