//! A container that says nothing but its image, under the compiled-in policy.

use anyhow::anyhow;
use serde_json::json;

use super::outlook::{Effects, Outlook, Template, effects, outlook};
use super::risk::Seen;
use crate::admission::Environment;
use crate::date::today;
use crate::facts::ImageFacts;
use crate::harden::Scope;
use crate::policy::PolicySet;

/// What hardening does to a pod with one container of this image.
///
/// # Errors
/// Never, as long as the compiled-in policy is good.
pub fn image_alone(facts: &ImageFacts) -> anyhow::Result<(Outlook, Effects)> {
    let policies =
        PolicySet::new(Vec::new()).map_err(|_| anyhow!("the compiled-in policy is bad"))?;
    let policies = policies.and_facts(std::slice::from_ref(facts));
    let container = json!({ "name": "app", "image": facts.image });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "app" },
        "spec": { "containers": [container] },
    });
    let template = Template {
        json: &pod.to_string(),
        policy: policies.fallback(),
        environment: Environment { date: today(), user_namespaces: false, seed_image: None },
        reserved_volumes: &[],
        scope: Scope::Template { complete: true },
        seen: &Seen::default(),
    };
    Ok((outlook(&template)?, effects(&template)?))
}
