//! Splices in flow style: `{…}` and `[…]`, KYAML and JSON.

use serde_json::Value;

use super::Splice;
use super::sketch::{Sketch, Slot, is_short};
use crate::emit::{self, Quotes};
use crate::tree::{Kind, NodeId};

impl Sketch<'_> {
    /// Adds a member to a flow mapping, after the last one.
    pub(super) fn flow_member(
        &self,
        mapping: NodeId,
        last: Option<(NodeId, NodeId)>,
        name: &str,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        let name = emit::word(name, self.quotes);
        let colon = if self.compact { ":" } else { ": " };
        let write = |indentation: Option<&str>| {
            format!("{name}{colon}{}", self.flow_value(mapping, value, indentation))
        };
        let Some((key, last)) = last else {
            // An empty mapping: a comment may stand between the braces.
            let start = self.tree.node(mapping).range.start + 1;
            return Some(vec![Splice::replace(start..start, write(None))]);
        };
        let end = self.end(last).max(self.tree.node(key).range.end);
        self.after_last(mapping, self.tree.node(key).range.start, end, write)
    }

    /// Adds an item to a flow list, before the first one.
    pub(super) fn flow_first(
        &self,
        sequence: NodeId,
        first: NodeId,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        let node = self.tree.node(first);
        let start = node.properties.unwrap_or(node.range.start);
        let own_line = self.text.get(self.line_start(start)..start)?.trim().is_empty();
        let indentation = own_line.then(|| self.indentation(start));
        let text = self.flow_value(sequence, value, indentation);
        let text = match indentation {
            Some(indentation) => format!("{text},\n{indentation}"),
            None if self.compact => format!("{text},"),
            None => format!("{text}, "),
        };
        Some(vec![Splice::replace(start..start, text)])
    }

    /// Adds an item to a flow list, after the item `before`.
    pub(super) fn flow_item(
        &self,
        sequence: NodeId,
        before: NodeId,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        let range = &self.tree.node(before).range;
        self.after_last(sequence, range.start, range.end, |indentation| {
            self.flow_value(sequence, value, indentation)
        })
    }

    /// Inserts after the last entry, from `start` to `end`, of a flow collection: on a line of
    /// its own if that entry begins one.
    fn after_last(
        &self,
        collection: NodeId,
        start: usize,
        end: usize,
        write: impl Fn(Option<&str>) -> String,
    ) -> Option<Vec<Splice>> {
        let own_line = self.text.get(self.line_start(start)..start)?.trim().is_empty();
        if !own_line {
            let comma = if self.compact { "," } else { ", " };
            let lines = self.text.get(self.tree.node(collection).range.clone())?.contains('\n');
            let text = write(lines.then(|| self.indentation(end)));
            return Some(vec![Splice::replace(end..end, format!("{comma}{text}"))]);
        }
        let indentation = self.indentation(start);
        let text = write(Some(indentation));
        let rest = self.text.get(end..)?;
        let blank = rest.len() - rest.trim_start().len();
        let trailing_comma = rest.get(blank..)?.starts_with(',');
        if trailing_comma {
            let at = self.line_end(end + blank + 1);
            return Some(vec![Splice::replace(at..at, format!("\n{indentation}{text},"))]);
        }
        let at = self.line_end(end);
        let after = self.text.get(end..at)?.trim();
        if after.is_empty() || after.starts_with('#') {
            let line = Splice::replace(at..at, format!("\n{indentation}{text}"));
            if after.is_empty() {
                return Some(vec![Splice::replace(end..at, format!(",{}", line.text))]);
            }
            return Some(vec![Splice::replace(end..end, ",".to_owned()), line]);
        }
        // The closing bracket follows on the same line.
        Some(vec![Splice::replace(end..end, format!(",\n{indentation}{text}"))])
    }

    /// A value inside a flow collection: over several lines if the collection is.
    fn flow_value(&self, near: NodeId, value: &Value, indentation: Option<&str>) -> String {
        match indentation {
            Some(indentation) => {
                emit::tall_flow(value, indentation, &self.flow_step(near), self.quotes)
            }
            None if self.compact => value.to_string(),
            None => emit::flow(value, self.quotes),
        }
    }

    /// Indentation of the lines inside a flow collection, relative to its own.
    fn flow_step(&self, near: NodeId) -> String {
        let node = self.tree.node(near);
        let first = match &node.kind {
            Kind::Mapping { entries, .. } => entries.first().map(|&(key, _)| key),
            Kind::Sequence { items, .. } => items.first().copied(),
            _ => None,
        };
        let outer = self.indentation(node.range.start);
        let inner = first.map(|first| self.indentation(self.tree.node(first).range.start));
        match inner.and_then(|inner| inner.strip_prefix(outer)) {
            Some(step) if !step.is_empty() => step.to_owned(),
            _ if outer.starts_with('\t') => "\t".to_owned(),
            _ => "  ".to_owned(),
        }
    }

    /// Replaces a value on its own line, or inside a flow collection.
    pub(super) fn replace_inline(
        &self,
        slot: Slot,
        id: NodeId,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        let node = self.tree.node(id);
        let block = matches!(
            node.kind,
            Kind::Mapping { flow: false, .. } | Kind::Sequence { flow: false, .. }
        );
        if block {
            return match slot {
                Slot::Root => None,
                _ => self.write_anew(slot, id, value),
            };
        }
        let quotes = match (self.quotes, &node.kind) {
            // In place of a quoted string, strings are quoted.
            (Quotes::Needed, Kind::Scalar { .. }) if self.is_quoted(id) => Quotes::Strings,
            (quotes, _) => quotes,
        };
        let lines = self.text.get(node.range.clone())?.contains('\n') && !value.is_string();
        let text = if lines {
            let outer = self.indentation(node.range.start);
            emit::tall_flow(value, outer, &self.flow_step(id), quotes)
        } else if self.compact {
            value.to_string()
        } else {
            emit::flow(value, quotes)
        };
        if !node.range.is_empty() {
            // The last line break belongs to a block scalar only if the scalar keeps it.
            let end = self.end(id);
            let own = self.text.get(node.range.start..end)?;
            let end = end - usize::from(own.ends_with('\n'));
            return Some(vec![Splice::replace(node.range.start..end, text)]);
        }
        let at = match slot {
            Slot::Member { key, .. } => self.colon_end(key)?.max(node.range.end),
            _ => node.range.end,
        };
        Some(vec![Splice::replace(at..at, format!(" {text}"))])
    }

    /// Fills an empty flow collection that holds a comment: the value goes before the comment.
    pub(super) fn fill(&self, id: NodeId, value: &Value) -> Option<Vec<Splice>> {
        let node = self.tree.node(id);
        let alike = match &node.kind {
            Kind::Mapping { flow: true, entries } => entries.is_empty() && value.is_object(),
            Kind::Sequence { flow: true, items } => items.is_empty() && value.is_array(),
            _ => false,
        };
        if !alike || is_short(value) || !self.text.get(node.range.clone())?.contains('#') {
            return None;
        }
        let written = emit::flow(value, self.quotes);
        let inner = written.get(1..written.len().checked_sub(1)?)?;
        let start = node.range.start + 1;
        Some(vec![Splice::replace(start..start, inner.to_owned())])
    }

    fn is_quoted(&self, id: NodeId) -> bool {
        let text = self.text.get(self.tree.node(id).range.clone()).unwrap_or_default();
        text.starts_with('"')
    }
}
