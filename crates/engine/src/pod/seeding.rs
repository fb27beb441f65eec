//! ironhull's own init containers, which fill an emptyDir with what an image has at its path.
//!
//! One of ironhull's image puts its program into an emptyDir. One of an application's image mounts
//! that and runs it: it copies from its own root file system to the emptyDirs of the application.
//!
//! The rules do not look at a container that is recognised here, whoever wrote it. So it has to be
//! as hard as any policy could make it: [`Container::seeding`].

use super::{Container, Text};

/// How the names of volumes and containers that ironhull adds begin.
pub const PREFIX: &str = "ironhull-";

/// Name of the first container and of its volume; the others' names begin with it. ironhull's own
/// directory in the containers is called the same.
pub const SEED: &str = "ironhull-seed";

/// Where the emptyDir with the program is mounted.
pub const PROGRAM_DIRECTORY: &str = "/ironhull-seed/bin";

/// The program in it.
pub const PROGRAM: &str = "/ironhull-seed/bin/ironhull";

/// Above the emptyDirs to fill: that of `/opt/app` is mounted at `/ironhull-seed/to/opt/app`.
pub const TARGETS: &str = "/ironhull-seed/to";

/// Above all of these.
pub const BASE: &str = "/ironhull-seed";

/// The command that the first container's image runs: `ironhull seed install DIR`.
pub const INSTALL: [&str; 3] = ["seed", "install", PROGRAM_DIRECTORY];

/// The command that copies, without the paths: `ironhull seed copy`.
pub const COPY: [&str; 3] = [PROGRAM, "seed", "copy"];

/// Begins an argument of that command: a path that the image may be without.
pub const IF_PRESENT: &str = "--if-present=";

/// The same: the size that each emptyDir may reach.
pub const SIZE_LIMIT: &str = "--size-limit=";

/// What one of ironhull's init containers does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeding {
    /// Puts the program into its emptyDir.
    Install,
    /// Copies.
    Copy,
}

impl Container<'_> {
    /// What it does, if it is one of ironhull's init containers that seed. It may have more than
    /// ironhull wrote, from other webhooks: variables, mounts, resources, what *baseline* allows of SELinux
    /// and AppArmor. What hardens it is exactly what ironhull wrote. Its user is not root, and may be any other.
    ///
    /// It is found out once: every rule asks it of every container, and an author's command may be
    /// as long as a request.
    pub fn seeding(&self) -> Option<Seeding> {
        *self.seeding.get_or_init(|| self.recognised())
    }

    fn recognised(&self) -> Option<Seeding> {
        if !self.name.starts_with(SEED) || !self.restart_policy.is_empty() || !self.is_hardest() {
            return None;
        }
        let words = self.words()?;
        let begin = |with: &[&str]| {
            words.iter().map(|word| &**word).take(with.len()).eq(with.iter().copied())
        };
        if begin(&COPY) {
            Some(Seeding::Copy)
        } else if begin(&INSTALL) && words.len() == INSTALL.len() && !self.has_command() {
            Some(Seeding::Install)
        } else {
            None
        }
    }

    /// The paths that it copies; none unless it is one of ironhull's that copy.
    pub fn seeds(&self) -> Vec<String> {
        let words = match self.seeding() {
            Some(Seeding::Copy) => self.words().unwrap_or_default(),
            _ => Vec::new(),
        };
        let paths = words.iter().skip(COPY.len()).filter(|word| !word.starts_with(SIZE_LIMIT));
        let plain = |path: &str| path.replace("$$", "$");
        paths.map(|path| plain(path.strip_prefix(IF_PRESENT).unwrap_or(path))).collect()
    }

    /// The name of the volume that it mounts at `path`, as it is written there.
    pub fn mounted_at(&self, path: &str) -> Option<&str> {
        let at = self.volume_mounts.iter().rev().find(|mount| &*mount.mount_path == path)?;
        Some(&at.name)
    }

    /// Whether it has what every rule would ask of it, at its own level.
    fn is_hardest(&self) -> bool {
        let own = &self.security_context;
        let only = |list: &[Text<'_>], all: &[&str]| {
            list.iter().map(|name| &**name).eq(all.iter().copied())
        };
        !own.privileged
            && own.run_as_non_root == Some(true)
            && own.run_as_user != Some(0)
            && own.allow_privilege_escalation == Some(false)
            && own.read_only_root_filesystem == Some(true)
            && only(&own.capabilities.drop, &["ALL"])
            && only(&own.capabilities.add, &[])
            && own.seccomp_profile.kind.as_deref() == Some("RuntimeDefault")
            && own.proc_mount.is_empty()
            && own.se_linux_options.is_baseline()
            && own.app_armor_profile.is_baseline()
            && self.ports.is_empty()
            && self.volume_devices.is_empty()
    }
}
