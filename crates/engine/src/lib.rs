//! The hardening engine of ironhull: applies a policy to a pod, and returns an RFC 6902 patch and
//! what there is to report.
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
//! | [`pass`] | input and output of the rules |
//! | [`provenance`] | the note on a changed pod |
//! | [`remains`] | what Pod Security refuses and no rule fixes |
//! | [`user`] | the user each container will run as, decided once |
//! | [`exemption`] | the grammar of annotations, the exemptions in force |
//! | [`outcome`] | conclusions and their wording |
//! | [`patch`] | planned changes to RFC 6902 |
//! | [`policy`], [`image`] | policies, per namespace and per image |
//! | [`facts`] | what an image is |
//! | [`rule`] | the names of rules, actions |
//! | [`pod`] | a borrowing view of the raw pod |
//! | [`workload`] | kinds of objects that pods are made from, and where in them the pods are |
//! | [`text`] | untrusted text, made safe to show |

#![warn(unreachable_pub)]

pub mod admission;
pub mod exemption;
pub mod facts;
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
pub mod workload;
