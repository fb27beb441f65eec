//! What a pod's containers share, and how a new user affects it: volumes that are handed over
//! to a group or to nobody, devices, processes.
//!
//! Only what a person should look at is here. What can be fixed is fixed by the rules.

use crate::outcome::Remark;
use crate::pass::{Examined, Pass};
use crate::pod::{ContainerKind, FsGroupUse};

/// Remarks about the pod as it will be. None if ironhull sets no uid.
pub(crate) fn remarks<'p>(pass: &Pass<'p>) -> Vec<Remark<'p>> {
    let mut remarks = Vec::new();
    if !pass.containers.iter().any(|it| it.user.changes_uid()) {
        return remarks;
    }
    let handed_over = pass.plan.pod.fs_group.is_some();
    for examined in &pass.containers {
        if handed_over {
            remarks.extend(widened(pass, examined));
        } else if pass.fs_group().is_none() {
            remarks.extend(not_handed_over(pass, examined));
        }
        remarks.extend(device(examined));
    }
    remarks.extend(signals(pass));
    remarks
}

/// The first volume whose files the new fsGroup changes, for a container that keeps its user.
fn widened<'p>(pass: &Pass<'p>, examined: &Examined<'p>) -> Option<Remark<'p>> {
    if examined.user.changes_uid() {
        return None;
    }
    let container = &*examined.placed.container.name;
    // An init container that keeps its user has done its work before others look.
    let runs = examined.placed.kind != ContainerKind::Init;
    // Files from the API belong to root, and programs like ssh check the modes of their own.
    let may_be_root = examined.uid().is_none_or(|uid| uid == 0);
    examined.mounted().find_map(|name| match pass.volumes.fs_group_use(name) {
        FsGroupUse::Storage if runs => Some(Remark::StorageWidened { container, volume: name }),
        FsGroupUse::Files if may_be_root && pass.volumes.get(name)?.is_narrow() => {
            Some(Remark::FilesWidened { container, volume: name })
        }
        _ => None,
    })
}

/// The first volume for which a new user needs an fsGroup that the pod lacks.
fn not_handed_over<'p>(pass: &Pass<'p>, examined: &Examined<'p>) -> Option<Remark<'p>> {
    let uid = examined.user.uid.set.filter(|_| pass.has_new_user(examined))?;
    let container = &*examined.placed.container.name;
    examined.mounted().find_map(|volume| match pass.volumes.fs_group_use(volume) {
        FsGroupUse::Storage => Some(Remark::NotHandedOver { container, volume, uid }),
        FsGroupUse::Files => Some(Remark::NotReadable { container, volume, uid }),
        FsGroupUse::Scratch | FsGroupUse::None => None,
    })
}

/// A block device that a new user may not be able to open.
fn device<'p>(examined: &Examined<'p>) -> Option<Remark<'p>> {
    let uid = examined.user.uid.set.filter(|_| examined.user.changes_uid())?;
    let container = examined.placed.container;
    let device = container.volume_devices.first()?;
    Some(Remark::Device { container: &container.name, path: &device.device_path, uid })
}

/// Two containers that share their processes and will run as different users, at least one of
/// which ironhull sets.
fn signals<'p>(pass: &Pass<'p>) -> Option<Remark<'p>> {
    if !pass.pod.spec.share_process_namespace {
        return None;
    }
    let runs = || pass.containers.iter().filter(|it| it.placed.kind != ContainerKind::Init);
    let new = runs().find(|it| it.user.changes_uid())?;
    let other = runs().find(|it| it.uid() != new.uid())?;
    let [container, other] = [new, other].map(|it| &*it.placed.container.name);
    Some(Remark::NoSignals { container, other })
}
