//! The command line.

pub mod explain;
pub mod harden;
pub mod input;
pub mod manifest;
pub mod pass;
pub mod policies;
pub mod say;
