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
    ///
    /// # Errors
    /// When there is none.
    pub async fn connect() -> anyhow::Result<Self> {
        Ok(Self(Client::try_default().await?))
    }

    /// So many clients.
    ///
    /// # Errors
    /// When there is no cluster.
    pub async fn several(count: usize) -> anyhow::Result<Vec<Self>> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(Self::connect().await?);
        }
        Ok(clients)
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<String> {
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, kind)
            .body(body)?;
        self.0.request_text(request).await.with_context(|| path.to_owned())
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.send(Method::GET, path, Vec::new()).await?)?)
    }

    /// Creates an object, and says what became of it.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn create(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        let body = object.to_string().into_bytes();
        Ok(serde_json::from_str(&self.send(Method::POST, path, body).await?)?)
    }

    /// Asks until the answer is there: what follows from a change comes in its own time.
    ///
    /// # Errors
    /// When it does not come, with the last reason.
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

    /// A namespace with the label that selects a variant, and its service account.
    ///
    /// # Errors
    /// When it is not made.
    pub async fn namespace(&self, name: &str, variant: &str) -> anyhow::Result<()> {
        let labels = json!({super::variants::LABEL: variant});
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        self.create("/api/v1/namespaces", &namespace).await?;
        // Without the controllers nobody else makes it, and no pod is let in without it.
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"},
        });
        let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
        let _may_be_there = self.create(&path, &account).await;
        self.eventually("a service account", async |api| api.get(&format!("{path}/default")).await)
            .await?;
        Ok(())
    }
}

/// Where pods of a namespace are created.
pub fn pods(namespace: &str, dry_run: bool) -> String {
    let query = if dry_run { "?dryRun=All" } else { "" };
    format!("/api/v1/namespaces/{namespace}/pods{query}")
}
