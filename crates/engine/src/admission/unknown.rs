//! The images of which nothing sure is known when a pod is created.
#![expect(unreachable_pub, reason = "the macro behind the views writes `pub`")]

use super::read::{Asks, Request, Resource};
use super::{Endpoint, choose};
use crate::facts::By;
use crate::pod::{Text, view};
use crate::policy::PolicySet;

/// Images of a pod that is created, whose facts are not known by name or digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownImages {
    /// The pod's namespace.
    pub namespace: String,
    /// The images, as the pod names them, each once.
    pub images: Vec<String>,
    /// The pod's `imagePullSecrets`, by name.
    pub pull_secrets: Vec<String>,
}

view! {
    pub struct Review<'a> {
        request: PodRequest<'a> = "request",
    }
}

view! {
    pub struct PodRequest<'a> {
        resource: Resource<'a> = "resource",
        sub_resource: Text<'a> = "subResource",
        namespace: Text<'a> = "namespace",
        operation: Text<'a> = "operation",
        object: Pod<'a> = "object",
    }
}

view! {
    pub struct Pod<'a> {
        spec: PodSpec<'a> = "spec",
    }
}

view! {
    pub struct PodSpec<'a> {
        init_containers: Vec<Container<'a>> = "initContainers",
        containers: Vec<Container<'a>> = "containers",
        ephemeral_containers: Vec<Container<'a>> = "ephemeralContainers",
        image_pull_secrets: Vec<PullSecret<'a>> = "imagePullSecrets",
    }
}

view! {
    pub struct Container<'a> {
        image: Text<'a> = "image",
    }
}

view! {
    pub struct PullSecret<'a> {
        name: Text<'a> = "name",
    }
}

/// Finds the images of which a name or a digest tells nothing; `None` if there are none, or the
/// body is not a review that ironhull would answer with a patch.
///
/// It reads the body by itself, so that a review costs nothing more where nobody wants to know.
pub fn unknown_images(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
) -> Option<UnknownImages> {
    let PodRequest { resource, sub_resource, namespace, operation, object, .. } =
        serde_json::from_slice::<Review<'_>>(body).ok()?.request;
    let request = Request { resource, sub_resource, operation, ..Request::default() };
    let PodSpec { init_containers, containers, ephemeral_containers, image_pull_secrets, .. } =
        object.spec;
    let containers = match request.asks() {
        Asks::CreatePod => [init_containers, containers].concat(),
        Asks::DebugPod => ephemeral_containers,
        Asks::UpdatePod | Asks::Other => return None,
    };
    let (policy, _) = choose(policies, endpoint, &namespace);
    let mut images: Vec<String> = Vec::new();
    for Container { image, .. } in containers {
        let name = policy.registry_aliases.normalise(&image);
        let found = policy.facts.find(&image, &name);
        let sure = found.is_some_and(|found| found.by != By::Repository);
        if !sure && !image.is_empty() && !images.iter().any(|known| **known == *image) {
            images.push(image.to_string());
        }
    }
    let secrets = image_pull_secrets.iter().map(|secret| secret.name.to_string());
    let pull_secrets = secrets.filter(|name| !name.is_empty()).collect();
    let namespace = namespace.to_string();
    (!images.is_empty()).then_some(UnknownImages { namespace, images, pull_secrets })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use serde_json::{Value, json};

    use super::*;
    use crate::admission::Mode;
    use crate::facts::ImageFacts;

    const ENFORCE: Endpoint<'static> = Endpoint { mode: Mode::Enforce, policy: None };

    fn unknown(resource: &str, sub_resource: &str, operation: &str) -> Option<UnknownImages> {
        let known = ImageFacts {
            image: "registry.corp/shop/web:1".to_owned(),
            uid: Some(7),
            ..ImageFacts::default()
        };
        let policies = PolicySet::new(Vec::new()).unwrap().and_facts(&[known]);
        let container = |image: Value| json!({"name": "a", "image": image});
        let review = json!({"request": {
            "resource": {"resource": resource}, "subResource": sub_resource, "operation": operation,
            "namespace": "shop",
            "object": {"spec": {
                "initContainers": [container(json!("registry.corp/shop/setup:1"))],
                "containers": [
                    container(json!("registry.corp/shop/web:1")),
                    // Another tag of what is known may be another image.
                    container(json!("registry.corp/shop/web:2")),
                    container(json!("registry.corp/shop/web:2")),
                    container(json!("")),
                    container(Value::Null),
                ],
                "ephemeralContainers": [container(json!("busybox"))],
                "imagePullSecrets": [{"name": "pull"}, {}],
            }},
        }});
        unknown_images(review.to_string().as_bytes(), ENFORCE, &policies)
    }

    #[test]
    fn what_a_new_pod_names_and_nobody_knows() {
        let found = unknown("pods", "", "CREATE").unwrap();
        assert_eq!(found.namespace, "shop");
        assert_eq!(found.images, ["registry.corp/shop/setup:1", "registry.corp/shop/web:2"]);
        assert_eq!(found.pull_secrets, ["pull"]);
        assert_eq!(unknown("pods", "ephemeralcontainers", "UPDATE").unwrap().images, ["busybox"]);
        assert_eq!(unknown("pods", "", "UPDATE"), None);
        assert_eq!(unknown("deployments", "", "CREATE"), None);
        let policies = PolicySet::new(Vec::new()).unwrap();
        for body in ["", "{", "[]", "{\"request\": 7}", "\u{0}"] {
            assert_eq!(unknown_images(body.as_bytes(), ENFORCE, &policies), None, "{body}");
        }
    }
}
