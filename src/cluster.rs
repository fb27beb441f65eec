//! Read-only access to a cluster: what the role `view` may see is enough.

pub mod namespaces;
mod pages;
pub mod policies;

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use jiff::civil::Date;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;

use crate::admission::Environment;
use crate::harden::SeedImage;
use crate::text::nearest;

pub use pages::{PAGE, Reader, Resource};
pub(crate) use pages::{Page, message_of, root_cause};

/// Which cluster.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Connection {
    /// Kubeconfig; else $KUBECONFIG, ~/.kube/config
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,

    /// Context in it; by default the current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// A cluster to read from.
pub struct Cluster {
    /// Reader of its API.
    pub reader: Reader,
    /// The namespace of the context.
    pub namespace: String,
}

/// First minor version of Kubernetes all of whose kubelets have user namespaces on. Kubelets may be
/// three versions older, and from 1.33 on user namespaces are on by default. The chart goes by this
/// version too (`userNamespaces: auto`).
const USER_NAMESPACES_FROM: u32 = 36;

impl Cluster {
    /// What answers depend on besides requests and policies, as the chart sets it by itself in this
    /// cluster. If the version cannot be read, no field is trusted.
    pub async fn environment(&self, date: Date) -> Environment<'static> {
        environment(self.version().await.as_ref(), date)
    }

    /// What the API server answers to `/version`; `None` if it cannot be read.
    pub async fn version(&self) -> Option<Version> {
        serde_json::from_str(&self.reader.text_of("/version").await?).ok()
    }
}

/// As [`Cluster::environment`], where the version is known already.
pub fn environment(version: Option<&Version>, date: Date) -> Environment<'static> {
    let user_namespaces = version.is_some_and(|version| {
        // Cloud providers write `36+`.
        let minor: String = version.minor.chars().take_while(char::is_ascii_digit).collect();
        version.major == "1" && minor.parse().is_ok_and(|minor: u32| minor >= USER_NAMESPACES_FROM)
    });
    Environment { date, user_namespaces, seed_image: Some(SeedImage::ANY) }
}

/// The API server's answer to `/version`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    major: String,
    minor: String,
    /// Such as `v1.36.1`.
    #[serde(default)]
    pub git_version: Option<String>,
}

impl Connection {
    /// Finds the cluster. Sends no request yet.
    ///
    /// # Errors
    /// When there is no usable kubeconfig, or no such context.
    pub async fn connect(&self) -> anyhow::Result<Cluster> {
        let config = self.config().await?;
        let namespace = config.default_namespace.clone();
        let server = address(&config);
        let client = Client::try_from(config).context("cannot set up the client")?;
        Ok(Cluster { reader: Reader::new(client, server), namespace })
    }

    /// A client for connections on which nothing may come for minutes.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(crate) async fn long_lived(&self) -> anyhow::Result<Client> {
        let mut config = self.config().await?;
        config.read_timeout = None;
        Client::try_from(config).context("cannot set up the client")
    }

    /// Client configuration: where the cluster is and who asks it.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(crate) async fn config(&self) -> anyhow::Result<Config> {
        let Self { kubeconfig, context } = self;
        let mut config = match (kubeconfig, context) {
            (None, None) => Config::infer().await.map_err(|error| {
                anyhow!(
                    "no cluster is known: {}; name a kubeconfig with --kubeconfig or in KUBECONFIG",
                    of_kubeconfig(&error),
                )
            })?,
            _ => {
                let file = match kubeconfig {
                    Some(path) => Kubeconfig::read_from(path),
                    None => Kubeconfig::read(),
                };
                let file = file.map_err(|error| anyhow!(said(&error)))?;
                check_context(&file, context.as_deref())?;
                let options =
                    KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
                Config::from_custom_kubeconfig(file, &options)
                    .await
                    .context("the kubeconfig cannot be used")?
            }
        };
        // The reader retries by itself; retrying at both levels would take many minutes.
        config.default_retry = false;
        Ok(config)
    }
}

/// The address of the API server, as people write it.
pub(crate) fn address(config: &Config) -> String {
    config.cluster_url.to_string().trim_end_matches('/').to_owned()
}

/// Error of the place that was searched last: the kubeconfig, since few people are inside a
/// cluster.
fn of_kubeconfig(error: &kube::config::InferConfigError) -> String {
    std::error::Error::source(error).map(said).unwrap_or_default()
}

/// Message of a kubeconfig error. The library's own messages contain their causes, and quote twice.
fn said(error: &dyn std::error::Error) -> String {
    error
        .to_string()
        .replace("'\"", "`")
        .replace("\"'", "`")
        .replace("failed to read", "cannot read")
}

/// Refuses a context that the kubeconfig does not have, and names those that it has.
fn check_context(file: &Kubeconfig, context: Option<&str>) -> anyhow::Result<()> {
    let Some(wanted) = context else { return Ok(()) };
    let names: Vec<&str> = file.contexts.iter().map(|context| context.name.as_str()).collect();
    if names.contains(&wanted) {
        return Ok(());
    }
    match nearest(wanted, &names) {
        Some(near) => bail!("no context `{wanted}` in the kubeconfig; did you mean `{near}`?"),
        None if names.is_empty() => bail!("no context at all in the kubeconfig"),
        None => bail!("no context `{wanted}` in the kubeconfig; there are: {}", names.join(", ")),
    }
}

/// Runs work that reads a cluster, on this thread.
///
/// # Errors
/// When the work fails, or the runtime cannot be started.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
