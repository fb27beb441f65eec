//! The engine of ironhull: hardens a pod by a policy, as an RFC 6902 patch and what there is to
//! say of it.
#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! Calls go downward only, in the order of this list:
//!
//! | module | what it does |
//! |---|---|
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
//! | [`rule`] | the names of rules, actions |
//! | [`pod`] | a borrowing view of the raw pod |
//! | [`text`] | text from strangers, made safe to show |

#![warn(unreachable_pub)]

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
pub mod rule;
pub mod rules;
mod sharing;
pub mod text;
pub mod user;
