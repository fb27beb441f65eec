//! ironhull hardens every pod at the door of a Kubernetes cluster, without
//! breaking the application.
//!
//! The core ([`harden`], and everything it calls) is pure: no input or output, no
//! clock, no panic, no error. It compiles with `--no-default-features`. The shell
//! (feature `server`, on by default) is the command line and the webhook around it.
//! Calls go downward only, in the order of this list:
//!
//! | module | what it does |
//! |---|---|
//! | `cli`, `serve` | the shell: commands, the webhook server |
//! | [`admission`] | AdmissionReview bytes to AdmissionReview bytes |
//! | [`harden`] | folds the rules over a pod |
//! | [`rules`] | one hardening behaviour a file |
//! | [`pass`] | what the rules read and where they write |
//! | [`provenance`] | the note on a changed pod |
//! | [`remains`] | what no rule mends |
//! | [`user`] | who each container will run as, decided once |
//! | [`exemption`] | the annotations' grammar, what is in force |
//! | [`outcome`] | what was concluded, and how it is said |
//! | [`patch`] | intentions to RFC 6902 |
//! | [`policy`], [`image`] | what a policy says, per namespace and per image |
//! | [`pod`] | a borrowing view of the raw pod |
//! | [`text`] | text from strangers, made safe to show |

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

pub mod admission;
pub mod exemption;
pub mod harden;
pub mod image;
mod json;
pub mod outcome;
pub mod pass;
pub mod patch;
pub mod pod;
pub mod policy;
pub mod provenance;
pub mod remains;
pub mod rules;
mod sharing;
pub mod text;
pub mod user;
