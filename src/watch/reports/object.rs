//! A report as it is in the cluster, and one to be written.

use jiff::Timestamp;
use serde_json::Value;

use crate::watch::key::Key;

/// Value of the label `app.kubernetes.io/managed-by`, and the field manager. What has another value is
/// never touched, but for `ironhull`, which `ironhull report` writes.
pub(super) const MANAGER: &str = "ironhull-watch";

/// A report in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
    pub(super) uid: Box<str>,
    pub(super) maker: MadeBy,
    /// Hash of what it says; `None` if it has none.
    pub(super) content: Option<Key>,
}

/// Who a report in the cluster is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MadeBy {
    /// The watch, and nobody else has changed what it says.
    Watch,
    /// ironhull, but somebody else has written to it, such as `kubectl apply` of `ironhull report`.
    /// It is made anew.
    Mixed,
    /// Somebody else.
    Others,
}

/// A report to be written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) key: Key,
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
    pub(super) content: Key,
    pub(super) body: Value,
    /// When it changed first.
    pub(super) since: Timestamp,
}
