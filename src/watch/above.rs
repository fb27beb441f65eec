//! What stands between a pod and what people made: ReplicaSets and Jobs, read for their owners.

use http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{GetParams, Request as ApiRequest};
use kube::core::PartialObjectMeta;

use crate::cluster::Resource;
use crate::foresight::workloads::{JOBS, REPLICA_SETS};

/// The resource of a kind that is but the means of what it belongs to: a Deployment's ReplicaSet, a
/// CronJob's Job. `None` for any other kind.
pub(super) fn means(api_version: &str, kind: &str) -> Option<&'static Resource> {
    match (api_version, kind) {
        ("apps/v1", "ReplicaSet") => Some(&REPLICA_SETS),
        ("batch/v1", "Job") => Some(&JOBS),
        _ => None,
    }
}

/// Metadata of one object.
///
/// # Errors
/// When it is not there, may not be read, or the API server cannot be reached.
pub(super) async fn metadata(
    client: &Client,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> Result<ObjectMeta, kube::Error> {
    let request = ApiRequest::new(resource.path(Some(namespace)));
    let request = request.get_metadata(name, &GetParams::default());
    let (parts, body) = request.map_err(kube::Error::BuildRequest)?.into_parts();
    let request = Request::from_parts(parts, body);
    Ok(client.request::<PartialObjectMeta>(request).await?.metadata)
}
