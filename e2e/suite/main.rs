//! The end-to-end suite: ironhull as its users install it, on a real API server and a real
//! kubelet. It believes only what it sees from inside containers.
//!
//! It needs a cluster (`KUBECONFIG`), `helm` and `kubectl` on the PATH, ironhull's image
//! and the test images loaded; `make e2e` sees to all of it. Each scenario works in
//! namespaces of its own, so scenarios run side by side; those that disturb ironhull
//! itself come last and one by one.
//!
//! Exit codes: 0 when every scenario was run and passed, 101 when one failed, 3 when none
//! failed and some could not be run here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

#[path = "../../tests/support/disagreements.rs"]
#[allow(dead_code, reason = "a page says why")]
mod disagreements;
#[path = "../../tests/support/corpus.rs"]
#[allow(dead_code, reason = "where it is, scenarios say by what they need")]
mod manifests;
mod pods;
#[path = "../../tests/support/scanners.rs"]
mod scanners;
mod scenarios;
#[path = "../../tests/support/schema.rs"]
mod schema;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use scenarios::{DISTURBING, LAST, SIDE_BY_SIDE, Scenario, UPGRADES};
use world::{Version, World};

/// Two cores run the cluster too, and most of a scenario is waiting.
const SIDE_BY_SIDE_THREADS: usize = 4;

/// Not 0, and not what a failed test gives.
const NOT_ALL_RUN: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = World::connect();
    if arguments.list {
        let all = SIDE_BY_SIDE.iter().chain(DISTURBING).chain(LAST).chain(UPGRADES);
        return run(world, &arguments, all, 1);
    }
    if Version::has_previous() {
        let upgrades = run(world, &arguments, UPGRADES.iter(), 1);
        world.uninstall();
        return upgrades;
    }
    world.install();
    let side_by_side = run(world, &arguments, SIDE_BY_SIDE.iter(), SIDE_BY_SIDE_THREADS);
    // While the replicas are those that have answered all of it.
    world.report();
    let disturbing = run(world, &arguments, DISTURBING.iter(), 1);
    // What comes last begins with uninstalling.
    let keep = std::env::var_os("E2E_KEEP").is_some();
    let last = if keep { ExitCode::SUCCESS } else { run(world, &arguments, LAST.iter(), 1) };
    if !keep {
        world.uninstall();
    }
    let missing: Vec<_> = SIDE_BY_SIDE
        .iter()
        .chain(DISTURBING)
        .chain(LAST)
        .filter_map(|scenario| not_run(world, scenario))
        .collect();
    for (name, needs) in &missing {
        println!("not run: {name}: needs {needs}");
    }
    let codes = [side_by_side, disturbing, last];
    if let Some(failed) = codes.into_iter().find(|code| *code != ExitCode::SUCCESS) {
        return failed;
    }
    if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL_RUN) }
}

/// What a scenario needs and this machine or cluster has not.
fn not_run(world: &'static World, scenario: &Scenario) -> Option<(&'static str, &'static str)> {
    let need = scenario.needs.iter().find(|need| !need.met(world))?;
    Some((scenario.name, need.words()))
}

fn run<'a>(
    world: &'static World,
    arguments: &Arguments,
    scenarios: impl Iterator<Item = &'a Scenario>,
    threads: usize,
) -> ExitCode {
    let trials = scenarios
        .filter(|scenario| arguments.list || not_run(world, scenario).is_none())
        .map(|scenario| {
            let Scenario { name, run, .. } = *scenario;
            Trial::test(name, move || {
                // Run one by one, the test's name is already on this line.
                world::in_scenario(name, threads == 1, || run(world));
                Ok(())
            })
        })
        .collect();
    let arguments = Arguments { test_threads: Some(threads), ..arguments.clone() };
    libtest_mimic::run(&arguments, trials).exit_code()
}
