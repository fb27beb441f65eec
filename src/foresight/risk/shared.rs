//! Risks that arise from what containers share. The engine reports them; here each gets a cause and
//! a remedy.

use super::{Cause, Remedy, Risk};
use crate::exemption::DOMAIN;
use crate::outcome::Remark;
use crate::policy::Writable;
use crate::text::printable;

/// Risk that a remark of the engine points to.
pub(super) fn of(remark: &Remark<'_>) -> Option<Risk> {
    let (container, cause, why, remedy) = match remark.clone() {
        Remark::NotHandedOver { container, volume, uid } => (
            container,
            Cause::NotOwner,
            format!(
                "nothing gives uid {uid} access to volume `{volume}`, and new storage belongs to root"
            ),
            Remedy::Manifest(format!(
                "set `fsGroup` on the pod, unless the files of volume `{volume}` belong to uid {uid} already"
            )),
        ),
        Remark::NotReadable { container, volume, .. } => (
            container,
            Cause::NarrowFile,
            format!("only root can use the files of volume `{volume}`"),
            Remedy::Manifest(format!(
                "set `defaultMode: 0444` on volume `{volume}`, or `fsGroup` on the pod"
            )),
        ),
        Remark::StorageWidened { container, volume } => (
            container,
            Cause::Widened,
            format!(
                "the fsGroup makes all files of volume `{volume}` group-writable, which databases refuse"
            ),
            Remedy::Manifest(
                "give the others a `runAsUser`, or exempt the pod from fsGroup".to_owned(),
            ),
        ),
        Remark::FilesWidened { container, volume } => (
            container,
            Cause::Widened,
            format!(
                "the fsGroup makes volume `{volume}` group-readable, and ssh as root refuses such a key"
            ),
            Remedy::Manifest(format!(
                "give it its own volume in place of `{volume}`, and copy the key there"
            )),
        ),
        Remark::Device { container, path, .. } => (
            container,
            Cause::Device,
            format!(
                "the block device `{path}` belongs to root, unless the node's runtime changes its owner"
            ),
            Remedy::Try(
                "set `device_ownership_from_security_context` in the nodes' container runtime, \
                 or exempt it from runAsNonRoot"
                    .to_owned(),
            ),
        ),
        Remark::NoSignals { container, other } => (
            container,
            Cause::Signals,
            format!(
                "it shares processes with `{other}`, which runs as another user: signals between them fail"
            ),
            Remedy::Manifest(format!("give `{container}` and `{other}` the same `runAsUser`")),
        ),
        Remark::Hides { container, paths } => (
            container,
            Cause::Hidden,
            format!("an emptyDir hides what its image has at {}", quoted(&paths)),
            Remedy::Manifest(match seeded(container, &paths) {
                Some(annotation) => {
                    format!(
                        "annotate the pod with `{annotation}`, if the program needs that content"
                    )
                }
                None => {
                    "mount a volume with that content there, if the program needs it".to_owned()
                }
            }),
        ),
        Remark::WritesItsImage { container, paths } => (
            container,
            Cause::ReadOnly,
            format!("its image lets it write to {}, which has content", quoted(&paths)),
            Remedy::Manifest(with_content(container, &paths)),
        ),
        // What an entry requires is reported under causes of its own.
        Remark::AnnotationsFull
        | Remark::ImageGroups { .. }
        | Remark::Remains(_)
        | Remark::NotExecutable { .. }
        | Remark::NotSeeded { .. }
        | Remark::Requires { .. }
        | Remark::WindowsOptions => return None,
    };
    Some(Risk { container: container.to_owned(), cause, certain: false, why, remedy })
}

/// What makes these paths writable and keeps what the image has there, in words.
pub(super) fn with_content(container: &str, paths: &[&str]) -> String {
    match seeded(container, paths) {
        Some(annotation) => format!("annotate the pod with `{annotation}`, if it writes there"),
        None => "mount a volume with a copy of that content there, or exempt it from \
                 readOnlyRootFilesystem, if it writes there"
            .to_owned(),
    }
}

/// The annotation that has these paths filled with what the image has there; `None` if a workload
/// cannot ask for one of them.
fn seeded(container: &str, paths: &[&str]) -> Option<String> {
    let seeded = paths.iter().map(|path| Writable::written(path, true));
    let seeded: Vec<_> = seeded.collect();
    let allowed = seeded.iter().all(|path| Writable::asked_for(path).is_ok());
    allowed.then(|| format!("{container}.{DOMAIN}/writable-paths: \"{}\"", seeded.join(",")))
}

/// Paths of an image, for people.
fn quoted(paths: &[&str]) -> String {
    printable(&format!("`{}`", paths.join("`, `")), MAX_PATHS).into_owned()
}

/// Maximum length of paths in a reason, in characters.
const MAX_PATHS: usize = 120;
