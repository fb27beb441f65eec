//! What must hold of every input, whoever made it. The fuzzer's targets and
//! `tests/fuzz_seeds.rs` share it, so that what the fuzzer found once is checked with every
//! other test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "a property stops at the first surprise"
)]

pub mod annotation;
mod answer;
#[path = "../../tests/fuzz_editor/check.rs"]
mod check;
mod hardening;
pub mod layer;
pub mod manifest;
#[path = "../../tests/support/plugin.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod plugin;
pub mod policy;
#[path = "../../tests/support/reader.rs"]
mod reader;
pub mod review;

use ironhull::admission::Environment;
use ironhull::harden::SeedImage;
use ironhull::policy::{Policy, PolicyFile, PolicySet, parse};
use jiff::civil::{Date, date};

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// Today, as the seeds have it.
pub const TODAY: Date = date(2027, 1, 15);

/// What an answer depends on besides request and policies.
pub const ENVIRONMENT: Environment<'static> =
    Environment { date: TODAY, user_namespaces: true, seed_image: Some(SeedImage::ANY) };

/// Each policy by which pods are hardened here, in a set of its own.
pub fn policies() -> Vec<(Policy, PolicySet)> {
    let texts = [
        include_str!("../../policies/restricted.yaml"),
        include_str!("../../policies/fill-only.yaml"),
        include_str!("../../policies/warn-only.yaml"),
        include_str!("../../policies/openshift.yaml"),
        include_str!("limited.yaml"),
        include_str!("granting.yaml"),
    ];
    let policy = |text: &str| {
        let source = PolicyFile { name: "policy.yaml".to_owned(), text: text.to_owned() };
        let policy = parse::parse(&[source]).unwrap().policies.pop().unwrap();
        (policy.clone(), PolicySet::new(vec![policy]).unwrap())
    };
    texts.map(policy).into()
}

/// One of some things, by a byte that a person can write: `0` is the first.
pub fn pick<T>(things: &[T], byte: u8) -> &T {
    &things[usize::from(byte.wrapping_sub(b'0')) % things.len()]
}
