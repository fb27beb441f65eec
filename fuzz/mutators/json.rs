//! A review with a member more, one less, or another value somewhere.

use serde_json::{Map, Value, json};

use super::random::Random;

/// Where the two bytes before the JSON end.
const HEAD: usize = 2;

pub fn mutated(random: &mut Random, input: &[u8]) -> Option<Vec<u8>> {
    let (head, body) = input.split_at_checked(HEAD)?;
    let mut value: Value = serde_json::from_slice(body).ok()?;
    for _ in 0..=random.below(3) {
        let mut pointers = Vec::new();
        collect(&value, String::new(), &mut pointers);
        let copied = value.pointer(&random.pick(&pointers)).cloned().unwrap_or_default();
        let target = random.pick(&pointers);
        change(random, value.pointer_mut(&target)?, copied);
    }
    Some([head, value.to_string().as_bytes()].concat())
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(inner, format!("{at}/{key}"), pointers);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect(inner, format!("{at}/{index}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(at);
}

fn change(random: &mut Random, value: &mut Value, copied: Value) {
    match value {
        Value::Object(map) if !random.one_in(6) => member(random, map, copied),
        Value::Array(items) if !random.one_in(6) => {
            let at = random.below(items.len() + 1);
            match random.below(3) {
                0 if at < items.len() => drop(items.remove(at)),
                1 => items.insert(at, copied),
                _ => {
                    let item = items.get(at).cloned().unwrap_or_else(|| fragment(random).1);
                    items.insert(at, item);
                }
            }
        }
        Value::String(text) if random.one_in(2) => {
            let at = random.place(text);
            text.insert_str(at, random.pick(&["a", "/", "\u{0}", "ü", "~1", ",", "..", " ", "*"]));
        }
        value => {
            *value = match random.below(3) {
                0 => copied,
                1 => fragment(random).1,
                _ => scalar(random),
            }
        }
    }
}

fn member(random: &mut Random, map: &mut Map<String, Value>, copied: Value) {
    let (key, value) = fragment(random);
    match random.below(4) {
        0 if !map.is_empty() => {
            let key = map.keys().nth(random.below(map.len())).cloned().unwrap();
            map.shift_remove(&key);
        }
        1 => drop(map.insert(key.to_owned(), copied)),
        2 => drop(map.insert(key.to_owned(), scalar(random))),
        _ => drop(map.insert(key.to_owned(), value)),
    }
}

fn scalar(random: &mut Random) -> Value {
    random.pick(&[
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(80),
        json!(1000),
        json!(65_536),
        json!(2_147_483_647_i64),
        json!(2_147_483_648_i64),
        json!(-1),
        json!(u64::MAX),
        json!(0.5),
        json!(""),
        json!("a"),
        json!("ALL"),
        json!("CAP_SYS_ADMIN"),
        json!("/tmp"),
        json!([]),
        json!({}),
    ])
}

/// Members of pods that the engine looks at, with values that matter to it.
fn fragment(random: &mut Random) -> (&'static str, Value) {
    let container = json!({"name": "b", "image": "nginx", "ports": [{"containerPort": 80}]});
    random.pick(&[
        ("securityContext", json!({})),
        ("securityContext", json!({"runAsUser": 0})),
        ("securityContext", json!({"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000})),
        ("securityContext", json!({"privileged": true})),
        ("securityContext", json!({"capabilities": {"add": ["ALL"], "drop": ["all"]}})),
        ("securityContext", json!({"readOnlyRootFilesystem": true})),
        ("runAsUser", json!(0)),
        ("runAsUser", json!(1000)),
        ("runAsGroup", json!(0)),
        ("runAsNonRoot", json!(false)),
        ("runAsNonRoot", json!(true)),
        ("fsGroup", json!(2000)),
        ("privileged", json!(true)),
        ("allowPrivilegeEscalation", json!(true)),
        ("readOnlyRootFilesystem", json!(false)),
        ("procMount", json!("Unmasked")),
        ("capabilities", json!({"add": ["NET_ADMIN", "CAP_CHOWN"], "drop": ["ALL"]})),
        ("add", json!(["CAP_SYS_ADMIN"])),
        ("drop", json!(["ALL", "CHOWN"])),
        ("seccompProfile", json!({"type": "Unconfined"})),
        ("seccompProfile", json!({"type": "Localhost", "localhostProfile": "a"})),
        ("sysctls", json!([{"name": "net/ipv4/ip_unprivileged_port_start", "value": "80"}])),
        ("annotations", json!({})),
        ("annotations", json!({"exempt.ironhull.dev/all": "until=2027-02-01 a"})),
        ("annotations", json!({"web.exempt.ironhull.dev/runAsNonRoot": "a"})),
        ("annotations", json!({"ironhull.dev/writable-paths": "/tmp/a,/run,/tmp"})),
        ("annotations", json!({"kubernetes.io/config.mirror": "a"})),
        ("annotations", json!({"seccomp.security.alpha.kubernetes.io/pod": "unconfined"})),
        (
            "annotations",
            json!({"ironhull.dev/hardened": "{\"policy\":\"a@b\",\"set\":{\"pod\":[\"runAsUser\"]}}"}),
        ),
        (
            "annotations",
            json!({"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "a"}),
        ),
        ("volumes", json!([])),
        ("volumes", json!([{"name": "a", "emptyDir": {}}])),
        ("volumes", json!([{"name": "a", "secret": {"defaultMode": 256}}])),
        ("volumes", json!([{"name": "a", "projected": {"sources": [{"configMap": {"items": [{"mode": 320}]}}]}}])),
        ("volumes", json!([{"name": "ironhull-tmp", "hostPath": {"path": "/"}}])),
        ("volumeMounts", json!([{"name": "a", "mountPath": "/tmp"}])),
        ("volumeMounts", json!([{"name": "a", "mountPath": "/tmp/b", "readOnly": true}])),
        ("volumeMounts", json!([{"name": "a", "mountPath": "/", "subPath": "b"}])),
        ("volumeMounts", json!([])),
        ("ports", json!([{"containerPort": 80}, {"containerPort": 8080}])),
        ("ports", json!([{"containerPort": 80, "hostPort": 80}])),
        ("containers", json!([container])),
        ("initContainers", json!([container])),
        ("ephemeralContainers", json!([container])),
        ("ephemeralContainers", json!([{"name": "c", "targetContainerName": "web"}])),
        ("restartPolicy", json!("Always")),
        ("hostUsers", json!(false)),
        ("hostNetwork", json!(true)),
        ("hostPID", json!(true)),
        ("os", json!({"name": "windows"})),
        ("nodeSelector", json!({"kubernetes.io/os": "windows"})),
        ("lifecycle", json!({"postStart": {"httpGet": {"host": "a"}}})),
        ("object", json!(null)),
        ("oldObject", json!({"spec": {"ephemeralContainers": [{"name": "b"}]}})),
        ("subResource", json!("ephemeralcontainers")),
        ("operation", json!("UPDATE")),
        ("operation", json!("CREATE")),
        ("resource", json!({"resource": "pods"})),
        ("kind", json!("Pod")),
        ("dryRun", json!(true)),
        ("namespace", json!("shop")),
        ("template", json!({"spec": {"containers": [container]}})),
        ("jobTemplate", json!({"spec": {"template": {"spec": {}}}})),
        ("volumeClaimTemplates", json!([{"metadata": {"name": "ironhull-tmp"}}])),
    ])
}
