//! The command line.

pub mod diagnostics;
pub mod harden;
pub mod input;
pub mod manifest;
pub mod pass;
pub mod policies;
pub mod policy;
pub mod policy_files;
pub mod rules;
pub mod say;
