//! Tabs where YAML 1.1 knows only spaces.
//!
//! YAML 1.2 lets a tab stand on a line that says nothing, and after a dash. To Kubernetes'
//! reader such a tab begins a token, and none begins so: it refuses the document.

use granit_parser::ScalarStyle;

use super::tree::{Kind, Node, Tree};

/// The first tab that Kubernetes refuses, if there is one.
pub(super) fn find(tree: &Tree, text: &str) -> Option<usize> {
    if !text.contains('\t') {
        return None;
    }
    after_indicator(tree, text).or_else(|| beginning_a_line(tree, text))
}

/// A tab between the dash or the question mark of a block collection and what it is about.
fn after_indicator(tree: &Tree, text: &str) -> Option<usize> {
    let begins = |id| {
        let node = tree.node(id);
        node.properties.map_or(node.range.start, |at| at.min(node.range.start))
    };
    tree.nodes.iter().find_map(|node| {
        let starts: Vec<usize> = match &node.kind {
            Kind::Sequence { flow: false, items } => items.iter().map(|&id| begins(id)).collect(),
            Kind::Mapping { flow: false, entries } => {
                entries.iter().map(|&(key, _)| begins(key)).collect()
            }
            _ => return None,
        };
        starts.into_iter().find_map(|start| {
            let before = text.get(..start)?;
            let said = before.trim_end_matches([' ', '\t']);
            let blank = before.get(said.len()..)?;
            // At the beginning of a line the other rule has its say.
            let indicator = said.ends_with(['-', '?']);
            blank.find('\t').filter(|_| indicator).map(|at| said.len() + at)
        })
    })
}

/// A tab in the blank that begins a line, outside of everything that goes over lines.
fn beginning_a_line(tree: &Tree, text: &str) -> Option<usize> {
    let end = tree.unread.unwrap_or(text.len());
    let mut start = 0;
    // To YAML a carriage return alone ends a line too.
    for line in text.get(..end)?.split_inclusive(['\n', '\r']) {
        let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
        let tab = line.get(..blank).and_then(|blank| blank.find('\t'));
        if let Some(column) = tab
            && !is_allowed(tree, text, start + column, column)
        {
            return Some(start + column);
        }
        start += line.len();
    }
    None
}

/// Whether a tab may stand at `at`, behind `column` spaces that begin its line.
fn is_allowed(tree: &Tree, text: &str, at: usize, column: usize) -> bool {
    let within = |node: &&Node| node.range.start < at && at < node.range.end;
    let over_lines = tree.nodes.iter().filter(within).any(|node| match node.kind {
        Kind::Mapping { flow, .. } | Kind::Sequence { flow, .. } => flow,
        Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } => {
            column >= content_column(text, node)
        }
        Kind::Scalar { .. } => true,
        Kind::Alias { .. } => false,
    });
    if over_lines {
        return true;
    }
    // The blank lines after a plain scalar are still part of it, as far as they are
    // further in than the collection that it stands in.
    let before = text.get(..at).unwrap_or_default().trim_end();
    let ends_here = |node: &&Node| node.is_plain() && node.range.end == before.len();
    let Some(scalar) = tree.nodes.iter().filter(ends_here).find(|node| !node.range.is_empty())
    else {
        return false;
    };
    let around = tree.nodes.iter().filter(|node| {
        let block = match &node.kind {
            Kind::Mapping { flow, .. } => !flow,
            // A list in its key's own column has no indentation by itself; in the tree it
            // begins at its first item.
            Kind::Sequence { flow, items } => {
                !flow
                    && items
                        .first()
                        .is_none_or(|&first| tree.node(first).range.start != node.range.start)
            }
            _ => false,
        };
        block && node.range.start <= scalar.range.start && scalar.range.end <= node.range.end
    });
    around.map(|node| node.column).max().is_none_or(|indent| column > indent)
}

/// The column in which the lines of a block scalar begin.
fn content_column(text: &str, scalar: &Node) -> usize {
    let lines = text.get(scalar.range.clone()).unwrap_or_default().lines().skip(1);
    let first =
        lines.map(|line| (line, line.trim_start_matches(' '))).find(|(_, said)| !said.is_empty());
    first.map_or(0, |(line, said)| line.len() - said.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_kubernetes_refuses_is_found() {
        for text in [
            "a: \"x\"\n\t\nb: 1\n",
            "a: x\n\t\nb: 1\n",
            "a:\n  - x\n  \t\nb: 1\n",
            "a:\n  b: x\n  \t\nc: 1\n",
            "a: \"x\"\n  \t\nb: 1\n",
            "a:\n-\tx\n",
            "a:\n- \tx\n",
            "a:\n-\t b: 1\n",
            "a: 1\n\t# c\nb: 1\n",
            "a: {}\n\t\nb: 1\n",
            "a: |\n  x\n\t\nb: 1\n",
            "a: x # c\n  \t\nb: 1\n",
            "a:\n\t\n  b: 1\n",
            "\t\na: 1\n",
            "a:\n- x\n\t\n- y\n",
            "? \tx\n: y\n",
            "a: 1\n\t",
            "a:\n  \t",
            "a: x\r\t\nb: 1\n",
        ] {
            let tree = Tree::parse(text).unwrap();
            assert_eq!(find(&tree, text), text.find('\t'), "{text:?}");
        }
    }

    #[test]
    fn what_kubernetes_takes_is_not() {
        for text in [
            "a: x\n  \t\nb: 1\n",
            "a:\n  b: x\n   \t\nc: 1\n",
            "a:\tx\nb: 1\n",
            "a:\t\n  b: 1\n",
            "a: {b: c,\n\td: e}\n",
            "a: {} \t\nb: 1\n",
            "a: |\n  x\n  \t\nb: 1\n",
            "a: \"x\n\ty\"\n",
            "a:\n- x\n \t\n- y\n",
            "a: !!str\tx\n",
            "a: 1\t# c\n",
            "a: x\n\n \t\n\nb: 1\n",
        ] {
            assert_eq!(find(&Tree::parse(text).unwrap(), text), None, "{text:?}");
        }
    }
}
