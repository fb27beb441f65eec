//! The policies that are installed in a cluster: the ConfigMaps of ironhull's chart.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::cluster::{Cluster, Resource};
use crate::policy::PolicyFile;

const CONFIG_MAPS: Resource = Resource { api: "/api/v1", resource: "configmaps" };
/// Label of everything that ironhull's chart installs.
const OURS: &str = "app.kubernetes.io/name=ironhull";
/// Namespace of the installation, unless somebody chose another.
const HOME: &str = "ironhull-system";

/// Installed policy files.
pub struct Installed {
    /// The files, by ConfigMap; empty if nothing is installed.
    pub files: Vec<PolicyFile>,
    /// `configmap NAMESPACE/NAME` of each ConfigMap.
    pub config_maps: Vec<String>,
}

/// The installed policy files; `None` if these rights do not allow reading them.
pub async fn installed(cluster: &Cluster) -> Option<Installed> {
    let mut found: BTreeMap<String, Vec<PolicyFile>> = BTreeMap::new();
    // Without the right to read those of all namespaces, reading those of this one may be allowed.
    for namespace in [None, Some(HOME)] {
        let each = cluster.reader.each(CONFIG_MAPS, namespace, Some(OURS), false, |item, _| {
            let map: ConfigMap = serde_json::from_str(item.get())?;
            let place = format!(
                "configmap {}/{}",
                map.metadata.namespace.unwrap_or_default(),
                map.metadata.name.unwrap_or_default()
            );
            let files = map.data.into_iter().flatten();
            let files = files.filter(|(name, _)| name.ends_with(".yaml") || name.ends_with(".yml"));
            let files: Vec<PolicyFile> = files
                .map(|(name, text)| PolicyFile { name: format!("{place}: {name}"), text })
                .collect();
            if !files.is_empty() {
                found.insert(place, files);
            }
            Ok(())
        });
        if each.await.is_ok() {
            return Some(Installed {
                config_maps: found.keys().cloned().collect(),
                files: found.into_values().flatten().collect(),
            });
        }
    }
    None
}
