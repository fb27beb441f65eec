//! Containers in objects of unknown kinds.

use serde_json::Value;

use kube_yaml::escape;

/// Names of lists of containers: Kubernetes' own, and those of Tekton and Argo.
const LISTS: [&str; 5] =
    ["containers", "initContainers", "ephemeralContainers", "steps", "sidecars"];
/// Names of single containers: Argo's templates.
const SINGLE: [&str; 2] = ["container", "script"];

/// Maximum depth at which containers are looked for. A CronJob in an OpenShift Template that
/// another kind wraps has them at 12.
const DEPTH: usize = 20;

/// JSON Pointers of the places in an object that have containers, at least one with an image. Of
/// one pod only the first list counts.
pub(super) fn containers_below(object: &Value) -> Vec<String> {
    let mut places = Vec::new();
    look(object, &mut String::new(), 0, &mut places);
    places
}

fn look(value: &Value, at: &mut String, depth: usize, places: &mut Vec<String>) {
    if depth == DEPTH {
        return;
    }
    let here = at.len();
    match value {
        Value::Object(map) => {
            let list = LISTS.iter().find(|name| map.get(**name).is_some_and(has_containers));
            let single = || SINGLE.iter().find(|name| map.get(**name).is_some_and(has_image));
            if let Some(name) = list.or_else(single) {
                places.push(format!("{at}/{name}"));
                return;
            }
            for (key, value) in map {
                at.push('/');
                at.push_str(&escape(key));
                look(value, at, depth + 1, places);
                at.truncate(here);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push_str(&format!("/{index}"));
                look(item, at, depth + 1, places);
                at.truncate(here);
            }
        }
        _ => {}
    }
}

fn has_containers(list: &Value) -> bool {
    list.as_array().is_some_and(|items| items.iter().any(has_image))
}

fn has_image(container: &Value) -> bool {
    container.get("image").is_some_and(Value::is_string)
}
