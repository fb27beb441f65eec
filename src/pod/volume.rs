//! Volumes: what a rule needs to know of where a mount comes from.

use std::collections::HashMap;

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
    pub source: Source,
}

view! {
    /// The members of a volume's source that matter, of whatever kind it is.
    pub struct Source {
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

/// The volumes whose files Kubernetes writes itself, with modes.
const WITH_MODES: [&str; 4] = ["secret", "configMap", "downwardAPI", "projected"];

impl Volume<'_> {
    /// Whether nothing can be written to it, although no mount says so: ConfigMap,
    /// Secret, projected, downward-API and image volumes, and any source that is
    /// read-only by itself.
    pub fn is_read_only(&self) -> bool {
        WITH_MODES.contains(&&*self.kind) || &*self.kind == "image" || self.source.read_only
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
}

impl<'p> Volumes<'p> {
    /// Up to how many are looked through: nearly every pod has fewer.
    const FEW: usize = 16;

    /// The volumes of `pod`.
    pub fn of(pod: &'p Pod<'p>) -> Self {
        let list = pod.spec.volumes.as_slice();
        // Of two with one name the first counts, as where they are looked through.
        let pairs = || list.iter().rev().map(|volume| (&*volume.name, volume));
        Self { list, by_name: (list.len() > Self::FEW).then(|| pairs().collect()) }
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
