//! The API server's ServiceAccount plugin, as far as it changes a pod: `mountServiceAccountToken` in
//! `k8s.io/kubernetes/plugin/pkg/admission/serviceaccount`. Values are compared whole, with no part of
//! ironhull's reading.

use serde_json::{Value, json};

/// Where the token is mounted.
pub const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const PREFIX: &str = "kube-api-access-";
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// The volume, as the webhook gets it.
pub fn volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}})
}

/// The same by OpenShift's API server, which adds the authority of its services.
fn volume_of_openshift(name: &str) -> Value {
    let mut volume = volume(name);
    let items = json!([{"key": "service-ca.crt", "path": "service-ca.crt"}]);
    let more = json!({"configMap": {"name": "openshift-service-ca.crt", "items": items}});
    volume["projected"]["sources"].as_array_mut().into_iter().for_each(|it| it.push(more.clone()));
    volume
}

/// A mount of it.
pub fn mount(name: &str) -> Value {
    json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH})
}

/// The pod after the plugin has seen it, where its ServiceAccount lets it have a token.
pub fn admit(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some()
        || pod["spec"]["automountServiceAccountToken"] == false
    {
        return pod;
    }
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let named = |it: &Value| it["name"].as_str().is_some_and(|name| name.starts_with(PREFIX));
    let own = volumes.iter().find(|it| named(it)).map(|it| it["name"].clone());
    let name = own.as_ref().and_then(Value::as_str).unwrap_or("kube-api-access-8vk2q");
    let mut mounted = false;
    for list in LISTS {
        for container in list_of(&mut pod, list) {
            let mut mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if !container.is_object() || mounts.iter().any(|it| it["mountPath"] == TOKEN_PATH) {
                continue;
            }
            mounts.push(mount(name));
            container["volumeMounts"] = mounts.into();
            mounted = true;
        }
    }
    if mounted && own.is_none() {
        let mut volumes = volumes;
        volumes.push(volume(name));
        pod["spec"]["volumes"] = volumes.into();
    }
    pod
}

/// A list of the spec. An index would add what is not there.
fn list_of<'p>(pod: &'p mut Value, name: &str) -> impl Iterator<Item = &'p mut Value> + use<'p> {
    let list = pod.pointer_mut(&format!("/spec/{name}")).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// The pod without what the plugin has mounted, and with the field that keeps it from coming back.
/// `None` if anything else mounts the volume, or there is none or another one.
pub fn without_token(pod: &Value) -> Option<Value> {
    let mut pod = pod.clone();
    let volumes = pod.pointer_mut("/spec/volumes")?.as_array_mut()?;
    let named = |it: &Value| it["name"].as_str().is_some_and(|name| name.starts_with(PREFIX));
    let name = volumes.iter().find(|it| named(it))?["name"].as_str()?.to_owned();
    let (plugins, of_plugin) = (volume(&name), mount(&name));
    volumes.retain(|it| stated(it) != plugins);
    if volumes.iter().any(named) {
        return None;
    }
    for list in LISTS {
        for container in list_of(&mut pod, list) {
            let mounts = container.get_mut("volumeMounts").and_then(Value::as_array_mut);
            let Some(mounts) = mounts else { continue };
            mounts.retain(|it| stated(it) != of_plugin);
            if mounts.iter().any(|it| it["name"] == name.as_str()) {
                return None;
            }
        }
    }
    pod["spec"]["automountServiceAccountToken"] = false.into();
    Some(pod)
}

/// A value without members that say nothing: what the API server does not write.
fn stated(value: &Value) -> Value {
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), stated(value)));
            members.filter(|(_, value)| says(value)).collect()
        }
        Value::Array(items) => items.iter().map(stated).collect(),
        value => value.clone(),
    }
}

/// Whether a patch is `add` and `replace` throughout, but for the plugin's volume and mounts: all of
/// them are removed, with the field set, or none. `pod` is the patched document.
pub fn removes_only_the_token(pod: &Value, patch: &Value) -> Result<(), String> {
    let mut now = pod.clone();
    let mut gone: Vec<Value> = Vec::new();
    for operation in patch.as_array().into_iter().flatten() {
        let path = operation["path"].as_str().unwrap_or_default();
        match operation["op"].as_str() {
            Some("add" | "replace") => {}
            Some("remove") => gone.push(now.pointer(path).map(stated).unwrap_or_default()),
            _ => return Err(format!("the patch has the operation {operation}")),
        }
        let one: json_patch::Patch =
            serde_json::from_value(json!([operation])).map_err(|error| error.to_string())?;
        json_patch::patch(&mut now, &one).map_err(|error| format!("{operation}: {error}"))?;
    }
    let Some(name) = gone.last().and_then(|it| it["name"].as_str()).map(str::to_owned) else {
        return if gone.is_empty() { Ok(()) } else { Err(format!("removed: {gone:?}")) };
    };
    let plugins = [mount(&name), volume(&name), volume_of_openshift(&name)];
    if let Some(other) = gone.iter().find(|it| !plugins.contains(it)) {
        return Err(format!("it removes what is not the plugin's: {other}"));
    }
    let left = |list: &Value| {
        list.as_array().is_some_and(|it| it.iter().any(|it| it["name"] == name.as_str()))
    };
    let mut containers = LISTS.iter().filter_map(|list| now["spec"][list].as_array()).flatten();
    if left(&now["spec"]["volumes"]) || containers.any(|it| left(&it["volumeMounts"])) {
        return Err(format!("some of the token stays: {now}"));
    }
    match now["spec"]["automountServiceAccountToken"] == false {
        true => Ok(()),
        false => Err("the plugin would put the token back".to_owned()),
    }
}
