//! Pods that reach everything the rules look at, and what they do not look at too.

use serde_json::{Value, json};

use super::annotations::annotations;
use super::choices::{Choices, Object};
use super::volumes::volumes;
use super::{plugin, seeds};

/// Names of containers; some are ones that annotations, notes and volume names could
/// confuse with something else.
const NAMES: [&str; 14] = [
    "web",
    "app",
    "sidecar",
    "a",
    "a-b",
    "fix-permissions",
    "pod",
    "exempt",
    "istio-init",
    "db",
    "writable-paths",
    "ironhull-web-tmp",
    "all",
    "a-name-of-sixty-three-characters-which-is-as-long-as-a-label-is",
];

/// Images: unknown ones, known ones, and every way to write a name.
pub(crate) const IMAGES: [&str; 18] = [
    "registry.corp/pay/api:3",
    "nginx",
    "nginx:1.27@sha256:0123456789abcdef",
    "postgres:15-alpine",
    "postgres:16",
    "redis:7",
    "docker.io/library/redis:7-alpine",
    "registry.corp/dockerhub/postgres:16",
    "quay.io/prometheus/prometheus:v3",
    "rabbitmq:4",
    "caddy:2",
    "busybox",
    "grafana/grafana:11",
    "localhost:5000/x@sha256:0123456789abcdef",
    "registry.k8s.io/ingress-nginx/controller:v1.13.0",
    "memcached:1",
    "",
    "UPPER//odd::name@",
];

/// Mount paths: at, below and above those that are made writable, and odd spellings.
const PATHS: [&str; 22] = [
    "/data",
    "/tmp",
    "/tmp/x",
    "/tmp/",
    "//tmp",
    "/./tmp",
    "tmp",
    "/a/../tmp",
    "/var",
    "/var/log",
    "/var/log/app",
    "/var/cache/nginx",
    "/run",
    "/",
    "/tmpx",
    "/t",
    "/var/run/postgresql",
    "/var/",
    "/tmp/x/y",
    "/etc/config",
    "/var/run/secrets/kubernetes.io/serviceaccount",
    ".",
];

pub(crate) const VOLUMES: [&str; 9] = [
    "data",
    "tmp",
    "config",
    "secret",
    "ironhull-web-tmp",
    "ironhull-a-b-tmp",
    "ironhull-app-tmp",
    "ironhull-app-tmp-2",
    "kube-api-access-x",
];

const CAPABILITIES: [&str; 17] = [
    "NET_BIND_SERVICE",
    "CHOWN",
    "NET_ADMIN",
    "SYS_ADMIN",
    "CAP_SYS_ADMIN",
    "ALL",
    "all",
    "All",
    "CAP_NET_BIND_SERVICE",
    "cap_chown",
    "CAP_ALL",
    "SETUID",
    "CAP_CAP_CHOWN",
    "NET_RAW",
    "net_bind_service",
    "SYS_TIME",
    "",
];

const UIDS: [i64; 8] = [1000, 0, 70, 101, 65_535, 65_536, 70_000, 2_147_483_647];
const GIDS: [i64; 5] = [1000, 0, 70, 5, 2_147_483_647];
/// 0400, 0440, 0500, 0600, 0640, 0644, 0700, 0744, 0755.
pub(crate) const MODES: [i64; 9] = [420, 256, 288, 320, 384, 416, 448, 484, 493];

/// The numbers behind a pod. proptest shrinks each list by itself, so that leaving out one
/// container changes nothing of another.
#[derive(Clone, Debug)]
pub(crate) struct PodNumbers {
    pub pod: Vec<u16>,
    pub containers: Vec<Vec<u16>>,
    pub init: Vec<Vec<u16>>,
    pub volumes: Vec<Vec<u16>>,
    pub annotations: Vec<Vec<u16>>,
}

/// A pod.
pub(crate) fn pod(numbers: &PodNumbers) -> Value {
    let choices = &mut Choices::new(&numbers.pod);
    let mut names = Names::default();
    let volumes: Vec<Value> = volumes(&numbers.volumes);
    let windows = choices.chance(8);
    let init: Vec<Value> = numbers
        .init
        .iter()
        .map(|numbers| {
            let choices = &mut Choices::new(numbers);
            let mut container = container(choices, &mut names, windows);
            if choices.chance(40) {
                container["restartPolicy"] =
                    choices.pick(&["Always", "Always", "OnFailure"]).into();
            }
            container
        })
        .collect();
    let look_alike = choices.chance(4).then(|| seeds::look_alike(choices));
    let init: Vec<Value> = look_alike.into_iter().chain(init).collect();
    let containers: Vec<Value> = numbers
        .containers
        .iter()
        .map(|numbers| container(&mut Choices::new(numbers), &mut names, windows))
        .collect();
    let mut spec = Object::default();
    spec.maybe(choices, 70, "securityContext", |c| pod_context(c, windows));
    spec.one_of(choices, 8, "hostNetwork", &[true, false]);
    spec.one_of(choices, 10, "hostUsers", &[false, false, true]);
    spec.one_of(choices, 4, "hostPID", &[true, false]);
    spec.maybe(choices, 3, "fromTheFuture", |_| json!({"x": [1, {"y": null}]}));
    os(&mut spec, choices, windows);
    if !init.is_empty() {
        spec.set("initContainers", init);
    }
    spec.set("containers", containers);
    match choices.pick(&[0, 0, 0, 1, 2]) {
        0 if volumes.is_empty() => {}
        1 if volumes.is_empty() => spec.set("volumes", Value::Null),
        _ => spec.set("volumes", volumes),
    }
    let account = choices.pick(&["default", "default", "default", "", "app"]);
    spec.set("serviceAccountName", account);
    spec.one_of(choices, 20, "automountServiceAccountToken", &[false, true]);
    let mut pod = Object::default();
    pod.set("apiVersion", "v1");
    pod.set("kind", "Pod");
    let annotations = annotations(&numbers.annotations, choices, names.names());
    let mut metadata = Object::default();
    if choices.chance(50) {
        metadata.set("generateName", "web-7d4b9c-");
        metadata.set("labels", json!({"app": "web", "ironhull.dev/x": "y"}));
    }
    match choices.pick(&[0, 0, 0, 1, 2]) {
        0 if annotations.is_empty() => {}
        1 if annotations.is_empty() => metadata.set("annotations", Value::Null),
        _ => metadata.set("annotations", Value::Object(annotations.into_iter().collect())),
    }
    match choices.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1]) {
        1 => {}
        _ => pod.set("metadata", metadata),
    }
    pod.set("spec", spec);
    let pod: Value = pod.into();
    if choices.chance(60) { plugin::admit(&pod) } else { pod }
}

/// Names of containers that are not there yet.
#[derive(Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    fn take(&mut self, choices: &mut Choices<'_>) -> String {
        let wanted = choices.pick(&NAMES);
        let mut name = wanted.to_owned();
        let mut count = 1;
        while self.0.contains(&name) {
            count += 1;
            let suffix = format!("-{count}");
            name = wanted.chars().take(63 - suffix.len()).collect::<String>() + &suffix;
        }
        self.0.push(name.clone());
        name
    }

    fn names(&self) -> &[String] {
        &self.0
    }

    /// Those of a pod.
    pub(crate) fn of(pod: &Value) -> Self {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        let containers = lists.iter().filter_map(|list| pod["spec"][list].as_array()).flatten();
        Self(containers.filter_map(|c| Some(c["name"].as_str()?.to_owned())).collect())
    }
}

/// A container of any kind.
pub(crate) fn container(choices: &mut Choices<'_>, names: &mut Names, windows: bool) -> Value {
    let mut container = Object::default();
    container.set("name", names.take(choices));
    container.one_of(choices, 95, "image", &IMAGES);
    container.maybe(choices, 75, "securityContext", |c| context(c, windows));
    container.maybe(choices, 40, "ports", |choices| match choices.below(8) {
        0 => Value::Null,
        1 => json!([]),
        _ => {
            let ports = [8080, 80, 443, 1023, 1024, 0, 1, 53];
            json!([
                {"containerPort": choices.pick(&ports), "protocol": "TCP"},
                {"containerPort": choices.pick(&ports), "name": "b"},
            ])
        }
    });
    container.maybe(choices, 60, "volumeMounts", mounts);
    container.maybe(
        choices,
        5,
        "volumeDevices",
        |_| json!([{"name": "data", "devicePath": "/tmp"}]),
    );
    container.maybe(choices, 10, "env", |_| json!([{"name": "A", "value": "b"}, {"name": "A"}]));
    container.maybe(choices, 5, "fromTheFuture", |_| json!({"securityContext": {"runAsUser": 0}}));
    container.into()
}

fn mounts(choices: &mut Choices<'_>) -> Value {
    if choices.chance(6) {
        return Value::Null;
    }
    let mut mounts: Vec<Value> = Vec::new();
    for path in choices.some(4, |choices| choices.pick(&PATHS)) {
        let mut mount = Object::default();
        mount.set("name", choices.pick(&VOLUMES));
        mount.set("mountPath", path);
        mount.one_of(choices, 25, "readOnly", &[true, false]);
        mount.maybe(choices, 8, "subPath", |_| "sub");
        mount.maybe(choices, 5, "subPathExpr", |_| "$(POD_NAME)");
        mount.maybe(choices, 5, "mountPropagation", |_| "HostToContainer");
        // The API server wants mount paths to differ, byte by byte.
        if !mounts.iter().any(|mount| mount["mountPath"] == path) {
            mounts.push(mount.into());
        }
    }
    mounts.into()
}

fn context(choices: &mut Choices<'_>, windows: bool) -> Value {
    match choices.below(20) {
        18 => return Value::Null,
        19 => return json!({}),
        _ => {}
    }
    let mut context = Object::default();
    context.one_of(choices, 10, "privileged", &[true, true, false]);
    context.one_of(choices, 25, "runAsNonRoot", &[true, false]);
    context.one_of(choices, 30, "runAsUser", &UIDS);
    context.one_of(choices, 20, "runAsGroup", &GIDS);
    context.one_of(choices, 30, "allowPrivilegeEscalation", &[false, true]);
    context.one_of(choices, 30, "readOnlyRootFilesystem", &[true, false]);
    context.maybe(choices, 40, "capabilities", capabilities);
    context.maybe(choices, 25, "seccompProfile", seccomp);
    context.maybe(choices, 5, "procMount", |_| "Default");
    context.maybe(choices, 5, "appArmorProfile", |_| json!({"type": "Unconfined"}));
    context.maybe(choices, 5, "fromTheFuture", |_| json!({"a": [1, 2], "b": null}));
    if windows {
        context.maybe(choices, 50, "windowsOptions", windows_options);
    }
    context.into()
}

fn pod_context(choices: &mut Choices<'_>, windows: bool) -> Value {
    match choices.below(20) {
        18 => return Value::Null,
        19 => return json!({}),
        _ => {}
    }
    let mut context = Object::default();
    context.one_of(choices, 30, "runAsNonRoot", &[true, false]);
    context.one_of(choices, 35, "runAsUser", &UIDS);
    context.one_of(choices, 25, "runAsGroup", &GIDS);
    context.one_of(choices, 25, "fsGroup", &GIDS);
    context.one_of(choices, 10, "fsGroupChangePolicy", &["Always", "OnRootMismatch"]);
    context.one_of(choices, 10, "supplementalGroups", &[json!([4, 5]), json!([])]);
    context.maybe(choices, 30, "seccompProfile", seccomp);
    context.maybe(choices, 12, "sysctls", |choices| {
        let names = [
            "net.ipv4.ip_unprivileged_port_start",
            "net/ipv4/ip_unprivileged_port_start",
            "kernel.shm_rmid_forced",
            "net.ipv4.tcp_notsent_lowat",
        ];
        match choices.below(8) {
            0 => Value::Null,
            1 => json!([]),
            _ => json!([{"name": choices.pick(&names), "value": choices.pick(&["0", "80", ""])}]),
        }
    });
    context.maybe(choices, 5, "seLinuxOptions", |_| json!({"level": "s0"}));
    context.maybe(choices, 5, "fromTheFuture", |_| json!([{"runAsUser": 0}]));
    if windows {
        context.maybe(choices, 40, "windowsOptions", windows_options);
    }
    context.into()
}

fn capabilities(choices: &mut Choices<'_>) -> Value {
    match choices.below(16) {
        14 => return Value::Null,
        15 => return json!({}),
        _ => {}
    }
    let list = |choices: &mut Choices<'_>| match choices.below(12) {
        10 => Value::Null,
        11 => json!([]),
        _ => {
            let mut names = vec![choices.pick(&CAPABILITIES)];
            names.extend(choices.some(2, |choices| choices.pick(&CAPABILITIES)));
            names.into()
        }
    };
    let mut capabilities = Object::default();
    capabilities.maybe(choices, 60, "add", list);
    capabilities.maybe(choices, 60, "drop", |choices| {
        if choices.chance(50) { json!(["ALL"]) } else { list(choices) }
    });
    capabilities.maybe(choices, 5, "fromTheFuture", |_| json!(["x"]));
    capabilities.into()
}

fn seccomp(choices: &mut Choices<'_>) -> Value {
    choices.pick(&[
        json!({"type": "RuntimeDefault"}),
        json!({"type": "Unconfined"}),
        json!({"type": "Localhost", "localhostProfile": "profiles/a.json"}),
        json!({}),
        Value::Null,
        json!({"type": null}),
        json!({"type": "FromTheFuture"}),
    ])
}

fn windows_options(choices: &mut Choices<'_>) -> Value {
    choices.pick(&[
        json!({"runAsUserName": "ContainerUser"}),
        json!({"hostProcess": true}),
        json!({}),
        Value::Null,
    ])
}

/// The signs of a Windows pod, and things that look like them.
fn os(spec: &mut Object, choices: &mut Choices<'_>, windows: bool) {
    let term = |values: Value| {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": values}]}
        ]}}})
    };
    if windows {
        match choices.below(5) {
            0 | 1 => spec.set("os", json!({"name": "windows"})),
            2 => spec.set("nodeSelector", json!({"kubernetes.io/os": "windows"})),
            3 => spec.set("affinity", term(json!(["windows"]))),
            _ => {}
        }
    } else if choices.chance(12) {
        match choices.below(4) {
            0 => spec.set("os", json!({"name": "linux"})),
            1 => spec.set("nodeSelector", json!({"kubernetes.io/os": "linux", "disk": null})),
            2 => spec.set("affinity", term(json!(["windows", "linux"]))),
            _ => spec.set("os", Value::Null),
        }
    }
}
