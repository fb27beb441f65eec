//! Tables for people: columns as wide as they need to be, and a last one for sentences.

use clap::builder::styling::Style;

use crate::text::clean;

/// What stands between two columns.
const GAP: usize = 2;
/// Below this many columns the last one is no place to read: it goes on lines of its own.
const NARROWEST: usize = 24;

/// What matters less.
pub const DIM: Style = Style::new().dimmed();
/// What a row is about.
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

    /// A text as it is.
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

    /// The text for a terminal of `width` columns, or for a pipe.
    pub fn render(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        let Self { titles, last, rows } = self;
        if rows.is_empty() {
            return text;
        }
        let mut widths = titles.map(|title| title.chars().count());
        for (cells, _) in rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.text.chars().count());
            }
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
            let mut line = columns(cells, &widths);
            let (indent, room) = match aside {
                true => {
                    if cells.iter().any(|cell| !cell.text.is_empty()) {
                        push(&mut text, &line);
                    }
                    if last.is_empty() {
                        continue;
                    }
                    line = " ".repeat(ASIDE);
                    (ASIDE, width.map(|width| width.saturating_sub(ASIDE).max(NARROWEST)))
                }
                false => (start, room),
            };
            for (index, part) in wrap(last, room).into_iter().enumerate() {
                if index > 0 {
                    line = " ".repeat(indent);
                }
                line.push_str(&part);
                push(&mut text, &line);
            }
        }
        text
    }
}

/// How far a sentence is indented that has no column.
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
        row.push_str(&" ".repeat(width.saturating_sub(text.chars().count()) + GAP));
    }
    row
}

/// Breaks a text at spaces into lines of at most `room` characters where it can.
fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        let needed = last.chars().count() + 1 + word.chars().count();
        if last.is_empty() {
            last.push_str(word);
        } else if room.is_some_and(|room| needed > room) {
            lines.push(word.to_owned());
        } else {
            last.push(' ');
            last.push_str(word);
        }
    }
    lines
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
}
