//! # `fsGroup`
//!
//! ## What it does
//! Gives the pod an `fsGroup`, so that a uid that ironhull sets can use the pod's volumes.
//! It does so exactly where ironhull sets or replaces the uid of at least one app or
//! sidecar container, with `fsGroupChangePolicy: OnRootMismatch` beside it. The gid is that
//! of the container's image entry, else the rule's `value`.
//!
//! ## Why
//! The new uid must be able to write to the pod's volumes and to read files of Secret,
//! ConfigMap, projected and downward-API volumes with modes like 0400: with an fsGroup
//! they become `root:fsGroup` 0440. It makes nothing executable: a script of mode 0700
//! gets a warning.
//!
//! ## Fields
//! - `spec.securityContext.fsGroup`
//! - `spec.securityContext.fsGroupChangePolicy`
//!
//! ## Left alone when
//! - the pod has an fsGroup, whatever it is;
//! - ironhull sets no uid;
//! - the image's entry says `fsGroup: none`;
//! - the containers that could have needed it are exempt from `runAsNonRoot` (`exempt`);
//! - files that others may not read are mounted, and by containers alone that stay root or
//!   keep their own uid (`narrowMode`): their keys would become readable by the group.
//!
//! ## Exempting
//! `exempt.ironhull.dev/fsGroup`, for the whole pod.
//!
//! ## Source
//! `k8s.io/kubernetes/pkg/volume/volume_linux.go` (`SetVolumeOwnership`); KEP-695 for
//! `fsGroupChangePolicy`.

use crate::image::EntryFsGroup;
use crate::outcome::{Finding, Level, Note, Remark, RuleResult, Skip, Subject, Value};
use crate::pass::{Examined, Pass};
use crate::pod::{Container, ContainerKind, Volume, Volumes};
use crate::policy::GroupId;
use crate::policy::decode::{settings, words};
use crate::rules::{Action, Rule, RuleName};

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The fsGroup where the image's entry names none.
        pub value: GroupId = "value",
        /// The fsGroupChangePolicy that comes with it.
        pub change_policy: ChangePolicy = "changePolicy",
    }
}

/// `fsGroupChangePolicy` of a pod's securityContext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangePolicy {
    /// Files are re-owned only where the volume's root is not owned as it should be.
    OnRootMismatch,
    /// Every file is looked at, at every start.
    Always,
}

impl ChangePolicy {
    /// The word of the API.
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

/// The gid for the pod, or why it needs none. App containers are asked first.
fn wanted<'p>(pass: &Pass<'p>, value: GroupId) -> Result<i64, Note<'p>> {
    let set = |kind| {
        let of_kind = pass.containers.iter().filter(move |c| c.placed.kind == kind);
        of_kind.filter(|c| c.user.sets_uid())
    };
    let mut group = None;
    for container in set(ContainerKind::App).chain(set(ContainerKind::Sidecar)) {
        let entry = container.entry.and_then(|entry| entry.fs_group);
        match entry {
            // A volume may be this container's as well as another's.
            Some(EntryFsGroup::None) => return Err(Note::EntryWantsNone),
            Some(EntryFsGroup::Gid(gid)) => group = group.or(Some(gid.get())),
            None => group = group.or(Some(value.get())),
        }
    }
    group.ok_or(Note::NotNeeded)
}

/// A file that only its owner may read, where nobody who mounts such a file gets its uid
/// from ironhull: its mode would be widened for nobody's good.
fn narrow_file<'p>(pass: &Pass<'p>) -> Option<Note<'p>> {
    const OTHERS_READ: i64 = 0o004;
    let mut stays = None;
    for examined in &pass.containers {
        let container = examined.placed.container;
        let narrow = |volume: &&Volume<'_>| volume.file_modes().any(|mode| mode & OTHERS_READ == 0);
        let Some(volume) = mounted(&pass.volumes, container).find(narrow) else { continue };
        if examined.user.sets_uid() {
            return None;
        }
        stays =
            stays.or(Some(Note::NarrowFile { container: &container.name, volume: &volume.name }));
    }
    stays
}

/// Whether an exemption is why no container's uid is set.
fn all_exempt(pass: &Pass<'_>) -> bool {
    let exempt = |examined: &Examined<'_>| examined.user.uid.result == RuleResult::Exempt;
    pass.containers.iter().any(|c| c.placed.kind != ContainerKind::Init && exempt(c))
}

/// Says which scripts the new user cannot execute.
fn remark_scripts(pass: &mut Pass<'_>) {
    const OWNER_EXECUTES: i64 = 0o100;
    const OTHERS_EXECUTE: i64 = 0o001;
    const GROUP_EXECUTES: i64 = 0o010;
    let fs_group = pass.plan.pod.fs_group.or(pass.pod.spec.security_context.fs_group).is_some();
    let reachable = if fs_group { OTHERS_EXECUTE | GROUP_EXECUTES } else { OTHERS_EXECUTE };
    let useless = |mode: &i64| mode & OWNER_EXECUTES != 0 && mode & reachable == 0;
    for container in pass.containers.iter().filter(|container| container.user.sets_uid()) {
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
