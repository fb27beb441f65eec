//! How inputs are changed: by bytes, as libFuzzer does, and by what they are made of.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    dead_code,
    reason = "each target uses one of them, and a fuzzer may stop at a surprise"
)]

#[path = "../../tests/fuzz_editor/generate.rs"]
mod generate;
mod json;
#[path = "../../tests/fuzz_editor/mutate.rs"]
mod mutate;
#[path = "../../tests/fuzz_editor/random.rs"]
mod random;
mod tar;

use libfuzzer_sys::fuzzer_mutate;
use random::Random;

/// JSON behind two bytes.
pub fn json(data: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut random = Random::new(u64::from(seed));
    if random.one_in(3) {
        return fuzzer_mutate(data, size, max);
    }
    match json::mutated(&mut random, &data[..size]) {
        Some(new) if new.len() <= max => put(data, &new),
        _ => fuzzer_mutate(data, size, max),
    }
}

/// Layers behind a configuration.
pub fn layers(data: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut random = Random::new(u64::from(seed));
    if random.one_in(4) {
        return fuzzer_mutate(data, size, max);
    }
    match tar::mutated(&mut random, &data[..size]) {
        Some(new) if new.len() <= max => put(data, &new),
        _ => fuzzer_mutate(data, size, max),
    }
}

/// Text whose lines belong together.
pub fn lines(data: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut random = Random::new(u64::from(seed));
    match std::str::from_utf8(&data[..size]) {
        Ok(text) if random.one_in(3) => {
            let mut lines: Vec<&str> = text.split('\n').collect();
            let (from, to) = (random.below(lines.len()), random.below(lines.len()));
            match random.below(3) {
                0 => lines.swap(from, to),
                1 => lines.insert(to, lines[from]),
                _ => drop(lines.remove(from)),
            }
            let new = lines.join("\n");
            if new.len() <= max { put(data, new.as_bytes()) } else { size }
        }
        _ => fuzzer_mutate(data, size, max),
    }
}

/// A manifest: now and then a new one.
pub fn manifest(data: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut random = Random::new(u64::from(seed));
    let new = match random.below(16) {
        0 => generate::manifest(&mut random),
        1..=8 => match std::str::from_utf8(&data[..size]) {
            Ok(text) => mutate::mutated(&mut random, &[text.to_owned()]),
            Err(_) => return fuzzer_mutate(data, size, max),
        },
        _ => return fuzzer_mutate(data, size, max),
    };
    if new.len() <= max { put(data, new.as_bytes()) } else { fuzzer_mutate(data, size, max) }
}

fn put(data: &mut [u8], new: &[u8]) -> usize {
    data[..new.len()].copy_from_slice(new);
    new.len()
}
