//! Risks of an unknown program, judged by what it asks for and mounts, and how it runs today.

use k8s_openapi::api::core::v1::Container;

use super::super::needs::Program;
use super::super::reach::{self, Host, Place};
use super::super::shared::with_content;
use super::super::{Cause, Remedy, Risk, Unseen};
use super::{ROOT, ROOT_WITH_CAPABILITIES, View, context, plain, uid};
use crate::foresight::author;
use crate::outcome::RuleResult;
use crate::rule::RuleName;

impl<'c> View<'c> {
    /// Risks of a program of which nothing is known.
    pub(super) fn unknown_program(&self, program: &Program) -> Vec<Risk> {
        let mut risks = Vec::new();
        let taken = self.capabilities_taken();
        if !taken.is_empty() && self.may_be_root() {
            let why = format!("it asks for {}, which the policy does not allow", taken.join(", "));
            let remedy = Remedy::Exempt(ROOT_WITH_CAPABILITIES);
            risks.push(self.risk(Cause::NeedsCapability, true, why, remedy));
        }
        if self.is_known() {
            return risks;
        }
        let asks = self.asks_for_root();
        if asks && self.new_user() {
            let why = format!("it asks for root, and would run as uid {}", uid(self.uid_after));
            risks.push(self.risk(Cause::AsksForRoot, true, why, Remedy::Exempt(ROOT)));
        }
        risks.extend(self.mounts());
        if risks.is_empty() {
            risks.extend(self.unknown(program));
        }
        risks
    }

    /// Volumes that no program will be able to use, whatever it is.
    fn mounts(&self) -> Vec<Risk> {
        if !self.loses_root() {
            return Vec::new();
        }
        let volumes = |name: &str| {
            self.case.before.volumes.iter().flatten().find(|volume| volume.name == name)
        };
        let mut risks = Vec::new();
        for mount in self.before.volume_mounts.iter().flatten() {
            let Some(volume) = volumes(&mount.name) else { continue };
            risks.extend(self.narrow(volume, true));
            let Some(host_path) = &volume.host_path else { continue };
            let (certain, what) = match reach::host(mount, volume) {
                Host::Public => continue,
                Host::Socket => (true, "is a socket that belongs to root"),
                Host::Written => (true, "belongs to root"),
                Host::Read => (false, "only root may be able to read"),
            };
            let why = format!("it mounts `{}` of the node, which {what}", host_path.path);
            risks.push(self.risk(Cause::HostPath, certain, why, Remedy::Exempt(ROOT)));
        }
        risks
    }

    /// Risk that only trying can tell.
    fn unknown(&self, program: &Program) -> Option<Risk> {
        let what = match program {
            Program::Unrecognised(word, _) => word.clone(),
            _ => match self.before.image.as_deref() {
                Some(image) => format!("the image `{image}`"),
                None => "its image".to_owned(),
            },
        };
        let entry = "give its image an entry in the policy's `images`";
        if self.new_user() {
            let after = uid(self.uid_after);
            let (cause, why, remedy) = match self.uid_before {
                Some(0) if !self.is_seen() => (
                    Cause::RunsAsRoot,
                    format!("its image is root and would run as uid {after}; {what} is not known"),
                    Remedy::Try(format!(
                        "try it, or run it unhardened and `ironhull observe` it; then {entry}"
                    )),
                ),
                Some(before) if !self.is_seen() && before != 0 => (
                    Cause::OtherUser,
                    format!("its image's user is {before}, and it would run as uid {after}"),
                    Remedy::Manifest(format!(
                        "set `runAsUser: {before}`, or {entry} with that uid"
                    )),
                ),
                Some(0) => (
                    Cause::RunsAsRoot,
                    format!("runs as root today and would run as uid {after}; {what} is not known"),
                    Remedy::Try(format!("`ironhull observe` tells what it needs; then {entry}")),
                ),
                Some(before) => (
                    Cause::OtherUser,
                    format!("runs as uid {before} today and would run as uid {after}"),
                    Remedy::Manifest(format!(
                        "set `runAsUser: {before}`, or {entry} with that uid"
                    )),
                ),
                None => (
                    Cause::UnknownUser,
                    format!("would run as uid {after}; {}, and {what} is not known", self.unseen()),
                    Remedy::Try(format!(
                        "read its image with `ironhull image facts`, or try it; then {entry}"
                    )),
                ),
            };
            return Some(self.risk(cause, false, why, remedy));
        }
        self.becomes_read_only().then(|| {
            let full = self.full_directories();
            if !full.is_empty() {
                let remedy = Remedy::Try(with_content(&self.before.name, &full));
                let full = full.join("`, `");
                let why = format!(
                    "its image lets it write to `{full}`, which has content and becomes read-only"
                );
                return self.risk(Cause::ReadOnly, false, why, remedy);
            }
            let why = format!("its root file system becomes read-only; {what} is not known");
            let remedy = Remedy::Try(
                "try it; list the paths it writes to in `ironhull.dev/writable-paths`".to_owned(),
            );
            self.risk(Cause::ReadOnly, false, why, remedy)
        })
    }

    /// Whether a running pod tells its user today.
    fn is_seen(&self) -> bool {
        self.case.seen.uids.contains_key(&self.before.name)
    }

    /// Why it is not known which user it runs as.
    fn unseen(&self) -> &'static str {
        match self.case.seen.unseen.get(&self.before.name) {
            None => "no running pod shows its user today",
            Some(Unseen::Differs) => "its pods run as different users",
            Some(Unseen::Hidden) => "the kubelet does not report its user",
            Some(Unseen::Hardened) => "its pods are hardened already",
        }
    }

    /// Whether its author states in the manifest that it is root.
    fn asks_for_root(&self) -> bool {
        author(self.case.before.security_context.as_ref(), context(self.before)).is_root()
    }

    /// The capabilities it asks for and does not get.
    fn capabilities_taken(&self) -> Vec<String> {
        let replaced = self.case.outcome.findings.iter().any(|finding| {
            finding.rule == RuleName::Capabilities
                && finding.result == RuleResult::Replaced
                && self.case.outcome.subject_name(finding.subject) == self.before.name
        });
        let added = |container: &'c Container| {
            let adds = context(container).and_then(|c| c.capabilities.as_ref()?.add.as_ref());
            adds.into_iter().flatten().map(|name| plain(name))
        };
        if !replaced {
            return Vec::new();
        }
        let after: Vec<String> = added(self.after).collect();
        added(self.before).filter(|name| !after.contains(name)).collect()
    }

    /// Risks of mounted scripts that only root may execute.
    pub(super) fn scripts(&self, program: &Program) -> Vec<Risk> {
        let command = self.before.command.as_ref().and_then(|command| command.first());
        super::super::not_executable(self.case.outcome, &self.before.name)
            .filter_map(|volume| {
                let runs = command.is_some_and(|command| {
                    let place = reach::place(self.case.before, self.before, command);
                    matches!(place, Place::Mount(mount, _) if mount.name == volume)
                });
                if !runs && matches!(program, Program::Recognised(_)) {
                    return None;
                }
                let why = format!("only root can execute the scripts of volume `{volume}`");
                let remedy =
                    Remedy::Manifest(format!("set `defaultMode: 0555` on volume `{volume}`"));
                Some(self.risk(Cause::NotExecutable, runs, why, remedy))
            })
            .collect()
    }
}
