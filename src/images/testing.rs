//! What the tests of several modules build images of.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../../tests/support/tar.rs"]
pub mod tar;
