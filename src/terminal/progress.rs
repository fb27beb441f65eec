//! Progress of a long piece of work: one line on standard error, for a person who waits.
//!
//! The line is drawn only where standard error is a terminal, and only once the work takes long
//! enough to wonder. It is erased when the work is done. A pipeline's log never sees it. Nobody
//! here needs what a library would add (several bars, templates, threads).

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

/// Time before the line is first drawn: for shorter work it would only flicker.
const PATIENCE: Duration = Duration::from_millis(500);
/// Minimum time between two draws: more than the eye takes in costs time for nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// Returns to the line's beginning and erases the line.
const ERASE: &str = "\r\x1b[K";
/// Width of the bar, in cells.
const CELLS: u64 = 24;

/// One piece of work. The line is erased when this is dropped.
///
/// ```
/// # use ironhull::terminal::progress::Progress;
/// let mut progress = Progress::new("reading manifests", Some(400));
/// for _ in 0..400 {
///     progress.advance(1);
/// }
/// ```
#[derive(Debug)]
pub struct Progress {
    /// `None` where nobody watches.
    line: Option<Line<io::Stderr>>,
}

impl Progress {
    /// Progress of the work named `what` (`reading manifests`), which has `total` steps, if known.
    pub fn new(what: &str, total: Option<u64>) -> Self {
        let stderr = io::stderr();
        // On a terminal that cannot return to the beginning of a line, each draw would be a new
        // one.
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let watched = stderr.is_terminal() && !dumb;
        Self { line: watched.then(|| Line::new(stderr, what, total)) }
    }

    /// Records that `steps` more steps are done.
    pub fn advance(&mut self, steps: u64) {
        if let Some(line) = &mut self.line {
            line.advance(steps, Instant::now(), width());
        }
    }
}

/// Columns of the terminal, minus one: a line that fills the last column makes some terminals go to
/// the next line.
fn width() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns)).saturating_sub(1)
}

#[derive(Debug)]
struct Line<W: Write> {
    out: W,
    what: String,
    total: Option<u64>,
    done: u64,
    /// Earliest time of the next draw.
    next: Instant,
    /// Whether the line is on the screen.
    drawn: bool,
}

impl<W: Write> Line<W> {
    fn new(out: W, what: &str, total: Option<u64>) -> Self {
        let next = Instant::now() + PATIENCE;
        Self { out, what: what.to_owned(), total, done: 0, next, drawn: false }
    }

    fn advance(&mut self, steps: u64, now: Instant, width: usize) {
        self.done = self.done.saturating_add(steps);
        if now < self.next {
            return;
        }
        self.next = now + PAUSE;
        self.drawn = true;
        let text: String = self.text().chars().take(width).collect();
        self.write(&format!("{ERASE}{text}"));
    }

    fn text(&self) -> String {
        let Self { what, done, .. } = self;
        match self.total {
            // More steps than announced: the total was wrong, and is not shown.
            Some(total) if *done <= total => {
                let cells = done.saturating_mul(CELLS).checked_div(total).unwrap_or(CELLS);
                let cells = usize::try_from(cells.min(CELLS)).unwrap_or_default();
                let bar = format!("{:-<1$}", "#".repeat(cells), CELLS as usize);
                format!("{what} [{bar}] {done}/{total}")
            }
            _ => format!("{what} … {done}"),
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            self.write(ERASE);
        }
    }

    /// A terminal that cannot be written to is no reason to stop the work.
    fn write(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output on a terminal of 60 columns, with a step every 50 ms.
    fn drawn(total: Option<u64>, steps: u32) -> String {
        let mut out = Vec::new();
        let mut line = Line::new(&mut out, "reading", total);
        let start = Instant::now();
        for step in 0..steps {
            line.advance(1, start + Duration::from_millis(50) * step, 60);
        }
        drop(line);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn short_work_says_nothing() {
        assert_eq!(drawn(Some(9), 9), "");
        assert_eq!(drawn(None, 9), "");
    }

    #[test]
    fn long_work_is_shown_now_and_then_and_goes_away() {
        let text = drawn(Some(14), 14);
        assert_eq!(
            text.replace(ERASE, "\n"),
            "\nreading [##################------] 11/14\
             \nreading [######################--] 13/14\n"
        );
    }

    #[test]
    fn without_a_total_it_counts() {
        assert_eq!(drawn(None, 12).replace(ERASE, "\n"), "\nreading … 11\n");
        assert_eq!(drawn(Some(3), 12).replace(ERASE, "\n"), "\nreading … 11\n");
    }

    #[test]
    fn it_takes_one_line() {
        let mut out = Vec::new();
        let mut line = Line::new(&mut out, &"long ".repeat(50), None);
        line.advance(1, Instant::now() + PATIENCE, 20);
        drop(line);
        let text = String::from_utf8_lossy(&out).replace(ERASE, "");
        assert_eq!(text.chars().count(), 20);
    }
}
