//! Tables for people: columns as wide as they need to be, and a last one for sentences.

use clap::builder::styling::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::text::clean;

/// Number of blanks between two columns.
const GAP: usize = 2;
/// Minimum width of the last column. If fewer columns are left, its text goes on lines of its own.
const NARROWEST: usize = 24;

/// Style of what matters less.
pub const DIM: Style = Style::new().dimmed();
/// Style of a row's subject.
pub const BOLD: Style = Style::new().bold();

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text in a style.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: clean(&text.into()).into_owned(), style }
    }

    /// A text without a style.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::new())
    }
}

/// A table of `N` columns and one for sentences.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    titles: [&'static str; N],
    last: &'static str,
    rows: Vec<([Cell; N], String)>,
}

impl<const N: usize> Table<N> {
    /// An empty table.
    pub const fn new(titles: [&'static str; N], last: &'static str) -> Self {
        Self { titles, last, rows: Vec::new() }
    }

    /// Adds a row; a cell without text is blank.
    pub fn row(&mut self, cells: [Cell; N], last: impl Into<String>) {
        self.rows.push((cells, clean(&last.into()).into_owned()));
    }

    /// Renders the table for a terminal of `width` columns, or without a limit for a pipe.
    pub fn render(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        let Self { titles, last, rows } = self;
        if rows.is_empty() {
            return text;
        }
        let mut widths = titles.map(|title| title.width());
        for (cells, _) in rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.text.width());
            }
        }
        if let Some(width) = width {
            let mut least = titles.map(|title| title.width());
            for (cells, _) in rows {
                for (least, cell) in least.iter_mut().zip(cells) {
                    *least = (*least).max(longest_piece(&cell.text));
                }
            }
            narrow(&mut widths, &least, width);
            narrow(&mut widths, &[NARROWEST_CELL; N], width);
        }
        let start = 2 + widths.iter().map(|width| width + GAP).sum::<usize>();
        let room = width.map(|width| width.saturating_sub(start));
        let aside = room.is_some_and(|room| room < NARROWEST);
        let head = titles.map(|title| Cell::new(title, DIM));
        let mut line = columns(&head, &widths);
        if !aside {
            line.push_str(&format!("{DIM}{last}{DIM:#}"));
        }
        push(&mut text, &line);
        for (cells, last) in rows {
            let lines = broken(cells, &widths);
            let (indent, room) = match aside {
                true => (ASIDE, width.map(|width| width.saturating_sub(ASIDE).max(NARROWEST))),
                false => (start, room),
            };
            let mut said = wrap(last, room).into_iter();
            for cells in &lines {
                let mut line = columns(cells, &widths);
                match aside {
                    true if cells.iter().all(|cell| cell.text.is_empty()) => continue,
                    true => {}
                    false => line.push_str(&said.next().unwrap_or_default()),
                }
                push(&mut text, &line);
            }
            for part in said.filter(|_| !last.is_empty()) {
                push(&mut text, &format!("{}{part}", " ".repeat(indent)));
            }
        }
        text
    }
}

/// Narrows columns until all of them fit, the widest first, but none below its `least`.
fn narrow<const N: usize>(widths: &mut [usize; N], least: &[usize; N], width: usize) {
    let used = |widths: &[usize; N]| 2 + widths.iter().sum::<usize>() + GAP * (N.saturating_sub(1));
    while used(widths) > width {
        let wide = widths.iter_mut().zip(least).filter(|(width, least)| **width > **least);
        let Some((widest, _)) = wide.max_by_key(|(width, _)| **width) else { return };
        *widest -= 1;
    }
}

/// Width of the longest part of a text that should not be broken.
fn longest_piece(text: &str) -> usize {
    let pieces = text.split(' ').flat_map(|word| word.split_inclusive(MARKS));
    pieces.map(|piece| piece.width()).max().unwrap_or_default()
}

/// Characters after which a name or a path may be broken.
const MARKS: [char; 7] = ['/', '-', ',', ':', '@', '.', '_'];

/// Minimum width of a cell that holds a name.
const NARROWEST_CELL: usize = 12;

/// Breaks a row whose cells do not all fit in one line into several lines.
fn broken<const N: usize>(cells: &[Cell; N], widths: &[usize; N]) -> Vec<[Cell; N]> {
    let parts: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, width)| wrap(&cell.text, Some(*width))).collect();
    let lines = parts.iter().map(Vec::len).max().unwrap_or_default();
    let line = |index: usize| {
        let mut cells = cells.clone();
        for (cell, parts) in cells.iter_mut().zip(&parts) {
            cell.text = parts.get(index).cloned().unwrap_or_default();
        }
        cells
    };
    (0..lines).map(line).collect()
}

/// Wraps a sentence into lines of its own, each after `indent` blanks.
pub fn paragraph(indent: usize, text: &str, width: Option<usize>) -> String {
    let room = width.map(|width| width.saturating_sub(indent).max(NARROWEST));
    let lines = wrap(text, room).into_iter();
    lines.map(|line| format!("{}{line}\n", " ".repeat(indent))).collect()
}

/// Indentation of a sentence that has no column.
const ASIDE: usize = 6;

fn push(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn columns<const N: usize>(cells: &[Cell; N], widths: &[usize; N]) -> String {
    let mut row = String::from("  ");
    for (Cell { text, style }, width) in cells.iter().zip(widths) {
        if !text.is_empty() {
            row.push_str(&format!("{style}{text}{style:#}"));
        }
        row.push_str(&" ".repeat(width.saturating_sub(text.width()) + GAP));
    }
    row
}

/// Wraps a text into lines of at most `room` columns. It breaks at spaces. A word that is longer is
/// broken after one of the marks that names and paths have, or where the room ends.
fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        let needed = last.width() + 1 + word.width();
        if last.is_empty() {
            last.push_str(word);
        } else if room.is_some_and(|room| needed > room) {
            lines.push(word.to_owned());
        } else {
            last.push(' ');
            last.push_str(word);
        }
        while let (Some(room), Some(last)) = (room, lines.last_mut())
            && let Some(rest) = cut(last, room)
        {
            lines.push(rest);
        }
    }
    lines
}

/// Cuts a line of one word that does not fit, and returns the rest of it.
fn cut(line: &mut String, room: usize) -> Option<String> {
    let mut used = 0;
    let end = line.char_indices().find_map(|(at, c)| {
        used += c.width().unwrap_or_default();
        (used > room && at > 0).then_some(at)
    })?;
    let mark = line.get(..end)?.rfind(MARKS).map(|at| at + 1);
    Some(line.split_off(mark.unwrap_or(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "  web        capabilities  [NET_ADMIN]  ";

    /// The table without its head.
    fn print(why: &str, width: Option<usize>) -> String {
        let mut table = Table::new(["CONTAINER", "RULE", "VALUE"], "WHY");
        table.row(["web", "capabilities", "[NET_ADMIN]"].map(Cell::plain), why);
        let text = anstream::adapter::strip_str(&table.render(width)).to_string();
        text.split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_wide_terminal_has_the_reason_in_its_column() {
        let below = " ".repeat(START.len());
        let why = "explicit, and the policy does not enforce";
        assert_eq!(print(why, None), format!("{START}{why}\n"));
        let narrow = print(why, Some(START.len() + 26));
        assert_eq!(narrow, format!("{START}explicit, and the policy\n{below}does not enforce\n"));
    }

    #[test]
    fn a_narrow_one_has_it_below() {
        let row = format!("{}\n", START.trim_end());
        assert_eq!(print("", Some(60)), row);
        assert_eq!(print("a reason", Some(60)), format!("{row}      a reason\n"));
    }

    /// No line is longer than the terminal, and no name is broken where it need not be.
    #[test]
    fn columns_that_do_not_fit_are_broken_at_marks() {
        let mut table = Table::new(["WORKLOAD", "VERDICT"], "WHY");
        let name = "Deployment/recommendation-service-canary";
        table.row([name, "breaks"].map(Cell::plain), "registry.corp/team/recommendation:1.2");
        let text = anstream::adapter::strip_str(&table.render(Some(40))).to_string();
        let expected = "  WORKLOAD                       VERDICT\n  \
                        Deployment/recommendation-     breaks\n  service-canary\n      \
                        registry.corp/team/recommendation:\n      1.2\n";
        assert_eq!(text, expected);
    }

    /// A word without marks stays whole where another column can give way.
    #[test]
    fn a_word_is_whole_as_long_as_anything_else_can_be_broken() {
        let mut table = Table::new(["CONTAINER", "RULE"], "WHY");
        let row = ["set-up-the-database-of-users", "allowPrivilegeEscalation"];
        table.row(row.map(Cell::plain), "");
        let text = anstream::adapter::strip_str(&table.render(Some(44))).to_string();
        let rows = "  set-up-the-       allowPrivilegeEscalation\n  database-of-\n  users\n";
        assert_eq!(text.split_once('\n').map(|(_, rows)| rows), Some(rows));
    }

    #[test]
    fn nothing_in_a_cell_speaks_to_the_terminal() {
        assert_eq!(
            print("a\u{1b}[31mb\u{202e}c\u{9b}d\ne", None),
            format!("{START}a [31mb c d e\n")
        );
    }

    #[test]
    fn a_row_may_be_a_sentence_alone() {
        let mut table = Table::new(["A"], "WHY");
        table.row([Cell::plain("a")], "one");
        table.row([Cell::default()], "two");
        let text = anstream::adapter::strip_str(&table.render(None)).to_string();
        assert_eq!(text, "  A  WHY\n  a  one\n     two\n");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut table = Table::new(["NAME", "RULE"], "WHY");
        table.row(["数据库", "runAsUser"].map(Cell::plain), "a");
        table.row(["web", "runAsUser"].map(Cell::plain), "b");
        let text = anstream::adapter::strip_str(&table.render(None)).to_string();
        let ends: Vec<usize> =
            text.lines().map(|line| line.split_at(line.rfind(' ').unwrap()).0.width()).collect();
        assert_eq!(ends, [ends[0]; 3], "{text}");
        assert_eq!(wrap("数据库数据库", Some(5)), ["数据", "库数", "据库"]);
    }
}
