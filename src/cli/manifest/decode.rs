//! A syntax tree to the JSON that Kubernetes makes of it.
//!
//! This follows `sigs.k8s.io/yaml` over go-yaml v2 (`decode.go`): of a duplicate key the
//! last one wins, a merge takes effect where it stands, keys become strings.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::resolve::{Scalar, resolve};
use super::tree::{Kind, NodeId, Tree};

/// A document whose values Kubernetes cannot read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodeError {
    pub(super) message: String,
    pub(super) offset: usize,
}

/// A key that stands in its map more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    pub(super) key: String,
    /// Where the last one stands.
    pub(super) offset: usize,
}

/// The document's value and its duplicate keys.
pub(super) fn decode(tree: &Tree) -> Result<(Value, Vec<Duplicate>), DecodeError> {
    let mut decoder = Decoder::new(tree);
    let value = match tree.root() {
        Some(root) => decoder.value(root)?,
        None => Value::Null,
    };
    Ok((value, decoder.duplicates))
}

/// The duplicate keys of a JSON document, whose value is known.
pub(super) fn duplicates(tree: &Tree) -> Vec<Duplicate> {
    let mut decoder = Decoder::new(tree);
    match tree.root().map(|root| decoder.value(root)) {
        Some(Ok(_)) => decoder.duplicates,
        _ => Vec::new(),
    }
}

/// How deep values may nest, aliases expanded. Kubernetes has no limit of its own here;
/// this one is far beyond what any object has, and keeps the stack bounded.
const MAX_DEPTH: usize = 500;

struct Decoder<'t> {
    tree: &'t Tree,
    duplicates: Vec<Duplicate>,
    depth: usize,
    /// How many nodes were decoded, and how many of them inside aliases.
    nodes: u32,
    in_aliases: u32,
    /// The aliases being expanded.
    expanding: Vec<NodeId>,
}

impl<'t> Decoder<'t> {
    fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            duplicates: Vec::new(),
            depth: 0,
            nodes: 0,
            in_aliases: 0,
            expanding: Vec::new(),
        }
    }

    fn value(&mut self, id: NodeId) -> Result<Value, DecodeError> {
        self.count(id)?;
        self.depth += 1;
        let value = match &self.tree.node(id).kind {
            Kind::Scalar { text, .. } => self.scalar(id).and_then(|scalar| {
                scalar
                    .into_json()
                    .ok_or_else(|| self.error(id, format!("`{text}` is not a number in JSON")))
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
    fn mapping(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), DecodeError> {
        let Kind::Mapping { entries, .. } = &self.tree.node(id).kind else {
            return Err(self.error(id, "a merge (`<<`) needs a map or a list of maps".to_owned()));
        };
        let mut seen = HashSet::new();
        for &(key, value) in entries {
            if self.tree.node(key).is_merge() {
                self.merge(value, map)?;
                continue;
            }
            let name = self.key(key)?;
            let value = self.value(value)?;
            if !seen.insert(name.clone()) && self.expanding.is_empty() {
                let offset = self.tree.node(key).range.start;
                self.duplicates.push(Duplicate { key: name.clone(), offset });
            }
            map.insert(name, value);
        }
        Ok(())
    }

    /// Decodes what `<<` names into `map`, over what is there.
    fn merge(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), DecodeError> {
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

    fn merge_map(&mut self, id: NodeId, map: &mut Map<String, Value>) -> Result<(), DecodeError> {
        self.count(id)?;
        self.depth += 1;
        self.mapping(id, map)?;
        self.depth -= 1;
        Ok(())
    }

    fn key(&mut self, id: NodeId) -> Result<String, DecodeError> {
        self.count(id)?;
        let target = match self.tree.node(id).kind {
            Kind::Alias { target } => target,
            _ => id,
        };
        match self.tree.node(target).kind {
            Kind::Scalar { .. } => self.scalar(target)?.into_key().ok_or_else(|| {
                let name = match &self.tree.node(target).kind {
                    Kind::Scalar { text, .. } => text.as_str(),
                    _ => "",
                };
                self.error(id, format!("`{name}` cannot be a key"))
            }),
            _ => Err(self.error(id, "a map or a list cannot be a key".to_owned())),
        }
    }

    fn scalar(&self, id: NodeId) -> Result<Scalar, DecodeError> {
        let node = self.tree.node(id);
        match &node.kind {
            Kind::Scalar { text, .. } => {
                resolve(text, node.is_plain(), &node.tag).map_err(|error| self.error(id, error))
            }
            _ => Ok(Scalar::Null),
        }
    }

    /// Begins the expansion of an alias.
    fn enter(&mut self, id: NodeId) -> Result<(), DecodeError> {
        if self.expanding.contains(&id) {
            return Err(self.error(id, "an anchor contains itself".to_owned()));
        }
        self.expanding.push(id);
        Ok(())
    }

    /// Counts a node against go-yaml's bound on what aliases may blow up.
    fn count(&mut self, id: NodeId) -> Result<(), DecodeError> {
        self.nodes += 1;
        if !self.expanding.is_empty() {
            self.in_aliases += 1;
        }
        let share = f64::from(self.in_aliases) / f64::from(self.nodes);
        if self.in_aliases > 100 && self.nodes > 1000 && share > allowed_share(self.nodes) {
            return Err(self.error(id, "the document has too many aliases".to_owned()));
        }
        if self.depth > MAX_DEPTH {
            return Err(self.error(id, "the document is nested too deeply".to_owned()));
        }
        Ok(())
    }

    fn error(&self, id: NodeId, message: String) -> DecodeError {
        DecodeError { message, offset: self.tree.node(id).range.start }
    }
}

/// go-yaml's `allowedAliasRatio`: from 99 % in documents of up to 400,000 nodes down to
/// 10 % from 4,000,000 on.
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
