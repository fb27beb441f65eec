//! One container: the user it runs as before and after, and what that means for what it does.

mod image;
mod known_needs;
mod unknown_program;

use k8s_openapi::api::core::v1::{Container, PodSpec, SecurityContext};

use super::needs::{self, Program};
use super::{Case, Cause, Remedy, Risk};
use crate::facts::Known;
use crate::foresight::author;
use crate::outcome::Note;
use crate::rule::RuleName;
use crate::text::printable;

/// Capabilities that container runtimes give a container that asks for nothing
/// (`containerd/oci/spec.go`, `defaultUnixCaps`).
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const ROOT: &[RuleName] = &[RuleName::RunAsNonRoot];
/// A setuid program needs the capabilities that it uses as root, too.
const SETUID: &[RuleName] = &[RuleName::AllowPrivilegeEscalation, RuleName::Capabilities];
const ROOT_WITH_CAPABILITIES: &[RuleName] = &[RuleName::RunAsNonRoot, RuleName::Capabilities];

/// Suffix for a command that the script can do without.
const GOES_ON: &str = " (and continues without it)";

/// Maximum length of a sentence about a risk. It has commands, paths and images in it, which may be
/// of any length.
const MAX_WHY: usize = 240;

/// What may break in one container.
pub(super) fn assess(case: &Case<'_>, before: &Container, after: &Container) -> Vec<Risk> {
    let view = View::new(case, before, after);
    if view.privileged || !view.changes() {
        return Vec::new();
    }
    let program = needs::of_container(before);
    if view.image_is_root() {
        let why = "it relies on its image's user, which is root: the kubelet refuses to start it";
        let remedy = Remedy::Manifest("set `runAsUser` to a uid above 0".to_owned());
        return vec![view.risk(Cause::ImageIsRoot, true, why, remedy)];
    }
    if let Some(risk) = view.unusable_user() {
        return vec![risk];
    }
    let arguments = needs::of_arguments(before);
    let (needs, unknown) = match &program {
        Program::Entrypoint => (arguments.as_slice(), true),
        Program::Recognised(needs) => (needs.as_slice(), false),
        Program::Unrecognised(_, needs) => (needs.as_slice(), true),
    };
    let unknown = unknown && !view.is_confined_to_its_image() && !view.is_recognised();
    let mut risks: Vec<Risk> = needs.iter().filter_map(|needed| view.need(needed)).collect();
    if program == Program::Entrypoint {
        for risk in &mut risks {
            risk.why = risk.why.replace(GOES_ON, ", where its entrypoint runs its arguments");
        }
    }
    if program == Program::Entrypoint {
        risks.extend(view.entrypoint());
    }
    risks.extend(view.file_capabilities());
    risks.extend(view.beside(before));
    if !risks.iter().any(|risk| risk.cause == Cause::LowPort) {
        risks.extend(view.low_port());
    }
    risks.extend(view.required());
    let certain = |risks: &[Risk]| risks.iter().any(|risk| risk.certain);
    if unknown && !certain(&risks) {
        risks.extend(view.unknown_program(&program));
    }
    risks.extend(view.scripts(&program));
    // A certain risk covers those that are only feared.
    if certain(&risks) {
        risks.retain(|risk| risk.certain);
    }
    risks
}

/// A container before and after.
struct View<'c> {
    case: &'c Case<'c>,
    before: &'c Container,
    after: &'c Container,
    privileged: bool,
    /// Uid it runs with, if anything says it: the one seen, else the one set.
    uid_before: Option<i64>,
    /// Uid it will run with; `None` if the image's user stays and was never seen.
    uid_after: Option<i64>,
    read_only_before: bool,
    read_only_after: bool,
    /// What is known of its image.
    facts: Option<&'c Known>,
}

impl<'c> View<'c> {
    fn new(case: &'c Case<'c>, before: &'c Container, after: &'c Container) -> Self {
        let said = |spec: &PodSpec, container: &Container| {
            author(spec.security_context.as_ref(), context(container)).uid
        };
        let read_only = |container: &Container| {
            context(container).and_then(|c| c.read_only_root_filesystem) == Some(true)
        };
        let seen = case.seen.uids.get(&before.name).copied();
        let image = before.image.as_deref().unwrap_or_default();
        let name = case.policy.registry_aliases.normalise(image);
        let facts = case.policy.facts.find(image, &name).map(|found| found.known);
        let own = facts.and_then(|known| known.user.as_ref()?.uid);
        let uid_before = said(case.before, before).or(seen).or(own);
        Self {
            case,
            before,
            after,
            privileged: context(before).and_then(|context| context.privileged) == Some(true),
            uid_before,
            uid_after: said(case.after, after).or(uid_before),
            read_only_before: read_only(before),
            read_only_after: read_only(after),
            facts,
        }
    }

    fn risk(&self, cause: Cause, certain: bool, why: impl Into<String>, remedy: Remedy) -> Risk {
        let why = printable(&why.into(), MAX_WHY).into_owned();
        Risk { container: self.before.name.clone(), cause, certain, why, remedy }
    }

    /// Whether it will be another user than today. True also if today's user is unknown.
    fn new_user(&self) -> bool {
        self.uid_after.is_some() && self.uid_after != self.uid_before
    }

    /// Whether it is root today, or may be.
    fn may_be_root(&self) -> bool {
        matches!(self.uid_before, None | Some(0))
    }

    fn loses_root(&self) -> bool {
        self.may_be_root() && self.new_user()
    }

    fn becomes_read_only(&self) -> bool {
        self.read_only_after && !self.read_only_before
    }

    /// Whether anything changes that its program could notice.
    fn changes(&self) -> bool {
        self.new_user()
            || self.becomes_read_only()
            || (self.may_be_root() && capabilities(self.before) != capabilities(self.after))
            || self.loses_setuid()
            || self.image_is_root()
    }

    /// Whether setuid programs will no longer make its process another user.
    fn loses_setuid(&self) -> bool {
        let escalates = |container: &Container| {
            context(container).and_then(|c| c.allow_privilege_escalation) != Some(false)
        };
        escalates(self.before) && !escalates(self.after)
    }

    fn has_before(&self, capability: &str) -> bool {
        self.may_be_root() && has(self.before, capability)
    }

    fn has_after(&self, capability: &str) -> bool {
        !self.loses_root() && self.may_be_root() && has(self.after, capability)
    }

    fn note(&self, is: impl Fn(&Note<'_>) -> bool) -> bool {
        self.case.outcome.findings.iter().any(|finding| {
            self.case.outcome.subject_name(finding.subject) == self.before.name
                && finding.note.as_ref().is_some_and(&is)
        })
    }

    fn image_is_root(&self) -> bool {
        self.note(|note| *note == Note::ImageIsRoot)
    }

    /// Whether an entry states what this image needs.
    fn is_known(&self) -> bool {
        let image = self.before.image.as_deref().unwrap_or_default();
        let image = self.case.policy.registry_aliases.normalise(image);
        let entry = self.case.policy.images.find(&image);
        entry.is_some_and(|entry| entry.user.is_some() || entry.writable_paths.is_some())
    }
}

fn context(container: &Container) -> Option<&SecurityContext> {
    container.security_context.as_ref()
}

fn uid(uid: Option<i64>) -> String {
    uid.map_or_else(|| "of its image".to_owned(), |uid| uid.to_string())
}

/// A capability's name without `CAP_`.
fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
}

/// The capabilities of a container whose process is root.
fn capabilities(container: &Container) -> Vec<String> {
    let own = context(container).and_then(|context| context.capabilities.as_ref());
    let list = |names: Option<&Vec<String>>| -> Vec<String> {
        names.into_iter().flatten().map(|name| plain(name)).collect()
    };
    let (add, drop) =
        (list(own.and_then(|own| own.add.as_ref())), list(own.and_then(|own| own.drop.as_ref())));
    let dropped = |name: &String| drop.contains(name) || drop.iter().any(|drop| drop == "ALL");
    let default = DEFAULT_CAPABILITIES.map(str::to_owned);
    let mut all: Vec<String> = default.into_iter().filter(|name| !dropped(name)).collect();
    all.extend(add);
    all.sort();
    all.dedup();
    all
}

fn has(container: &Container, capability: &str) -> bool {
    let all = capabilities(container);
    all.iter().any(|name| name == capability || name == "ALL")
}
