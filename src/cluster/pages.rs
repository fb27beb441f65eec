//! Lists in pages, so that memory does not grow with the cluster; and single objects.

use std::time::Duration;

use anyhow::{anyhow, bail};
use http::Request as HttpRequest;
use kube::Client;
use kube::api::{ListParams, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::text::printable;

/// How many objects a page has. kubectl asks for as many; 500 pods are a few megabytes.
pub const PAGE: u32 = 500;
/// How often something is asked that failed for a reason that passes.
const TRIES: u32 = 5;
/// How long before the second time; twice as long before each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A kind of object in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What comes before the resource in its paths: `/api/v1`, `/apis/apps/v1`.
    pub api: &'static str,
    /// The resource's name, in the plural.
    pub resource: &'static str,
}

impl Resource {
    /// The path of all of them: in one namespace, or in all.
    pub(crate) fn path(self, namespace: Option<&str>) -> String {
        let Self { api, resource } = self;
        match namespace {
            Some(namespace) => format!("{api}/namespaces/{namespace}/{resource}"),
            None => format!("{api}/{resource}"),
        }
    }
}

/// What asks a cluster, and tries again where that may help.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    server: String,
}

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Page<'p> {
    #[serde(default)]
    pub(crate) metadata: PageMeta,
    #[serde(borrow)]
    pub(crate) items: Option<Vec<&'p RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PageMeta {
    pub(crate) r#continue: String,
    pub(crate) resource_version: String,
    remaining_item_count: Option<u64>,
}

impl Reader {
    /// Asks `server`, whose address errors name, by `client`.
    pub const fn new(client: Client, server: String) -> Self {
        Self { client, server }
    }

    /// Gives `take` every object of a kind, as JSON, page by page: an object is gone when
    /// the next page comes. `take` also learns how many are still to come, where the API
    /// server says so. `labels` and `metadata_only` say what to list and how much of it.
    ///
    /// Where a list takes so long that its version is gone, it goes on with the present
    /// one, as the API server offers: an object may then come twice, or not at all if it
    /// is new.
    ///
    /// # Errors
    /// When it may not be listed, the API server cannot be reached, or `take` fails.
    pub async fn each(
        &self,
        kind: Resource,
        namespace: Option<&str>,
        labels: Option<&str>,
        metadata_only: bool,
        mut take: impl FnMut(&RawValue, Option<u64>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let path = kind.path(namespace);
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.label_selector = labels.map(str::to_owned);
        loop {
            let request = Request::new(path.clone());
            let request = match metadata_only {
                true => request.list_metadata(&parameters)?,
                false => request.list(&parameters)?,
            };
            let text = match self.text(&request).await {
                Ok(text) => text,
                Err(kube::Error::Api(status)) if status.code == 410 => {
                    let next = status.metadata.and_then(|metadata| metadata.continue_);
                    let Some(next) = next.filter(|next| !next.is_empty()) else {
                        bail!("the list of {} was cut off by the API server", kind.resource);
                    };
                    parameters = parameters.continue_token(&next);
                    continue;
                }
                Err(error) => return Err(self.failed("list", kind, None, namespace, &error)),
            };
            let page: Page<'_> = serde_json::from_str(&text)
                .map_err(|error| anyhow!("{} answers {path} oddly: {error}", self.server))?;
            for item in page.items.unwrap_or_default() {
                take(item, page.metadata.remaining_item_count)?;
            }
            if page.metadata.r#continue.is_empty() {
                return Ok(());
            }
            parameters = parameters.continue_token(&page.metadata.r#continue);
        }
    }

    /// One object as JSON; none where there is none of this name.
    ///
    /// # Errors
    /// When it may not be read, or the API server cannot be reached.
    pub async fn get(
        &self,
        kind: Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> anyhow::Result<Option<String>> {
        // Nothing is called so; and it would be another path.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
            return Ok(None);
        }
        let request = HttpRequest::get(format!("{}/{name}", kind.path(namespace)));
        match self.text(&request.body(Vec::new())?).await {
            Ok(text) => Ok(Some(text)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(self.failed("get", kind, Some(name), namespace, &error)),
        }
    }

    /// As [`Self::get`], read into a type.
    ///
    /// # Errors
    /// As there, and where the object is not of that type.
    pub async fn object<T: DeserializeOwned>(
        &self,
        kind: Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> anyhow::Result<Option<T>> {
        let text = self.get(kind, namespace, name).await?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// What a path below an object answers, as text, such as a pod's `log`; nothing where
    /// it cannot be had, for whatever reason.
    pub async fn text_of(&self, path: &str) -> Option<String> {
        self.client.request_text(HttpRequest::get(path).body(Vec::new()).ok()?).await.ok()
    }

    async fn text(&self, request: &HttpRequest<Vec<u8>>) -> Result<String, kube::Error> {
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            match self.client.request_text(request.clone()).await {
                Err(error) if tries < TRIES && passes(&error) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    fn failed(
        &self,
        verb: &str,
        kind: Resource,
        name: Option<&str>,
        namespace: Option<&str>,
        error: &kube::Error,
    ) -> anyhow::Error {
        let resource = kind.resource;
        let one = resource.trim_end_matches('s');
        let what = match (name, namespace) {
            (Some(name), _) => format!("{one} `{name}`"),
            (None, Some(namespace)) => format!("{resource} in namespace `{namespace}`"),
            (None, None) => format!("{resource} in all namespaces"),
        };
        let server = &self.server;
        let kube::Error::Api(status) = error else {
            return anyhow!("cannot reach {server}: {}", root_cause(error));
        };
        let message = printable(&status.message, MAX_MESSAGE);
        match status.code {
            401 => anyhow!(
                "{server} does not know you: {message}; is the token or certificate in the kubeconfig still valid?",
            ),
            // A namespace is read with rights in it.
            403 if namespace.is_some() || name.is_some() => anyhow!(
                "not allowed to {verb} {what}: {message}; the cluster role `view`, bound in the namespace, is enough",
            ),
            403 => anyhow!(
                "not allowed to {verb} {what}: {message}; the cluster role `view`, bound by a ClusterRoleBinding, is enough; where it is bound in single namespaces, name these with -n",
            ),
            _ => anyhow!("cannot {verb} {what}: {message}"),
        }
    }
}

/// How much of a message of the API server is shown.
const MAX_MESSAGE: usize = 400;

/// What is at the bottom of an error: what stands above only says who passed it on.
pub(crate) fn root_cause(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    printable(&cause.to_string(), MAX_MESSAGE).into_owned()
}

/// Whether it may be otherwise in a moment.
fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 502..=504),
        kube::Error::HyperError(_) => true,
        _ => false,
    }
}
