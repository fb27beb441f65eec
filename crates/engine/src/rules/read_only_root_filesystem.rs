//! # `readOnlyRootFilesystem`
//!
//! ## What it does
//! Makes the root file system read-only, with an emptyDir at `/tmp` and wherever else the
//! policy says. Whenever the root file system is read-only, by ironhull or by the author,
//! every path of `writablePaths` that no mount covers gets an emptyDir of its own in that
//! container. The list is the rule's, or that of the image's
//! entry instead, and the workload may ask for more with the annotation
//! `ironhull.dev/writable-paths` (or `NAME.ironhull.dev/writable-paths`). Where
//! [facts](images.md) know the image and the container runs as the image's own user, the empty
//! directories that this user may write get one too, at most 8, unless the policy's own entry
//! has a list or the rule says `fromImage: false`. Directories with content stay as they are, and
//! a warning names them, as one does what an emptyDir hides.
//!
//! A mount at the path or a writable one above it covers it; one below it does not. `/var/run`
//! and `/run` are one directory here, as in nearly every image, and so are `/var/lock` and
//! `/run/lock`; where an emptyDir at the first name would hide a mount below the second, it
//! goes to the second. Every
//! container gets its own volumes: a shared /tmp would be a leak between containers. Their
//! names are appended to the pod's annotation
//! `cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes`, since an emptyDir
//! otherwise keeps the autoscaler from removing the node.
//!
//! ## Why
//! An attacker who gets in cannot leave a tool behind or change the program; and most
//! programs that write at all write to /tmp.
//!
//! ## Fields
//! - `spec.containers[*].securityContext.readOnlyRootFilesystem`
//! - `spec.containers[*].volumeMounts`
//! - `spec.initContainers[*].securityContext.readOnlyRootFilesystem`
//! - `spec.initContainers[*].volumeMounts`
//! - `spec.volumes`
//! - `metadata.annotations['cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes']`
//!
//! ## Left alone when
//! - it is explicitly `false` and the rule only fills;
//! - the policy's entry for the image says that it cannot run with a read-only root, or says
//!   what it takes and the container does not have it (`imageNeedsWritableRoot`). An author's
//!   own `true` stays, with a warning;
//! - a writable path lies below a read-only mount (`pathUnavailable`);
//! - the container is privileged (`privileged`) or ephemeral (`ephemeral`).
//!
//! ## Exempting
//! `exempt.ironhull.dev/readOnlyRootFilesystem`, for the pod or one container. Pod Security
//! does not ask for a read-only root.
//!
//! ## Source
//! NSA/CISA Kubernetes Hardening Guidance, "Immutable container file systems";
//! cluster-autoscaler's FAQ, "What types of pods can prevent CA from removing a node?".

mod names;

use std::borrow::Cow;

use crate::facts::Known;
use crate::image::{ImageEntry, Met, Purpose};
use crate::outcome::{Finding, Level, Note, Remark, RuleResult, Skip, Subject, Value};
use crate::pass::{Examined, Pass};
use crate::patch::{NewMount, NewVolume};
use crate::pod::{Container, normalise_path, real, within};
use crate::policy::decode::{settings, words};
use crate::policy::{Quantity, WritablePath};
use crate::rule::{Action, RuleName};
use crate::rules::Rule;
use names::Names;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The paths that get an emptyDir when the root file system is read-only.
        pub writable_paths: Vec<WritablePath> = "writablePaths",
        /// The emptyDirs' medium.
        pub medium: Medium = "medium",
        /// The emptyDirs' sizeLimit, a Kubernetes quantity.
        pub size_limit: Option<Quantity> = "sizeLimit",
        /// Whether an empty directory that the image's own user may write gets an emptyDir too,
        /// where facts know it: at most 8 in a container.
        pub from_image: bool = "fromImage",
    }
}

/// `medium` of an emptyDir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// The node's disk (`""`).
    Disk,
    /// Memory: mode 1777, counted as the container's memory.
    Memory,
}

words! { Medium as "medium" { Disk = "", Memory = "Memory", } }

/// The rule.
pub struct ReadOnlyRootFilesystem;

/// Tells the cluster autoscaler which local volumes hold nothing worth keeping a node for.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

impl Rule for ReadOnlyRootFilesystem {
    fn name(&self) -> RuleName {
        RuleName::ReadOnlyRootFilesystem
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        let settings = &pass.policy.rules.read_only_root_filesystem;
        let mut names = Names::default();
        pass.judge(self.name(), |pass, index| {
            let finding = judge(pass, index, settings, &mut names);
            pass.findings.extend(finding);
        });
        if settings.medium == Medium::Disk && !pass.plan.volumes.is_empty() {
            let present =
                pass.pod.annotation(SAFE_TO_EVICT).filter(|value| !value.trim().is_empty());
            let ours = pass.plan.volumes.iter().map(|volume| volume.name.as_str());
            let mut value = String::with_capacity(64);
            for name in present.into_iter().chain(ours) {
                value.push_str(if value.is_empty() { "" } else { "," });
                value.push_str(name);
            }
            pass.plan.annotations.push((SAFE_TO_EVICT, value));
        }
    }
}

fn judge<'p>(
    pass: &mut Pass<'p>,
    index: usize,
    settings: &'p Settings,
    names: &mut Names<'p>,
) -> Option<Finding<'p>> {
    let examined = pass.containers.get(index)?;
    let container = examined.placed.container;
    let own = container.security_context.read_only_root_filesystem;
    let finding = |result| {
        Finding::new(RuleName::ReadOnlyRootFilesystem, Subject::Container(index), result)
            .was(own.map(Value::Bool))
    };
    if examined.is_ephemeral() {
        return Some(finding(RuleResult::Skipped(Skip::Ephemeral)));
    }
    let remark = |say, known| Remark::Requires { container: &container.name, say, known };
    match (examined.entry.map_or(Root::Fine, |entry| Root::of(entry, container)), own) {
        (Root::Fine, _) => {}
        (Root::Unknown(say), _) if settings.action.acts() => pass.remarks.push(remark(say, false)),
        (Root::Unknown(_), _) => {}
        // The author has the last word, and may have a solution that is not visible here.
        (Root::Writable(say), Some(true)) => {
            pass.remarks.push(remark(say.unwrap_or(CANNOT), true));
        }
        (Root::Writable(say), Some(false)) if settings.action < Action::Enforce => {
            let note = say.map_or(Note::ImageNeedsWritableRoot, Note::ForReadOnlyRoot);
            return Some(finding(RuleResult::Kept).note(Some(note)));
        }
        (Root::Writable(say), _) => {
            let result = RuleResult::Skipped(Skip::ImageNeedsWritableRoot);
            return Some(finding(result).note(say.map(Note::ForReadOnlyRoot)));
        }
    }
    match (own, settings.action) {
        (Some(true), Action::Warn) => return Some(finding(RuleResult::Compliant)),
        (_, Action::Warn) => return Some(finding(RuleResult::Kept).note(Some(Note::OnlyWarns))),
        (Some(false), Action::Fill) => return Some(finding(RuleResult::Kept)),
        _ => {}
    }
    let Paths { missing, note, unavailable } = Paths::of(pass, index, examined, settings);
    if unavailable && own != Some(true) {
        return Some(finding(RuleResult::Skipped(Skip::PathUnavailable)).note(note));
    }
    let from_facts = examined.facts.map(|known| of_image(examined, known, &missing, own));
    if !missing.is_empty() {
        names.theirs.get_or_insert_with(|| Names::theirs(pass));
    }
    let mut mounts = Vec::with_capacity(missing.len());
    for path in &missing {
        let name = names.take(&container.name, path);
        let size_limit = settings.size_limit.as_ref().map(Quantity::as_str);
        mounts.push(NewMount { volume: pass.plan.volumes.len(), path: path.clone() });
        pass.plan.volumes.push(NewVolume { name, medium: settings.medium, size_limit });
    }
    pass.remarks.extend(from_facts.into_iter().flatten());
    let plan = pass.plan.containers.get_mut(index)?;
    plan.mounts = mounts;
    if own != Some(true) {
        plan.read_only_root_filesystem = Some(true);
    }
    let result = match own {
        Some(true) if missing.is_empty() => return Some(finding(RuleResult::Compliant).note(note)),
        Some(false) => RuleResult::Replaced,
        _ => RuleResult::Set,
    };
    let note = note.or_else(|| (!missing.is_empty()).then_some(Note::Mounted(missing)));
    Some(finding(result).note(note).now(Value::Bool(true), Level::Container))
}

/// What an image has where it can be seen or written no more.
fn of_image<'p>(
    examined: &Examined<'p>,
    known: &'p Known,
    missing: &[Cow<'p, str>],
    own: Option<bool>,
) -> Vec<Remark<'p>> {
    let container = &*examined.placed.container.name;
    let ours = |path: &str| missing.iter().any(|it| real(it) == real(path));
    let hidden = known.hidden.iter().flatten().map(String::as_str).filter(|path| ours(path));
    let hidden: Vec<&str> = hidden.collect();
    let mut remarks = Vec::new();
    if !hidden.is_empty() {
        remarks.push(Remark::Hides { container, paths: hidden });
    }
    if own != Some(true) && examined.runs_as_own_user() {
        let full = known.writable.iter().flatten().filter(|directory| !directory.empty);
        let read_only = full.map(|directory| directory.path.as_str()).filter(|path| {
            let covered = examined.placed.container.covering_mount(path).is_some();
            !covered && !missing.iter().any(|it| within(path, it))
        });
        let paths: Vec<&str> = read_only.collect();
        if !paths.is_empty() {
            remarks.push(Remark::WritesItsImage { container, paths });
        }
    }
    remarks
}

/// Text for an author's own `true` if the image's entry says no more than `false`.
const CANNOT: &str = "it asks for a read-only root, but its image is known not to run with one";

/// Whether a container can run with a read-only root, by its image's entry.
enum Root<'p> {
    /// Nothing speaks against it.
    Fine,
    /// The manifest does not tell whether it has what is needed. This is what to do.
    Unknown(&'p str),
    /// It cannot, unless this is done; without a text, whatever is done.
    Writable(Option<&'p str>),
}

impl<'p> Root<'p> {
    fn of(entry: &'p ImageEntry, container: &Container<'_>) -> Self {
        if entry.needs_writable_root {
            return Self::Writable(None);
        }
        let mut root = Self::Fine;
        for requirement in entry.required_for(Purpose::ReadOnlyRoot) {
            match requirement.met(container) {
                Met::Yes => {}
                Met::No => return Self::Writable(Some(&requirement.say)),
                Met::Unknown => root = Self::Unknown(&requirement.say),
            }
        }
        root
    }
}

/// One container's writable paths, compared with its mounts.
struct Paths<'p> {
    /// Paths that need an emptyDir.
    missing: Vec<Cow<'p, str>>,
    /// The note about a path that cannot be written.
    note: Option<Note<'p>>,
    /// Whether a path cannot be provided.
    unavailable: bool,
}

impl<'p> Paths<'p> {
    fn of(pass: &Pass<'p>, index: usize, examined: &Examined<'p>, settings: &'p Settings) -> Self {
        let mut paths = Self { missing: Vec::new(), note: None, unavailable: false };
        let entry = examined.entry.and_then(|entry| entry.writable_paths.as_ref());
        let listed = entry
            .unwrap_or(&settings.writable_paths)
            .iter()
            .map(|path| Cow::Borrowed(path.as_str()));
        let here = [Subject::Pod, Subject::Container(index)];
        let asked =
            pass.declared.writable_paths.iter().filter(|(subject, _)| here.contains(subject));
        for path in listed.chain(asked.map(|(_, path)| Cow::Owned(path.as_str().to_owned()))) {
            paths.look(pass, examined, path);
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
                || self.missing.iter().any(|it| within(path, it));
            if !covered {
                self.missing.push(Cow::Borrowed(path));
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
        if self.missing.iter().all(|path| real(path) == *path) {
            return;
        }
        let parts = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
        let mounts = &examined.placed.container.volume_mounts;
        let theirs: Vec<_> = mounts.iter().map(|mount| normalise_path(&mount.mount_path)).collect();
        for index in 0..self.missing.len() {
            let Some(path) = self.missing.get(index) else { return };
            let at = real(path);
            let hidden = |other: &Cow<'_, str>| {
                parts(other) <= parts(path) && within(other, path) && real(other) != at
            };
            if at == *path || !theirs.iter().chain(&self.missing).any(hidden) {
                continue;
            }
            let at = at.into_owned();
            if let Some(path) = self.missing.get_mut(index) {
                *path = Cow::Owned(at);
            }
        }
    }

    fn look(&mut self, pass: &Pass<'p>, examined: &Examined<'p>, path: Cow<'p, str>) {
        let covers = |ours: &Cow<'p, str>| within(&path, ours);
        // A mount that covers the path lies deeper than any of ironhull's emptyDirs above it.
        match examined.placed.container.covering_mount(&path) {
            None if self.missing.iter().any(covers) => {}
            None => self.missing.push(path),
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
