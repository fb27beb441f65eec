//! ironhull hardens every pod at the door of a Kubernetes cluster, without
//! breaking the application.
//!
//! [`ironhull_engine`] decides; its modules are here under their own names. Around it:
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`] | the commands: arguments in, text out |
//! | [`watch`] | `ironhull watch`: what runs unhardened, as metrics |
//! | [`serve`] | the webhook server |
//! | [`evidence`] | what an auditor asks for: how containers run, known from where |
//! | [`observe`] | what a running container does, seen from beside it |
//! | [`images`] | images, read: who they run as, what they write and need |
//! | [`evidence`] | what can be shown to others: the backstop |
//! | [`foresight`] | what hardening will do to a workload: changes, risks, remedies |
//! | [`cluster`] | a cluster, read: connection, lists, namespaces, installed policies |
//! | [`terminal`] | tables, source excerpts, progress |
//! | [`manifest`] | manifests in files: read, edited, written |

#![warn(unreachable_pub)]

#[cfg(feature = "server")]
pub mod cli;
/// The part of the command line that the fuzzer reaches, built in a fraction of the time.
#[cfg(all(feature = "fuzzing", not(feature = "server")))]
#[doc(hidden)]
pub mod cli {
    pub mod pass;
}
#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "server")]
pub mod date;
#[cfg(feature = "server")]
pub mod evidence;
#[cfg(any(feature = "server", feature = "fuzzing"))]
pub mod foresight;
#[cfg(any(feature = "server", feature = "fuzzing"))]
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the fuzzer reads no registries"))]
pub mod images;
#[cfg(any(feature = "server", feature = "fuzzing"))]
pub mod manifest;
#[cfg(feature = "server")]
pub mod observe;
#[cfg(feature = "server")]
pub mod seed;
#[cfg(feature = "server")]
pub mod serve;
#[cfg(any(feature = "server", feature = "fuzzing"))]
pub mod terminal;
#[cfg(feature = "server")]
pub mod watch;

pub use ironhull_engine::{
    admission, exemption, facts, harden, image, outcome, pass, patch, pod, policy, provenance,
    remains, rule, rules, text, user, workload,
};
