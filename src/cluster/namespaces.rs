//! Namespaces: those that a command looks at, and what their labels say.

use std::collections::BTreeMap;

use anyhow::bail;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::admission::Mode;
use crate::cluster::{Cluster, Resource};
use crate::policy::{Policy, PolicySet};
use crate::text::nearest;
use crate::text::printable;

/// Namespaces in the API.
pub(crate) static NAMESPACES: Resource = Resource::built_in("/api/v1", "namespaces");

/// Label by which a namespace opts in. Its values are modes. On a pod in a namespace on `audit`,
/// `enforce` opts in that pod.
pub(crate) const OPT_IN: &str = "ironhull.dev/harden";
/// Label by which a namespace chooses a policy that is marked `byLabel`.
pub(crate) const BY_LABEL: &str = "ironhull.dev/policy";
/// Pod Security's label.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

/// Namespaces that can never opt in, whatever their labels.
pub(crate) const PROTECTED: [&str; 3] = ["kube-node-lease", "kube-public", "kube-system"];

/// Whether labels can opt a namespace in.
pub(crate) fn can_opt_in(name: &str) -> bool {
    !PROTECTED.contains(&name)
}

/// The arguments that select namespaces; without any, the context's own.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct NamespaceArgs {
    /// One or more namespaces; by default the context's
    #[arg(short, long = "namespace", value_name = "NS", conflicts_with_all = ["all_namespaces", "selector"])]
    pub namespaces: Vec<String>,

    /// Every namespace except Kubernetes' own
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,

    /// Namespaces with these labels, as in kubectl
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "all_namespaces")]
    pub selector: Option<String>,
}

impl NamespaceArgs {
    /// Whether any namespaces are named.
    pub fn is_given(&self) -> bool {
        !self.namespaces.is_empty() || self.all_namespaces || self.selector.is_some()
    }
}

/// The namespaces that a command looks at.
pub struct SelectedNamespaces {
    namespaces: BTreeMap<String, NamespaceSettings>,
    /// Whether one request gets the objects of all of them.
    all: bool,
}

/// A namespace and what its labels say.
#[derive(Clone, Debug, Default)]
pub struct NamespaceSettings {
    /// Its name.
    pub name: String,
    /// Mode it opted in to: [`Mode::Enforce`] or [`Mode::Audit`]; `None` for neither.
    pub mode: Option<Mode>,
    /// What is wrong with a label that was meant to opt it in but has no effect, in words.
    pub slip: Option<String>,
    /// The policy it chooses by label.
    by_label: Option<String>,
    /// The level Pod Security enforces there.
    pub pod_security: Option<String>,
}

impl NamespaceSettings {
    /// Settings of the namespace with this metadata.
    pub(crate) fn of(metadata: ObjectMeta) -> Self {
        let labels = metadata.labels.unwrap_or_default();
        let name = metadata.name.unwrap_or_default();
        let mode = match labels.get(OPT_IN).map(String::as_str) {
            Some("enforce") => Some(Mode::Enforce),
            Some("audit") => Some(Mode::Audit),
            _ => None,
        };
        let slip = match (can_opt_in(&name), mode) {
            (true, _) => slip(&labels),
            (false, None) => None,
            (false, Some(_)) => {
                Some(format!("its label {OPT_IN} has no effect: this namespace can never opt in"))
            }
        };
        Self {
            mode: mode.filter(|_| can_opt_in(&name)),
            name,
            slip,
            by_label: labels.get(BY_LABEL).cloned(),
            pod_security: labels.get(POD_SECURITY).cloned(),
        }
    }

    /// Mode in which the webhook reviews a pod whose own label [`OPT_IN`] has this value: the
    /// namespace's, but `enforce` for a pod that asks for it in a namespace on `audit`.
    pub fn mode_of(&self, label: Option<&str>) -> Option<Mode> {
        let asks = label == Some(Mode::Enforce.as_str());
        self.mode.map(|mode| if asks { Mode::Enforce } else { mode })
    }

    /// The policy that holds, or would hold, for its pods.
    pub fn policy<'p>(&self, policies: &'p PolicySet) -> &'p Policy {
        let by_label = self.by_label.as_deref().and_then(|name| policies.by_label(name));
        by_label.unwrap_or_else(|| policies.for_namespace(&self.name))
    }
}

/// What is wrong with a label that looks like the opt-in label. The API server takes any value, and
/// a key in any case.
fn slip(labels: &BTreeMap<String, String>) -> Option<String> {
    match labels.get(OPT_IN).map(String::as_str) {
        Some("enforce" | "audit") => return None,
        Some(value) => {
            let value = printable(value, 63);
            return Some(format!(
                "its label {OPT_IN}: {value} has no effect: set enforce or audit"
            ));
        }
        None => {}
    }
    let domain = OPT_IN.split_once('/').map(|(domain, _)| domain);
    let ours = labels.keys().filter(|key| key.split_once('/').map(|(d, _)| d) == domain);
    let unknown = ours.into_iter().find(|key| *key != BY_LABEL)?;
    let near = nearest(&unknown.to_lowercase(), &[OPT_IN, BY_LABEL]).unwrap_or(OPT_IN);
    Some(format!("its label {} has no effect: did you mean {near}?", printable(unknown, 63)))
}

impl SelectedNamespaces {
    /// Finds the namespaces, of which Kubernetes' own are none.
    ///
    /// # Errors
    /// When one of them does not exist or can never opt in, or they cannot be read.
    pub async fn find(wanted: &NamespaceArgs, cluster: &Cluster) -> anyhow::Result<Self> {
        Self::among(wanted, cluster, can_opt_in).await
    }

    /// Finds the namespaces, Kubernetes' own as well.
    ///
    /// # Errors
    /// When one of them does not exist, or they cannot be read.
    pub async fn find_any(wanted: &NamespaceArgs, cluster: &Cluster) -> anyhow::Result<Self> {
        Self::among(wanted, cluster, |_| true).await
    }

    async fn among(
        wanted: &NamespaceArgs,
        cluster: &Cluster,
        may: fn(&str) -> bool,
    ) -> anyhow::Result<Self> {
        let NamespaceArgs { namespaces: names, all_namespaces, selector } = wanted;
        let mut namespaces = BTreeMap::new();
        if *all_namespaces || selector.is_some() {
            let labels = selector.as_deref();
            let each = cluster.reader.each(&NAMESPACES, None, labels, false, |item, _| {
                let namespace =
                    NamespaceSettings::of(serde_json::from_str::<Namespace>(item.get())?.metadata);
                if may(&namespace.name) {
                    namespaces.insert(namespace.name.clone(), namespace);
                }
                Ok(())
            });
            each.await?;
            if namespaces.is_empty() {
                match selector {
                    Some(selector) => bail!("no namespace has the labels `{selector}`"),
                    None => bail!("there are no namespaces except Kubernetes' own"),
                }
            }
            return Ok(Self { namespaces, all: *all_namespaces });
        }
        let default = [cluster.namespace.clone()];
        let names = if names.is_empty() { &default[..] } else { names };
        for name in names {
            if !may(name) {
                bail!("`{name}` can never opt in, whatever its labels are");
            }
            let Some(namespace) =
                cluster.reader.object::<Namespace>(&NAMESPACES, None, name).await?
            else {
                bail!("there is no namespace `{name}`; `kubectl get namespaces` lists them");
            };
            let namespace = NamespaceSettings::of(namespace.metadata);
            namespaces.insert(namespace.name.clone(), namespace);
        }
        Ok(Self { namespaces, all: false })
    }

    /// A namespace, if it is selected.
    pub fn get(&self, name: &str) -> Option<&NamespaceSettings> {
        self.namespaces.get(name)
    }

    /// The namespaces, by name.
    pub fn iter(&self) -> impl Iterator<Item = &NamespaceSettings> {
        self.namespaces.values()
    }

    /// Namespace of each list request: one after the other, or `None` once for all.
    pub(crate) fn requests(&self) -> Vec<Option<&str>> {
        match self.all {
            true => vec![None],
            false => self.namespaces.keys().map(|name| Some(name.as_str())).collect(),
        }
    }
}
