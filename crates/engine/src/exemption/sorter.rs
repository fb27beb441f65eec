//! Sorts the declarations about a pod into those in force and those that exempt nothing.

use std::borrow::Cow;

use jiff::civil::Date;

use super::{By, Claim, DOMAIN, Exemption, HARDENED_ANNOTATION, InForce, Void};
use crate::image::ImagePattern;
use crate::outcome::{Looked, Subject};
use crate::pod::Pod;
use crate::policy::{Grant, Policy, Writable};
use crate::rule::{RuleName, RuleScope, RuleSet};
use crate::text::{nearest, printable};

/// Maximum number of paths in one annotation. Each becomes a volume in every container it is
/// asked for, and a pod of ordinary size needs two or three.
const MAX_WRITABLE_PATHS: usize = 16;

pub(super) struct Sorter<'p, 's> {
    pod: &'s Pod<'s>,
    policy: &'p Policy,
    looked: &'s [Looked<'p>],
    images: &'s [Cow<'s, str>],
    date: Date,
    result: InForce<'p>,
}

/// The target of an annotation's key: the pod or one container.
enum Place<'k> {
    Pod,
    Container(&'k str),
}

impl<'p, 's> Sorter<'p, 's> {
    pub(super) fn new(
        pod: &'s Pod<'s>,
        policy: &'p Policy,
        looked: &'s [Looked<'p>],
        images: &'s [Cow<'s, str>],
        date: Date,
    ) -> Self {
        let containers = vec![RuleSet::EMPTY; looked.len()];
        let result = InForce { containers, ..InForce::default() };
        Self { pod, policy, looked, images, date, result }
    }

    pub(super) fn into_result(self) -> InForce<'p> {
        self.result
    }

    /// `place` is the part before the domain: empty, `exempt.`, `NAME.` or `NAME.exempt.`.
    pub(super) fn annotation(
        &mut self,
        key: &'p str,
        place: &'p str,
        name: &'p str,
        value: &'p str,
    ) {
        let exempt = match place {
            "" => None,
            // A container may be named `exempt`, and ask for writable paths.
            "exempt." if name == WRITABLE_PATHS && self.index("exempt").is_some() => None,
            "exempt." => Some(Place::Pod),
            _ => place.strip_suffix(".exempt.").map(Place::Container),
        };
        if let Some(place) = exempt {
            match self.exempt(&place, name, value) {
                Ok(()) => {}
                Err(why) => {
                    self.result.void.push(Void { key: Cow::Borrowed(key), why, partly: false })
                }
            }
            return;
        }
        let place = match place {
            "" if key == HARDENED_ANNOTATION => return,
            "" => Place::Pod,
            _ => match place.strip_suffix('.') {
                Some(container) => Place::Container(container),
                // Another domain that ends with ironhull's.
                None => return,
            },
        };
        if name == WRITABLE_PATHS {
            self.writable_paths(key, &place, value);
        } else {
            let name = printable(name, 63);
            let rule = name == "all" || name.parse::<RuleName>().is_ok();
            let written = matches!(&place, Place::Container(container)
                if container.rsplit('.').next().is_some_and(|it| it.eq_ignore_ascii_case("exempt")));
            let why = match rule {
                true if written => "write `exempt.` in lower case".to_owned(),
                true => format!("`exempt.` is missing before `{DOMAIN}/`"),
                false if name.eq_ignore_ascii_case(WRITABLE_PATHS) => {
                    format!("no such annotation, did you mean `{WRITABLE_PATHS}`?")
                }
                false => format!("`{name}` is not an ironhull annotation"),
            };
            self.result.void.push(Void { key: Cow::Borrowed(key), why, partly: false });
        }
    }

    fn exempt(&mut self, place: &Place<'_>, name: &str, value: &'p str) -> Result<(), String> {
        let rules = self.rules(place, name)?;
        let Some(subject) = self.subject(place)? else { return Ok(()) };
        let claim = Claim::parse(value)?;
        let limits = &self.policy.exemptions;
        if rules.iter().any(|rule| !limits.allow.contains(rule)) {
            return Err(match name {
                "all" => "the policy allows exemptions from some rules only: name them".to_owned(),
                rule => format!("the policy allows no exemption from {rule}"),
            });
        }
        claim.check(limits, self.date)?;
        let exemption = Exemption {
            subject,
            rules,
            until: claim.until,
            ticket: claim.ticket.map(Cow::Borrowed),
            reason: claim.reason,
            by: By::Annotation,
        };
        let before = self.result.exemptions.len();
        for (subject, rules) in self.cover(subject, rules, &limits.images) {
            self.result.exemptions.push(Exemption { subject, rules, ..exemption.clone() });
        }
        match self.result.exemptions.len() > before {
            true => Ok(()),
            false => Err("the policy allows exemptions for certain images only".to_owned()),
        }
    }

    /// The rules that an annotation's name stands for in its place.
    fn rules(&self, place: &Place<'_>, name: &str) -> Result<RuleSet, String> {
        let whole_pod = matches!(place, Place::Pod);
        if name == "all" {
            let rules = RuleName::ALL.iter().copied();
            return Ok(rules
                .filter(|rule| whole_pod || rule.scope() == RuleScope::Container)
                .collect());
        }
        let rule: RuleName = name.parse().map_err(|()| unknown_rule(name))?;
        if !whole_pod && rule.scope() == RuleScope::Pod {
            return Err("it acts on the whole pod: remove the container from the key".to_owned());
        }
        Ok(RuleSet::EMPTY.with(rule))
    }

    /// The subject of a place; `None` for a container of the pod that is not examined because
    /// it existed before.
    fn subject(&self, place: &Place<'_>) -> Result<Option<Subject>, String> {
        let Place::Container(name) = place else { return Ok(Some(Subject::Pod)) };
        let mut others = self.pod.containers().chain(self.pod.ephemeral_containers());
        match self.index(name) {
            Some(index) => Ok(Some(Subject::Container(index))),
            None if others.any(|other| &*other.container.name == *name) => Ok(None),
            None => Err("the pod has no such container".to_owned()),
        }
    }

    /// Marks what is exempt, and returns it. If the images of all containers of the subject are
    /// among `images` (or `images` is empty), that is the whole subject. Otherwise it is the
    /// containers with such images, without the rules that act on the whole pod.
    fn cover(
        &mut self,
        subject: Subject,
        rules: RuleSet,
        images: &[ImagePattern],
    ) -> Vec<(Subject, RuleSet)> {
        let fits = |image: &str| images.is_empty() || images.iter().any(|p| p.matches(image));
        let meant = |index| subject == Subject::Pod || subject == Subject::Container(index);
        let of_container: RuleSet =
            rules.iter().filter(|rule| rule.scope() == RuleScope::Container).collect();
        let mut covered = Vec::new();
        let mut every = true;
        for (index, image) in self.images.iter().enumerate().filter(|(index, _)| meant(*index)) {
            if !fits(image) {
                every = false;
            } else if let Some(exempt) = self.result.containers.get_mut(index) {
                *exempt = exempt.union(rules);
                covered.push((Subject::Container(index), of_container));
            }
        }
        if subject == Subject::Pod && every {
            self.result.pod = self.result.pod.union(rules);
            return vec![(Subject::Pod, rules)];
        }
        covered.retain(|(_, rules)| !rules.is_empty());
        covered
    }

    pub(super) fn grant(&mut self, grant: &'p Grant) {
        if grant.until.is_some_and(|until| until < self.date) {
            return;
        }
        let exemption = |subject| Exemption {
            subject,
            rules: grant.rules,
            until: grant.until,
            ticket: None,
            reason: Cow::Borrowed(grant.reason.as_str()),
            by: By::Policy,
        };
        if grant.containers.is_empty() && grant.images.is_empty() {
            self.cover(Subject::Pod, grant.rules, &[]);
            self.result.exemptions.push(exemption(Subject::Pod));
            return;
        }
        for (index, looked) in self.looked.iter().enumerate() {
            let named = grant.containers.is_empty()
                || grant.containers.iter().any(|name| name == looked.name);
            let subject = Subject::Container(index);
            if named && !self.cover(subject, grant.rules, &grant.images).is_empty() {
                self.result.exemptions.push(exemption(subject));
            }
        }
    }

    fn writable_paths(&mut self, key: &'p str, place: &Place<'_>, value: &str) {
        let void = |why, partly| Void { key: Cow::Borrowed(key), why, partly };
        let subject = match self.subject(place) {
            Ok(Some(subject)) => subject,
            Ok(None) => return,
            Err(why) => return self.result.void.push(void(why, false)),
        };
        let paths = value.split(',').map(str::trim).filter(|path| !path.is_empty());
        let (mut refused, before) = (Vec::new(), self.result.writable_paths.len());
        for (count, path) in paths.enumerate() {
            if count == MAX_WRITABLE_PATHS {
                refused.push(format!(
                    "asks for more than {MAX_WRITABLE_PATHS} paths; the rest is ignored"
                ));
                break;
            }
            match Writable::asked_for(path) {
                Ok(path) => self.result.writable_paths.push((subject, path)),
                Err(error) => refused.push(format!("`{}` {error}", printable(path, 64))),
            }
        }
        let partly = self.result.writable_paths.len() > before;
        self.result.void.extend(refused.into_iter().map(|why| void(why, partly)));
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.looked.iter().position(|looked| looked.name == name)
    }
}

/// The last part of the key that asks for writable paths.
pub(super) const WRITABLE_PATHS: &str = "writable-paths";

fn unknown_rule(name: &str) -> String {
    let rules: Vec<_> = RuleName::ALL.iter().map(|rule| rule.as_str()).collect();
    match nearest(&printable(name, 63), &rules) {
        Some(rule) => format!("no such rule, did you mean `{rule}`?"),
        None => "no such rule".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_misspelt_gets_a_hint() {
        assert_eq!(unknown_rule("runAsNonroot"), "no such rule, did you mean `runAsNonRoot`?");
        assert_eq!(unknown_rule("everything"), "no such rule");
    }
}
