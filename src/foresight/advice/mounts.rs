//! Where a path of a container lies: in its image, or in which kind of volume.

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};

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
            let place = match volume.map_or(Place::Storage, kind) {
                Place::Projected => Place::Projected,
                _ if mount.read_only == Some(true) => Place::ReadOnly,
                place => place,
            };
            let at = normalise_path(&mount.mount_path).into_owned();
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

    fn holds(&self, path: &str) -> Option<&Mounted> {
        let path = normalise_path(path);
        let above = self.0.iter().filter(|mounted| within(&path, &mounted.at));
        above.max_by_key(|mounted| mounted.at.len())
    }
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
