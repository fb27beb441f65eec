//! What the golden tests are made of.

pub mod cases;
mod files;
mod judge;
#[path = "../support/plugin.rs"]
#[allow(dead_code, reason = "other tests use it too")]
mod plugin;
mod pods;
mod requests;
mod settings;
mod text;

pub use judge::Judge;
