//! What the cluster does later than it answers: controllers, and what the API server itself knows from
//! caches.

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};

use super::kubectl::kubectl;
use super::space::Space;
use super::{HOME, World};

impl World {
    /// Waits until a Deployment of ironhull's has no pod of old that is not told to end.
    pub fn rolled_out(&self, deployment: &str) {
        let what = format!("deployment/{deployment}");
        self.kubectl(&["rollout", "status", &what, "--namespace", HOME, "--timeout", "300s"]);
    }

    /// Waits until no pod of ironhull's with this name is left, not even one that is about to end:
    /// it answers until then.
    pub fn no_pod_of(&self, name: &str) {
        self.eventually(&format!("no pod of {name} is left"), || {
            self.pods_of(name).ok()?.is_empty().then_some(())
        });
    }

    /// Waits until a kind that was just defined is found by who asks for it: that it is established
    /// comes before.
    pub fn serves(&self, definition: &str, namespace: &str) {
        self.eventually(&format!("{definition} are served"), || {
            kubectl(&["get", definition, "--namespace", namespace], "")
                .status
                .success()
                .then_some(())
        });
    }
}

impl Space {
    /// Waits until somebody may do something here: the API server knows roles from a cache.
    pub fn may(&self, user: &str, verb: &str, what: &str) {
        let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
        let review: SubjectAccessReview = serde_json::from_value(json!({"spec": {
            "user": user,
            "resourceAttributes": {
                "namespace": self.name, "verb": verb,
                "resource": resource, "subresource": subresource,
            },
        }}))
        .unwrap();
        let api: Api<SubjectAccessReview> = Api::all(self.world.client.clone());
        self.world.eventually(&format!("{user} may {verb} {what} in {}", self.name), || {
            let answer = self.world.wait(api.create(&PostParams::default(), &review)).ok()?;
            answer.status?.allowed.then_some(())
        });
    }

    /// The same for a service account of this namespace.
    pub fn account_may(&self, account: &str, verb: &str, what: &str) {
        self.may(&format!("system:serviceaccount:{}:{account}", self.name), verb, what);
    }

    /// Waits until the controller of a workload has seen what it says now, and made a pod of that.
    pub fn followed(&self, kind: &str, name: &str) {
        self.world.eventually(&format!("the controller has followed {kind} {name}"), || {
            let workload = self.object("apps/v1", kind, name);
            let status = &workload["status"];
            let new = match kind {
                "DaemonSet" => &status["updatedNumberScheduled"],
                _ => &status["updatedReplicas"],
            };
            let seen = status["observedGeneration"] == workload["metadata"]["generation"];
            (seen && new.as_u64()? > 0).then_some(())
        });
    }

    /// Waits until at least so many pods are there, and every one that `counts` has all of its
    /// containers running.
    pub fn all_run(&self, pods: usize, counts: impl Fn(&Value) -> bool) {
        let (api, list) = (self.pods(), ListParams::default());
        self.world.eventually(&format!("{pods} pods of {} run", self.name), || {
            let all = self.world.read(|| api.list(&list)).ok()?.items;
            let running = |pod: &Pod| {
                let pod = serde_json::to_value(pod).unwrap();
                let statuses = pod["status"]["containerStatuses"].as_array();
                let running = |it: &Vec<Value>| {
                    !it.is_empty() && it.iter().all(|it| it["state"]["running"].is_object())
                };
                !counts(&pod) || statuses.is_some_and(running)
            };
            (all.len() >= pods && all.iter().all(running)).then_some(())
        });
    }
}
