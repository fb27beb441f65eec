//! `make bench`: the figures in `docs/performance.md`.

#![allow(dead_code, missing_docs, reason = "the report is yet to come")]

#[path = "../support/mod.rs"]
mod support;

fn main() {}
