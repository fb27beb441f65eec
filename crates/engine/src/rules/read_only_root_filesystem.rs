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
//! An emptyDir is empty, and hides what the image has at its path. A path that is asked for with
//! the image's content (`PATH=seed` in the annotation, `{path: PATH, seed: true}` in a policy) gets
//! [two init containers](exemptions.md#more-writable-paths) that copy it, before any other
//! container starts.
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
//! - `spec.initContainers` (two are put before the author's own, to seed)
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
mod paths;
mod seeding;

use crate::facts::Known;
use crate::image::{ImageEntry, Met, Purpose};
use crate::outcome::{Finding, Level, Note, Remark, RuleResult, Skip, Subject, Value};
use crate::pass::{Examined, Pass};
use crate::patch::{NewMount, NewVolume};
use crate::pod::{Container, SAFE_TO_EVICT, real, within};
use crate::policy::decode::{settings, words};
use crate::policy::{Quantity, Writable};
use crate::rule::{Action, RuleName};
use crate::rules::Rule;
use names::{Names, label};
use paths::{Copiers, Missing, Paths};
use seeding::Seeds;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The paths that get an emptyDir when the root file system is read-only.
        pub writable_paths: Vec<Writable> = "writablePaths",
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

impl Rule for ReadOnlyRootFilesystem {
    fn name(&self) -> RuleName {
        RuleName::ReadOnlyRootFilesystem
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        let settings = &pass.policy.rules.read_only_root_filesystem;
        let (mut names, mut seeds) = (Names::default(), Seeds::default());
        let copiers = Copiers::of(pass.pod);
        pass.judge(self.name(), |pass, index| {
            let finding = judge(pass, index, settings, &copiers, &mut names, &mut seeds);
            pass.findings.extend(finding);
        });
        seeds.plan(pass, settings, &mut names);
        let on_disk = |volume: &&NewVolume<'_>| volume.medium == Medium::Disk;
        if pass.plan.volumes.iter().any(|volume| on_disk(&volume)) {
            let present =
                pass.pod.annotation(SAFE_TO_EVICT).filter(|value| !value.trim().is_empty());
            let volumes = pass.plan.volumes.iter().filter(on_disk);
            let ours = volumes.map(|volume| volume.name.as_str());
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
    copiers: &Copiers<'_>,
    names: &mut Names<'p>,
    seeds: &mut Seeds<'p>,
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
    let Paths { missing, note, unavailable, seeded, not_seeded } =
        Paths::of(pass, index, examined, settings, copiers);
    pass.remarks.extend(not_seeded);
    if unavailable && own != Some(true) {
        return Some(finding(RuleResult::Skipped(Skip::PathUnavailable)).note(note));
    }
    let from_facts = examined.facts.map(|known| of_image(examined, known, &missing, own));
    if !missing.is_empty() {
        names.theirs.get_or_insert_with(|| Names::theirs(pass));
    }
    let mut mounts = Vec::with_capacity(missing.len());
    for Missing { path, seed } in &missing {
        let name = names.take(label(&[&container.name, path]));
        let size_limit = settings.size_limit.as_ref().map(Quantity::as_str);
        let mount = NewMount { volume: pass.plan.volumes.len(), path: path.clone() };
        pass.plan.volumes.push(NewVolume { name, medium: settings.medium, size_limit });
        if let Some(seed) = seed {
            seeds.add(index, mount.clone(), *seed);
        }
        mounts.push(mount);
    }
    seeds.check(index, seeded);
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
    let mounted = || missing.iter().map(Missing::written).collect();
    let note = note.or_else(|| (!missing.is_empty()).then(|| Note::Mounted(mounted())));
    Some(finding(result).note(note).now(Value::Bool(true), Level::Container))
}

/// What an image has where it can be seen or written no more.
fn of_image<'p>(
    examined: &Examined<'p>,
    known: &'p Known,
    missing: &[Missing<'p>],
    own: Option<bool>,
) -> Vec<Remark<'p>> {
    let container = &*examined.placed.container.name;
    let ours =
        |path: &str| missing.iter().any(|it| it.seed.is_none() && real(&it.path) == real(path));
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
            !covered && !missing.iter().any(|it| within(path, &it.path))
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
