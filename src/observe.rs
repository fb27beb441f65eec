//! `ironhull observe`: what a container does while it runs, seen from an ephemeral container
//! beside it that reads /proc.
//!
//! | module | what it does |
//! |---|---|
//! | [`agent`] | runs in the pod: samples processes, ports and files, prints snapshots |
//! | [`process`], [`mounts`], [`net`] | the texts of /proc, parsed |
//! | [`walk`] | a root file system, searched for what changed since the container started |
//! | [`snapshot`] | what the agent reports |
//! | [`targets`] | the pods and containers of a workload, and the ephemeral container for each |
//! | [`session`] | adds that container, attaches to it, reads its snapshots |
//! | [`suggest`] | snapshots of one container, in several pods, to what to paste |

pub mod agent;
pub mod mounts;
pub mod net;
pub mod process;
pub mod session;
pub mod snapshot;
pub mod suggest;
pub mod targets;
pub mod walk;
