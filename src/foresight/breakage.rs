//! Whether hardening is what keeps a container from working: a pure judgement of what the kubelet,
//! the program's log and ironhull's note on the pod say.
//!
//! A message of a known kind is not enough. One of the rules that can cause it must have changed
//! this container, and it must not fail in the same way without them. Where that is not certain,
//! nothing is claimed: an alarm that is wrong teaches people to ignore the next.

mod signs;
#[cfg(test)]
mod tests;

pub(crate) use signs::stays;
pub use signs::{Ailment, Sign, ailments, recovers};

use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::foresight::advice::{Advice, Found, Mounts, last_known, port_in};
use crate::foresight::risk::Cause;
use crate::pod::seeding::PREFIX;
use crate::provenance::Incoming;
use crate::rule::RuleName;

/// How pods of the same workload do that are not hardened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// None was seen.
    #[default]
    Unseen,
    /// They run.
    Well,
    /// They fail as well.
    Ill,
}

/// Everything that is known of a container that fails.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'e> {
    /// The pod's spec.
    pub pod: &'e PodSpec,
    /// ironhull's note on the pod.
    pub note: &'e Incoming,
    /// What is wrong.
    pub ailment: &'e Ailment,
    /// The last lines of its log; `None` if it was not read.
    pub log: Option<&'e str>,
    /// How it did before.
    pub before: Before,
}

/// Whether hardening is the cause.
#[derive(Clone, Debug)]
pub enum Diagnosis {
    /// It is, and this is what to do.
    Hardening(Box<Advice>),
    /// It is not.
    Other,
    /// Nothing says so, or not clearly.
    Unknown,
}

/// Judges a container that fails.
pub fn judge(evidence: &Evidence<'_>) -> Diagnosis {
    let Evidence { pod, note, ailment, log, before } = *evidence;
    let Ailment { container: name, sign, .. } = ailment;
    let containers = pod.init_containers.iter().flatten().chain(&pod.containers);
    let Some(container) = containers.into_iter().find(|it| it.name == *name) else {
        return Diagnosis::Unknown;
    };
    if before == Before::Ill || *sign == Sign::Other {
        return Diagnosis::Other;
    }
    let mounts = Mounts::of(pod, container);
    let said = ailment.message.as_deref().and_then(|message| last_known(message, Some(&mounts)));
    let logged = || log.and_then(|log| last_known(log, Some(&mounts)));
    let Some(found) = said.or_else(logged) else {
        // A kubelet's message that is not known is about something else: a Secret, an image.
        return if *sign == Sign::Refused { Diagnosis::Other } else { Diagnosis::Unknown };
    };
    let symptom = found.advice.symptom;
    let subject = Subject { pod, note, container, uid: ailment.uid };
    // A volume of the author's own may be full as well.
    let full = symptom.cause == Cause::Full && !found.line.contains(&format!("\"{PREFIX}"));
    if full || !symptom.rules.iter().any(|rule| subject.is_due_to(*rule, symptom.rules)) {
        return Diagnosis::Other;
    }
    let sure = before == Before::Well
        || match sign {
            Sign::Refused => true,
            Sign::Exited => !is_vague(&found) && !goes_on(&found),
            // A warning in a log says nothing about why a probe fails, unless it is about the very
            // port that the probe asks.
            Sign::NotReady { ports } => {
                symptom.cause == Cause::LowPort
                    && port_in(found.line).is_none_or(|port| ports.contains(&port))
            }
            Sign::Other => false,
        };
    match sure {
        true => Diagnosis::Hardening(Box::new(found.advice)),
        false => Diagnosis::Unknown,
    }
}

/// Whether the words may be about anything, such as another server.
fn is_vague(found: &Found<'_>) -> bool {
    found.advice.symptom.vague && crate::foresight::advice::path_in(found.line).is_none()
}

/// How a program begins to say that it ends, if it says so in words of no known kind.
const LAST_WORDS: [&str; 8] = [
    "traceback (most recent call last)",
    "exception in thread",
    "unhandled exception",
    "uncaught",
    "panic: ",
    "thread 'main' panicked",
    "fatal error:",
    "segmentation fault",
];

/// The same, behind what was only a warning.
const ERRORS: [&str; 3] = ["error", "fatal", "emerg"];

/// Whether the program went on after the known line, and ended for a reason of its own.
fn goes_on(found: &Found<'_>) -> bool {
    let warned = found.line.to_lowercase().contains("warn");
    let says = |line: &str, words: &[&str]| words.iter().any(|words| line.contains(words));
    found
        .after
        .iter()
        .map(|line| line.to_lowercase())
        .any(|line| says(&line, &LAST_WORDS) || warned && says(&line, &ERRORS))
}

/// A container of a hardened pod.
struct Subject<'s> {
    pod: &'s PodSpec,
    note: &'s Incoming,
    container: &'s Container,
    /// The uid that it ran as, as the kubelet reports it.
    uid: Option<i64>,
}

impl Subject<'_> {
    /// Whether ironhull set the rule for this container, and that changed something for it.
    /// `rules` are all that may be the cause.
    fn is_due_to(&self, rule: RuleName, rules: &[RuleName]) -> bool {
        let name = self.container.name.as_str();
        let own = self.note.has_set_in(name, rule);
        match rule {
            RuleName::RunAsUser | RuleName::RunAsGroup => {
                let on_pod = self.note.has_set_on_pod(rule) && self.own_uid().is_none();
                (own || on_pod) && !self.note.keeps_user(name)
            }
            // To a user above 0 they make no difference, but to files that carry them.
            RuleName::Capabilities => {
                own && (rules.len() == 1 || self.uid.or(self.uid()).is_none_or(|uid| uid == 0))
            }
            _ => own || self.note.has_set_on_pod(rule),
        }
    }

    fn own_uid(&self) -> Option<i64> {
        self.container.security_context.as_ref()?.run_as_user
    }

    fn uid(&self) -> Option<i64> {
        let of_pod = || self.pod.security_context.as_ref()?.run_as_user;
        self.own_uid().or_else(of_pod)
    }
}
