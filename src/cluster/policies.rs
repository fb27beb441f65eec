//! The policies that are installed in a cluster, and the facts of images that its `ironhull watch`
//! has learnt: the ConfigMaps of ironhull's chart.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::de::DeserializeOwned;

use crate::cluster::{Cluster, Resource};
use crate::policy::PolicyFile;

/// Deployments.
pub static DEPLOYMENTS: Resource = Resource::built_in("/apis/apps/v1", "deployments");
static CONFIG_MAPS: Resource = Resource::built_in("/api/v1", "configmaps");
/// Label of what ironhull's chart installs for the webhook.
const OURS: &str = "app.kubernetes.io/name=ironhull";
/// Label of what it installs for `ironhull watch`, facts among them.
const OF_WATCH: &str = "app.kubernetes.io/name=ironhull-watch";
/// Namespace of the installation, unless somebody chose another.
const HOME: &str = "ironhull-system";

/// Installed policy files.
#[derive(Default)]
pub struct Installed {
    /// The files, by ConfigMap; empty if nothing is installed.
    pub files: Vec<PolicyFile>,
    /// `configmap NAMESPACE/NAME` of each ConfigMap.
    pub config_maps: Vec<String>,
    /// Files with facts of images.
    pub facts: Vec<PolicyFile>,
}

/// Objects of a kind that ironhull's chart installs for the webhook: of all namespaces, or without
/// the right to that, of the one it is usually in.
///
/// # Errors
/// When these rights do not allow reading them there either.
pub async fn ours<T: DeserializeOwned>(
    cluster: &Cluster,
    kind: &Resource,
) -> anyhow::Result<Vec<T>> {
    labelled(cluster, kind, OURS).await
}

async fn labelled<T: DeserializeOwned>(
    cluster: &Cluster,
    kind: &Resource,
    label: &str,
) -> anyhow::Result<Vec<T>> {
    let mut found = Vec::new();
    for namespace in [None, Some(HOME)] {
        found.clear();
        let each = cluster.reader.each(kind, namespace, Some(label), false, |item, _| {
            found.push(serde_json::from_str(item.get())?);
            Ok(())
        });
        match each.await {
            Err(error) if namespace.is_some() => return Err(error),
            Err(_) => {}
            Ok(()) => break,
        }
    }
    Ok(found)
}

/// The installed policy files, and facts beside them; `None` if these rights do not allow reading
/// them.
pub async fn installed(cluster: &Cluster) -> Option<Installed> {
    let policies = files(ours(cluster, &CONFIG_MAPS).await.ok()?);
    let facts = files(labelled(cluster, &CONFIG_MAPS, OF_WATCH).await.ok()?);
    Some(Installed {
        config_maps: policies.keys().cloned().collect(),
        files: policies.into_values().flatten().collect(),
        facts: facts.into_values().flatten().collect(),
    })
}

/// The YAML files in ConfigMaps, by `configmap NAMESPACE/NAME`.
fn files(maps: Vec<ConfigMap>) -> BTreeMap<String, Vec<PolicyFile>> {
    let mut found = BTreeMap::new();
    for map in maps {
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
    }
    found
}
