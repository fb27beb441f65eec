//! A syntax tree to the JSON that Kubernetes makes of it.
//!
//! This follows `sigs.k8s.io/yaml` over go-yaml v2 (`decode.go`): of a duplicate key the
//! last one wins, a merge takes effect in its place, keys become strings.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind};
use crate::resolve::{Scalar, resolve};
use crate::tree::{Kind, NodeId, Tree};

/// A key that occurs more than once in its map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The key.
    pub key: String,
    /// Byte offset of the last one.
    pub offset: usize,
}

/// The document's value and its duplicate keys.
pub(crate) fn decode(tree: &Tree<'_>) -> Result<(Value, Vec<Duplicate>), Error> {
    let mut decoder = Decoder::new(tree);
    let value = match tree.root() {
        Some(root) => decoder.value(root)?,
        None => Value::Null,
    };
    Ok((value, decoder.duplicates))
}

/// The duplicate keys of a JSON document, whose value is known.
pub(crate) fn duplicates(tree: &Tree<'_>) -> Vec<Duplicate> {
    let mut decoder = Decoder::new(tree);
    match tree.root().map(|root| decoder.value(root)) {
        Some(Ok(_)) => decoder.duplicates,
        _ => Vec::new(),
    }
}

/// Maximum nesting depth of values, with aliases expanded. Kubernetes has no limit of its own
/// here; this one is far beyond any object and keeps the stack bounded.
const MAX_DEPTH: usize = 500;

struct Decoder<'t> {
    tree: &'t Tree<'t>,
    duplicates: Vec<Duplicate>,
    depth: usize,
    /// Number of decoded nodes, and of those inside aliases.
    nodes: u32,
    in_aliases: u32,
    /// The aliases being expanded.
    expanding: Vec<NodeId>,
}

impl<'t> Decoder<'t> {
    fn new(tree: &'t Tree<'t>) -> Self {
        Self {
            tree,
            duplicates: Vec::new(),
            depth: 0,
            nodes: 0,
            in_aliases: 0,
            expanding: Vec::new(),
        }
    }

    fn value(&mut self, id: NodeId) -> Result<Value, Error> {
        self.count(id)?;
        self.depth += 1;
        let value = match &self.tree.node(id).kind {
            Kind::Scalar { text, .. } => self.scalar(id).and_then(|scalar| {
                let not_json = || self.error(id, ErrorKind::NotJson(text.clone().into_owned()));
                scalar.into_json().ok_or_else(not_json)
            })?,
            Kind::Sequence { items, .. } => {
                Value::Array(items.iter().map(|&item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Kind::Mapping { .. } => {
                let mut map = Map::new();
                self.mapping(id, &mut map)?;
                Value::Object(map)
            }
            Kind::Alias { target } => {
                self.enter(id)?;
                let value = self.value(*target)?;
                self.expanding.pop();
                value
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Decodes the entries of a mapping into `map`.
    fn mapping(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), Error> {
        let Kind::Mapping { entries, .. } = &self.tree.node(id).kind else {
            return Err(self.error(id, ErrorKind::Merge));
        };
        // A key that was merged into the map does not count as a duplicate.
        let merges =
            !map.is_empty() || entries.iter().any(|&(key, _)| self.tree.node(key).is_merge());
        let mut seen = HashSet::new();
        for &(key, value) in entries {
            if self.tree.node(key).is_merge() {
                self.merge(value, map)?;
                continue;
            }
            let name = self.key(key)?;
            let value = self.value(value)?;
            let again = match merges {
                true => !seen.insert(name.clone()),
                false => map.contains_key(&*name),
            };
            if again && self.expanding.is_empty() {
                let offset = self.tree.node(key).range.start;
                self.duplicates.push(Duplicate { key: name.clone().into_owned(), offset });
            }
            map.insert(name.into_owned(), value);
        }
        Ok(())
    }

    /// Decodes the value of `<<` into `map`, over existing entries.
    fn merge(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), Error> {
        match &self.tree.node(id).kind {
            Kind::Alias { target } => {
                self.count(id)?;
                self.enter(id)?;
                self.merge_map(*target, map)?;
                self.expanding.pop();
                Ok(())
            }
            // Backwards, since the earlier ones take precedence.
            Kind::Sequence { items, .. } => {
                items.iter().rev().try_for_each(|&item| match self.tree.node(item).kind {
                    Kind::Sequence { .. } => self.merge_map(item, map),
                    _ => self.merge(item, map),
                })
            }
            _ => self.merge_map(id, map),
        }
    }

    fn merge_map(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), Error> {
        self.count(id)?;
        self.depth += 1;
        self.mapping(id, map)?;
        self.depth -= 1;
        Ok(())
    }

    fn key(&mut self, id: NodeId) -> Result<Cow<'t, str>, Error> {
        self.count(id)?;
        let target = match self.tree.node(id).kind {
            Kind::Alias { target } => target,
            _ => id,
        };
        match &self.tree.node(target).kind {
            Kind::Scalar { text, .. } => {
                let not_a_key = || self.error(id, ErrorKind::NotAKey(text.clone().into_owned()));
                self.scalar(target)?.into_key().ok_or_else(not_a_key)
            }
            _ => Err(self.error(id, ErrorKind::CollectionAsKey)),
        }
    }

    fn scalar(&self, id: NodeId) -> Result<Scalar<'t>, Error> {
        let node = self.tree.node(id);
        match &node.kind {
            Kind::Scalar { text, .. } => {
                resolve(text, node.is_plain(), &node.tag).map_err(|kind| self.error(id, kind))
            }
            _ => Ok(Scalar::Null),
        }
    }

    /// Begins the expansion of an alias.
    fn enter(&mut self, id: NodeId) -> Result<(), Error> {
        if self.expanding.contains(&id) {
            return Err(self.error(id, ErrorKind::RecursiveAnchor));
        }
        self.expanding.push(id);
        Ok(())
    }

    /// Counts a node towards go-yaml's limit on the expansion of aliases.
    fn count(&mut self, id: NodeId) -> Result<(), Error> {
        self.nodes += 1;
        if !self.expanding.is_empty() {
            self.in_aliases += 1;
        }
        let share = f64::from(self.in_aliases) / f64::from(self.nodes);
        if self.in_aliases > 100 && self.nodes > 1000 && share > allowed_share(self.nodes) {
            return Err(self.error(id, ErrorKind::TooManyAliases));
        }
        if self.depth > MAX_DEPTH {
            return Err(self.error(id, ErrorKind::TooDeep));
        }
        Ok(())
    }

    fn error(&self, id: NodeId, kind: ErrorKind) -> Error {
        Error::new(kind, self.tree.node(id).range.start)
    }
}

/// go-yaml's `allowedAliasRatio`: 99 % in documents of up to 400,000 nodes, falling to 10 %
/// from 4,000,000 on.
fn allowed_share(nodes: u32) -> f64 {
    const LOW: u32 = 400_000;
    const HIGH: u32 = 4_000_000;
    if nodes <= LOW {
        0.99
    } else if nodes >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * (f64::from(nodes - LOW) / f64::from(HIGH - LOW))
    }
}
