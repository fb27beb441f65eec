//! What a pod says, read from its JSON as the API and the kubelet read it. Nothing here
//! uses the engine: the properties would otherwise only show that it agrees with itself.

use serde_json::Value;

/// A container of a pod, with its own and its effective values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    /// `initContainers`, `containers`, `ephemeralContainers`.
    pub list: &'static str,
    /// Its index there.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// An init container with `restartPolicy: Always`.
    pub sidecar: bool,
    /// `privileged`
    pub privileged: bool,
    /// Its own values.
    pub own: User,
    /// What holds for it.
    pub effective: Effective,
    /// Its mount paths, normalised, in order.
    pub mounts: Vec<String>,
}

/// The fields that say who a container runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub non_root: Option<bool>,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
}

/// What holds for a container: its own value, else the pod's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effective {
    pub user: User,
    /// `seccompProfile`, whole; nothing without a type.
    pub seccomp: Option<Value>,
    pub escalation: Option<bool>,
    pub read_only: Option<bool>,
    pub add: Vec<String>,
    pub drop: Vec<String>,
}

/// The member at a path of keys; `null` is not there.
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    let found = path.iter().try_fold(value, |value, key| value.get(key))?;
    (!found.is_null()).then_some(found)
}

/// The words of a list.
pub(crate) fn words(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// The objects of a list.
pub(crate) fn list<'v>(
    value: &'v Value,
    path: &[&str],
) -> impl Iterator<Item = &'v Value> + use<'v> {
    at(value, path).and_then(Value::as_array).into_iter().flatten()
}

/// The containers of one list.
pub(crate) fn of_list(pod: &Value, name: &'static str) -> Vec<Container> {
    let containers = list(pod, &["spec", name]).enumerate();
    containers.map(|(index, container)| read(pod, container, name, index)).collect()
}

/// Init containers and sidecars, then app containers.
pub(crate) fn containers(pod: &Value) -> Vec<Container> {
    [of_list(pod, "initContainers"), of_list(pod, "containers")].concat()
}

fn read(pod: &Value, container: &Value, list_name: &'static str, index: usize) -> Container {
    let text = |key| container[key].as_str().unwrap_or_default().to_owned();
    let own = |key: &str| at(container, &["securityContext", key]);
    let outer = |key: &str| at(pod, &["spec", "securityContext", key]);
    let flag = |value: Option<&Value>| value.and_then(Value::as_bool);
    let number = |value: Option<&Value>| value.and_then(Value::as_i64);
    let profile = |value: Option<&Value>| value.filter(|v| at(v, &["type"]).is_some()).cloned();
    let list = |key| words(at(container, &["securityContext", "capabilities", key]));
    Container {
        list: list_name,
        index,
        name: text("name"),
        image: text("image"),
        sidecar: list_name == "initContainers" && text("restartPolicy") == "Always",
        privileged: flag(own("privileged")) == Some(true),
        own: User {
            non_root: flag(own("runAsNonRoot")),
            uid: number(own("runAsUser")),
            gid: number(own("runAsGroup")),
        },
        effective: Effective {
            user: User {
                non_root: flag(own("runAsNonRoot").or(outer("runAsNonRoot"))),
                uid: number(own("runAsUser").or(outer("runAsUser"))),
                gid: number(own("runAsGroup").or(outer("runAsGroup"))),
            },
            seccomp: profile(own("seccompProfile")).or_else(|| profile(outer("seccompProfile"))),
            escalation: flag(own("allowPrivilegeEscalation")),
            read_only: flag(own("readOnlyRootFilesystem")),
            add: list("add"),
            drop: list("drop"),
        },
        mounts: self::list(container, &["volumeMounts"])
            .map(|mount| normal(mount["mountPath"].as_str().unwrap_or_default()))
            .collect(),
    }
}

/// The images among those of the generated pods that listen on port 80 by themselves, as
/// `policies/images.yaml` has it.
const LOW_SERVERS: [&str; 3] = ["nginx", "caddy", "controller"];

impl Container {
    /// Whether it is one of the pod's own, not one that runs before them.
    pub(crate) fn is_app_or_sidecar(&self) -> bool {
        self.list == "containers" || self.sidecar
    }

    /// Where it is, as keys.
    pub(crate) fn path(&self) -> [String; 3] {
        ["spec".to_owned(), self.list.to_owned(), self.index.to_string()]
    }

    /// Its JSON.
    pub(crate) fn json<'v>(&self, pod: &'v Value) -> &'v Value {
        &pod["spec"][self.list][self.index]
    }

    /// Whether it has a port below 1024: one that it declares, else that of a server that is known.
    pub(crate) fn low_port(&self, pod: &Value) -> bool {
        let ports = list(self.json(pod), &["ports"]);
        let declared: Vec<i64> =
            ports.map(|port| port["containerPort"].as_i64().unwrap_or_default()).collect();
        let name = self.image.rsplit('/').next().unwrap_or_default();
        let name = name.split([':', '@']).next().unwrap_or_default();
        match declared.is_empty() {
            true => LOW_SERVERS.contains(&name),
            false => declared.iter().any(|port| (1..1024).contains(port)),
        }
    }
}

impl Effective {
    /// `type` of the seccomp profile.
    pub(crate) fn seccomp_type(&self) -> Option<&str> {
        self.seccomp.as_ref()?.get("type")?.as_str()
    }
}

impl User {
    /// Root in so many words.
    pub(crate) fn is_root(&self) -> bool {
        self.uid == Some(0) || self.uid.is_none() && self.non_root == Some(false)
    }
}

/// A mount path as the container runtime sees it: from `/`, without `.`, `..`, empty parts.
pub(crate) fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The value of an annotation.
pub(crate) fn annotation<'v>(pod: &'v Value, key: &str) -> Option<&'v str> {
    at(pod, &["metadata", "annotations", key]).and_then(Value::as_str)
}

/// Keys and values of all annotations together, as the API server counts them.
pub(crate) fn annotations_size(pod: &Value) -> usize {
    let annotations = at(pod, &["metadata", "annotations"]).and_then(Value::as_object);
    let sizes = annotations.into_iter().flatten().map(|(key, value)| {
        // An annotation that is null is decoded as the empty string.
        key.len() + value.as_str().unwrap_or_default().len()
    });
    sizes.sum()
}

/// Whether the pod is the API's copy of a static pod.
pub(crate) fn is_mirror(pod: &Value) -> bool {
    annotation(pod, "kubernetes.io/config.mirror").is_some()
}

/// Whether the pod is one for Windows nodes (EDGE_CASES 15).
pub(crate) fn is_windows(pod: &Value) -> bool {
    match at(pod, &["spec", "os", "name"]).and_then(Value::as_str) {
        Some("windows") => return true,
        Some("linux") => return false,
        _ => {}
    }
    let selector = at(pod, &["spec", "nodeSelector", "kubernetes.io/os"]);
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = ["spec", "affinity", "nodeAffinity", required, "nodeSelectorTerms"];
    let values = |term: &Value| words(term["matchExpressions"][0].get("values"));
    let mut terms = list(pod, &terms).peekable();
    selector.is_some_and(|os| os == "windows")
        || terms.peek().is_some() && terms.all(|term| values(term) == ["windows"])
}

/// Whether the pod asks for a HostProcess container anywhere.
pub(crate) fn is_host_process(pod: &Value) -> bool {
    let asks = |value: &Value| {
        at(value, &["securityContext", "windowsOptions", "hostProcess"]) == Some(&Value::Bool(true))
    };
    let everywhere = ["initContainers", "containers"].into_iter();
    asks(&pod["spec"]) || everywhere.flat_map(|name| list(pod, &["spec", name])).any(asks)
}

/// Whether the pod has a user namespace of its own, and no files of the node in it.
pub(crate) fn has_user_namespace(pod: &Value) -> bool {
    at(pod, &["spec", "hostUsers"]) == Some(&Value::Bool(false))
        && !list(pod, &["spec", "volumes"]).any(|volume| at(volume, &["hostPath"]).is_some())
}

/// Whether it is on the host's network.
pub(crate) fn on_host_network(pod: &Value) -> bool {
    at(pod, &["spec", "hostNetwork"]) == Some(&Value::Bool(true))
}
