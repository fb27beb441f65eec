//! Anchors through which a patch would change more places than it means to.

use std::collections::HashMap;

use json_patch::PatchOperation;
use serde_json::Value;

use super::sketch::{Sketch, Slot};
use super::{Draft, Splice, note, place_of};
use crate::tree::{Kind, NodeId, Tree, escape, unescape};

impl Draft {
    /// Expands the aliases of every anchor on the path of an operation, so that each place can
    /// change by itself. The anchors stay.
    pub(super) fn without_shared_anchors(
        self,
        operations: &[PatchOperation],
        value: &Value,
        rewritten: &mut Vec<String>,
    ) -> Self {
        let Ok(tree) = Tree::parse(&self.text) else { return self };
        let Some(sketch) = Sketch::new(&self.text, &tree, self.syntax) else { return self };
        let touched: Vec<NodeId> = operations
            .iter()
            .filter_map(place_of)
            .flat_map(|place| anchors_on_the_way(&tree, place.path))
            .collect();
        let mut found = Found::default();
        if let Some(root) = tree.root() {
            found.look(&tree, root, Slot::Root, String::new(), &touched);
        }
        let mut splices: Vec<Splice> = Vec::new();
        for Alias { alias, target, slot } in &found.aliases {
            let definition = found.anchors.get(target).and_then(|pointer| value.pointer(pointer));
            let written = definition.and_then(|value| sketch.write_anew(*slot, *alias, value));
            let Some(written) = written else { return self };
            splices.extend(written);
        }
        match self.spliced(splices, value) {
            Some(draft) => {
                found.places.iter().for_each(|pointer| note(rewritten, pointer));
                draft
            }
            None => self,
        }
    }
}

/// The anchored nodes on a JSON Pointer's path, with aliases followed.
fn anchors_on_the_way(tree: &Tree<'_>, path: &str) -> Vec<NodeId> {
    let mut way: Vec<NodeId> = tree.root().into_iter().collect();
    for part in path.split('/').skip(1) {
        let Some(&here) = way.last() else { break };
        let here = match tree.node(here).kind {
            Kind::Alias { target } => {
                way.push(target);
                target
            }
            _ => here,
        };
        let next = match &tree.node(here).kind {
            Kind::Sequence { items, .. } => {
                part.parse().ok().and_then(|index: usize| items.get(index).copied())
            }
            _ => tree.entry(tree.node(here), &unescape(part)).map(|(_, value)| value),
        };
        match next {
            Some(next) => way.push(next),
            None => break,
        }
    }
    way.retain(|&id| tree.node(id).anchored);
    way
}

/// Positions of anchors and their aliases.
#[derive(Default)]
struct Found {
    /// The JSON Pointer of each anchor.
    anchors: HashMap<NodeId, String>,
    aliases: Vec<Alias>,
    /// The JSON Pointers of the aliases.
    places: Vec<String>,
}

/// An alias.
struct Alias {
    alias: NodeId,
    /// The node it refers to.
    target: NodeId,
    slot: Slot,
}

impl Found {
    /// Finds the `touched` anchors and their aliases, from `here` down.
    fn look(
        &mut self,
        tree: &Tree<'_>,
        here: NodeId,
        slot: Slot,
        pointer: String,
        touched: &[NodeId],
    ) {
        if touched.contains(&here) {
            self.anchors.insert(here, pointer.clone());
        }
        match &tree.node(here).kind {
            Kind::Alias { target } if touched.contains(target) => {
                self.aliases.push(Alias { alias: here, target: *target, slot });
                self.places.push(pointer);
            }
            Kind::Mapping { entries, flow } => {
                for &(key, value) in entries {
                    if let Some(name) = tree.node(key).key_name() {
                        let pointer = format!("{pointer}/{}", escape(&name));
                        let slot = Slot::Member { key, flow: *flow };
                        self.look(tree, value, slot, pointer, touched);
                    }
                }
            }
            Kind::Sequence { items, flow } => {
                for (index, &item) in items.iter().enumerate() {
                    let slot = Slot::Item { flow: *flow };
                    self.look(tree, item, slot, format!("{pointer}/{index}"), touched);
                }
            }
            _ => {}
        }
    }
}
