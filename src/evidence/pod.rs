//! One pod: a cell for each of its containers and every check.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;

use super::check::Check;
use super::document::{
    Cell, ContainerEvidence, ContainerState, ExemptionEvidence, NoteEvidence, SetBy, Source,
    Standing, State, TemplateCell,
};
use super::exempt::Judge;
use super::live::Live;
use super::stated::{Stated, Subject, stated};
use super::templates::Template;
use super::user;
use crate::admission::Environment;
use crate::exemption::HARDENED_ANNOTATION;
use crate::harden::{Scope, harden};
use crate::outcome::{self, Outcome, RuleResult};
use crate::pod::{ContainerKind, Placed, Pod};
use crate::policy::Policy;
use crate::provenance::{self, Incoming};
use crate::rule::{RuleName, RuleScope};

/// A pod, and what it is judged by.
pub(super) struct Judged<'p> {
    pub(super) pod: &'p Pod<'p>,
    pub(super) live: &'p Live<'p>,
    pub(super) namespace: &'p str,
    pub(super) workload: (&'p str, &'p str, &'p str),
    pub(super) policy: &'p Policy,
    pub(super) environment: Environment<'p>,
    /// Why no exemption is in force, if so.
    pub(super) instead: Option<Standing>,
    pub(super) template: Option<&'p Template>,
}

/// What a pod shows: its containers, and the exemptions it declares or is granted.
pub(super) struct Shown {
    pub(super) containers: Vec<ContainerEvidence>,
    pub(super) exemptions: Vec<ExemptionEvidence>,
}

/// The note on a pod.
struct Note {
    read: Incoming,
    evidence: NoteEvidence,
}

/// What one container is judged by.
struct Container<'c> {
    judged: &'c Judged<'c>,
    judge: Judge<'c>,
    subject: Subject<'c>,
    outcome: &'c Outcome<'c>,
    note: Option<&'c Note>,
}

impl Judged<'_> {
    /// Looks at every container.
    pub(super) fn shown(&self) -> Shown {
        let Self { pod, live, namespace, policy, environment, .. } = *self;
        let outcome = harden(pod, policy, &environment.context(Scope::Create));
        let has_debug = pod.ephemeral_containers().next().is_some();
        let debug = has_debug
            .then(|| harden(pod, policy, &environment.context(Scope::Ephemeral { known: &[] })));
        // Windows nodes report no such users: where the kubelet does, the node is none of them.
        let on_linux = live.status.all().any(|status| status.user.linux.is_some());
        let subject = Subject {
            pod,
            live,
            namespace,
            windows: pod.is_windows() && !on_linux,
            user_namespaces: environment.user_namespaces,
        };
        let judge = self.judge();
        let note = self.note();
        let of = |placed: Placed<'_, '_>, outcome: &Outcome<'_>| {
            let note = note.as_ref();
            Container { judged: self, judge, subject, outcome, note }.evidence(placed)
        };
        let containers = pod.all_containers().map(|placed| of(placed, &outcome));
        let mut containers: Vec<_> = containers.collect();
        let mut exemptions = judge.all(&outcome);
        if let Some(debug) = &debug {
            containers.extend(pod.ephemeral_containers().map(|placed| of(placed, debug)));
            let ids: Vec<String> = exemptions.iter().map(|it| it.id.clone()).collect();
            let more = judge.all(debug).into_iter();
            exemptions
                .extend(more.filter(|it| it.standing != Standing::Void && !ids.contains(&it.id)));
        }
        Shown { containers, exemptions }
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            policy: self.policy,
            instead: self.instead,
            date: self.environment.date,
            workload: self.workload,
            template: self.template.map(|template| &template.annotations),
            annotations: &self.live.metadata.annotations,
        }
    }

    /// The grants that have ended and would exempt it otherwise, less what is granted anew. `policy` has
    /// no others; `in_force` is what [`Self::shown`] found.
    pub(super) fn ended(
        &self,
        policy: &Policy,
        in_force: &[ExemptionEvidence],
    ) -> Vec<ExemptionEvidence> {
        let before_all = Environment { date: Date::MIN, ..self.environment };
        let then = harden(self.pod, policy, &before_all.context(Scope::Create));
        let mut ended = self.judge().ended(&then);
        ended.retain(|it| in_force.iter().all(|other| other.id != it.id));
        ended
    }

    fn note(&self) -> Option<Note> {
        let read = Incoming::read(self.pod.annotation(HARDENED_ANNOTATION)?)?;
        let policy = read.policy()?.to_owned();
        let current = policy == self.policy.versioned();
        let holds = !provenance::claims_too_much(self.pod);
        Some(Note { read, evidence: NoteEvidence { policy, current, holds } })
    }
}

impl Container<'_> {
    fn evidence(&self, placed: Placed<'_, '_>) -> ContainerEvidence {
        let container = placed.container;
        let name = &*container.name;
        let status = self.judged.live.status.of(name);
        let running = status.and_then(|status| status.state.running.as_ref());
        let terminated = status.is_some_and(|status| status.state.terminated.is_some());
        let user = user::of(self.subject, placed, status, self.judged.policy);
        let spec = stated(self.subject, placed);
        let template = self.judged.template.map(|template| template.containers.get(name));
        let in_template =
            template.map(|it| it.is_some() && placed.kind != ContainerKind::Ephemeral);
        let template = template.flatten().filter(|_| in_template == Some(true));
        let index = self.outcome.containers.iter().position(|it| it.name == name);
        let cells = Check::ALL.iter().zip(&spec).enumerate().map(|(at, (check, spec))| {
            let seen = match check {
                Check::RunAsNonRoot => user::non_root(&user),
                Check::RunAsGroup => user::group(&user, spec),
                Check::SupplementalGroups => user::groups(&user, spec),
                _ => spec.clone(),
            };
            let template = template.and_then(|template| template.get(at));
            let set_by = self.set_by(placed, *check, spec, &seen, template, in_template);
            self.cell(*check, seen, set_by, template, index)
        });
        ContainerEvidence {
            name: name.to_owned(),
            kind: placed.kind.as_str(),
            status: match (running.is_some(), terminated) {
                (true, _) => ContainerState::Running,
                (false, true) => ContainerState::Terminated,
                (false, false) => ContainerState::Waiting,
            },
            in_template,
            pods: 1,
            pod_names: vec![self.judged.live.metadata.name.to_string()],
            running_since: running.map(|it| it.started_at.to_string()).filter(|it| !it.is_empty()),
            image: container.image.to_string(),
            image_id: status.map(|it| it.image_id.to_string()).filter(|it| !it.is_empty()),
            cells: cells.collect(),
            user,
            note: self.note.map(|note| note.evidence.clone()),
            rules: self.rules(index),
        }
    }

    fn cell(
        &self,
        check: Check,
        seen: Stated,
        set_by: SetBy,
        template: Option<&Stated>,
        index: Option<usize>,
    ) -> Cell {
        let covered = || self.judge.covering(self.outcome, index?, check);
        let exemption = if seen.state == State::Fail { covered() } else { None };
        let in_force = exemption.is_some() && self.judged.instead.is_none();
        let template = template.filter(|it| it.state != seen.state || it.value != seen.value);
        Cell {
            check,
            state: if in_force { State::Exempt } else { seen.state },
            value: seen.value,
            source: seen.source,
            set_by,
            template: template.map(|it| TemplateCell { state: it.state, value: it.value.clone() }),
            exemption,
            why: seen.why,
        }
    }

    /// Who set what the spec says. The note is asked last: it claims only what the template lacks.
    fn set_by(
        &self,
        placed: Placed<'_, '_>,
        check: Check,
        spec: &Stated,
        seen: &Stated,
        template: Option<&Stated>,
        in_template: Option<bool>,
    ) -> SetBy {
        // A flag that is false may be stated or not: the API server stores both the same way.
        let nothing = |it: &Stated| it.value.is_null() || it.source == Source::Default;
        let of_image =
            matches!(check, Check::RunAsNonRoot | Check::RunAsGroup | Check::SupplementalGroups)
                && spec.value.is_null();
        if of_image && !seen.value.is_null() {
            return SetBy::Image;
        }
        let ours = || self.claims(placed, check) || placed.container.seeding().is_some();
        match template {
            // Without ironhull the API server would have mounted one.
            _ if check == Check::ServiceAccountToken && nothing(spec) && ours() => SetBy::Ironhull,
            Some(template) if template.value == spec.value && nothing(spec) => SetBy::Default,
            Some(template) if template.value == spec.value => SetBy::Author,
            _ if !nothing(spec) && ours() => SetBy::Ironhull,
            // A value that ironhull takes away may leave a default.
            Some(template) if !nothing(template) && ours() => SetBy::Ironhull,
            Some(_) => SetBy::Other,
            None if nothing(spec) => SetBy::Default,
            None if in_template == Some(false) && placed.kind != ContainerKind::Ephemeral => {
                SetBy::Other
            }
            None => SetBy::Unknown,
        }
    }

    /// Whether the note claims the value, and is true of the pod.
    fn claims(&self, placed: Placed<'_, '_>, check: Check) -> bool {
        let Some(Note { read, .. }) = self.note.filter(|note| note.evidence.holds) else {
            return false;
        };
        if placed.kind == ContainerKind::Ephemeral {
            return false;
        }
        // Some values are set by other rules than the one that an exemption names.
        let rules = match check {
            Check::RunAsNonRoot => [Some(RuleName::RunAsNonRoot), Some(RuleName::RunAsUser)],
            Check::SupplementalGroups => [Some(RuleName::FsGroup), None],
            Check::Sysctls => [Some(RuleName::UnprivilegedPorts), None],
            _ => [check.about().rule, None],
        };
        let name = &placed.container.name;
        let mut rules = rules.into_iter().flatten();
        rules.any(|rule| read.has_set_in(name, rule) || read.has_set_on_pod(rule))
    }

    /// What each rule says today.
    fn rules(&self, index: Option<usize>) -> BTreeMap<&'static str, Cow<'static, str>> {
        let findings = self.outcome.findings.iter().filter(|finding| match finding.subject {
            outcome::Subject::Container(at) => Some(at) == index,
            outcome::Subject::Pod => finding.rule.scope() == RuleScope::Pod,
        });
        findings
            .map(|finding| {
                let word = match finding.result {
                    RuleResult::Skipped(skip) => format!("skipped: {}", skip.as_str()).into(),
                    result => result.as_str().into(),
                };
                (finding.rule.as_str(), word)
            })
            .collect()
    }
}

impl ContainerEvidence {
    /// Whether it is alike in everything but the pod.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.name, self.kind, self.status, self.in_template, &self.image, &self.image_id)
            == (
                &other.name,
                other.kind,
                other.status,
                other.in_template,
                &other.image,
                &other.image_id,
            )
            && self.user == other.user
            && self.note == other.note
            && self.cells == other.cells
            && self.rules == other.rules
    }
}
