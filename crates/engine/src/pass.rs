//! One hardening of one pod: input and output of the rules.

use std::borrow::Cow;

use jiff::civil::Date;

use crate::exemption::{self, InForce};
use crate::facts::Known;
use crate::image::ImageEntry;
use crate::outcome::{Finding, Level, Looked, Remark, RuleResult, Skip, Subject, Value};
use crate::patch::{ContainerPlan, Plan, PodPlan};
use crate::pod::{ContainerKind, Placed, Pod, PodSecurityContext, SecurityContext, Volumes};
use crate::policy::Policy;
use crate::provenance;
use crate::rule::{RuleName, RuleSet};
use crate::user::placement::{self, Placement};
use crate::user::{self, Author, Candidate, Choice, Decision};

/// What the engine needs besides the pod and the policy.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// Today, in UTC, for the end dates of exemptions.
    pub date: Date,
    /// The part of the pod that may be changed.
    pub scope: Scope<'c>,
    /// Whether the cluster honours `hostUsers: false`. An API server that does not know the
    /// field, or has it switched off, drops it after mutating admission (`dropDisabledFields`
    /// in `pkg/api/pod/util.go`). Root in the pod is then root on the node. So this is `false`
    /// unless somebody who knows the cluster says otherwise.
    pub user_namespaces: bool,
    /// Whether a changed pod gets the annotation `ironhull.dev/hardened`.
    pub provenance: bool,
    /// JSON Pointer of the pod in the patched document: empty for a pod, `/spec/template` for
    /// a Deployment.
    pub root: &'c str,
    /// Names of volumes the pod will have besides its own: a StatefulSet's
    /// `volumeClaimTemplates`.
    pub reserved_volumes: &'c [&'c str],
    /// ironhull's own image, for the init containers that seed; `None` if nobody has said. Then
    /// nothing is seeded.
    pub seed_image: Option<SeedImage<'c>>,
}

/// ironhull's own image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedImage<'c> {
    /// Its name.
    pub name: &'c str,
    /// Its imagePullPolicy; empty for Kubernetes' default.
    pub pull_policy: &'c str,
}

impl SeedImage<'static> {
    /// Stands for the webhook's image where no pod is made: what a pod will be is the same,
    /// whatever the image is called.
    pub const ANY: Self = Self { name: "ironhull", pull_policy: "" };
}

/// The part of a pod that may be changed.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'c> {
    /// A pod as the API server has it, after its own admission plugins: everything but ephemeral
    /// containers.
    Create,
    /// A pod in a manifest, or the template of one, which no plugin has seen.
    Template {
        /// Whether pods are made of it as it stands. The operators of other kinds than
        /// Kubernetes' own may choose, for one, the ServiceAccount.
        complete: bool,
    },
    /// `pods/ephemeralcontainers`: only new ephemeral containers.
    Ephemeral {
        /// Names of the ephemeral containers that existed before.
        known: &'c [&'c str],
    },
}

/// One hardening of one pod: input and output of the rules.
pub struct Pass<'p> {
    /// The pod.
    pub pod: &'p Pod<'p>,
    /// The policy.
    pub policy: &'p Policy,
    /// The part of the pod that may be changed.
    pub scope: Scope<'p>,
    /// Whether only new ephemeral containers may be changed.
    pub ephemeral: bool,
    /// Names of volumes that the pod has besides its own.
    pub reserved_volumes: &'p [&'p str],
    /// ironhull's own image, if it is known.
    pub seed_image: Option<SeedImage<'p>>,
    /// The examined containers.
    pub containers: Vec<Examined<'p>>,
    /// The same containers, as the outcome names them.
    pub looked: Vec<Looked<'p>>,
    /// The pod's volumes by their names.
    pub volumes: Volumes<'p>,
    /// Placement of the user fields.
    pub placement: Placement<'p>,
    /// The declarations of the workload and the policy.
    pub declared: InForce<'p>,
    /// The planned changes.
    pub plan: Plan<'p>,
    /// The findings.
    pub findings: Vec<Finding<'p>>,
    /// Remarks: what no finding says.
    pub remarks: Vec<Remark<'p>>,
    /// Whether the pod is for Windows nodes.
    pub windows: bool,
}

/// An examined container.
pub struct Examined<'p> {
    /// The container and its position.
    pub placed: Placed<'p, 'p>,
    /// The policy's entry for its image.
    pub entry: Option<&'p ImageEntry>,
    /// What is known of its image.
    pub facts: Option<&'p Known>,
    /// The rules it is exempt from.
    pub exempt: RuleSet,
    /// Whether it stays privileged; then no rule but `privileged` acts on it.
    pub privileged: bool,
    /// The user it will run as.
    pub user: Decision<'p>,
}

impl<'p> Pass<'p> {
    /// A pass in which everything the rules read is decided, and nothing is planned.
    pub fn new(pod: &'p Pod<'p>, policy: &'p Policy, context: &Context<'p>) -> Self {
        let mut candidates: Vec<Candidate<'p>> = Vec::new();
        let mut looked: Vec<Looked<'p>> = Vec::new();
        let mut images: Vec<Cow<'p, str>> = Vec::new();
        let look = |placed: Placed<'p, 'p>| {
            let image = policy.registry_aliases.normalise(&placed.container.image);
            let entry = policy.images.find(&image);
            let facts = policy.facts.find(&placed.container.image, &image);
            let (exempt, privileged) = (RuleSet::EMPTY, false);
            candidates.push(Candidate { placed, entry, facts, exempt, privileged });
            let entry_reason = entry.and_then(|entry| entry.reason.as_deref());
            looked.push(Looked { name: &placed.container.name, kind: placed.kind, entry_reason });
            images.push(image);
        };
        match context.scope {
            Scope::Create | Scope::Template { .. } => pod.containers().for_each(look),
            Scope::Ephemeral { known } => pod
                .ephemeral_containers()
                .filter(|placed| !known.contains(&&*placed.container.name))
                .for_each(look),
        }
        let declared = exemption::in_force(pod, policy, &looked, &images, context.date);
        for (index, candidate) in candidates.iter_mut().enumerate() {
            candidate.exempt = declared.of_container(index);
            candidate.privileged =
                policy.keeps_privileged(candidate.placed.container, candidate.exempt);
        }
        let windows = pod.is_windows();
        let ephemeral = matches!(context.scope, Scope::Ephemeral { .. });
        let (users, placement) = if windows {
            user::windows::decide(pod, policy, &candidates)
        } else {
            // Reading the note on the pod is expensive, and most pods do not need it.
            let ours = candidates.iter().any(Candidate::may_come_later);
            let ours = ours.then(|| provenance::pod_level_uid(pod)).flatten();
            // Not in one that ironhull itself has asked for: the API server may have dropped the
            // field since, and what another webhook adds later is as if it had been there before.
            let in_user_namespace = context.user_namespaces
                && pod.asks_to_be_nobody()
                && !provenance::has_set_host_users(pod);
            let users = user::decide(pod, policy, &candidates, ours, in_user_namespace);
            let placement = placement::place(pod, policy, &candidates, &users);
            (users, placement)
        };
        // An update of ephemeral containers may change nothing else.
        let placement = if ephemeral { Placement::default() } else { placement };
        let containers: Vec<Examined<'p>> = candidates
            .into_iter()
            .zip(users)
            .map(|(candidate, user)| Examined {
                placed: candidate.placed,
                entry: candidate.entry,
                facts: candidate.facts.map(|found| found.known),
                exempt: candidate.exempt,
                privileged: candidate.privileged,
                user,
            })
            .collect();
        let mut plan = Plan::default();
        plan.containers.resize_with(containers.len(), ContainerPlan::default);
        // Most rules record one finding per container.
        let findings = Vec::with_capacity(RuleName::ALL.len() * (containers.len() + 1));
        Self {
            pod,
            policy,
            scope: context.scope,
            ephemeral,
            reserved_volumes: context.reserved_volumes,
            seed_image: context.seed_image,
            containers,
            looked,
            volumes: Volumes::of(pod, context.reserved_volumes),
            placement,
            declared,
            plan,
            findings,
            remarks: Vec::new(),
            windows,
        }
    }

    /// Records a finding without value and note.
    pub fn find(&mut self, rule: RuleName, subject: Subject, result: RuleResult) {
        self.findings.push(Finding::new(rule, subject, result));
    }

    /// Calls `judge` with the index of each container the rule applies to. The others are
    /// recorded first, as privileged or exempt.
    pub fn judge(&mut self, rule: RuleName, mut judge: impl FnMut(&mut Self, usize)) {
        let left_out = |container: &Examined<'_>| {
            if container.privileged {
                Some(RuleResult::Skipped(Skip::Privileged))
            } else {
                container.exempt.contains(rule).then_some(RuleResult::Exempt)
            }
        };
        for (index, container) in self.containers.iter().enumerate() {
            if let Some(result) = left_out(container) {
                self.findings.push(Finding::new(rule, Subject::Container(index), result));
            }
        }
        for index in 0..self.containers.len() {
            if self.containers.get(index).is_some_and(|it| left_out(it).is_none()) {
                judge(self, index);
            }
        }
    }

    /// Whether the container works as a new user, given by ironhull. An init container that
    /// follows an app container with its own user does not: it works on what that container's
    /// author has arranged.
    pub fn has_new_user(&self, examined: &Examined<'_>) -> bool {
        let keeps = |other: &Examined<'_>| {
            other.placed.kind == ContainerKind::App
                && !other.user.changes_uid()
                && other.uid() == examined.user.uid.set
        };
        examined.user.changes_uid()
            && (examined.placed.kind != ContainerKind::Init || !self.containers.iter().any(keeps))
    }

    /// The fsGroup that the pod will have.
    pub fn fs_group(&self) -> Option<i64> {
        self.pod.spec.security_context.fs_group.or(self.plan.pod.fs_group)
    }

    /// The container with this index and the plan for it.
    pub fn container(&mut self, index: usize) -> Option<(&Examined<'p>, &mut ContainerPlan<'p>)> {
        Some((self.containers.get(index)?, self.plan.containers.get_mut(index)?))
    }
}

/// One of the three user fields: how its decision is read and where it is written.
pub struct UserField<T> {
    /// The decision for a container.
    pub choice: for<'d, 'p> fn(&'d Decision<'p>) -> &'d Choice<'p, T>,
    /// What happens at the pod level.
    pub at_pod: for<'d, 'p> fn(&'d Placement<'p>) -> Option<&'d Choice<'p, T>>,
    /// The author's effective value.
    pub author: fn(&Author) -> Option<T>,
    /// A container's own value.
    pub own: fn(&SecurityContext<'_>) -> Option<T>,
    /// The pod-level value.
    pub outer: fn(&PodSecurityContext<'_>) -> Option<T>,
    /// Where a container's value is planned.
    pub plan: for<'d> fn(&'d mut ContainerPlan<'_>) -> &'d mut Option<T>,
    /// Where the pod-level value is planned.
    pub pod_plan: for<'d> fn(&'d mut PodPlan<'_>) -> &'d mut Option<T>,
    /// The value as a finding shows it.
    pub value: fn(T) -> Value<'static>,
}

impl Pass<'_> {
    /// Plans and records the decisions about one user field.
    pub fn project<T: Copy>(&mut self, rule: RuleName, field: &UserField<T>) {
        let outer = (field.outer)(&self.pod.spec.security_context);
        if let Some(choice) = (field.at_pod)(&self.placement) {
            if let Some(value) = choice.set {
                *(field.pod_plan)(&mut self.plan.pod) = Some(value);
            }
            if outer.is_some() {
                let finding =
                    Finding::new(rule, Subject::Pod, choice.result).was(outer.map(field.value));
                let finding = finding.note(choice.note.clone());
                self.findings.push(match choice.set {
                    Some(value) => finding.now((field.value)(value), Level::Pod),
                    None => finding,
                });
            }
        }
        for (index, container) in self.containers.iter().enumerate() {
            let choice = (field.choice)(&container.user);
            let finding = Finding::new(rule, Subject::Container(index), choice.result)
                .was((field.author)(&container.user.author).map(field.value))
                .note(choice.note.clone());
            let Some(value) = choice.set else {
                self.findings.push(finding);
                continue;
            };
            let own = (field.own)(&container.placed.container.security_context);
            let level =
                if self.placement.on_pod && own.is_none() { Level::Pod } else { Level::Container };
            if let (Level::Container, Some(plan)) = (level, self.plan.containers.get_mut(index)) {
                *(field.plan)(plan) = Some(value);
            }
            self.findings.push(finding.now((field.value)(value), level));
        }
    }
}

/// What may be names of programs, or numbers, in a word of a command, which may be a whole script.
pub fn names_in(word: &str) -> impl Iterator<Item = &str> {
    word.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
}

impl<'p> Examined<'p> {
    /// The uid it will run with; `None` if its image's user stays, and nobody knows it.
    pub fn uid(&self) -> Option<i64> {
        self.user.uid.set.or(self.user.author.uid).or(self.user.image_uid)
    }

    /// What `take` makes of the first word of which it makes something: of the command, of the commands of
    /// hooks and probes, and of what the image starts, as far as facts know it and it is started.
    pub fn find_word<T>(&self, mut take: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let container = self.placed.container;
        let words = container.words().unwrap_or_default();
        let hooks = container.handlers().flat_map(|handler| &handler.exec.command);
        let mut own = words.iter().map(|word| &**word).chain(hooks.map(|word| &**word));
        own.find_map(&mut take).or_else(|| {
            let program = self.facts.filter(|_| !container.has_command())?.program.as_ref()?;
            program.entrypoint.iter().chain(&program.cmd).find_map(|word| take(word))
        })
    }

    /// Whether its spec lets it run as root. Who the image's own user is does not count.
    pub fn may_be_root(&self) -> bool {
        let Decision { non_root, uid, author, .. } = &self.user;
        let non_root = non_root.set.or(author.non_root);
        uid.set.or(author.uid).map_or(non_root != Some(true), |uid| uid == 0)
    }

    /// Whether it will run as its image's own user, as far as that is known.
    pub fn runs_as_own_user(&self) -> bool {
        self.user.image_uid.is_some() && self.uid() == self.user.image_uid
    }

    /// The lowest port below 1024 it is known to listen on. Its manifest decides; if that
    /// mentions no port at all, its image's entry does, or what the image exposes.
    pub fn low_port(&self) -> Option<i64> {
        let low = |port: &i64| (1..1024).contains(port);
        let (mut told, mut lowest) = (false, None);
        self.placed.container.each_port(|port| {
            told = true;
            if low(&port) && lowest.is_none_or(|lowest| port < lowest) {
                lowest = Some(port);
            }
        });
        if told {
            return lowest;
        }
        let known = self.entry.map(|entry| entry.ports.as_slice()).unwrap_or_default();
        let known = known.iter().map(|port| i64::from(*port)).filter(low).min();
        known.or_else(|| self.facts?.low_ports().min())
    }

    /// The names of the volumes it mounts.
    pub fn mounted(&self) -> impl Iterator<Item = &'p str> + use<'p> {
        self.placed.container.volume_mounts.iter().map(|mount| &*mount.name)
    }

    /// Whether it is ephemeral. Such a container cannot have mounts of its own.
    pub fn is_ephemeral(&self) -> bool {
        self.placed.kind == ContainerKind::Ephemeral
    }
}
