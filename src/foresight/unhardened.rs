//! What of a pod stays as it is although hardening is done with it: left alone as a whole,
//! privileged, or root. A report that counts hardened pods counts none of these.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::outcome::{Outcome, RuleResult, Skip, Subject};
use crate::pod::{Placed, Pod};
use crate::rule::RuleName;
use crate::user::Author;

/// A container that is not hardened, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unhardened {
    /// The container's name; null for the pod as a whole.
    pub container: Option<String>,
    /// What stays.
    pub stays: Stays,
    /// Why it stays: `exempt`, `kept` (set explicitly, and the policy does not enforce), `off`
    /// (the rule, in the policy), or the name of a skip reason; for a pod as it is now, also
    /// `set` or `replaced`, if a rule would change it.
    pub reason: &'static str,
}

/// What stays of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Stays {
    /// No rule touches it.
    LeftAlone,
    /// It is privileged.
    Privileged,
    /// It is root.
    Root,
    /// Its image decides, and may choose root.
    MayBeRoot,
}

impl Unhardened {
    /// In words, without the container's name.
    pub fn text(&self) -> String {
        let what = match self.stays {
            Stays::LeftAlone => "is left alone",
            Stays::Privileged => return "stays privileged".to_owned(),
            Stays::Root => "stays root",
            Stays::MayBeRoot => "may stay root",
        };
        if let "set" | "replaced" = self.reason {
            let may = if self.stays == Stays::Root { "is" } else { "may be" };
            return format!("{may} root, which a rule would change");
        }
        let why = match self.reason {
            "kept" => "the policy keeps it",
            "off" => "the rule is off in the policy",
            reason => reason,
        };
        format!("{what} ({why})")
    }
}

/// What stays of a pod as the engine leaves it. `placed` are the containers of the outcome. `uid`
/// returns the user that a container runs as, from its name and the uid that its spec sets.
pub fn unhardened<'p>(
    pod: &Pod<'_>,
    outcome: &Outcome<'_>,
    placed: impl Iterator<Item = Placed<'p, 'p>>,
    uid: impl Fn(&str, Option<i64>) -> Option<i64>,
) -> Vec<Unhardened> {
    if let Some(skip) = outcome.left_alone {
        return vec![Unhardened {
            container: None,
            stays: Stays::LeftAlone,
            reason: skip.as_str(),
        }];
    }
    let of_one = |(index, placed): (usize, Placed<'_, '_>)| {
        let name = &*placed.container.name;
        let author = Author::of(pod, placed);
        let stays = match uid(name, author.uid) {
            _ if placed.container.security_context.privileged => Stays::Privileged,
            Some(0) => Stays::Root,
            Some(_) => return None,
            // The kubelet starts no such container as root: `runAsNonRoot` is set.
            None if author.non_root == Some(true) => return None,
            None => Stays::MayBeRoot,
        };
        // Root in a user namespace is nobody on the node.
        if stays != Stays::Privileged && pod.asks_to_be_nobody() {
            return None;
        }
        Some(Unhardened { container: Some(name.to_owned()), stays, reason: reason(outcome, index) })
    };
    placed.enumerate().filter_map(of_one).collect()
}

/// Why no rule changed the container's user.
fn reason(outcome: &Outcome<'_>, container: usize) -> &'static str {
    let finding = outcome.findings.iter().find(|finding| {
        finding.rule == RuleName::RunAsNonRoot && finding.subject == Subject::Container(container)
    });
    match finding.map(|finding| finding.result) {
        Some(RuleResult::Skipped(skip)) => skip.as_str(),
        Some(result) => result.as_str(),
        None => "off",
    }
}

/// A rule that does not change containers, and why.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Left {
    /// The rule.
    pub rule: &'static str,
    /// `kept`, `exempt` or `skipped`.
    pub result: &'static str,
    /// The name of the skip reason, if the result is `skipped`.
    pub skip: Option<&'static str>,
    /// The containers, or `pod` for the pod level by itself.
    pub containers: Vec<String>,
    /// The effective value; null where there is none.
    pub value: Option<Value>,
    /// Why, in words; may be empty.
    pub why: String,
    /// Whether the preview's table has to say it: nothing else there does.
    #[serde(skip)]
    pub surprises: bool,
}

/// What would stay, with containers that have the same value and reason together.
pub fn left(outcome: &Outcome<'_>) -> Vec<Left> {
    let mut all: Vec<Left> = Vec::new();
    for finding in &outcome.findings {
        let skip = match finding.result {
            RuleResult::Skipped(skip) => Some(skip),
            RuleResult::Kept | RuleResult::Exempt => None,
            RuleResult::Set | RuleResult::Replaced | RuleResult::Compliant => continue,
        };
        let value = finding.was.as_ref().and_then(|value| serde_json::to_value(value).ok());
        let left = Left {
            rule: finding.rule.as_str(),
            result: finding.result.as_str(),
            skip: skip.map(|skip| skip.as_str()),
            containers: vec![outcome.subject_name(finding.subject).to_owned()],
            value,
            why: outcome.why(finding),
            surprises: skip.is_some_and(surprises),
        };
        let same = |other: &&mut Left| {
            (other.rule, other.result, &other.value, &other.why)
                == (left.rule, left.result, &left.value, &left.why)
        };
        match all.iter_mut().find(same) {
            Some(other) => other.containers.extend(left.containers),
            None => all.push(left),
        }
    }
    all
}

/// Whether it is unexpected that a rule leaves something alone for this reason. It is expected if
/// it lies in the nature of the container, which is reported for the container as a whole, or if
/// its author wished it.
fn surprises(skip: Skip) -> bool {
    !matches!(
        skip,
        Skip::Mirror
            | Skip::Windows
            | Skip::Privileged
            | Skip::Exempt
            | Skip::Ephemeral
            | Skip::ImageUser
            | Skip::Unreadable
    )
}
