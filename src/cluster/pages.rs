//! Lists in pages, so that memory does not grow with the cluster; and single objects.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{anyhow, bail};
use http::Request as HttpRequest;
use http::header::CONTENT_TYPE;
use kube::Client;
use kube::api::{ListParams, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::printable;
use crate::workload::group_of;

/// Number of objects in a page. kubectl asks for as many; 500 pods are a few megabytes.
pub const PAGE: u32 = 500;
/// Maximum number of attempts when a request fails for a reason that passes.
const TRIES: u32 = 5;
/// Pause before the second attempt. It doubles before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A kind of object in the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Path before the resource: `/api/v1`, `/apis/apps/v1`.
    pub api: Cow<'static, str>,
    /// The resource's name, in the plural.
    pub resource: Cow<'static, str>,
}

impl Resource {
    /// A resource that every cluster has.
    pub(crate) const fn built_in(api: &'static str, resource: &'static str) -> Self {
        Self { api: Cow::Borrowed(api), resource: Cow::Borrowed(resource) }
    }

    /// A resource in a group and version (`apps/v1`, `v1`).
    pub(crate) fn of(api_version: &str, resource: &str) -> Self {
        let api = match api_version.contains('/') {
            true => format!("/apis/{api_version}"),
            false => format!("/api/{api_version}"),
        };
        Self { api: Cow::Owned(api), resource: Cow::Owned(resource.to_owned()) }
    }

    /// Whether it is one of Kubernetes' own, and not a custom resource.
    pub(crate) fn is_built_in(&self) -> bool {
        let group = group_of(self.version());
        !group.contains('.') || group.ends_with(".k8s.io")
    }

    /// Its `apiVersion`.
    pub(crate) fn version(&self) -> &str {
        let core = self.api.strip_prefix("/api/");
        core.or_else(|| self.api.strip_prefix("/apis/")).unwrap_or(&self.api)
    }

    /// Path of all objects of this kind: in one namespace, or in all.
    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let Self { api, resource } = self;
        match namespace {
            Some(namespace) => format!("{api}/namespaces/{namespace}/{resource}"),
            None => format!("{api}/{resource}"),
        }
    }
}

/// Reads a cluster, and retries where that may help.
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
    /// Reads through `client`. Errors name the address `server`.
    pub const fn new(client: Client, server: String) -> Self {
        Self { client, server }
    }

    /// Address of the API server, as errors name it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Calls `take` with every object of a kind, as JSON, page by page. An object is dropped when
    /// the next page comes. `take` also gets the number of objects still to come, where the API
    /// server reports it. `labels` and `metadata_only` select what to list and how much of it.
    ///
    /// If a list takes so long that its version is gone, it goes on with the present one, as the
    /// API server offers. An object may then come twice, or not at all if it is new.
    ///
    /// # Errors
    /// When it may not be listed, the API server cannot be reached, or `take` fails.
    pub async fn each(
        &self,
        kind: &Resource,
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
            let page: Page<'_> = serde_json::from_str(&text).map_err(|error| {
                anyhow!("unexpected answer from {} to {path}: {error}", self.server)
            })?;
            for item in page.items.unwrap_or_default() {
                take(item, page.metadata.remaining_item_count)?;
            }
            if page.metadata.r#continue.is_empty() {
                return Ok(());
            }
            parameters = parameters.continue_token(&page.metadata.r#continue);
        }
    }

    /// One object as JSON; `None` if there is none of this name.
    ///
    /// # Errors
    /// When it may not be read, or the API server cannot be reached.
    pub async fn get(
        &self,
        kind: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> anyhow::Result<Option<String>> {
        // No object can have such a name, and the path would be another one.
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

    /// Like [`Self::get`], parsed into a type.
    ///
    /// # Errors
    /// As there, and when the object is not of that type.
    pub async fn object<T: DeserializeOwned>(
        &self,
        kind: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> anyhow::Result<Option<T>> {
        let text = self.get(kind, namespace, name).await?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Text at a path, such as that of a container's log. `None` if there is nothing, as of a container that
    /// has not run yet, or not before.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub async fn text_at(&self, path: &str) -> Result<Option<String>, String> {
        let request = HttpRequest::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        match self.text(&request).await {
            Ok(text) => Ok(Some(text)),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(None),
            Err(error) => Err(message_of(&error)),
        }
    }

    /// Text at a path that may not be there. `None` if it cannot be read, for whatever reason.
    pub async fn text_of(&self, path: &str) -> Option<String> {
        self.client.request_text(HttpRequest::get(path).body(Vec::new()).ok()?).await.ok()
    }

    /// Changes an object, as the user: by a strategic merge patch, or by a merge patch where the kind
    /// is a custom one, which the API server merges no other way. It is the only request that writes.
    ///
    /// # Errors
    /// When the user may not, the API server does not take the patch, or cannot be reached.
    pub async fn patch(
        &self,
        kind: &Resource,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> anyhow::Result<()> {
        let path = format!("{}/{name}?fieldManager=ironhull", kind.path(Some(namespace)));
        let merge = match kind.is_built_in() {
            true => "application/strategic-merge-patch+json",
            false => "application/merge-patch+json",
        };
        let request = HttpRequest::patch(path)
            .header(CONTENT_TYPE, merge)
            .body(patch.to_string().into_bytes())?;
        // Not tried again: whether it came through is not known then.
        match self.client.request_text(request).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(anyhow!(
                "not allowed to change {} `{name}`: {}",
                kind.resource.trim_end_matches('s'),
                printable(&status.message, MAX_MESSAGE)
            )),
            Err(error) => Err(self.failed("patch", kind, Some(name), Some(namespace), &error)),
        }
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
        kind: &Resource,
        name: Option<&str>,
        namespace: Option<&str>,
        error: &kube::Error,
    ) -> anyhow::Error {
        let resource = &kind.resource;
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
                "{server} does not accept your credentials: {message}; is the token or certificate in the kubeconfig still valid?",
            ),
            403 if !kind.is_built_in() => anyhow!(
                "not allowed to {verb} {what}: {message}; that takes the right to `get` and `list` `{resource}` of `{}`, which `view` may lack",
                group_of(kind.version()),
            ),
            // Rights in the namespace are enough to read in a namespace.
            403 if namespace.is_some() || name.is_some() => anyhow!(
                "not allowed to {verb} {what}: {message}; the cluster role `view`, bound in the namespace, is enough",
            ),
            403 => anyhow!(
                "not allowed to {verb} {what}: {message}; the cluster role `view`, bound by a ClusterRoleBinding, is enough; if it is bound in single namespaces only, name them with -n",
            ),
            _ => anyhow!("cannot {verb} {what}: {message}"),
        }
    }
}

/// Maximum length of an API server's message that is shown.
const MAX_MESSAGE: usize = 400;

/// What an error says, for people: the API server's message, or why it could not be reached.
pub(crate) fn message_of(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => printable(&status.message, MAX_MESSAGE).into_owned(),
        error => root_cause(error),
    }
}

/// Innermost cause of an error. The outer ones only say who passed it on.
pub(crate) fn root_cause(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    printable(&cause.to_string(), MAX_MESSAGE).into_owned()
}

/// Whether the error may be gone in a moment.
fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 502..=504),
        kube::Error::HyperError(_) => true,
        _ => false,
    }
}
