//! Events (`events.k8s.io/v1`) on a pod and on what it belongs to.
//!
//! Their names say what they are about: two instances make the same, and the second is told that
//! it exists. So there is no leader to elect, and nothing is said twice.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::time::timeout;

use super::ANSWER;
use super::case::Case;
use crate::cluster::message_of;
use crate::foresight::workloads::{self, Maker};
use crate::text::{hex, printable};
use crate::watch::above;
use crate::watch::key::key;

/// `reportingController` of the Events.
const CONTROLLER: &str = "ironhull.dev/watch";
/// `reason` of the Events.
pub(super) const REASON: &str = "BrokenByHardening";
/// `action` of the Events.
const ACTION: &str = "Harden";

/// Writes Events.
pub(super) struct Events {
    client: Client,
    instance: String,
}

impl Events {
    pub(super) fn new(client: Client) -> Self {
        let name = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        Self { client, instance: name.unwrap_or_else(|| "ironhull-watch".to_owned()) }
    }

    /// Writes an Event on the pod of a case and one on what it belongs to. One that exists already
    /// is left as it is.
    ///
    /// # Errors
    /// Why one could not be written.
    pub(super) async fn tell(
        &self,
        case: &Case,
        kind: &'static str,
        text: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let pod = reference("v1", "Pod", &case.namespace, &case.name, &case.uid);
        let owner = match &case.workload.controller {
            Some(controller) => Some(self.owner(case, controller).await),
            None => None,
        };
        let related = owner.clone();
        self.write(pod.clone(), related, kind, text, now).await?;
        match owner {
            Some(owner) => self.write(owner, Some(pod), kind, text, now).await,
            None => Ok(()),
        }
    }

    /// What a controller belongs to: a Deployment, a CronJob. The controller itself where it
    /// belongs to nothing, or nobody may see.
    async fn owner(&self, case: &Case, controller: &Maker) -> ObjectReference {
        let Maker { api_version, kind, name, uid } = controller;
        let itself = reference(api_version, kind, &case.namespace, name, uid);
        let Some(resource) = above::means(api_version, kind) else { return itself };
        let asked = above::metadata(&self.client, resource, &case.namespace, name);
        let Ok(Ok(found)) = timeout(ANSWER, asked).await else { return itself };
        match workloads::controller(found.owner_references.as_ref()) {
            Some(it) => reference(&it.api_version, &it.kind, &case.namespace, &it.name, &it.uid),
            None => itself,
        }
    }

    async fn write(
        &self,
        regarding: ObjectReference,
        related: Option<ObjectReference>,
        kind: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let namespace = regarding.namespace.clone().unwrap_or_default();
        let uid = regarding.uid.as_deref().unwrap_or_default();
        let hash = hex(key(&[uid, kind]).iter().take(8));
        let about = regarding.name.as_deref().unwrap_or_default();
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.ironhull-{hash}", cut(about))),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(printable(&self.instance, 128).into_owned()),
            action: Some(ACTION.to_owned()),
            reason: Some(REASON.to_owned()),
            type_: Some("Warning".to_owned()),
            note: Some(text.to_owned()),
            regarding: Some(regarding),
            related,
            ..Event::default()
        };
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let parameters = PostParams::default();
        match timeout(ANSWER, api.create(&parameters, &event)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(()),
            Ok(Err(error)) => Err(message_of(&error)),
            Err(_) => Err("the API server does not answer".to_owned()),
        }
    }
}

/// A name with room for what is added to it: 253 characters are allowed.
fn cut(name: &str) -> &str {
    name.get(..200).unwrap_or(name).trim_end_matches(['.', '-'])
}

fn reference(api: &str, kind: &str, namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(api.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}
