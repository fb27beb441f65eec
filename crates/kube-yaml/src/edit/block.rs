//! Splices in block style, where lines and their indentation define the structure.

use serde_json::Value;

use super::Splice;
use super::sketch::{Sketch, Slot, is_short};
use crate::emit;
use crate::tree::{Kind, NodeId};

impl Sketch<'_> {
    /// Adds a member to a block mapping, after the last one.
    pub(super) fn block_member(
        &self,
        mapping: NodeId,
        name: &str,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        let column = self.tree.node(mapping).column;
        let text = emit::member(name, value, column, self.layout(mapping));
        if name == "metadata"
            && let Kind::Mapping { entries, .. } = &self.tree.node(mapping).kind
            && let Some(&(first, _)) = entries.first()
        {
            // Its usual place is before the spec.
            let at = self.tree.node(first).range.start;
            let text = format!("{text}\n{}", " ".repeat(column));
            return Some(vec![Splice::replace(at..at, text)]);
        }
        Some(vec![self.new_line(self.end(mapping), column, text, false)])
    }

    /// Adds an item to a block list, after the item `before`.
    pub(super) fn block_item(&self, before: NodeId, value: &Value) -> Option<Vec<Splice>> {
        let (_, column, text) = self.item_like(before, value)?;
        Some(vec![self.new_line(self.end(before), column, text, true)])
    }

    /// Adds an item to a block list, before the first one and the comments above it.
    pub(super) fn block_first(
        &self,
        slot: Slot,
        first: NodeId,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        let Slot::Member { key, .. } = slot else { return None };
        let (dash, column, text) = self.item_like(first, value)?;
        let at = self.line_end(self.colon_end(key)?);
        let text = format!("\n{}{text}", " ".repeat(column));
        (at < dash).then(|| vec![Splice { at: at..at, text, column, item: true }])
    }

    /// The text of an item that looks like another one, and the position and column of that one's
    /// dash.
    fn item_like(&self, other: NodeId, value: &Value) -> Option<(usize, usize, String)> {
        let (dash, column) = self.dash(other)?;
        let node = self.tree.node(other);
        // The same gap after the dash as in the item before, unless that item begins on
        // another line or is empty.
        let gap = self.text.get(dash + 1..node.range.start).unwrap_or_default();
        let gap = if gap.is_empty() || !gap.trim_matches(' ').is_empty() { " " } else { gap };
        let inner = column + 1 + gap.len();
        Some((dash, column, format!("-{gap}{}", emit::block(value, inner, self.layout(other)))))
    }

    /// Inserts a line of its own after the line that holds `end`.
    fn new_line(&self, end: usize, column: usize, text: String, item: bool) -> Splice {
        let spaces = " ".repeat(column);
        let before = self.text.get(..end).unwrap_or_default();
        if before.ends_with('\n') {
            // A block scalar that keeps its trailing lines ends where the next line begins.
            return Splice { at: end..end, text: format!("{spaces}{text}\n"), column, item };
        }
        let end = self.after_comments(self.line_end(end), column);
        Splice { at: end..end, text: format!("\n{spaces}{text}"), column, item }
    }

    /// Skips the lines after `end` that hold only a comment indented further than `column`:
    /// such a comment belongs to what stands before it.
    fn after_comments(&self, mut end: usize, column: usize) -> usize {
        while let Some(rest) =
            self.text.get(end..).and_then(|rest| rest.find('\n').map(|at| end + at + 1))
        {
            let line = self.line_end(rest);
            let text = self.text.get(rest..line).unwrap_or_default();
            let indentation = text.len() - text.trim_start_matches(' ').len();
            if indentation <= column || !text.trim_start().starts_with('#') {
                break;
            }
            end = line;
        }
        end
    }

    /// Rewrites the value of a key or an item, with everything below it.
    pub(super) fn write_anew(&self, slot: Slot, id: NodeId, value: &Value) -> Option<Vec<Splice>> {
        let node = self.tree.node(id);
        let end = self.end(id);
        let layout = self.layout(id);
        match slot {
            Slot::Member { flow: true, .. } | Slot::Item { flow: true } => {
                self.replace_inline(slot, id, value)
            }
            Slot::Member { key, .. } => {
                let colon = self.colon_end(key)?;
                let column = self.tree.node(key).column;
                let text = emit::after_key(value, column, layout);
                if is_short(value) {
                    return Some(vec![Splice::replace(colon..end.max(colon), text)]);
                }
                // A comment on the key's line stays there.
                let key_line = self.line_end(colon);
                if node.range.start > key_line {
                    let kept = self.comment_at(colon, key_line);
                    return Some(vec![Splice::replace(colon..end, format!("{kept}{text}"))]);
                }
                let one_line = self.text.get(node.range.clone())?.find('\n').is_none();
                if !one_line {
                    return Some(vec![Splice::replace(colon..end, text)]);
                }
                let kept = self.comment_at(end.max(colon), key_line);
                Some(vec![Splice::replace(colon..key_line, format!("{kept}{text}"))])
            }
            Slot::Item { .. } => {
                if matches!(node.kind, Kind::Scalar { .. }) || is_short(value) {
                    return self.replace_inline(slot, id, value);
                }
                let text = emit::block(value, node.column, layout);
                Some(vec![Splice::replace(node.range.start..end, text)])
            }
            Slot::Root => {
                let text = emit::block(value, 0, layout);
                Some(vec![Splice::replace(node.range.start..end, text)])
            }
        }
    }

    /// The comment between two places of a line, with the spaces before it.
    fn comment_at(&self, from: usize, to: usize) -> &str {
        let rest = self.text.get(from..to).unwrap_or_default().trim_end();
        if rest.trim_start().starts_with('#') { rest } else { "" }
    }

    /// Removes some items of a block list and appends others. The lines of removed items are
    /// deleted; their comments stay.
    pub(super) fn list_members(
        &self,
        slot: Slot,
        id: NodeId,
        value: &Value,
    ) -> Option<Vec<Splice>> {
        let Kind::Sequence { flow: false, items } = &self.tree.node(id).kind else { return None };
        let mut wanted = value.as_array()?.iter().peekable();
        let mut gone = Vec::new();
        let mut kept = None;
        for &item in items {
            let Kind::Scalar { text, .. } = &self.tree.node(item).kind else { return None };
            if wanted.next_if(|wanted| wanted.as_str() == Some(text)).is_some() {
                kept = Some(item);
            } else {
                gone.push(item);
            }
        }
        let mut splices = Vec::new();
        if kept.is_none() {
            match (wanted.next(), slot) {
                // The first new item takes the place of the first removed one.
                (Some(new), _) if !gone.is_empty() => {
                    let first = gone.remove(0);
                    splices.extend(self.replace_inline(Slot::Item { flow: false }, first, new)?);
                    kept = Some(first);
                }
                (None, Slot::Member { key, .. }) => {
                    let colon = self.colon_end(key)?;
                    splices.push(Splice::replace(colon..colon, " []".to_owned()));
                }
                _ => return None,
            }
        }
        for item in gone {
            splices.push(self.without_line(item)?);
        }
        for new in wanted {
            splices.extend(self.block_item(kept?, new)?);
        }
        Some(splices)
    }

    /// Deletes the line of an item that has a line to itself.
    fn without_line(&self, item: NodeId) -> Option<Splice> {
        let (dash, _) = self.dash(item)?;
        let start = self.line_start(dash);
        let end = self.line_end(dash);
        let node = self.tree.node(item);
        let own = self.text.get(start..dash)?.trim().is_empty() && node.range.end <= end;
        let after = self.text.get(node.range.end..end)?.trim();
        if !own {
            return None;
        }
        if after.starts_with('#') {
            return Some(Splice::replace(dash..end, after.to_owned()));
        }
        let next = self.text.get(end..)?.find('\n').map_or(self.text.len(), |at| end + at + 1);
        Some(Splice::replace(start..next, String::new()))
    }
}
