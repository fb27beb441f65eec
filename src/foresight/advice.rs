//! Meaning of a message of the kubelet, of the API server or of a program after a pod was hardened,
//! and what to do. `explain`, `watch` and `docs/troubleshooting.md` share the [`table`].

mod fix;
mod message;
mod symptom;
pub mod table;
#[cfg(test)]
mod tests;

pub use fix::{Fix, User};
pub use message::path as path_in;
pub use symptom::Symptom;

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
    let lines: Vec<&str> = log.lines().collect();
    (0..lines.len()).rev().find_map(|at| {
        let line = lines.get(at)?.trim();
        let plain = Message { line, trace: "" };
        let found = of_line(&plain)?;
        let trace = trace(&lines, at);
        let traced = Message { line, trace: &trace };
        Some((line, of_line(&traced).unwrap_or(found)))
    })
}

fn of_line(said: &Message<'_>) -> Option<Advice> {
    let (line, trace) = (said.line.to_lowercase(), said.trace.to_lowercase());
    let lower = Message { line: &line, trace: &trace };
    let symptom = table::entries().find(|entry| entry.fits(said, &lower))?;
    let mut fixes = Vec::new();
    for cure in symptom.cures {
        if !cure.is_last_resort() || fixes.is_empty() {
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
