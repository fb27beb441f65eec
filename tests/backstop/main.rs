//! The backstop, evaluated by an API server's own evaluator with its cost limits (`e2e/judge cel`), and
//! compared with Pod Security's own evaluator and with the engine.
//!
//! Needs the judge, which `make judge` builds.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where"
)]

mod ask;
mod exemptions;
#[path = "../support/fixtures.rs"]
mod fixtures;
mod grammar;
#[path = "../support/judge.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod judge;
mod limits;
#[path = "../support/pods.rs"]
mod manifests;
mod namespaces;
mod standard;
#[path = "../support/corpus.rs"]
mod support;
#[path = "../support/update.rs"]
mod update;
mod updates;
