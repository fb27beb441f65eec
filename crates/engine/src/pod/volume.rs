//! Volumes: what a rule needs to know of where a mount comes from.

use std::collections::{HashMap, HashSet};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Fill, Member, Mount, Pod, Text, view};

/// One of `spec.volumes`. Its source is whatever member is not its name.
#[derive(Clone, Debug, Default)]
pub struct Volume<'a> {
    /// `name`
    pub name: Text<'a>,
    /// The name of the source's kind, like `configMap`; empty for none.
    pub kind: Text<'a>,
    /// What of the source matters.
    pub source: VolumeSource,
}

view! {
    /// The members of a volume's source that matter, of whatever kind it is.
    pub struct VolumeSource {
        read_only: bool = "readOnly",
        default_mode: Option<i64> = "defaultMode",
        items: Vec<KeyToPath> = "items",
        sources: Vec<Projection> = "sources",
    }
}

view! {
    /// One of the `items` of a Secret, ConfigMap or downward-API volume.
    pub struct KeyToPath {
        mode: Option<i64> = "mode",
    }
}

view! {
    /// One of the `sources` of a projected volume.
    pub struct Projection {
        secret: Items = "secret",
        config_map: Items = "configMap",
        downward_api: Items = "downwardAPI",
    }
}

view! {
    /// The part of a projection that has modes.
    pub struct Items {
        items: Vec<KeyToPath> = "items",
    }
}

/// Storage that the kubelet hands over to an fsGroup (`SetVolumeOwnership` in the plugins below
/// `k8s.io/kubernetes/pkg/volume`; of a CSI driver its `fsGroupPolicy` decides). hostPath, NFS,
/// GlusterFS, CephFS and Quobyte volumes, and those of images, stay as they are.
fn is_storage(kind: &str) -> bool {
    matches!(
        kind,
        "persistentVolumeClaim"
            | "ephemeral"
            | "csi"
            | "awsElasticBlockStore"
            | "azureDisk"
            | "azureFile"
            | "cinder"
            | "fc"
            | "flexVolume"
            | "flocker"
            | "gcePersistentDisk"
            | "gitRepo"
            | "iscsi"
            | "photonPersistentDisk"
            | "portworxVolume"
            | "rbd"
            | "scaleIO"
            | "storageos"
            | "vsphereVolume"
    )
}

/// What an fsGroup does for those who use a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsGroupUse {
    /// Storage is handed over to the group, with everything in it.
    Storage,
    /// The group may read or execute files that others may not.
    Files,
    /// A directory that everybody can write: what is made in it gets the group.
    Scratch,
    /// Nothing.
    None,
}

/// The volumes whose files Kubernetes writes itself, with modes.
const WITH_MODES: [&str; 4] = ["secret", "configMap", "downwardAPI", "projected"];

impl Volume<'_> {
    /// Whether nothing can be written to it, although no mount says so: ConfigMap,
    /// Secret, projected, downward-API and image volumes, and any source that is
    /// read-only by itself.
    pub fn is_read_only(&self) -> bool {
        WITH_MODES.contains(&&*self.kind) || &*self.kind == "image" || self.source.read_only
    }

    /// What an fsGroup does for those who use it. A volume without a source is an emptyDir, as
    /// the API server has it.
    pub fn fs_group_use(&self) -> FsGroupUse {
        let kind = &*self.kind;
        if matches!(kind, "emptyDir" | "") {
            FsGroupUse::Scratch
        } else if is_storage(kind) && !self.source.read_only {
            FsGroupUse::Storage
        } else if self.file_modes().any(group_gains) {
            FsGroupUse::Files
        } else {
            FsGroupUse::None
        }
    }

    /// Whether others than the owner and the group may not read one of its files.
    pub fn is_narrow(&self) -> bool {
        const OTHERS_READ: i64 = 0o004;
        self.file_modes().any(|mode| mode & OTHERS_READ == 0)
    }

    /// The modes of its files, where Kubernetes writes them itself: the default
    /// (0644 when unset, as the API server has it) and each item's own.
    pub fn file_modes(&self) -> impl Iterator<Item = i64> {
        let has_modes = WITH_MODES.contains(&&*self.kind);
        let source = &self.source;
        let projected = source.sources.iter().flat_map(|projection| {
            let lists = [&projection.secret, &projection.config_map, &projection.downward_api];
            lists.into_iter().flat_map(|list| &list.items)
        });
        let items = source.items.iter().chain(projected).filter_map(|item| item.mode);
        let default = source.default_mode.unwrap_or(0o644);
        std::iter::once(default).chain(items).filter(move |_| has_modes)
    }
}

/// Whether an fsGroup lets the group read or execute a file that others may not: it always
/// lets it read.
fn group_gains(mode: i64) -> bool {
    const READ: i64 = 0o4;
    const EXECUTE: i64 = 0o1;
    let group = (mode >> 3) | READ;
    group & !mode & (READ | EXECUTE) != 0
}

impl Mount<'_> {
    /// Whether nothing can be written through this mount.
    pub fn is_read_only(&self, volumes: &Volumes<'_>) -> bool {
        self.read_only || volumes.get(&self.name).is_some_and(Volume::is_read_only)
    }
}

/// A pod's volumes by their names.
#[derive(Clone, Debug)]
pub struct Volumes<'p> {
    list: &'p [Volume<'p>],
    /// The same by name, where looking through the list would take longer.
    by_name: Option<HashMap<&'p str, &'p Volume<'p>>>,
    /// Names of claims that the pod gets besides.
    claims: &'p [&'p str],
    /// The same, where looking through them would take longer.
    claimed: Option<HashSet<&'p str>>,
}

impl<'p> Volumes<'p> {
    /// Up to how many are looked through: nearly every pod has fewer.
    const FEW: usize = 16;

    /// The volumes of `pod`, and the `claims` that it gets besides: a StatefulSet's
    /// `volumeClaimTemplates`.
    pub fn of(pod: &'p Pod<'p>, claims: &'p [&'p str]) -> Self {
        let list = pod.spec.volumes.as_slice();
        // Of two with one name the first counts, as where they are looked through.
        let pairs = || list.iter().rev().map(|volume| (&*volume.name, volume));
        Self {
            list,
            by_name: (list.len() > Self::FEW).then(|| pairs().collect()),
            claims,
            claimed: (claims.len() > Self::FEW).then(|| claims.iter().copied().collect()),
        }
    }

    /// What an fsGroup does for those who mount the volume of that name. A claim template's
    /// takes the place of a volume, as the StatefulSet's controller has it.
    pub fn fs_group_use(&self, name: &str) -> FsGroupUse {
        let claimed = match &self.claimed {
            None => self.claims.contains(&name),
            Some(claimed) => claimed.contains(name),
        };
        match self.get(name) {
            _ if claimed => FsGroupUse::Storage,
            Some(volume) => volume.fs_group_use(),
            None => FsGroupUse::None,
        }
    }

    /// The volume of that name.
    pub fn get(&self, name: &str) -> Option<&'p Volume<'p>> {
        match &self.by_name {
            None => self.list.iter().find(|volume| &*volume.name == name),
            Some(by_name) => by_name.get(name).copied(),
        }
    }
}

impl<'de: 'a, 'a> Fill<'de> for Volume<'a> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct Members<'v, 'a>(&'v mut Volume<'a>);

        impl<'de: 'a, 'a> Visitor<'de> for Members<'_, 'a> {
            type Value = ();

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a volume")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                let volume = self.0;
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    if &*key == "name" {
                        map.next_value_seed(Member(&mut volume.name))?;
                    } else if &*key == "hostPath" {
                        // Says nothing of what matters here, and its members vary.
                        map.next_value::<IgnoredAny>()?;
                        volume.kind = key;
                    } else {
                        let mut source = None;
                        map.next_value_seed(Member(&mut source))?;
                        if let Some(source) = source {
                            volume.kind = key;
                            volume.source = source;
                        }
                    }
                }
                Ok(())
            }
        }

        *self = Self::default();
        deserializer.deserialize_map(Members(self))
    }
}
