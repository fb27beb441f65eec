//! Exemptions in CEL: the grammar of [`crate::exemption`] and the limits of one policy.
//!
//! Only what *restricted* asks for matters: an exemption from `readOnlyRootFilesystem`, say, makes no
//! difference here. The containers of a pod become `subjects`, each with the rules it is `free` from.
//!
//! An annotation counts if it is there, by its exact key, and not among the `voids`. These are the
//! few, so that looking a key up costs the same however many exemptions a pod declares.

use jiff::civil::Date;

use super::{cel, image};
use crate::exemption::DOMAIN;
use crate::policy::{ExemptionLimits, Grant, Policy};
use crate::rule::{RuleName, RuleScope, RuleSet};
use crate::text::is_deceptive;

/// The rules without which a container fails *restricted*. An exemption from `runAsUser` alone leaves
/// an image its own user, and allows no root.
const RULES: [RuleName; 5] = [
    RuleName::Privileged,
    RuleName::RunAsNonRoot,
    RuleName::Capabilities,
    RuleName::AllowPrivilegeEscalation,
    RuleName::SeccompProfile,
];

/// Maximum number of days that CEL is asked to count: its durations end at 292 years.
const MAX_DAYS: u32 = 100_000;

/// What a policy exempts, in CEL. Two policies that exempt the same are equal.
#[derive(PartialEq, Eq)]
pub(super) struct Exemptions {
    variables: Vec<(&'static str, String)>,
    root_keeps: Vec<String>,
}

impl Exemptions {
    /// The exemptions of `policy`, made on `date`. Grants that ended before it are left out.
    pub(super) fn of(policy: &Policy, date: Date) -> Self {
        let declares = Declares::of(policy);
        let grants: Vec<_> =
            policy.exempt.iter().filter_map(|grant| granted(grant, policy, date)).collect();
        let mut variables = vec![("today", today(date))];
        if declares.is_some() {
            if let Some(days) = policy.exemptions.max_days {
                variables.push(("latest", latest(days)));
            }
            variables.push(("voids", voids(&policy.exemptions)));
            variables.push(("declared", declared()));
        }
        variables.push(("subjects", subjects(declares.as_ref(), &grants)));
        let root_keeps = policy.rules.capabilities.root_keeps.iter();
        Self { variables, root_keeps: root_keeps.map(|kept| kept.as_str().to_owned()).collect() }
    }

    /// The variables, in the order in which they use each other.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.variables.iter().map(|(name, expression)| (*name, expression.clone()))
    }

    /// Whether annotations may exempt from anything.
    pub(super) fn declares(&self) -> bool {
        self.variables.iter().any(|(name, _)| *name == "voids")
    }

    /// The capabilities that a container keeps which is exempt from `runAsNonRoot`.
    pub(super) fn root_keeps(&self) -> &[String] {
        &self.root_keeps
    }
}

/// The day of the request. The API server sets the creation timestamp of a new pod before it asks a
/// validating policy (`rest.FillObjectMetaSystemFields`), so of a new pod it is today. Nothing tells
/// the day of an update: of an older pod it is at least the day on which the backstop was made.
fn today(date: Date) -> String {
    let made = cel::text(&date.to_string());
    format!(
        "[string(object.metadata.creationTimestamp).substring(0, 10)]\n\
         .map(created, created > {made} ? created : {made})[0]"
    )
}

/// The last day that `until=` may name.
fn latest(days: u32) -> String {
    let hours = u64::from(days.min(MAX_DAYS)) * 24;
    format!(
        "string(timestamp(variables.today + 'T00:00:00Z') + duration('{hours}h')).substring(0, 10)"
    )
}

/// Whether the pod declares any exemption at all.
fn declared() -> String {
    format!("variables.annotations.exists(k, k.contains('exempt.{DOMAIN}/'))")
}

/// What annotations may declare under a policy.
struct Declares {
    /// The rules of [`RULES`] that they may name.
    rules: Vec<RuleName>,
    /// Whether `all` may stand for a container, and for the pod.
    all: (bool, bool),
    /// A condition on the container `c`, if only certain images may be exempt.
    images: Option<String>,
}

impl Declares {
    fn of(policy: &Policy) -> Option<Self> {
        let limits = &policy.exemptions;
        let rules: Vec<_> = RULES.into_iter().filter(|rule| limits.allow.contains(*rule)).collect();
        let every = |wanted: &dyn Fn(RuleName) -> bool| {
            let mut rules = RuleName::ALL.iter().filter(|rule| wanted(**rule));
            rules.all(|rule| limits.allow.contains(*rule))
        };
        let all = (every(&|rule| rule.scope() == RuleScope::Container), every(&|_| true));
        let images = (!limits.images.is_empty())
            .then(|| image::matches(&limits.images, &policy.registry_aliases));
        (!rules.is_empty()).then_some(Self { rules, all, images })
    }

    /// The rules that annotations exempt the container `c` from.
    fn free(&self) -> String {
        let (container, pod) = self.all;
        let mut keys =
            vec![format!("'exempt.{DOMAIN}/' + r"), format!("c.name + '.exempt.{DOMAIN}/' + r")];
        keys.extend(pod.then(|| format!("'exempt.{DOMAIN}/all'")));
        keys.extend(container.then(|| format!("c.name + '.exempt.{DOMAIN}/all'")));
        let images = self.images.as_ref().map_or_else(String::new, |on| format!(" && {on}"));
        format!(
            "(variables.declared{images} ? {}.filter(r,\n  [{}].exists(k,\n    \
             k in variables.annotations && !(k in variables.voids))) : [])",
            cel::list(self.rules.iter().map(|rule| rule.as_str())),
            keys.join(", "),
        )
    }
}

/// The containers, each with the rules that it is free from. No rule acts on a container that stays
/// privileged, so one that is exempt from `privileged` and is privileged is free from all.
fn subjects(declares: Option<&Declares>, grants: &[String]) -> String {
    let mut free: Vec<String> = declares.map(Declares::free).into_iter().collect();
    free.extend(grants.iter().cloned());
    if free.is_empty() {
        return "variables.containers.map(c, {'c': dyn(c), 'free': dyn([])})".to_owned();
    }
    let every = cel::list(RULES.iter().map(|rule| rule.as_str()));
    format!(
        "variables.containers.map(c, {{'c': dyn(c), 'free': dyn([{}].map(free,\n  \
         'privileged' in free && c.?securityContext.?privileged.orValue(false) ? {every} : free)[0])}})",
        free.join(" +\n"),
    )
}

/// The rules that a grant exempts the container `c` from, as a list.
fn granted(grant: &Grant, policy: &Policy, date: Date) -> Option<String> {
    let rules: RuleSet = RULES.into_iter().filter(|rule| grant.rules.contains(*rule)).collect();
    if rules.is_empty() || grant.until.is_some_and(|until| until < date) {
        return None;
    }
    let mut conditions = Vec::new();
    if let Some(until) = grant.until {
        conditions.push(format!("variables.today <= {}", cel::text(&until.to_string())));
    }
    if !grant.containers.is_empty() {
        let names = cel::list(grant.containers.iter().map(String::as_str));
        conditions.push(format!("c.name in {names}"));
    }
    if !grant.images.is_empty() {
        conditions.push(image::matches(&grant.images, &policy.registry_aliases));
    }
    let rules = cel::list(rules.iter().map(RuleName::as_str));
    Some(match conditions.is_empty() {
        true => rules,
        false => format!("({} ? {rules} : [])", conditions.join(" && ")),
    })
}

/// The keys of annotations that exempt nothing because of their value: see `exemption::Claim`. `until=`
/// and `ticket=`, each at most once, are the first words; what follows is the reason, whose first word
/// must not look like another key. `keys` is how many words of the whole value begin like one of the
/// two.
///
/// Nothing is cut that CEL would not count: without [`MAX_VALUE`] a value of 256 KiB took the API
/// server minutes, at a cost within the limit. Where this differs from the engine it takes for void
/// what the engine does not: values longer than that, and reasons that begin with an invisible word.
fn voids(limits: &ExemptionLimits) -> String {
    let unseen = cel::class(is_deceptive);
    // A plain class first: the cost of a match grows with the length of the expression.
    let visible = |before: &str, count: &str| {
        format!("(w.matches(r'{before}[!-~]{count}') || w.matches(r'{before}[^{unseen}]{count}'))")
    };
    let mut valid = vec![
        "words.filter(w, w.startsWith('until=')).size() <= 1".to_owned(),
        "words.filter(w, w.startsWith('ticket=')).size() <= 1".to_owned(),
        "words.filter(w, w.startsWith('until=') || w.startsWith('ticket='))\n      \
         .filter(w, words.indexOf(w) < keys).size() == keys"
            .to_owned(),
        "(words.size() <= keys || !words[keys].matches(r'^[A-Za-z][A-Za-z0-9_-]*='))".to_owned(),
        format!(
            "words.all(w, !w.startsWith('until=') ||\n        \
             w.matches(r'{DATE}') && w.substring(6) >= variables.today)"
        ),
        format!(
            "words.all(w, !w.startsWith('ticket=') ||\n        {})",
            visible("^ticket=", "{1,63}$")
        ),
    ];
    if limits.require_reason {
        valid.push(format!(
            "words.size() > keys && [words[keys]].all(w,\n        {})",
            visible("", "")
        ));
    }
    if limits.require_until || limits.max_days.is_some() {
        valid.push("words.exists(w, w.startsWith('until='))".to_owned());
    }
    if limits.max_days.is_some() {
        valid.push(
            "words.all(w, !w.startsWith('until=') || w.substring(6) <= variables.latest)"
                .to_owned(),
        );
    }
    format!(
        "variables.annotations.filter(k, k.contains('exempt.{DOMAIN}/') &&\n  \
         (variables.annotations[k].size() > {MAX_VALUE} ||\n  \
         [variables.annotations[k].findAll(r'[^{SPACE}]+', 3)].exists(words,\n  \
         [(' ' + variables.annotations[k]).findAll(r'[{SPACE}](until|ticket)=').size()].exists(keys,\n    \
         !({})))))",
        valid.join(" &&\n      "),
    )
}

/// Maximum length of an annotation's value, in characters. Of a reason, 200 are ever shown.
const MAX_VALUE: usize = 1000;

/// What ends a word, as the inside of a character class: Unicode's `White_Space`, as `char::is_whitespace`
/// has it.
const SPACE: &str = r"\t-\r\x{85}\p{Z}";

/// `until=` with a day that exists.
const DATE: &str = "^until=(\
[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|\
([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)$";
