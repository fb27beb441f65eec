//! Numbers of images for the metrics.

use std::collections::BTreeMap;

/// Numbers of images for the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By how much is known: the layers, the configuration, what a pod shows, nothing.
    pub known: [u64; Self::KNOWN.len()],
    /// Images that could not be read at the last try, by registry and reason.
    pub failed: BTreeMap<(String, &'static str), u64>,
    /// When the image that was checked longest ago was checked.
    pub oldest: Option<i64>,
    /// Images whose facts do not fit in their shard.
    pub dropped: u64,
    /// Images that were not kept because of a limit.
    pub over: u64,
}

impl Counts {
    /// Label values of [`Self::known`].
    pub const KNOWN: [&str; 4] = ["image", "configuration", "pod", "nothing"];
}
