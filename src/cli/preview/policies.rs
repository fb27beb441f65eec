//! The policies to go by: a candidate's, or those that are installed in the cluster.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::bail;
use jiff::civil::Date;
use k8s_openapi::api::core::v1::ConfigMap;

use crate::cli::cluster::{Cluster, Listed};
use crate::cli::{policy_files, say};
use crate::policy::{PolicySet, Source};

const CONFIG_MAPS: Listed = Listed { api: "/api/v1", resource: "configmaps" };
/// The label of what ironhull's chart installs.
const OURS: &str = "app.kubernetes.io/name=ironhull";
/// Where it is installed, unless somebody chose otherwise.
const HOME: &str = "ironhull-system";

/// Policies, and where they come from, in words.
pub struct Policies {
    /// The policies.
    pub set: PolicySet,
    /// `policies.yaml`, `configmap ironhull-system/ironhull-policies`, `built in`.
    pub from: String,
}

/// Whose policies a command goes by.
pub enum Choice {
    /// Those that were named.
    Candidate(Box<Policies>),
    /// Those of the cluster.
    Installed,
}

impl Choice {
    /// What `--policy` says. What is wrong with the policies goes to `err`, and then there is
    /// no choice.
    ///
    /// # Errors
    /// As [`candidate`].
    pub fn of(
        path: Option<&Path>,
        date: Date,
        err: &mut dyn Write,
    ) -> anyhow::Result<Option<Self>> {
        match path {
            Some(path) => {
                Ok(candidate(path, date, err)?.map(|policies| Self::Candidate(Box::new(policies))))
            }
            None => Ok(Some(Self::Installed)),
        }
    }

    /// The policies; those of the cluster are read now.
    ///
    /// # Errors
    /// As [`installed`].
    pub async fn read(
        self,
        cluster: &Cluster,
        date: Date,
        err: &mut dyn Write,
    ) -> anyhow::Result<Policies> {
        match self {
            Self::Candidate(policies) => Ok(*policies),
            Self::Installed => installed(cluster, date, err).await,
        }
    }
}

/// Reads a candidate. What is wrong with it goes to `err`, and then there is none.
///
/// # Errors
/// When it cannot be read, or `err` cannot be written to.
pub fn candidate(path: &Path, date: Date, err: &mut dyn Write) -> anyhow::Result<Option<Policies>> {
    let files = policy_files::read(path)?;
    let set = policy_files::load(&files, date, err)?;
    Ok(set.map(|set| Policies { set, from: path.display().to_string() }))
}

/// The policies that are installed in the cluster, where they may be read; else the
/// built-in one.
///
/// # Errors
/// When those that are installed cannot be used, or `err` cannot be written to.
async fn installed(cluster: &Cluster, date: Date, err: &mut dyn Write) -> anyhow::Result<Policies> {
    let mut found: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    let mut asked = Err(());
    // Who may not read those of all namespaces may be allowed to read those of this one.
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
            let files: Vec<Source> = files
                .map(|(name, text)| Source { name: format!("{place}: {name}"), text })
                .collect();
            if !files.is_empty() {
                found.insert(place, files);
            }
            Ok(())
        });
        asked = each.await.map_err(|_| ());
        if asked.is_ok() {
            break;
        }
    }
    if asked.is_err() {
        say::note(
            err,
            "the installed policies cannot be read with these rights; this goes by the built-in one",
        )?;
    }
    let from: Vec<&str> = found.keys().map(String::as_str).collect();
    let from = if from.is_empty() { "built in".to_owned() } else { from.join(", ") };
    let files: Vec<Source> = found.into_values().flatten().collect();
    match policy_files::load(&files, date, err)? {
        Some(set) => Ok(Policies { set, from }),
        None => bail!("the installed policies cannot be used ({from})"),
    }
}
