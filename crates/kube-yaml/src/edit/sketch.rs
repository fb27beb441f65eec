//! A document's text and tree side by side, to find the place of an operation.

use serde_json::Value;

use super::{Place, Splice};
use crate::Syntax;
use crate::emit::{Layout, Quotes};
use crate::tree::{Kind, Node, NodeId, Style, Tree, unescape};

/// A document's text and tree.
pub(super) struct Sketch<'t> {
    pub(super) text: &'t str,
    pub(super) tree: &'t Tree<'t>,
    pub(super) quotes: Quotes,
    /// JSON without any space: `{"a":1}`.
    pub(super) compact: bool,
    root: NodeId,
}

/// A node's role in its parent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    Root,
    /// The value of this key.
    Member {
        key: NodeId,
        flow: bool,
    },
    /// An item of a list.
    Item {
        flow: bool,
    },
}

impl<'t> Sketch<'t> {
    /// `None` for an empty document.
    pub(super) fn new(text: &'t str, tree: &'t Tree<'t>, syntax: Syntax) -> Option<Self> {
        let root = tree.root()?;
        let quotes = match (syntax, &tree.node(root).kind) {
            (Syntax::Json, _) => Quotes::All,
            // Flow style from the root on is KYAML, or JSON behind a `---`.
            (_, Kind::Mapping { flow: true, entries }) => {
                let quoted = |&(key, _): &(NodeId, NodeId)| {
                    matches!(tree.node(key).kind, Kind::Scalar { style: Style::DoubleQuoted, .. })
                };
                if entries.iter().all(quoted) { Quotes::All } else { Quotes::Strings }
            }
            _ => Quotes::Needed,
        };
        let compact = quotes == Quotes::All && !text.contains("\": ");
        Some(Self { text, tree, quotes, compact, root })
    }

    /// The splices for an operation. `after` is the document's value after all operations.
    pub(super) fn splices(&self, place: &Place<'_>, after: &Value) -> Option<Vec<Splice>> {
        let Place { path, value: new, inserts } = *place;
        let mut slot = Slot::Root;
        let mut here = self.root;
        let mut rest = path;
        while !rest.is_empty() {
            let part = rest.get(1..)?.split('/').next()?;
            rest = rest.get(1 + part.len()..)?;
            let node_id = self.resolved(here);
            match &self.tree.node(node_id).kind {
                Kind::Mapping { flow, .. } => {
                    let name = unescape(part);
                    match self.tree.entry(self.tree.node(node_id), &name) {
                        Some((key, value)) => {
                            slot = Slot::Member { key, flow: *flow };
                            here = value;
                        }
                        None => {
                            // A value that comes from a merge alone is overridden as a whole.
                            let place = path.get(..path.len() - rest.len())?;
                            let value = if rest.is_empty() { new } else { after.pointer(place)? };
                            return self.add_member(node_id, &name, value);
                        }
                    }
                }
                Kind::Sequence { items, .. } if part == "-" && rest.is_empty() => {
                    let last = *items.last()?;
                    return self.append(node_id, last, new);
                }
                Kind::Sequence { items, .. } if inserts && rest.is_empty() => {
                    return match part.parse::<usize>().ok()?.checked_sub(1) {
                        Some(before) => self.append(node_id, *items.get(before)?, new),
                        None => self.prepend(slot, node_id, *items.first()?, new),
                    };
                }
                Kind::Sequence { items, flow } => {
                    slot = Slot::Item { flow: *flow };
                    here = *items.get(part.parse::<usize>().ok()?)?;
                }
                _ => return None,
            }
        }
        self.replace(slot, here, new)
    }

    /// Rewrites the value at `path`.
    pub(super) fn rewrite(&self, path: &str, value: &Value) -> Option<Vec<Splice>> {
        let mut slot = Slot::Root;
        let mut here = self.root;
        for part in path.split('/').skip(1) {
            // An alias refers to text in another place.
            let node = self.tree.node(here);
            match &node.kind {
                Kind::Mapping { flow, .. } => {
                    let (key, value) = self.tree.entry(node, &unescape(part))?;
                    slot = Slot::Member { key, flow: *flow };
                    here = value;
                }
                Kind::Sequence { flow, items } => {
                    slot = Slot::Item { flow: *flow };
                    here = *items.get(part.parse::<usize>().ok()?)?;
                }
                _ => return None,
            }
        }
        self.write_anew(slot, here, value)
    }

    fn add_member(&self, mapping: NodeId, name: &str, value: &Value) -> Option<Vec<Splice>> {
        match &self.tree.node(mapping).kind {
            Kind::Mapping { flow: true, entries } => {
                let last = entries.last().map(|&(key, value)| (key, value));
                self.flow_member(mapping, last, name, value)
            }
            Kind::Mapping { flow: false, .. } => self.block_member(mapping, name, value),
            _ => None,
        }
    }

    /// Adds an item to a list after the item `before`.
    fn append(&self, sequence: NodeId, before: NodeId, value: &Value) -> Option<Vec<Splice>> {
        match self.tree.node(sequence).kind {
            Kind::Sequence { flow: true, .. } => self.flow_item(sequence, before, value),
            Kind::Sequence { flow: false, .. } => self.block_item(before, value),
            _ => None,
        }
    }

    /// Adds an item to a list before its first one.
    fn prepend(
        &self,
        slot: Slot,
        sequence: NodeId,
        first: NodeId,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        match self.tree.node(sequence).kind {
            Kind::Sequence { flow: true, .. } => self.flow_first(sequence, first, value),
            Kind::Sequence { flow: false, .. } => self.block_first(slot, first, value),
            _ => None,
        }
    }

    fn replace(&self, slot: Slot, id: NodeId, value: &Value) -> Option<Vec<Splice>> {
        let node = self.tree.node(id);
        let in_flow = match slot {
            Slot::Root => return None,
            Slot::Member { flow, .. } | Slot::Item { flow } => flow,
        };
        if let Some(splices) = self.list_members(slot, id, value) {
            return Some(splices);
        }
        if let Some(splices) = self.fill(id, value) {
            return Some(splices);
        }
        if in_flow || is_short(value) || is_filled_flow(node) {
            return self.replace_inline(slot, id, value);
        }
        self.write_anew(slot, id, value)
    }

    /// The node an alias refers to, or the node itself.
    pub(super) fn resolved(&self, id: NodeId) -> NodeId {
        match self.tree.node(id).kind {
            Kind::Alias { target } => target,
            _ => id,
        }
    }

    /// The end of a node's text: the end of its last line with content.
    pub(super) fn end(&self, id: NodeId) -> usize {
        let node = self.tree.node(id);
        match &node.kind {
            Kind::Mapping { flow: false, entries } => {
                entries.last().map_or(node.range.end, |&(key, value)| {
                    self.end(value).max(self.tree.node(key).range.end)
                })
            }
            Kind::Sequence { flow: false, items } => {
                items.last().map_or(node.range.end, |&last| self.end(last).max(node.range.start))
            }
            Kind::Scalar { text, style: Style::Literal | Style::Folded } => {
                let lines = self.text.get(node.range.clone()).unwrap_or_default();
                let last = text.strip_suffix('\n').and_then(|text| text.rsplit('\n').next());
                let kept = last.is_some_and(|line| line.trim().is_empty()) || text.is_empty();
                if kept { node.range.end } else { node.range.start + lines.trim_end().len() }
            }
            _ => node.range.end,
        }
    }

    /// The end of the line that holds `at`, before its line break.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// The start of the line that holds `at`.
    pub(super) fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
    }

    /// The spaces and tabs that begin the line that holds `at`.
    pub(super) fn indentation(&self, at: usize) -> &'t str {
        let line = self.text.get(self.line_start(at)..).unwrap_or_default();
        let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
        line.get(..blank).unwrap_or_default()
    }

    /// The byte after the colon that follows a key.
    pub(super) fn colon_end(&self, key: NodeId) -> Option<usize> {
        let end = self.tree.node(key).range.end;
        let rest = self.text.get(end..)?;
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest.get(blank..)?.starts_with(':').then_some(end + blank + 1)
    }

    /// The layout of block collections: the node's own, else the document's.
    pub(super) fn layout(&self, near: NodeId) -> Layout {
        let (mut step, mut dashes) = (None, None);
        for id in [near, self.root] {
            self.measure(id, &mut step, &mut dashes);
        }
        Layout {
            step: step.unwrap_or(Layout::COMMON.step),
            dashes: dashes.unwrap_or(Layout::COMMON.dashes),
        }
    }

    fn measure(&self, id: NodeId, step: &mut Option<usize>, dashes: &mut Option<usize>) {
        if step.is_some() && dashes.is_some() {
            return;
        }
        match &self.tree.node(id).kind {
            Kind::Mapping { flow: false, entries } => {
                for &(key, value) in entries {
                    let column = self.tree.node(key).column;
                    match &self.tree.node(value).kind {
                        Kind::Mapping { flow: false, .. } => {
                            let further = self.tree.node(value).column.checked_sub(column);
                            *step = step.or(further.filter(|further| *further > 0));
                        }
                        Kind::Sequence { flow: false, items } => {
                            let dash = items.first().and_then(|&first| self.dash(first));
                            *dashes = dashes.or(dash.and_then(|dash| dash.1.checked_sub(column)));
                        }
                        _ => {}
                    }
                    self.measure(value, step, dashes);
                }
            }
            Kind::Sequence { flow: false, items } => {
                items.iter().for_each(|&item| self.measure(item, step, dashes));
            }
            _ => {}
        }
    }

    /// Position and column of the dash before an item of a block list.
    pub(super) fn dash(&self, item: NodeId) -> Option<(usize, usize)> {
        let node = self.tree.node(item);
        let mut end = node.properties.unwrap_or(node.range.start);
        loop {
            let line = self.line_start(end);
            // The item may begin on a line below its dash, after comments.
            let said = self.text.get(line..end)?.split(" #").next().unwrap_or_default().trim_end();
            if said.is_empty() || said.trim_start().starts_with('#') {
                end = line.checked_sub(1)?;
                continue;
            }
            let column = said.strip_suffix('-')?.chars().count();
            return Some((line + said.len() - 1, column));
        }
    }
}

/// Whether a value fits on the line of its key in block style.
pub(super) fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

/// Whether a node is a flow collection that is not empty: such a collection stays one.
fn is_filled_flow(node: &Node) -> bool {
    match &node.kind {
        Kind::Mapping { flow: true, entries } => !entries.is_empty(),
        Kind::Sequence { flow: true, items } => !items.is_empty(),
        _ => false,
    }
}
