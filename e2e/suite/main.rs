//! The end-to-end suite: ironhull as its users install it, on a real API server and a real
//! kubelet. It believes only what it sees from inside containers.
//!
//! It needs a cluster (`KUBECONFIG`), `helm` and `kubectl` on the PATH, ironhull's image
//! and the test images loaded; `make e2e` sees to all of it. Each scenario works in
//! namespaces of its own, so scenarios run side by side; those that disturb ironhull
//! itself come last and one by one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

mod pods;
mod scenarios;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use scenarios::{DISTURBING, SIDE_BY_SIDE, Scenario};
use world::World;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = World::install();
    let code = run(&world, &arguments, SIDE_BY_SIDE, 4);
    let mut last = run(&world, &arguments, DISTURBING, 1);
    if code != ExitCode::SUCCESS {
        last = code;
    }
    world.uninstall();
    last
}

fn run(
    world: &'static World,
    arguments: &Arguments,
    scenarios: &'static [Scenario],
    threads: usize,
) -> ExitCode {
    let trials = scenarios
        .iter()
        .map(|(name, scenario)| {
            Trial::test(*name, move || {
                scenario(world);
                Ok(())
            })
        })
        .collect();
    let arguments = Arguments { test_threads: Some(threads), ..arguments.clone() };
    libtest_mimic::run(&arguments, trials).exit_code()
}
