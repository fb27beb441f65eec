//! One container's writable paths, compared with its mounts.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Settings;
use crate::outcome::{NotSeeded, Note, Remark, Subject};
use crate::pass::{Examined, Pass};
use crate::pod::seeding::{BASE, Seeding, TARGETS};
use crate::pod::{Mount, Pod, normalise_path, real, within};
use crate::policy::Writable;

/// One container's writable paths, compared with its mounts.
pub(super) struct Paths<'p> {
    /// Paths that need an emptyDir.
    pub(super) missing: Vec<Missing<'p>>,
    /// The note about a path that cannot be written.
    pub(super) note: Option<Note<'p>>,
    /// Whether a path cannot be provided.
    pub(super) unavailable: bool,
    /// The containers of an earlier pass that seed for this one, by their index in
    /// `spec.initContainers`.
    pub(super) seeded: Vec<usize>,
    /// The paths that cannot be seeded.
    pub(super) not_seeded: Vec<Remark<'p>>,
}

/// A path that needs an emptyDir.
pub(super) struct Missing<'p> {
    /// The path.
    pub(super) path: Cow<'p, str>,
    /// Set if the emptyDir begins with the image's content.
    pub(super) seed: Option<Seed>,
}

/// That an emptyDir begins with the image's content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed {
    /// Whether the image may have nothing at the path: it was asked for without knowing which image
    /// it is, for several containers of a pod or all of a policy.
    pub(super) optional: bool,
}

impl<'p> Missing<'p> {
    /// The path as an annotation would have it.
    pub(super) fn written(&self) -> Cow<'p, str> {
        match self.seed {
            None => self.path.clone(),
            Some(_) => Cow::Owned(Writable::written(&self.path, true).into_owned()),
        }
    }
}

impl<'p> Paths<'p> {
    pub(super) fn of(
        pass: &Pass<'p>,
        index: usize,
        examined: &Examined<'p>,
        settings: &'p Settings,
        copiers: &Copiers<'_>,
    ) -> Self {
        let mut paths = Self {
            missing: Vec::new(),
            note: None,
            unavailable: false,
            seeded: Vec::new(),
            not_seeded: Vec::new(),
        };
        let seed = |writable: &Writable, optional| writable.seed.then_some(Seed { optional });
        let entry = examined.entry.and_then(|entry| entry.writable_paths.as_ref());
        for listed in entry.unwrap_or(&settings.writable_paths) {
            let seed = seed(listed, entry.is_none());
            paths.look(pass, examined, copiers, Cow::Borrowed(listed.path.as_str()), seed);
        }
        for (subject, asked) in &pass.declared.writable_paths {
            if [Subject::Pod, Subject::Container(index)].contains(subject) {
                let seed = seed(asked, *subject == Subject::Pod && pass.containers.len() > 1);
                let path = Cow::Owned(asked.path.as_str().to_owned());
                paths.look(pass, examined, copiers, path, seed);
            }
        }
        let decided = examined.entry.is_some_and(|it| !it.known && it.writable_paths.is_some());
        if settings.from_image && !decided && examined.runs_as_own_user() {
            paths.add_own(examined);
        }
        paths.clear_of(examined);
        paths
    }

    /// Adds the empty directories of the image that its user may write. None of them is needed so
    /// much that the rule would not act without it.
    fn add_own(&mut self, examined: &Examined<'p>) {
        let known = examined.facts.and_then(|known| known.writable.as_ref());
        let empty = known.into_iter().flatten().filter(|directory| directory.empty);
        let paths = empty.map(|directory| directory.path.as_str());
        for path in paths.filter(|path| is_mountable(path)).take(MAX_OF_IMAGE) {
            let covered = examined.placed.container.covering_mount(path).is_some()
                || self.missing.iter().any(|it| within(path, &it.path));
            if !covered {
                self.missing.push(Missing { path: Cow::Borrowed(path), seed: None });
            }
        }
    }

    /// Makes sure that no emptyDir hides a mount below it.
    ///
    /// `/var/run` is a link to `/run`, and runtimes mount in the order of the paths' number of
    /// parts. An emptyDir at `/var/run` would come after a mount at `/run/php` and hide it; at
    /// `/run` it comes before. The path stays as written wherever that does no harm: an image
    /// without the link has two directories, and nobody here can know.
    fn clear_of(&mut self, examined: &Examined<'_>) {
        if self.missing.iter().all(|missing| real(&missing.path) == missing.path) {
            return;
        }
        let parts = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
        let mounts = &examined.placed.container.volume_mounts;
        let theirs: Vec<_> = mounts.iter().map(|mount| normalise_path(&mount.mount_path)).collect();
        for index in 0..self.missing.len() {
            let Some(Missing { path, .. }) = self.missing.get(index) else { return };
            let at = real(path);
            let hidden = |other: &Cow<'_, str>| {
                parts(other) <= parts(path) && within(other, path) && real(other) != at
            };
            let ours = self.missing.iter().map(|missing| &missing.path);
            if at == *path || !theirs.iter().chain(ours).any(hidden) {
                continue;
            }
            let at = at.into_owned();
            if let Some(missing) = self.missing.get_mut(index) {
                missing.path = Cow::Owned(at);
            }
        }
    }

    fn look(
        &mut self,
        pass: &Pass<'p>,
        examined: &Examined<'p>,
        copiers: &Copiers<'_>,
        path: Cow<'p, str>,
        seed: Option<Seed>,
    ) {
        // A mount that covers the path lies deeper than any of ironhull's emptyDirs above it.
        let covering = examined.placed.container.covering_mount(&path);
        if seed.is_some() {
            if let Some(index) = copiers.of_mount(covering) {
                return self.seeded.push(index);
            }
            if let Some(why) = not_seeded(pass, examined, covering.is_some(), &path) {
                let container = &*examined.placed.container.name;
                return self.not_seeded.push(Remark::NotSeeded { container, path, why });
            }
        }
        match covering {
            None => self.add(path, seed),
            Some((mount, _)) if !mount.is_read_only(&pass.volumes) => {}
            Some((_, true)) => {
                self.note.get_or_insert(Note::ReadOnlyAt(path));
            }
            Some((_, false)) => {
                self.unavailable = true;
                self.note = Some(Note::BelowReadOnly(path));
            }
        }
    }

    /// Adds a path that no mount covers, unless an emptyDir above it does.
    fn add(&mut self, path: Cow<'p, str>, seed: Option<Seed>) {
        if let Some(same) = self.missing.iter_mut().find(|it| real(&it.path) == real(&path)) {
            same.seed = match (same.seed, seed) {
                (Some(one), Some(other)) => Some(Seed { optional: one.optional && other.optional }),
                (one, other) => one.or(other),
            };
            return;
        }
        // In an emptyDir that begins empty there is no content of the image.
        let covers =
            |it: &Missing<'p>| within(&path, &it.path) && (seed.is_none() || it.seed.is_some());
        if !self.missing.iter().any(covers) {
            // What is copied to a directory holds what would be copied to one below it. Mounted in
            // one another, neither could be copied.
            if seed.is_some() {
                self.missing.retain(|it| it.seed.is_none() || !within(&it.path, &path));
            }
            self.missing.push(Missing { path, seed });
        }
    }
}

/// The containers of an earlier pass that copy, by the path and the volume that each fills, with
/// their index in `spec.initContainers`.
pub(super) struct Copiers<'p>(HashMap<(&'p str, &'p str), usize>);

impl<'p> Copiers<'p> {
    pub(super) fn of(pod: &'p Pod<'p>) -> Self {
        let mut copiers = HashMap::new();
        for (index, init) in pod.spec.init_containers.iter().enumerate() {
            if init.seeding() != Some(Seeding::Copy) {
                continue;
            }
            for Mount { mount_path, name, .. } in &init.volume_mounts {
                if let Some(path) = mount_path.strip_prefix(TARGETS) {
                    copiers.entry((path, &**name)).or_insert(index);
                }
            }
        }
        Self(copiers)
    }

    /// The one that fills the volume mounted at a path, or above it.
    fn of_mount(&self, covering: Option<(&Mount<'_>, bool)>) -> Option<usize> {
        let (mount, _) = covering?;
        self.0.get(&(&*mount.mount_path, &*mount.name)).copied()
    }
}

/// Why a path of a container cannot be seeded, if so.
fn not_seeded(
    pass: &Pass<'_>,
    examined: &Examined<'_>,
    covered: bool,
    path: &str,
) -> Option<NotSeeded> {
    if covered {
        Some(NotSeeded::Mounted)
    } else if pass.seed_image.is_none() {
        Some(NotSeeded::UnknownImage)
    } else if examined.placed.container.image.is_empty() {
        Some(NotSeeded::NoImage)
    } else if examined.may_be_root() {
        Some(NotSeeded::Root)
    } else {
        (within(path, BASE) || within(BASE, path)).then_some(NotSeeded::OwnPath)
    }
}

/// Maximum number of emptyDirs that a container gets for its image alone. Images with more own a
/// tree, which belongs into a volume.
const MAX_OF_IMAGE: usize = 8;

/// Whether an emptyDir can stand at this path of an image: it is written as Kubernetes wants it, and
/// the runtime mounts nothing of its own there.
fn is_mountable(path: &str) -> bool {
    let of_kernel = ["/proc", "/sys", "/dev"];
    normalise_path(path) == path
        && path.len() > 1
        && !path.contains(|character: char| character == ':' || character.is_control())
        && !of_kernel.iter().any(|it| within(path, it))
}
