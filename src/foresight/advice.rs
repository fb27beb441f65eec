//! Meaning of a message of the kubelet, of the API server or of a program after a pod was hardened,
//! and what to do. `explain`, `watch` and `docs/troubleshooting.md` share the [`table`].

mod fix;
mod message;
mod mounts;
mod symptom;
pub mod table;
#[cfg(test)]
mod tests;

pub use fix::{Fix, User};
pub use message::{path as path_in, port as port_in};
pub use mounts::{Mounts, Place};
pub use symptom::Symptom;

use fix::Cure;
use message::Message;

/// Meaning of a message, and what to do.
#[derive(Clone, Debug)]
pub struct Advice {
    /// What kind of message it is.
    pub symptom: &'static Symptom,
    /// What helps, the surest first, with what the message says filled in. Never empty.
    pub fixes: Vec<Fix>,
}

impl Advice {
    /// The surest remedy in words, without a full stop. `container` is who needs it, if known.
    pub fn remedy(&self, container: Option<&str>) -> String {
        self.fixes.first().map(|fix| fix.words(container)).unwrap_or_default()
    }
}

/// Advice on a message; `None` if it is not of a known kind. The message may have several lines,
/// as those of a container's log do; the last that is known counts.
pub fn advice(message: &str) -> Option<Advice> {
    in_log(message).map(|(_, advice)| advice)
}

/// The last line of a log that is of a known kind, and the advice on it.
pub fn in_log(log: &str) -> Option<(&str, Advice)> {
    last_known(log, None).map(|found| (found.line, found.advice))
}

/// A line of a log that is known.
#[derive(Clone, Debug)]
pub struct Found<'l> {
    /// The line.
    pub line: &'l str,
    /// What it means.
    pub advice: Advice,
    /// What comes after it.
    pub after: Vec<&'l str>,
}

/// Like [`in_log`], of a container of which the mounts are known: what a message means depends on
/// where the path lies that it names.
pub fn last_known<'l>(log: &'l str, mounts: Option<&Mounts>) -> Option<Found<'l>> {
    let lines: Vec<&str> = log.lines().collect();
    let found = |at: usize| {
        let line = lines.get(at)?.trim();
        let plain = Message { line, trace: "", mounts };
        let found = (!is_detail(line)).then(|| of_line(&plain))??;
        let trace = trace(&lines, at);
        let traced = Message { trace: &trace, ..plain };
        let advice = of_line(&traced).unwrap_or(found);
        Some(Found { line, advice, after: lines.get(at + 1..).unwrap_or_default().to_vec() })
    };
    let last = (0..lines.len()).rev().find_map(|at| found(at).map(|found| (at, found)));
    let (at, last) = last?;
    // A program says it in several lines, and not each names the path.
    let said =
        |it: &Found<'_>| it.advice.symptom.name == last.advice.symptom.name && it.is_filled();
    let before = (at.saturating_sub(TRACE)..at).rev();
    let better = || before.filter_map(found).find(said);
    if last.is_filled() {
        return Some(last);
    }
    // What comes after it is judged by the last line.
    Some(match better() {
        Some(Found { advice, .. }) => Found { advice, ..last },
        None => last,
    })
}

impl Found<'_> {
    /// Whether the surest remedy could be filled with what the message says.
    fn is_filled(&self) -> bool {
        !matches!(self.advice.fixes.first(), None | Some(Fix::Words(_)))
    }
}

/// Members of an error that is printed as an object, as Node does behind the message.
const DETAILS: [&str; 4] = ["code: '", "errno: ", "syscall: '", "npm err! code "];

/// Whether the line only repeats in other words what one before it says.
fn is_detail(line: &str) -> bool {
    DETAILS.iter().any(|start| line.to_lowercase().starts_with(start))
}

fn of_line(said: &Message<'_>) -> Option<Advice> {
    let (line, trace) = (said.line.to_lowercase(), said.trace.to_lowercase());
    let lower = Message { line: &line, trace: &trace, mounts: None };
    let symptom = table::entries().find(|entry| entry.fits(said, &lower))?;
    let mut fixes = Vec::new();
    for cure in symptom.cures {
        // What stands in for a name is needed only where the message has none.
        let stands_in = matches!(cure, Cure::IfUnnamed(_) | Cure::WritableAt(_));
        if !stands_in || fixes.is_empty() {
            fixes.extend(cure.filled(said));
        }
    }
    Some(Advice { symptom, fixes })
}

/// Number of lines of a stack trace that are looked at, before and after the error: where a
/// library's own calls are.
const TRACE: usize = 12;

/// The stack trace that belongs to a line: indented lines around it. Python's is before the error,
/// Java's after it.
fn trace(lines: &[&str], at: usize) -> String {
    let part_of_trace = |line: &&&str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
    let (before, after) = lines.split_at_checked(at).unwrap_or_default();
    let before = before.iter().rev().take(TRACE).take_while(part_of_trace);
    let after = after.iter().skip(1).take(TRACE).take_while(part_of_trace);
    before.chain(after).copied().collect::<Vec<_>>().join("\n")
}
