//! A pod without a token: the one place where anything is removed.

use super::{Edit, Path, Writer};
use crate::pod::Spec;
use crate::pod::token::{Injected, InjectedMount};

/// What is planned for a pod that is to have no token. The field alone would leave the token
/// mounted; without the field, the ServiceAccount plugin would put back what is removed, since the
/// API server calls it again after a webhook has changed the pod.
#[derive(Clone, Debug)]
pub struct NoToken {
    /// What the plugin has put into the pod; `None` where it has not seen it, as in a template.
    pub injected: Option<Injected>,
}

/// Writes it. Items are appended to lists before, and init containers inserted after, so that each
/// index is that of the pod; of one container's mounts the last goes first.
pub(in crate::patch) fn write(writer: &mut Writer<'_>, spec: &Spec<'_>, plan: &NoToken) {
    let mut edit = Edit::new(writer, Path::new(&["spec"]), true);
    let stated = spec.automount_service_account_token;
    let wanted = Some(false).filter(|_| stated != Some(false));
    edit.flag("automountServiceAccountToken", stated.is_some(), wanted);
    edit.finish();
    let Some(Injected { volume, mounts }) = &plan.injected else { return };
    for InjectedMount { kind, container, mount } in mounts.iter().rev() {
        let (container, mount) = (container.to_string(), mount.to_string());
        let path = ["spec", kind.list(), &*container, "volumeMounts", &*mount];
        writer.remove(Path::new(&path));
    }
    let volume = volume.to_string();
    writer.remove(Path::new(&["spec", "volumes", &*volume]));
}
