//! # `fsGroup`
//!
//! ## What it does
//! Gives the pod an `fsGroup` where a container whose uid ironhull sets could not use one of
//! its volumes otherwise. That may be
//! - storage that the kubelet hands over: a claim, an ephemeral or CSI volume, an in-tree disk;
//! - files of a Secret, ConfigMap, projected or downward-API volume that the group may read or
//!   execute and others may not;
//! - an emptyDir that a container with another user mounts too: what is made in it gets the
//!   group.
//!
//! Everybody can write to an emptyDir: one that a single user mounts is no reason, nor is one
//! that is shared where a container that keeps its user has storage in the pod.
//!
//! The gid is the `fsGroup` of that container's image entry, else the gid that its entry or its
//! author gives it, else the rule's `value`; `fsGroupChangePolicy: OnRootMismatch` stands
//! beside it. Every container of the pod has it as a supplementary group.
//!
//! A warning names the container that keeps its user and mounts storage or, as root, files of
//! mode 0400 all the same: their modes change too. Another one says which storage or files a
//! new user gets without an fsGroup.
//!
//! ## Why
//! The new uid must be able to write to the pod's volumes and to read files of Secret,
//! ConfigMap, projected and downward-API volumes with modes like 0400: with an fsGroup
//! they become `root:fsGroup` 0440. It makes nothing executable: a script of mode 0700
//! gets a warning.
//!
//! On storage the kubelet changes every file to at least 0660 and every directory to 2770 when
//! the volume's root does not have the group yet. PostgreSQL, ssh and Erlang refuse files that
//! others than their owner can use, so nobody is to get that who gains nothing by it.
//!
//! ## Fields
//! - `spec.securityContext.fsGroup`
//! - `spec.securityContext.fsGroupChangePolicy`
//!
//! ## Left alone when
//! - the pod has an fsGroup, whatever it is;
//! - ironhull sets no uid, or none that any volume needs it for; volumes of type hostPath, NFS,
//!   CephFS, GlusterFS or Quobyte do not know it, and init containers do as the app container
//!   does whose user they follow;
//! - the entry of an image says `fsGroup: none` and its container mounts storage or such files;
//! - the containers that could have needed it are exempt from `runAsNonRoot` (`exempt`);
//! - files that others may not read are mounted, and by containers alone that stay root or
//!   keep their own uid (`narrowMode`): their keys would become readable by the group.
//!
//! ## Exempting
//! `exempt.ironhull.dev/fsGroup`, for the whole pod.
//!
//! ## Source
//! `k8s.io/kubernetes/pkg/volume/volume_linux.go` (`SetVolumeOwnership`) and who calls it in
//! the plugins below `pkg/volume`; KEP-695 for `fsGroupChangePolicy`; KEP-2317 for CSI.

use crate::image::{EntryFsGroup, ImageEntry};
use crate::outcome::{Finding, Level, Note, Remark, RuleResult, Skip, Subject, Value};
use crate::pass::{Examined, Pass};
use crate::pod::{Container, ContainerKind, FsGroupUse, Volume, Volumes};
use crate::policy::GroupId;
use crate::policy::decode::{settings, words};
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The fsGroup if neither the image's entry nor the container's author gives a gid.
        pub value: GroupId = "value",
        /// The fsGroupChangePolicy set with it.
        pub change_policy: ChangePolicy = "changePolicy",
    }
}

/// `fsGroupChangePolicy` of a pod's securityContext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangePolicy {
    /// Files are re-owned only if the volume's root has the wrong ownership.
    OnRootMismatch,
    /// Every file is checked, at every start.
    Always,
}

impl ChangePolicy {
    /// The API's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnRootMismatch => "OnRootMismatch",
            Self::Always => "Always",
        }
    }
}

words! { ChangePolicy as "changePolicy" { OnRootMismatch = "OnRootMismatch", Always = "Always", } }

/// The rule.
pub struct FsGroup;

impl Rule for FsGroup {
    fn name(&self) -> RuleName {
        RuleName::FsGroup
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        if pass.ephemeral {
            return;
        }
        let settings = &pass.policy.rules.fs_group;
        let own = pass.pod.spec.security_context.fs_group;
        let finding = |result| Finding::new(RuleName::FsGroup, Subject::Pod, result);
        let finding = if pass.declared.of_pod().contains(RuleName::FsGroup) {
            finding(RuleResult::Exempt).was(own.map(Value::Id))
        } else if own.is_some() {
            finding(RuleResult::Compliant).was(own.map(Value::Id))
        } else {
            match wanted(pass, settings.value) {
                Err(Note::NotNeeded) if all_exempt(pass) => {
                    finding(RuleResult::Skipped(Skip::Exempt))
                }
                Err(note) => finding(RuleResult::Compliant).note(Some(note)),
                Ok(gid) => match narrow_file(pass) {
                    Some(note) => finding(RuleResult::Skipped(Skip::NarrowMode)).note(Some(note)),
                    None if settings.action == Action::Warn => {
                        finding(RuleResult::Kept).note(Some(Note::OnlyWarns))
                    }
                    None => {
                        pass.plan.pod.fs_group = Some(gid);
                        let policy = &pass.pod.spec.security_context.fs_group_change_policy;
                        if policy.is_none() {
                            pass.plan.pod.fs_group_change_policy = Some(settings.change_policy);
                        }
                        finding(RuleResult::Set).now(Value::Id(gid), Level::Pod)
                    }
                },
            }
        };
        pass.findings.push(finding);
        remark_scripts(pass);
    }
}

/// The pod's fsGroup, or why it needs none.
fn wanted<'p>(pass: &Pass<'p>, value: GroupId) -> Result<i64, Note<'p>> {
    let Some(container) = container_in_need(pass)? else { return Err(Note::NothingHandedOver) };
    let hands_over =
        |name| matches!(pass.volumes.fs_group_use(name), FsGroupUse::Storage | FsGroupUse::Files);
    let wants_none = |entry: &ImageEntry| entry.fs_group == Some(EntryFsGroup::None);
    // Whoever set its uid, and whenever: the volumes it mounts must not be touched.
    if pass
        .containers
        .iter()
        .any(|it| it.entry.is_some_and(wants_none) && it.mounted().any(hands_over))
    {
        return Err(Note::EntryWantsNone);
    }
    // An init container has an app container's user, whatever its own image is.
    let entry = container.entry.filter(|_| container.placed.kind != ContainerKind::Init);
    if let Some(EntryFsGroup::Gid(gid)) = entry.and_then(|entry| entry.fs_group) {
        return Ok(gid.get());
    }
    let own = container.user.gid.set.or(container.user.author.gid);
    // A gid that the policy gives to every container says nothing of this one: the policy has
    // a value of its own for the fsGroup.
    let general = pass.policy.rules.run_as_group.value.get();
    Ok(own.filter(|gid| *gid > 0 && *gid != general).unwrap_or(value.get()))
}

/// The container that an fsGroup is for: the one most limited without it, app containers before
/// sidecars.
fn container_in_need<'a, 'p>(pass: &'a Pass<'p>) -> Result<Option<&'a Examined<'p>>, Note<'p>> {
    let not_init = |it: &Examined<'_>| it.placed.kind != ContainerKind::Init;
    if !pass.containers.iter().any(|it| not_init(it) && it.user.changes_uid()) {
        let numbered = pass.containers.iter().any(|it| not_init(it) && it.user.uid.set.is_some());
        return Err(if numbered { Note::NothingHandedOver } else { Note::NotNeeded });
    }
    let kinds = [ContainerKind::App, ContainerKind::Sidecar, ContainerKind::Init];
    let new = || {
        let of_kind = |kind| pass.containers.iter().filter(move |it| it.placed.kind == kind);
        kinds.into_iter().flat_map(of_kind).filter(|it| pass.has_new_user(it))
    };
    let mounts = |use_of_group| {
        move |it: &&Examined<'p>| {
            it.mounted().any(|name| pass.volumes.fs_group_use(name) == use_of_group)
        }
    };
    let needs = || {
        new().find(mounts(FsGroupUse::Storage)).or_else(|| new().find(mounts(FsGroupUse::Files)))
    };
    let shares = || {
        // Everybody can write to it: not worth changing the files of somebody's storage.
        let mut others = pass.containers.iter().filter(|it| !pass.has_new_user(it));
        if new().next().is_none() || others.any(|it| mounts(FsGroupUse::Storage)(&it)) {
            return None;
        }
        sharing(pass)
    };
    Ok(needs().or_else(shares))
}

/// A container with a new user that shares an emptyDir with another user. Files below it get
/// the fsGroup, so that the other user can use a socket or a file of mode 0660.
fn sharing<'a, 'p>(pass: &'a Pass<'p>) -> Option<&'a Examined<'p>> {
    let mut mounts: Vec<(&str, &Examined<'p>)> = Vec::new();
    for examined in &pass.containers {
        let scratch = examined
            .mounted()
            .filter(|name| pass.volumes.fs_group_use(name) == FsGroupUse::Scratch);
        mounts.extend(scratch.map(|name| (name, examined)));
    }
    mounts.sort_by_key(|(name, _)| *name);
    mounts.chunk_by(|one, other| one.0 == other.0).find_map(|mounts| {
        let (_, first) = mounts.first()?;
        let differ = mounts.iter().any(|(_, it)| it.uid() != first.uid());
        let mut new = mounts.iter().map(|(_, it)| *it).filter(|it| pass.has_new_user(it));
        new.next().filter(|_| differ)
    })
}

/// A file that only its owner may read, if nobody who mounts such a file gets its uid from
/// ironhull. A wider mode would help nobody.
fn narrow_file<'p>(pass: &Pass<'p>) -> Option<Note<'p>> {
    let mut stays = None;
    for examined in &pass.containers {
        let container = examined.placed.container;
        let narrow = |volume: &&Volume<'_>| volume.is_narrow();
        let Some(volume) = mounted(&pass.volumes, container).find(narrow) else { continue };
        if examined.user.changes_uid() {
            return None;
        }
        stays =
            stays.or(Some(Note::NarrowFile { container: &container.name, volume: &volume.name }));
    }
    stays
}

/// Whether an exemption is the reason why no container's uid is set.
fn all_exempt(pass: &Pass<'_>) -> bool {
    let exempt = |examined: &Examined<'_>| examined.user.uid.result == RuleResult::Exempt;
    pass.containers.iter().any(|c| c.placed.kind != ContainerKind::Init && exempt(c))
}

/// Adds remarks about scripts that the new user cannot execute.
fn remark_scripts(pass: &mut Pass<'_>) {
    const OWNER_EXECUTES: i64 = 0o100;
    const OTHERS_EXECUTE: i64 = 0o001;
    const GROUP_EXECUTES: i64 = 0o010;
    let fs_group = pass.fs_group().is_some();
    let reachable = if fs_group { OTHERS_EXECUTE | GROUP_EXECUTES } else { OTHERS_EXECUTE };
    let useless = |mode: &i64| mode & OWNER_EXECUTES != 0 && mode & reachable == 0;
    for container in pass.containers.iter().filter(|container| container.user.changes_uid()) {
        let container = container.placed.container;
        for volume in mounted(&pass.volumes, container) {
            if let Some(mode) = volume.file_modes().find(useless) {
                let (container, volume) = (&*container.name, &*volume.name);
                pass.remarks.push(Remark::NotExecutable { container, volume, mode });
            }
        }
    }
}

/// The volumes a container mounts.
fn mounted<'p, 'v>(
    volumes: &'v Volumes<'p>,
    container: &'p Container<'p>,
) -> impl Iterator<Item = &'p Volume<'p>> + use<'p, 'v> {
    container.volume_mounts.iter().filter_map(|mount| volumes.get(&mount.name))
}
