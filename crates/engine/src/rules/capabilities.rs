//! # `capabilities`
//!
//! ## What it does
//! Drops all capabilities, and judges what is added. `ALL` is appended to `drop` exactly
//! so: Pod Security compares that string, and `all` is not enough. Adds outside the
//! policy's `allowedAdd` stay under `fill`, with a warning, and are removed under
//! `enforce`. Only plain upper-case names count: runtimes put `CAP_`
//! before every name, so `CAP_CHOWN` grants nothing; under `enforce` such a form is
//! rewritten to the plain one where that is allowed, and removed where not.
//!
//! A container whose ALL ironhull drops gets back
//! - `NET_BIND_SERVICE`, where it declares a port below 1024 or a probe or hook of it connects
//!   to one, or [facts](images.md) know a program with that file capability in its image, and
//!   `allowedAdd` has it: it gives a non-root process nothing, but such a program (caddy, coredns,
//!   ingress-nginx) cannot even be executed without it;
//! - the `addCapabilities` of its image's entry;
//! - `rootKeeps`, where it may run as root (by an exemption, a kept explicit root, or in a
//!   user namespace): what chown, gosu, su-exec and the entrypoints of databases need;
//!
//! all of it less what its author drops, by name or as `all`.
//!
//! ## Why
//! The default set lets a process forge packets, change any file's owner and make device
//! nodes. Few applications use any of it.
//!
//! ## Fields
//! - `spec.containers[*].securityContext.capabilities`
//! - `spec.initContainers[*].securityContext.capabilities`
//! - `spec.ephemeralContainers[*].securityContext.capabilities`
//!
//! ## Left alone when
//! - `drop` has `ALL` and every add is allowed;
//! - the container is privileged (`privileged`);
//! - a kept `add: [ALL]`, in any case, stands beside it under `fill` (`addAll`): a drop of
//!   ALL would leave the container nothing.
//!
//! ## Exempting
//! `exempt.ironhull.dev/capabilities`, for the pod or one container. A namespace that uses
//! it needs Pod Security `baseline`.
//!
//! ## Source
//! Pod Security Standards, *restricted*, "Capabilities"
//! (`k8s.io/pod-security-admission/policy/check_capabilities_restricted.go`); containerd,
//! `internal/cri/opts/spec_linux_opts.go` (`WithCapabilities`); capabilities(7) on
//! "safety checking for capability-dumb binaries".

use std::borrow::Cow;

use crate::image::ImageEntry;
use crate::outcome::{Finding, Level, Note, RuleResult, Skip, Subject, Value};
use crate::pass::{Examined, Pass};
use crate::patch::CapabilitiesPlan;
use crate::pod::Container;
use crate::policy::Capability;
use crate::policy::decode::settings;
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The capabilities a container may add.
        pub allowed_add: Vec<Capability> = "allowedAdd",
        /// What a container that may run as root gets back when ironhull drops ALL.
        pub root_keeps: Vec<Capability> = "rootKeeps",
    }
}

/// The rule.
pub struct Capabilities;

/// The file capability that a binary may carry which listens below 1024.
const NET_BIND_SERVICE: &str = "NET_BIND_SERVICE";

impl Rule for Capabilities {
    fn name(&self) -> RuleName {
        RuleName::Capabilities
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        let settings = &pass.policy.rules.capabilities;
        pass.judge(self.name(), |pass, index| {
            let Some(container) = pass.containers.get(index) else { return };
            let judgement = Judgement::of(container, settings);
            let (plan, finding) = judgement.conclude(Subject::Container(index));
            if let Some(slot) = pass.plan.containers.get_mut(index) {
                slot.capabilities = plan;
            }
            pass.findings.push(finding);
        });
    }
}

/// One container's capabilities, compared with the rule.
struct Judgement<'p> {
    settings: &'p Settings,
    container: &'p Container<'p>,
    entry: Option<&'p ImageEntry>,
    may_run_as_root: bool,
    /// Whether it is known to listen below 1024.
    low_port: bool,
    /// Whether a program of its image cannot be executed without `NET_BIND_SERVICE`.
    needs_to_bind: bool,
    add: Vec<&'p str>,
    /// Whether `drop` has exactly `ALL`.
    drops_all: bool,
}

impl<'p> Judgement<'p> {
    fn of(examined: &Examined<'p>, settings: &'p Settings) -> Self {
        let container = examined.placed.container;
        let now = &container.security_context.capabilities;
        Self {
            settings,
            container,
            entry: examined.entry,
            may_run_as_root: examined.user.may_run_as_root,
            low_port: examined.low_port().is_some(),
            needs_to_bind: examined
                .facts
                .is_some_and(|it| it.has_file_capability(NET_BIND_SERVICE)),
            add: now.add.iter().map(|name| &**name).collect(),
            drops_all: now.drop.iter().any(|name| &**name == "ALL"),
        }
    }

    fn conclude(&self, subject: Subject) -> (CapabilitiesPlan<'p>, Finding<'p>) {
        let finding = |result| {
            let was = self.add.iter().map(|name| Cow::Borrowed(*name)).collect();
            Finding::new(RuleName::Capabilities, subject, result)
                .was((!self.add.is_empty()).then_some(Value::List(was)))
        };
        let nothing = CapabilitiesPlan::default();
        let unwanted: Vec<&str> =
            self.add.iter().copied().filter(|name| !self.allows(name)).collect();
        if self.drops_all && unwanted.is_empty() {
            return (nothing, finding(RuleResult::Compliant));
        }
        match self.settings.action {
            Action::Off | Action::Warn => {
                (nothing, finding(RuleResult::Kept).note(Some(Note::OnlyWarns)))
            }
            Action::Fill => {
                let adds_all = self.add.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
                let note = (!unwanted.is_empty()).then_some(Note::KeptAdds(unwanted));
                if self.drops_all {
                    return (nothing, finding(RuleResult::Kept).note(note));
                }
                if adds_all {
                    return (nothing, finding(RuleResult::Skipped(Skip::AddAll)));
                }
                let plan = self.dropping(None);
                let now = described(&plan, &self.add);
                (plan, finding(RuleResult::Set).note(note).now(now, Level::Container))
            }
            Action::Enforce => {
                let changed = !unwanted.is_empty();
                let plan = self.dropping(changed.then(|| self.rewritten()));
                let now = described(&plan, &self.add);
                let result = if changed { RuleResult::Replaced } else { RuleResult::Set };
                (plan, finding(result).now(now, Level::Container))
            }
        }
    }

    /// Whether a name may be in `add` as spelt.
    fn allows(&self, name: &str) -> bool {
        let has = |list: &[Capability]| list.iter().any(|capability| capability.as_str() == name);
        has(&self.settings.allowed_add) || self.may_run_as_root && has(&self.settings.root_keeps)
    }

    /// The allowed adds, in their plain form, each once.
    fn rewritten(&self) -> Vec<Cow<'p, str>> {
        let mut kept: Vec<Cow<'p, str>> = Vec::new();
        for name in self.add.iter().map(|name| plain(name)) {
            if self.allows(&name) && !kept.contains(&name) {
                kept.push(name);
            }
        }
        kept
    }

    /// A plan that leaves only `rewritten` in `add` (if given), drops ALL unless that is done
    /// already, and gives back what is needed.
    fn dropping(&self, mut rewritten: Option<Vec<Cow<'p, str>>>) -> CapabilitiesPlan<'p> {
        let mut append_add = Vec::new();
        if !self.drops_all {
            for name in self.given_back() {
                match &mut rewritten {
                    Some(whole) if !whole.iter().any(|present| present == name) => {
                        whole.push(Cow::Borrowed(name));
                    }
                    None if !self.add.contains(&name) && !append_add.contains(&name) => {
                        append_add.push(name);
                    }
                    _ => {}
                }
            }
        }
        CapabilitiesPlan { drop_all: !self.drops_all, rewrite_add: rewritten, append_add }
    }

    /// The capabilities a container gets back when ironhull drops ALL.
    fn given_back(&self) -> impl Iterator<Item = &'p str> {
        let settings = self.settings;
        let dropped = &self.container.security_context.capabilities.drop;
        // Runtimes read `all` as ALL: the author has dropped everything already.
        let nothing_left = dropped.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
        let binds = (self.low_port || self.needs_to_bind)
            && settings.allowed_add.iter().any(|name| name.as_str() == NET_BIND_SERVICE);
        let entry = self.entry.map(|entry| entry.add_capabilities.as_slice()).unwrap_or_default();
        let root = if self.may_run_as_root { settings.root_keeps.as_slice() } else { &[] };
        let named = entry.iter().chain(root).map(Capability::as_str);
        binds
            .then_some(NET_BIND_SERVICE)
            .into_iter()
            .chain(named)
            // An author's drop of one capability beats an add of it anyway.
            .filter(move |name| !nothing_left && !dropped.iter().any(|drop| plain(drop) == *name))
    }
}

/// A capability's name as runtimes expect it: upper case, without `CAP_`.
fn plain(name: &str) -> Cow<'_, str> {
    let name: Cow<'_, str> = match name.bytes().any(|b| b.is_ascii_lowercase()) {
        true => Cow::Owned(name.to_ascii_uppercase()),
        false => Cow::Borrowed(name),
    };
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.strip_prefix("CAP_").unwrap_or(name)),
        Cow::Owned(name) => {
            Cow::Owned(name.strip_prefix("CAP_").map_or(name.clone(), str::to_owned))
        }
    }
}

/// The capabilities after the plan, for people.
fn described(plan: &CapabilitiesPlan<'_>, before: &[&str]) -> Value<'static> {
    let (rewritten, before) = match &plan.rewrite_add {
        Some(whole) => (whole.as_slice(), &[][..]),
        None => (&[][..], before),
    };
    let adds = rewritten.iter().map(|name| &**name);
    let adds = adds.chain(before.iter().copied()).chain(plan.append_add.iter().copied());
    let mut text = String::new();
    for name in adds {
        text.push_str(if text.is_empty() { "drop ALL, add " } else { ", " });
        text.push_str(name);
    }
    Value::Text(if text.is_empty() { Cow::Borrowed("drop ALL") } else { Cow::Owned(text) })
}
