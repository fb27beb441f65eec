//! Where a path of a container lies: in its image, or in which kind of volume.

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};

/// What is mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts(Vec<(String, Place)>);

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
            (mount.mount_path.trim_end_matches('/').to_owned(), place)
        });
        Self(mounts.collect())
    }

    /// Where the path lies: in the mount with the longest path that holds it, else in the image.
    pub fn place(&self, path: &str) -> Place {
        // Images have `/run` and a link to it.
        let path = path
            .strip_prefix("/var/run/")
            .map_or_else(|| path.to_owned(), |rest| format!("/run/{rest}"));
        let holds = |mount: &&(String, Place)| {
            let at = mount
                .0
                .strip_prefix("/var/run")
                .map_or_else(|| mount.0.clone(), |rest| format!("/run{rest}"));
            path.strip_prefix(&at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let longest = self.0.iter().filter(holds).max_by_key(|(at, _)| at.len());
        longest.map_or(Place::Image, |(_, place)| *place)
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
