//! A steady stream of pod creations, and what became of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;
use tokio::task::JoinHandle;

use super::space::Space;
use super::{World, say};

/// Creators at once, and how long each waits between two creations: about 25 a second, by
/// so many connections from the API server to ironhull that both replicas have some.
const CREATORS: usize = 8;
const PAUSE: Duration = Duration::from_millis(300);

/// Creations that go on until they are stopped.
pub struct Stream<'a> {
    space: &'a Space,
    world: &'static World,
    stop: Arc<AtomicBool>,
    creators: Vec<JoinHandle<Vec<Attempt>>>,
}

/// One creation.
pub struct Attempt {
    pub began: Instant,
    pub ended: Instant,
    /// The pod's name, or what the API server or the connection to it said.
    pub result: Result<String, String>,
}

impl Attempt {
    /// Whether it failed, and because of an admission webhook.
    pub fn failed_by_webhook(&self) -> bool {
        self.result.as_ref().is_err_and(|error| error.contains("webhook"))
    }
}

impl<'a> Stream<'a> {
    pub fn start(world: &'static World, space: &'a Space) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let creators = (0..CREATORS)
            .map(|_| world.spawn(create_until(space.pods(), Arc::clone(&stop))))
            .collect();
        Self { space, world, stop, creators }
    }

    /// Stops it; every attempt, in the order of their beginnings. Panics when a pod that
    /// was accepted is not hardened.
    pub fn finish(self) -> Vec<Attempt> {
        self.stop.store(true, Ordering::Relaxed);
        let mut attempts = Vec::new();
        for creator in self.creators {
            attempts.extend(self.world.wait(creator).expect("the creator does not panic"));
        }
        attempts.sort_by_key(|attempt| attempt.began);
        let accepted = attempts.iter().filter(|attempt| attempt.result.is_ok()).count();
        let by_webhook = attempts.iter().filter(|attempt| attempt.failed_by_webhook()).count();
        let (api, list) = (self.space.pods(), ListParams::default().labels("app=stream"));
        let pods = self.world.read(|| api.list(&list)).expect("the pods");
        let hardened = pods.items.iter().filter(|pod| is_hardened(pod)).count();
        say(format!(
            "{} creations: {accepted} accepted, {by_webhook} failed by a webhook, {} failed \
             otherwise; {} pods, {hardened} hardened",
            attempts.len(),
            attempts.len() - accepted - by_webhook,
            pods.items.len(),
        ));
        for attempt in attempts.iter().filter(|attempt| attempt.failed_by_webhook()).take(3) {
            say(attempt.result.as_ref().unwrap_err());
        }
        assert_eq!(hardened, pods.items.len(), "a pod slipped through");
        // One whose answer was lost is there all the same.
        assert!(pods.items.len() >= accepted);
        assert!(accepted > 20, "a stream that shows something");
        attempts
    }
}

fn is_hardened(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref().unwrap();
    let user = spec.security_context.as_ref().and_then(|context| context.run_as_user);
    let drop = spec.containers[0]
        .security_context
        .as_ref()
        .and_then(|context| context.capabilities.as_ref())
        .and_then(|capabilities| capabilities.drop.clone());
    user == Some(1000) && drop == Some(vec!["ALL".to_owned()])
}

async fn create_until(api: Api<Pod>, stop: Arc<AtomicBool>) -> Vec<Attempt> {
    // No scheduler looks at it: the node has enough to do.
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"generateName": "stream-", "labels": {"app": "stream"}},
        "spec": {
            "schedulerName": "nobody",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": "localhost/busybox:local"}],
            "securityContext": {"runAsUser": 0},
        },
    }))
    .unwrap();
    let mut attempts = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let result = api.create(&PostParams::default(), &pod).await;
        attempts.push(Attempt {
            began,
            ended: Instant::now(),
            result: result
                .map(|made| made.metadata.name.unwrap_or_default())
                .map_err(|error| error.to_string()),
        });
        tokio::time::sleep(PAUSE).await;
    }
    attempts
}
