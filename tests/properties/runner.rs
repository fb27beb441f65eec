//! Runs a property over generated cases: the same ones every time, unless told otherwise.
//!
//! | variable | what it does |
//! |---|---|
//! | `IRONHULL_PROPERTY_SEED` | another number: other cases; `random`: others at every run |
//! | `IRONHULL_PROPERTY_FACTOR` | so many times as many cases |

use std::cell::Cell;
use std::env;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::Failure;
use super::pods::PodNumbers;

/// The seed where none is given.
const SEED: u64 = 3;

/// Checks a property on `cases` cases and fails with the smallest one that breaks it.
pub(crate) fn check<S>(
    name: &str,
    cases: u32,
    strategy: S,
    property: impl Fn(S::Value) -> Result<(), Failure>,
) where
    S: Strategy,
    S::Value: Debug,
{
    let seed = seed();
    let factor: u32 = env::var("IRONHULL_PROPERTY_FACTOR")
        .map_or(1, |text| text.parse().expect("IRONHULL_PROPERTY_FACTOR is a number"));
    let cases = cases * factor;
    println!(
        "{name}: {cases} cases of seed {seed}; IRONHULL_PROPERTY_SEED=… for others, \
         IRONHULL_PROPERTY_FACTOR=… for more"
    );
    let config = Config {
        cases,
        // The seed makes every failure come again; a case worth keeping becomes a golden case.
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    for (part, offset) in bytes.chunks_mut(8).zip(0..) {
        part.copy_from_slice(&seed.wrapping_add(offset).to_le_bytes());
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&strategy, |case| property(case).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{name}, seed {seed}: {error}");
    }
}

fn seed() -> u64 {
    match env::var("IRONHULL_PROPERTY_SEED") {
        Err(_) => SEED,
        Ok(text) if text == "random" => RandomState::new().hash_one(0),
        Ok(text) => text.parse().expect("IRONHULL_PROPERTY_SEED is a number, or `random`"),
    }
}

/// The numbers of one decision after the other.
pub(crate) fn numbers(most: usize) -> impl Strategy<Value = Vec<u16>> {
    vec(any::<u16>(), most)
}

/// The numbers of a pod: mostly of one or two containers, now and then of many.
pub(crate) fn pod_numbers() -> impl Strategy<Value = PodNumbers> {
    let containers = prop_oneof![
        20 => vec(numbers(64), 1..4),
        1 => vec(numbers(64), 12..24),
    ];
    let init = prop_oneof![1 => Just(Vec::new()), 1 => vec(numbers(64), 1..3)];
    let annotations = prop_oneof![1 => Just(Vec::new()), 1 => vec(numbers(8), 1..5)];
    (numbers(48), containers, init, vec(numbers(12), 0..5), annotations).prop_map(
        |(pod, containers, init, volumes, annotations)| PodNumbers {
            pod,
            containers,
            init,
            volumes,
            annotations,
        },
    )
}

/// How often something occurred, of how many.
#[derive(Default)]
pub(crate) struct Share(Cell<(u32, u32)>);

impl Share {
    /// Counts one case.
    pub(crate) fn count(&self, occurs: bool) {
        let (times, of) = self.0.get();
        self.0.set((times + u32::from(occurs), of + 1));
    }

    /// Fails when it occurred in less than `percent` of 100 cases.
    pub(crate) fn at_least(&self, percent: f64, what: &str) {
        let (times, of) = self.0.get();
        let share = 100.0 * f64::from(times) / f64::from(of.max(1));
        println!("{share:5.1} % {what} (at least {percent} %)");
        assert!(share >= percent, "only {share:.1} % of {of} cases are {what}");
    }
}
