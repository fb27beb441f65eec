//! Volumes, as far as rules need to know what a mount refers to.

use std::collections::{HashMap, HashSet};

use serde::de::{Deserializer, MapAccess, Visitor};

use super::{Fill, Member, Mount, Pod, Text, view};

/// One of `spec.volumes`. Whatever member is not its name is its source.
#[derive(Clone, Debug, Default)]
pub struct Volume<'a> {
    /// `name`
    pub name: Text<'a>,
    /// The kind of source, such as `configMap`; empty if there is none.
    pub kind: Text<'a>,
    /// The relevant members of the source; none of a hostPath.
    pub source: VolumeSource<'a>,
    /// The source, if it is a hostPath.
    pub host_path: HostPath<'a>,
}

view! {
    /// The members of a volume's source that matter, of whatever kind it is.
    pub struct VolumeSource<'a> {
        read_only: bool = "readOnly",
        default_mode: Option<i64> = "defaultMode",
        items: Vec<KeyToPath<'a>> = "items",
        sources: Vec<Projection<'a>> = "sources",
        medium: Text<'a> = "medium",
        fs_type: Text<'a> = "fsType",
        claim_template: ClaimTemplate<'a> = "volumeClaimTemplate",
    }
}

view! {
    /// `hostPath`.
    pub struct HostPath<'a> {
        path: Text<'a> = "path",
        kind: Text<'a> = "type",
    }
}

view! {
    /// `volumeClaimTemplate` of an ephemeral volume.
    pub struct ClaimTemplate<'a> {
        spec: ClaimSpec<'a> = "spec",
    }
}

view! {
    /// `spec` of a claim.
    pub struct ClaimSpec<'a> {
        storage_class_name: Text<'a> = "storageClassName",
    }
}

view! {
    /// One of the `items` of a Secret, ConfigMap or downward-API volume.
    pub struct KeyToPath<'a> {
        key: Text<'a> = "key",
        path: Text<'a> = "path",
        field_ref: FieldRef<'a> = "fieldRef",
        mode: Option<i64> = "mode",
    }
}

view! {
    /// `fieldRef`: a field of the pod.
    pub struct FieldRef<'a> {
        api_version: Text<'a> = "apiVersion",
        field_path: Text<'a> = "fieldPath",
    }
}

view! {
    /// One of the `sources` of a projected volume.
    pub struct Projection<'a> {
        secret: Items<'a> = "secret",
        config_map: Items<'a> = "configMap",
        downward_api: Items<'a> = "downwardAPI",
        token: TokenProjection<'a> = "serviceAccountToken",
    }
}

view! {
    /// `serviceAccountToken` of a projection.
    pub struct TokenProjection<'a> {
        audience: Text<'a> = "audience",
        expiration_seconds: Option<i64> = "expirationSeconds",
        path: Text<'a> = "path",
    }
}

view! {
    /// A projection of a Secret, a ConfigMap or the downward API.
    pub struct Items<'a> {
        name: Text<'a> = "name",
        items: Vec<KeyToPath<'a>> = "items",
    }
}

/// Whether the kubelet hands this kind of storage over to an fsGroup (`SetVolumeOwnership` in
/// the plugins below `k8s.io/kubernetes/pkg/volume`; for a CSI driver its `fsGroupPolicy`
/// decides). hostPath, NFS, GlusterFS, CephFS, Quobyte and image volumes stay as they are.
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

/// The effect of an fsGroup on the users of a volume.
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

/// The kind of a volume that is a path of the node.
const HOST_PATH: &str = "hostPath";

/// Kinds of volume whose files Kubernetes writes itself, with modes.
const WITH_MODES: [&str; 4] = ["secret", "configMap", "downwardAPI", "projected"];

impl Volume<'_> {
    /// Whether the volume is read-only even if no mount says so: ConfigMap, Secret, projected,
    /// downward-API and image volumes, and any source that is itself read-only.
    pub fn is_read_only(&self) -> bool {
        WITH_MODES.contains(&&*self.kind) || &*self.kind == "image" || self.source.read_only
    }

    /// The effect of an fsGroup on the volume's users. A volume without a source is an
    /// emptyDir, as in the API server.
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

    /// Whether it has a file that only its owner and its group may read.
    pub fn is_narrow(&self) -> bool {
        const OTHERS_READ: i64 = 0o004;
        self.file_modes().any(|mode| mode & OTHERS_READ == 0)
    }

    /// The modes of its files, if Kubernetes writes them: the default (0644 when unset, as in
    /// the API server) and each item's own.
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

/// Whether an fsGroup lets the group read or execute a file that others may not. The group
/// always gets read access.
fn group_gains(mode: i64) -> bool {
    const READ: i64 = 0o4;
    const EXECUTE: i64 = 0o1;
    let group = (mode >> 3) | READ;
    group & !mode & (READ | EXECUTE) != 0
}

impl Mount<'_> {
    /// Whether the mount is read-only, by itself or by its volume.
    pub fn is_read_only(&self, volumes: &Volumes<'_>) -> bool {
        self.read_only || volumes.get(&self.name).is_some_and(Volume::is_read_only)
    }
}

/// A pod's volumes by their names.
#[derive(Clone, Debug)]
pub struct Volumes<'p> {
    list: &'p [Volume<'p>],
    /// Index of `list` by name, if scanning would take longer.
    by_name: Option<HashMap<&'p str, &'p Volume<'p>>>,
    /// Names of claims that the pod gets in addition.
    claims: &'p [&'p str],
    /// Index of `claims`, if scanning would take longer.
    claimed: Option<HashSet<&'p str>>,
}

impl<'p> Volumes<'p> {
    /// Maximum length of a list that is scanned: nearly every pod has fewer.
    const FEW: usize = 16;

    /// The volumes of `pod`, and the `claims` it gets in addition: a StatefulSet's
    /// `volumeClaimTemplates`.
    pub fn of(pod: &'p Pod<'p>, claims: &'p [&'p str]) -> Self {
        let list = pod.spec.volumes.as_slice();
        // Of two with the same name the first counts, as in a scan.
        let pairs = || list.iter().rev().map(|volume| (&*volume.name, volume));
        Self {
            list,
            by_name: (list.len() > Self::FEW).then(|| pairs().collect()),
            claims,
            claimed: (claims.len() > Self::FEW).then(|| claims.iter().copied().collect()),
        }
    }

    /// The effect of an fsGroup on those who mount the volume of that name. A claim template
    /// replaces a volume of its name, as in the StatefulSet controller.
    pub fn fs_group_use(&self, name: &str) -> FsGroupUse {
        match self.get(name) {
            _ if self.is_claimed(name) => FsGroupUse::Storage,
            Some(volume) => volume.fs_group_use(),
            None => FsGroupUse::None,
        }
    }

    /// Whether a claim template has that name.
    pub(super) fn is_claimed(&self, name: &str) -> bool {
        match &self.claimed {
            None => self.claims.contains(&name),
            Some(claimed) => claimed.contains(name),
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
                let mut sources = 0;
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    if &*key == "name" {
                        map.next_value_seed(Member(&mut volume.name))?;
                    } else if &*key == HOST_PATH {
                        let mut host_path = None;
                        map.next_value_seed(Member(&mut host_path))?;
                        if let Some(host_path) = host_path {
                            sources += 1;
                            volume.kind = key;
                            volume.host_path = host_path;
                        }
                    } else {
                        let mut source = None;
                        map.next_value_seed(Member(&mut source))?;
                        if let Some(source) = source {
                            sources += 1;
                            if &*volume.kind != HOST_PATH {
                                volume.kind = key;
                            }
                            volume.source = source;
                        }
                    }
                }
                // Refused by the API server, and nothing that any plugin writes. Until then a hostPath
                // counts, whatever is beside it.
                volume.source.has_unknown |= sources > 1;
                Ok(())
            }
        }

        *self = Self::default();
        deserializer.deserialize_map(Members(self))
    }
}
