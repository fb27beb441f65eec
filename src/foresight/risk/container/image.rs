//! What facts of an image tell of how its container will do.

use super::super::needs::{Need, Needed};
use super::super::reach::{self, Place};
use super::super::script::Failure;
use super::super::{Cause, Remedy, Risk};
use super::{View, has};
use crate::facts;
use crate::outcome::Note;
use crate::rule::RuleName;

impl View<'_> {
    /// Whether hardening takes nothing from any program of the image: it runs as the image's own user
    /// before and after, who is not root, and whatever this user may write stays writable.
    ///
    /// A user other than root loses nothing by dropped capabilities, and no program of the image can
    /// write where the image's modes do not let it. What is left is setuid programs and system calls.
    pub(super) fn is_confined_to_its_image(&self) -> bool {
        let Some(known) = self.facts else { return false };
        let own = known.user.as_ref().and_then(|user| user.uid).filter(|uid| *uid > 0);
        let same = own.is_some() && self.uid_before == own && self.uid_after == own;
        let Some(writable) = &known.writable else { return false };
        same && (!self.becomes_read_only() || writable.iter().all(|it| self.stays(&it.path)))
    }

    /// Whether it starts its image as it is, and everything that this runs is known.
    pub(super) fn is_recognised(&self) -> bool {
        let given = |words: &Option<Vec<String>>| words.iter().flatten().next().is_some();
        let own = !given(&self.before.command) && !given(&self.before.args);
        own && self.facts.and_then(|known| known.recognised) == Some(true)
    }

    /// Directories of its image that it may write today, and that no emptyDir can stand in for.
    pub(super) fn full_directories(&self) -> Vec<&str> {
        let own = self.facts.and_then(|known| known.user.as_ref()?.uid);
        let writable = self.facts.and_then(|known| known.writable.as_ref());
        let full = writable.into_iter().flatten().filter(|it| !it.empty && !self.stays(&it.path));
        let same = own.is_some() && self.uid_before == own;
        full.map(|it| it.path.as_str()).filter(|_| same).collect()
    }

    /// Whether a directory can be written in the hardened container whatever its root is.
    fn stays(&self, path: &str) -> bool {
        match reach::place(self.case.after, self.after, path) {
            Place::Open => true,
            Place::Mount(mount, _) => mount.read_only != Some(true),
            Place::Image => false,
        }
    }

    /// Risks that follow from what the script behind the image's entrypoint asks for. What it does
    /// with other arguments than the image's own may differ.
    pub(super) fn entrypoint(&self) -> Vec<Risk> {
        let needs = self.facts.and_then(|known| known.needs.as_deref()).unwrap_or_default();
        let own = self.before.args.as_deref().unwrap_or_default().is_empty();
        needs
            .iter()
            .flat_map(needed)
            .filter_map(|needed| self.need(&needed))
            .map(|risk| {
                let certain = risk.certain && own;
                Risk { certain, ..risk }
            })
            .collect()
    }

    /// Risk that its program cannot be executed: `execve` fails for a file with effective
    /// capabilities that the container may not have (capabilities(7), "safety checking for
    /// capability-dumb binaries").
    pub(super) fn file_capabilities(&self) -> Option<Risk> {
        let capabilities = self.facts?.file_capabilities.as_ref()?;
        let program = self.program()?;
        let (path, of_file) = capabilities.iter().find(|(path, _)| {
            let name = path.rsplit('/').next().unwrap_or(path);
            **path == program || name == program
        })?;
        let mut lost = of_file.iter().map(String::as_str);
        let lost = lost.find(|name| has(self.before, name) && !has(self.after, name))?;
        let why =
            format!("`{path}` has the file capability {lost}, without which it cannot be executed");
        let rules: &[RuleName] = &[RuleName::Capabilities];
        Some(self.risk(Cause::NeedsCapability, true, why, Remedy::Exempt(rules)))
    }

    /// Risk that no runtime can start it as its image's user.
    pub(super) fn unusable_user(&self) -> Option<Risk> {
        if !self.note(|note| matches!(note, Note::UnusableUser(_))) {
            return None;
        }
        let user = self.facts?.user.as_ref()?;
        let why = format!(
            "its image's user `{}` cannot be used: {}",
            user.name.as_deref().unwrap_or_default(),
            user.unusable.as_deref().unwrap_or("the image does not have it")
        );
        let remedy = Remedy::Manifest("set `runAsUser` to a uid above 0".to_owned());
        Some(self.risk(Cause::FailsToday, true, why, remedy))
    }

    /// The first word of what it runs, by the manifest or its image.
    fn program(&self) -> Option<&str> {
        let command = self.before.command.iter().flatten().next();
        let args = self.before.args.iter().flatten().next();
        let of_image = self.facts.and_then(|known| known.program.as_ref());
        let entrypoint = of_image.and_then(|program| program.entrypoint.first());
        let cmd = of_image.and_then(|program| program.cmd.first());
        command.or(entrypoint).or(args).or(cmd).map(String::as_str)
    }
}

/// A need of an image's script, as those of a command are.
fn needed(asked: &facts::Need) -> Vec<Needed> {
    let path = |path: &String| Some(path.clone());
    let says = |what: String| format!("{what}` in `{}", asked.by);
    let failure = if asked.optional { Failure::GoesOn } else { Failure::Ends };
    let one = |need, by| Needed { need, by, failure, for_root: asked.only_as_root };
    let mut needs = Vec::new();
    if let Some(at) = &asked.chown {
        needs.push(one(Need::Capability("CHOWN"), says(format!("chown {at}"))));
    }
    if let Some(command) = &asked.setuid {
        needs.push(one(Need::Setuid("SETUID"), says(command.clone())));
    }
    if let Some(at) = &asked.write {
        needs.push(Needed { by: asked.by.clone(), ..one(Need::Write(path(at)), String::new()) });
    }
    if let Some(port) = asked.port {
        needs.push(Needed { by: asked.by.clone(), ..one(Need::Port(port.into()), String::new()) });
    }
    needs
}
