//! One image, and what is known of it.

use std::collections::BTreeSet;

use crate::facts::Origin;
use crate::images::digest::Digest;
use crate::images::error::ErrorKind;
use crate::images::reference::Name;
use crate::watch::images::shards;

/// Maximum number of pull secrets that are tried for an image.
pub(super) const MAX_SECRETS: usize = 8;

/// How much of an image is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// The configuration: two short answers.
    Configuration,
    /// The layers too.
    Layers,
}

/// A Secret, by namespace and name.
pub type SecretName = (String, String);

/// What is known of one image.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) name: Name,
    /// The ConfigMap that it is kept in.
    pub(super) shard: usize,
    /// Its entries, a line each; empty if nothing is known.
    pub(super) lines: Box<str>,
    /// Where they are from.
    pub(super) from: Option<Origin>,
    pub(super) digest: Option<Digest>,
    /// When a pod used it last.
    pub(super) used: i64,
    /// When its registry told about it last; 0 if it never did.
    pub(super) checked: i64,
    /// When it is due, while nobody reads it.
    pub(super) due: Option<(Depth, i64)>,
    pub(super) failure: Option<(ErrorKind, usize)>,
    pub(super) secrets: BTreeSet<SecretName>,
    /// What runs by this name and is something else.
    pub(super) other: Option<Digest>,
    /// Whether its lines are in its shard, which has room for so much.
    pub(super) written: bool,
}

impl Image {
    /// An image of which nothing is known.
    pub(super) fn new(name: Name, now: i64) -> Self {
        Self {
            shard: shards::of(&name),
            name,
            lines: Box::default(),
            from: None,
            digest: None,
            used: now,
            checked: 0,
            due: None,
            failure: None,
            secrets: BTreeSet::new(),
            other: None,
            written: false,
        }
    }

    /// How deep it is read next. Where the layers are known, what is known stays until all of the
    /// new image is.
    pub(super) fn depth(&self) -> Depth {
        match self.from {
            Some(Origin::Image) => Depth::Layers,
            _ => Depth::Configuration,
        }
    }

    pub(super) fn may_open<'n>(&mut self, namespace: &str, secrets: impl Iterator<Item = &'n str>) {
        for secret in secrets {
            if self.secrets.len() < MAX_SECRETS {
                self.secrets.insert((namespace.to_owned(), secret.to_owned()));
            }
        }
    }
}
