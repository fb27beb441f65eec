//! ironhull hardens every pod at the door of a Kubernetes cluster, without
//! breaking the application.
//!
//! This crate is the command line ([`cli`]) and the webhook server ([`serve`]) around
//! [`ironhull_engine`], whose modules are here under their own names.

#![warn(unreachable_pub)]

#[cfg(feature = "server")]
pub mod cli;
/// What the fuzzer reaches of the command line, built in a fraction of the time.
#[cfg(all(feature = "fuzzing", not(feature = "server")))]
#[doc(hidden)]
pub mod cli {
    pub mod diagnostics;
    pub mod manifest;
    pub mod pass;
    pub mod say;
}
#[cfg(feature = "server")]
pub mod serve;

pub use ironhull_engine::{
    admission, exemption, harden, image, outcome, pass, patch, pod, policy, provenance, remains,
    rule, rules, text, user,
};
