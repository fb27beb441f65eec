//! Whether the ids of a volume's files can be mapped into a user namespace.
//!
//! In a pod with `hostUsers: false` the kubelet asks the runtime to map the ids of every volume's
//! mount (`makeMounts` with `UidMappings` in `pkg/kubelet/kuberuntime/kuberuntime_container_linux.go`).
//! runc does so by mount_setattr(2), and where the file system cannot do that the container does
//! not start (`mountFd` in runc's `libcontainer/mount_linux.go`).

use super::mounts::{normalise_path, within};
use super::{Volume, Volumes};

/// Whether the ids of a volume's files can be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdMapping<'v> {
    /// On every node that runs pods with `hostUsers: false` at all (Linux 6.3 or later).
    Possible,
    /// Nowhere: no container that mounts it starts.
    Impossible,
    /// It depends on the StorageClass of a claim, which the pod names or does not.
    ByClass(Option<&'v str>),
    /// Nothing in the pod tells.
    Unknown,
}

/// File systems of disks that have idmapped mounts (mount_setattr(2), and `FS_ALLOW_IDMAP` in
/// Linux). Not ext3, although its driver is that of ext4. The empty string is the default of every
/// in-tree disk, ext4.
const DISK_FILE_SYSTEMS: [&str; 4] = ["", "ext4", "xfs", "btrfs"];

/// Directories of the node on proc, sysfs and devtmpfs, which have no idmapped mounts.
const KERNEL_DIRECTORIES: [&str; 3] = ["/proc", "/sys", "/dev"];

impl Volume<'_> {
    /// Whether the ids of its files can be mapped.
    pub fn id_mapping(&self) -> IdMapping<'_> {
        let source = &self.source;
        match &*self.kind {
            // hugetlbfs has had idmapped mounts since Linux 6.9, which is later than 6.3.
            "emptyDir" if source.medium.starts_with("HugePages") => IdMapping::Unknown,
            // Of the kubelet's own directory, or a tmpfs.
            "" | "emptyDir" | "configMap" | "secret" | "downwardAPI" | "projected" | "gitRepo" => {
                IdMapping::Possible
            }
            // Disks, which the kubelet or a CSI driver in their place mounts by this file system.
            "awsElasticBlockStore"
            | "azureDisk"
            | "cinder"
            | "fc"
            | "gcePersistentDisk"
            | "iscsi"
            | "rbd"
            | "vsphereVolume" => match DISK_FILE_SYSTEMS.contains(&&*source.fs_type) {
                true => IdMapping::Possible,
                false => IdMapping::Unknown,
            },
            // Network file systems. CephFS has idmapped mounts since Linux 6.7 and where the
            // server takes them.
            "nfs" | "cephfs" | "glusterfs" | "quobyte" | "azureFile" => IdMapping::Impossible,
            "hostPath" => self.host_mapping(),
            "persistentVolumeClaim" => IdMapping::ByClass(None),
            "ephemeral" => {
                let class = &*source.claim_template.spec.storage_class_name;
                IdMapping::ByClass((!class.is_empty()).then_some(class))
            }
            // `csi`, `flexVolume`, `portworxVolume`: the driver's business. `image`: an overlay has no
            // idmapped mounts, and not every runtime maps its layers instead.
            _ => IdMapping::Unknown,
        }
    }

    /// Of a hostPath: a directory may be on any file system. A socket in /run can be connected to,
    /// but whoever is behind it sees an id of the namespace, and may mind.
    fn host_mapping(&self) -> IdMapping<'static> {
        let path = normalise_path(&self.host_path.path);
        let of_kernel = KERNEL_DIRECTORIES.iter().any(|directory| within(&path, directory));
        let device = matches!(&*self.host_path.kind, "CharDevice" | "BlockDevice");
        if of_kernel || device { IdMapping::Impossible } else { IdMapping::Unknown }
    }
}

impl<'p> Volumes<'p> {
    /// Whether the ids of the volume of that name can be mapped, and its kind.
    pub fn id_mapping(&self, name: &str) -> (&'p str, IdMapping<'p>) {
        match self.get(name) {
            _ if self.is_claimed(name) => ("persistentVolumeClaim", IdMapping::ByClass(None)),
            Some(volume) => (&volume.kind, volume.id_mapping()),
            None => ("", IdMapping::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pod;
    use super::*;

    fn mapping(source: &str) -> IdMapping<'static> {
        let source = source.trim_start_matches('{');
        let json = format!("{{\"spec\": {{\"volumes\": [{{\"name\": \"data\", {source}]}}}}");
        let pod = Box::leak(Box::new(Pod::from_json(json.leak()).expect("a pod")));
        pod.spec.volumes[0].id_mapping()
    }

    #[test]
    fn directories_of_the_node() {
        let of = |host_path: &str| mapping(&format!("{{\"hostPath\": {host_path}}}"));
        for path in ["/proc", "/sys/fs/cgroup", "/dev/", "//dev/fuse", "/var/../proc"] {
            assert_eq!(of(&format!("{{\"path\": \"{path}\"}}")), IdMapping::Impossible, "{path}");
        }
        for path in ["/", "/devices", "/var/lib/app", "/run/docker.sock"] {
            assert_eq!(of(&format!("{{\"path\": \"{path}\"}}")), IdMapping::Unknown, "{path}");
        }
        assert_eq!(
            of("{\"path\": \"/srv/disk\", \"type\": \"BlockDevice\"}"),
            IdMapping::Impossible
        );
        assert_eq!(of("null"), IdMapping::Possible, "no source is an emptyDir");
    }

    #[test]
    fn disks_by_their_file_system() {
        assert_eq!(mapping("{\"iscsi\": {\"iqn\": \"a\"}}"), IdMapping::Possible);
        assert_eq!(mapping("{\"rbd\": {\"fsType\": \"xfs\"}}"), IdMapping::Possible);
        assert_eq!(mapping("{\"rbd\": {\"fsType\": \"ext3\"}}"), IdMapping::Unknown);
    }

    #[test]
    fn claims_by_their_class() {
        let of = |spec: &str| {
            mapping(&format!(
                "{{\"ephemeral\": {{\"volumeClaimTemplate\": {{\"spec\": {spec}}}}}}}"
            ))
        };
        assert_eq!(of("{\"storageClassName\": \"ssd\"}"), IdMapping::ByClass(Some("ssd")));
        assert_eq!(of("{}"), IdMapping::ByClass(None));
        assert_eq!(
            mapping("{\"persistentVolumeClaim\": {\"claimName\": \"data\"}}"),
            IdMapping::ByClass(None)
        );
    }

    #[test]
    fn what_is_not_known() {
        for kind in ["csi", "flexVolume", "image", "portworxVolume", "ofTomorrow"] {
            assert_eq!(mapping(&format!("{{\"{kind}\": {{}}}}")), IdMapping::Unknown, "{kind}");
        }
        assert_eq!(mapping("{\"emptyDir\": {\"medium\": \"HugePages-2Mi\"}}"), IdMapping::Unknown);
        assert_eq!(mapping("{\"emptyDir\": {\"medium\": \"Memory\"}}"), IdMapping::Possible);
        assert_eq!(
            mapping("{\"nfs\": {\"server\": \"a\", \"path\": \"/\"}}"),
            IdMapping::Impossible
        );
    }
}
