//! What can be shown to somebody who does not run ironhull: an auditor, or the API server.
//!
//! Evidence of how the containers of a cluster run: what an auditor asks for, a cell for each
//! container and field, with where it is known from and who set it.
//!
//! A cell is green only where the live pod shows it. The note `ironhull.dev/hardened` and the owner's
//! template say who set a value, and never what it is.
//!
//! | module | what it does |
//! |---|---|
//! | [`document`] | the report as data: the source of every format |
//! | [`gather`] | a cluster, looked at once |
//! | [`summary`] | its totals |
//! | [`check`] | what is looked at in a container, and what it takes to pass |
//! | [`controls`] | what standards ask, and which checks answer it |
//! | [`changes`] | what changed since an earlier report |
//! | [`openreports`] | a workload's evidence as a Report of openreports.io |
//! | [`watched`] | one pod as a watch sees it: the facts of its containers |
//! | [`backstop`] | what policies ask for, as a ValidatingAdmissionPolicy |

pub mod backstop;
pub mod changes;
pub mod check;
pub mod controls;
pub mod document;
mod exempt;
pub mod gather;
mod live;
pub mod openreports;
mod pod;
mod stated;
pub mod summary;
mod templates;
mod user;
pub mod watched;
