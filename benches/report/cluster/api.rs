//! The API server, as `kubectl` would ask it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use http::{Method, Request, header};
use kube::Client;
use serde_json::{Value, json};

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client with connections of its own.
#[derive(Clone)]
pub struct Api(Client);

impl Api {
    /// Asks the cluster that KUBECONFIG names.
    pub async fn connect() -> anyhow::Result<Self> {
        Ok(Self(Client::try_default().await?))
    }

    /// Sends one request.
    pub async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<String> {
        let patch = method == Method::PATCH;
        let kind = if patch { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, kind).body(body)?;
        self.0.request_text(request).await.with_context(|| path.to_owned())
    }

    /// Reads an object or a list.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.send(Method::GET, path, Vec::new()).await?)?)
    }

    /// Creates an object, and says what became of it.
    pub async fn create(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        let body = object.to_string().into_bytes();
        Ok(serde_json::from_str(&self.send(Method::POST, path, body).await?)?)
    }

    /// Asks until the answer is there: what follows from a change comes in its own time.
    pub async fn eventually<T>(
        &self,
        what: &str,
        mut ask: impl AsyncFnMut(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            match ask(self).await {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > end => bail!("{what}: {error:#}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// A namespace with the label that selects a variant, and its service account, without which
    /// no pod is let in.
    pub async fn namespace(&self, name: &str, variant: &str) -> anyhow::Result<()> {
        let labels = json!({"bench.ironhull.dev/variant": variant});
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        self.create("/api/v1/namespaces", &namespace).await?;
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        self.eventually("a service account", async |api| api.get(&account).await).await?;
        Ok(())
    }

    /// The API server's version.
    pub async fn version(&self) -> anyhow::Result<Value> {
        Ok(self.get("/version").await?["gitVersion"].take())
    }
}

/// Where pods of a namespace are created.
pub fn pods(namespace: &str, dry_run: bool) -> String {
    let query = if dry_run { "?dryRun=All" } else { "" };
    format!("/api/v1/namespaces/{namespace}/pods{query}")
}
