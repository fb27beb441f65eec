//! An entry of the table: when a message is of its kind, and what it then means.

use super::fix::Cure;
use super::message::{self, Message};
use super::mounts::Place;
use crate::foresight::risk::Cause;
use crate::rule::RuleName;

/// Lists of words. A message has all words of one of the lists, in any case.
pub(super) type Words = &'static [&'static [&'static str]];

/// A kind of message.
#[derive(Clone, Copy, Debug)]
pub struct Symptom {
    /// Its name, for metrics and Events. It does not change from release to release.
    pub name: &'static str,
    /// What to look for, in lower case.
    pub(super) says: Words,
    /// The same where a stack trace tells what the line does not: the first word of a list is in
    /// the line, the others are in its trace.
    pub(super) traced: Words,
    /// What must hold besides.
    pub(super) needs: Needs,
    /// The cause, as `preview` names it.
    pub cause: Cause,
    /// The cause in one sentence.
    pub why: &'static str,
    /// Rules of which one must have been set for this to be hardening's doing. Empty: it never is.
    pub rules: &'static [RuleName],
    /// Whether containers say it for other reasons as well, so that it must name a path of theirs
    /// to be believed.
    pub vague: bool,
    /// What helps, the surest first.
    pub(super) cures: &'static [Cure],
    /// Section of `docs/troubleshooting.md` that has more.
    pub section: &'static str,
}

/// An entry that says nothing yet.
pub(super) const BLANK: Symptom = Symptom {
    name: "",
    says: &[],
    traced: &[],
    needs: Needs::Nothing,
    cause: Cause::FailsToday,
    why: "",
    rules: &[],
    vague: false,
    cures: &[],
    section: "",
};

/// What must hold for a message to be of a kind, besides its words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Needs {
    /// Nothing.
    Nothing,
    /// It names a path that begins with one of these, and no volume is known to be there.
    Path(&'static [&'static str]),
    /// It names a path in a volume of one of these kinds.
    In(&'static [Place]),
    /// It names a path in an emptyDir that hides what the image has there, and not the socket of
    /// a server.
    Hidden,
    /// It names no path that is known to be in a volume.
    OnRoot,
    /// It names a port below 1024.
    LowPort,
    /// It names no other port, and no path.
    NoOtherPort,
}

impl Symptom {
    /// What helps in general, the surest first.
    pub fn remedies(&self) -> impl Iterator<Item = String> {
        self.cures.iter().map(|cure| cure.in_general())
    }

    /// Whether the message is of this kind. `lower` is the message in lower case.
    pub(super) fn fits(&self, said: &Message<'_>, lower: &Message<'_>) -> bool {
        let says = |words: &&[&str]| words.iter().all(|word| lower.line.contains(word));
        let traced = |words: &&[&str]| {
            let (first, others) = words.split_first().unwrap_or((&"", &[]));
            lower.line.contains(first) && others.iter().all(|word| lower.trace.contains(word))
        };
        let found =
            self.says.iter().any(says) || !lower.trace.is_empty() && self.traced.iter().any(traced);
        found && self.needs.hold(said)
    }
}

impl Needs {
    fn hold(self, said: &Message<'_>) -> bool {
        let on_root = || said.place().is_none_or(|place| place == Place::Image);
        match self {
            Self::Nothing => true,
            Self::Path(starts) => {
                let path = message::path(said.line).map(|path| path.replace("//", "/"));
                let starts = |path: String| starts.iter().any(|start| path.starts_with(start));
                path.is_some_and(starts) && on_root()
            }
            Self::In(places) => said.place().is_some_and(|place| places.contains(&place)),
            Self::Hidden => {
                said.place() == Some(Place::Hiding) && !said.line.to_lowercase().contains("connect")
            }
            Self::OnRoot => on_root(),
            Self::LowPort => message::port(said.line).is_some_and(|port| port < 1024),
            Self::NoOtherPort => message::port(said.line)
                .map_or(message::path(said.line).is_none(), |port| port < 1024),
        }
    }
}
