//! The end-to-end suite: ironhull as its users install it, on a real API server and a real
//! kubelet. It believes only what it sees from inside containers.
//!
//! It needs a cluster (`KUBECONFIG`), `helm` and `kubectl` on the PATH, ironhull's image
//! and the test images loaded; `make e2e` sees to all of it. Each scenario works in
//! namespaces of its own, so scenarios run side by side; those that disturb ironhull
//! itself come last and one by one.
//!
//! `E2E_SCENARIOS=every-version` leaves those that run on every Kubernetes that is supported.
//! `E2E_RECORD=FILE` records there what ran, see [`record`].
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
mod record;
#[path = "../../tests/support/scanners.rs"]
mod scanners;
mod scenarios;
#[path = "../../tests/support/schema.rs"]
mod schema;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use record::Record;
use scenarios::{DISTURBING, LAST, SIDE_BY_SIDE, Scenario, UPGRADES};
use world::{Version, World};

/// Two cores run the cluster too, and most of a scenario is waiting.
const SIDE_BY_SIDE_THREADS: usize = 4;

/// Not 0, and not what a failed test gives.
const NOT_ALL_RUN: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = World::connect();
    // For trials, which may outlive this function as far as their type goes.
    let suite: &'static Suite = Box::leak(Box::new(Suite {
        world,
        record: Record::asked_for(),
        every_version: every_version(),
    }));
    if arguments.list {
        let all = [SIDE_BY_SIDE, DISTURBING, LAST, UPGRADES].concat();
        return suite.run(&arguments, &all, 1);
    }
    if Version::has_previous() {
        let upgrades = suite.run(&arguments, UPGRADES, 1);
        world.uninstall();
        return upgrades;
    }
    let keep = std::env::var_os("E2E_KEEP").is_some();
    let whole = arguments.filter.is_none() && arguments.skip.is_empty() && !keep;
    assert!(whole || suite.record.is_none(), "E2E_RECORD is for all scenarios, not for some");
    world.install();
    let side_by_side = suite.run(&arguments, SIDE_BY_SIDE, SIDE_BY_SIDE_THREADS);
    // While the replicas are those that have answered all of it.
    world.report();
    let disturbing = suite.run(&arguments, DISTURBING, 1);
    // What comes last begins with uninstalling.
    let last = if keep { ExitCode::SUCCESS } else { suite.run(&arguments, LAST, 1) };
    if !keep {
        world.uninstall();
    }
    let missing = suite.not_run();
    for (name, needs) in &missing {
        println!("not run: {name}: needs {needs}");
    }
    if let Some(record) = &suite.record {
        record.write(world);
    }
    let codes = [side_by_side, disturbing, last];
    if let Some(failed) = codes.into_iter().find(|code| *code != ExitCode::SUCCESS) {
        return failed;
    }
    if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL_RUN) }
}

/// Whether only those scenarios are asked for that run on every version.
fn every_version() -> bool {
    match std::env::var("E2E_SCENARIOS").as_deref() {
        Err(_) | Ok("" | "all") => false,
        Ok("every-version") => true,
        Ok(other) => panic!("E2E_SCENARIOS is `all` or `every-version`, not `{other}`"),
    }
}

/// The scenarios that are asked for, where they run.
struct Suite {
    world: &'static World,
    record: Option<Record>,
    every_version: bool,
}

impl Suite {
    fn run(
        &'static self,
        arguments: &Arguments,
        scenarios: &[Scenario],
        threads: usize,
    ) -> ExitCode {
        let trials = scenarios
            .iter()
            .filter(|scenario| self.has(scenario))
            .filter(|scenario| arguments.list || self.lacks(scenario).is_none())
            .map(|scenario| {
                let Scenario { name, run, .. } = *scenario;
                Trial::test(name, move || {
                    // Run one by one, the test's name is already on this line.
                    let run = || world::in_scenario(name, threads == 1, || run(self.world));
                    match &self.record {
                        Some(record) => record.run(name, run),
                        None => run(),
                    }
                    Ok(())
                })
            })
            .collect();
        let arguments = Arguments { test_threads: Some(threads), ..arguments.clone() };
        libtest_mimic::run(&arguments, trials).exit_code()
    }

    /// Whether the scenario is asked for.
    const fn has(&self, scenario: &Scenario) -> bool {
        scenario.on_every_version || !self.every_version
    }

    /// What a scenario needs and this machine or cluster has not.
    fn lacks(&self, scenario: &Scenario) -> Option<&'static str> {
        Some(scenario.needs.iter().find(|need| !need.met(self.world))?.words())
    }

    /// The scenarios that could not be run here, with what they need; recorded too.
    fn not_run(&self) -> Vec<(&'static str, &'static str)> {
        let all = SIDE_BY_SIDE.iter().chain(DISTURBING).chain(LAST);
        let missing: Vec<_> = all
            .filter(|scenario| self.has(scenario))
            .filter_map(|scenario| Some((scenario.name, self.lacks(scenario)?)))
            .collect();
        for (name, needs) in &missing {
            if let Some(record) = &self.record {
                record.note(name, &format!("needs {needs}"));
            }
        }
        missing
    }
}
