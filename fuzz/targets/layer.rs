//! An image's layers.
#![no_main]

#[path = "../mutators/mod.rs"]
mod mutators;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| {
    properties::layer::check(input).unwrap_or_else(|wrong| panic!("{wrong}"));
});
fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutators::layers(data, size, max, seed)
});
