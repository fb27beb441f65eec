//! The two kinds of object that self-managed certificates live in, and nothing else of the API.
//! Every write names the version it was made from, so that one of two replicas that write at once
//! gets a conflict.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, ReplaceOperation};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::material::Material;

/// Field manager of ironhull's writes.
const FIELD_MANAGER: &str = "ironhull";

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Somebody else has written in between.
    #[error("repeated write conflicts: {0}")]
    Conflict(String),
    /// Any other error, as text for people.
    #[error("{0}")]
    Failed(String),
}

/// Access to the Secret and the configurations.
#[derive(Clone)]
pub struct Cluster {
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    namespace: String,
    secret: String,
}

impl Cluster {
    /// The Secret `secret` in `namespace`, and webhook configurations.
    pub fn new(client: Client, namespace: &str, secret: &str) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            configurations: Api::all(client),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// Reads the Secret.
    ///
    /// # Errors
    /// When it cannot be read, or is not there.
    pub async fn secret(&self) -> Result<Secret, Trouble> {
        let read = self.secrets.get(&self.secret).await;
        read.map_err(|error| self.about_secret("get", &error))
    }

    /// Writes `material` into the Secret that was read as `read`.
    ///
    /// # Errors
    /// [`Trouble::Conflict`] when the Secret has changed since.
    pub async fn store(&self, read: &Secret, material: &Material) -> Result<(), Trouble> {
        let patch = json!({
            "metadata": {"resourceVersion": read.metadata.resource_version},
            "data": material.data(),
        });
        let written = self.secrets.patch(&self.secret, &parameters(), &Patch::Merge(patch)).await;
        written.map(|_| ()).map_err(|error| self.about_secret("patch", &error))
    }

    /// Reads a webhook configuration.
    ///
    /// # Errors
    /// When it cannot be read, or is not there.
    pub async fn configuration(&self, name: &str) -> Result<MutatingWebhookConfiguration, Trouble> {
        let read = self.configurations.get(name).await;
        read.map_err(|error| about_configuration("get", name, &error))
    }

    /// Makes every webhook of the configuration that was read as `read` trust `bundle`. Returns how
    /// many did not trust it before.
    ///
    /// # Errors
    /// [`Trouble::Conflict`] when the configuration has changed since.
    pub async fn trust(
        &self,
        read: &MutatingWebhookConfiguration,
        bundle: &str,
    ) -> Result<usize, Trouble> {
        let webhooks = read.webhooks.as_deref().unwrap_or_default();
        let untrusting = webhooks.iter().enumerate().filter(|(_, webhook)| {
            let present = webhook.client_config.ca_bundle.as_ref();
            present.is_none_or(|present| present.0 != bundle.as_bytes())
        });
        let value = Value::String(STANDARD.encode(bundle));
        let mut changes: Vec<_> = untrusting
            .map(|(index, _)| {
                let index = index.to_string();
                let path = pointer(["webhooks", &index, "clientConfig", "caBundle"]);
                PatchOperation::Add(AddOperation { path, value: value.clone() })
            })
            .collect();
        let count = changes.len();
        if count == 0 {
            return Ok(0);
        }
        // The indexes are valid for the version that was read, and for no other.
        changes.push(PatchOperation::Replace(ReplaceOperation {
            path: pointer(["metadata", "resourceVersion"]),
            value: json!(read.metadata.resource_version),
        }));
        let name = read.metadata.name.as_deref().unwrap_or_default();
        let patch = Patch::Json::<()>(JsonPatch(changes));
        let written = self.configurations.patch(name, &parameters(), &patch).await;
        written.map(|_| count).map_err(|error| about_configuration("patch", name, &error))
    }

    fn about_secret(&self, verb: &str, error: &kube::Error) -> Trouble {
        let Self { namespace, secret, .. } = self;
        let hint = "ironhull fills it, but does not create it: create it empty, as the chart does";
        trouble(verb, &format!("the Secret `{secret}` in namespace `{namespace}`"), hint, error)
    }
}

fn about_configuration(verb: &str, name: &str, error: &kube::Error) -> Trouble {
    let hint = "check the name in `--webhook-configuration`";
    trouble(verb, &format!("the MutatingWebhookConfiguration `{name}`"), hint, error)
}

fn trouble(verb: &str, object: &str, if_missing: &str, error: &kube::Error) -> Trouble {
    Trouble::Failed(match error {
        // A patch that no longer fits is reported as invalid before it is a conflict.
        kube::Error::Api(status) if status.is_conflict() || status.is_invalid() => {
            return Trouble::Conflict(format!("cannot {verb} {object}: {}", status.message));
        }
        kube::Error::Api(status) if status.is_forbidden() => {
            format!("not allowed to {verb} {object}: {}", status.message)
        }
        kube::Error::Api(status) if status.is_not_found() => {
            format!("cannot {verb} {object}: not found; {if_missing}")
        }
        kube::Error::Api(status) => format!("cannot {verb} {object}: {}", status.message),
        other => format!("cannot {verb} {object}: {}", chain(other)),
    })
}

/// An error with its causes, each named once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn pointer<const N: usize>(tokens: [&str; N]) -> PointerBuf {
    PointerBuf::from_tokens(tokens)
}
