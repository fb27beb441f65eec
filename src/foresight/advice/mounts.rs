//! Where a path of a container lies: in its image, or in which kind of volume.

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};

use crate::pod::seeding::{PREFIX, TARGETS};
use crate::pod::{normalise_path, within};

/// What is mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mounted>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    /// The mount path, normalised.
    at: String,
    volume: String,
    place: Place,
}

/// Where a path lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the image, on the root file system.
    Image,
    /// In a Secret, a ConfigMap or the like: read-only, and with a mode of its own.
    Projected,
    /// In a directory of the node.
    HostPath,
    /// In an emptyDir, which everybody may write.
    EmptyDir,
    /// In an emptyDir of ironhull's own, in which nothing is of what the image has there.
    Hiding,
    /// In a claim or another volume that keeps its files.
    Storage,
    /// In a volume that is mounted read-only.
    ReadOnly,
}

impl Mounts {
    /// The mounts of a container of this pod.
    pub fn of(pod: &PodSpec, container: &Container) -> Self {
        let volumes = pod.volumes.as_deref().unwrap_or_default();
        let mounts = container.volume_mounts.iter().flatten().map(|mount| {
            let volume = volumes.iter().find(|volume| volume.name == mount.name);
            let at = normalise_path(&mount.mount_path).into_owned();
            // What is missing in a directory for temporary files is not the image's.
            let hides = mount.name.starts_with(PREFIX)
                && !matches!(&*at, "/tmp" | "/var/tmp")
                && !is_seeded(pod, &mount.name);
            let place = match volume.map_or(Place::Storage, kind) {
                Place::Projected => Place::Projected,
                _ if mount.read_only == Some(true) => Place::ReadOnly,
                Place::EmptyDir if hides => Place::Hiding,
                place => place,
            };
            Mounted { at, volume: mount.name.clone(), place }
        });
        Self(mounts.collect())
    }

    /// Where the path lies: in the mount with the longest path that holds it, else in the image.
    pub fn place(&self, path: &str) -> Place {
        self.holds(path).map_or(Place::Image, |mounted| mounted.place)
    }

    /// Name of the volume that the path lies in.
    pub fn volume(&self, path: &str) -> Option<&str> {
        Some(&self.holds(path)?.volume)
    }

    /// Mount path of the volume that the path lies in.
    pub fn mount_path(&self, path: &str) -> Option<&str> {
        Some(&self.holds(path)?.at)
    }

    fn holds(&self, path: &str) -> Option<&Mounted> {
        let path = normalise_path(path);
        let above = self.0.iter().filter(|mounted| within(&path, &mounted.at));
        above.max_by_key(|mounted| mounted.at.len())
    }
}

/// Whether an init container of ironhull's fills the volume with what an image has.
fn is_seeded(pod: &PodSpec, volume: &str) -> bool {
    let init = pod.init_containers.iter().flatten();
    let mut mounts = init.flat_map(|container| container.volume_mounts.iter().flatten());
    mounts.any(|mount| mount.name == volume && mount.mount_path.starts_with(TARGETS))
}

fn kind(volume: &Volume) -> Place {
    let narrow = volume.secret.is_some()
        || volume.config_map.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some();
    match () {
        () if narrow => Place::Projected,
        () if volume.host_path.is_some() => Place::HostPath,
        () if volume.empty_dir.is_some() => Place::EmptyDir,
        () => Place::Storage,
    }
}
