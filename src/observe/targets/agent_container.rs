//! The ephemeral container: ironhull's own image, with what its target has and nothing more.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Capabilities, Container, ContainerStatus, Pod};
use serde_json::{Value, json};

use super::Target;
use crate::observe::agent::Task;

/// The image that the agent is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentImage {
    /// Its name.
    pub name: String,
    /// `imagePullPolicy`, where the installation has one.
    pub pull_policy: Option<String>,
}

/// Uid and gid that a container was started with: what the kubelet reports (Kubernetes 1.33 and
/// later), else what the manifest says. `None` if neither knows the uid: then it is the image's.
pub(super) fn user(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
) -> Option<(i64, i64)> {
    if let Some(linux) = status.user.as_ref().and_then(|user| user.linux.as_ref()) {
        return Some((linux.uid, linux.gid));
    }
    let own = container.security_context.as_ref();
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    let uid = own.and_then(|it| it.run_as_user).or_else(|| of_pod?.run_as_user)?;
    let gid = own.and_then(|it| it.run_as_group).or_else(|| of_pod?.run_as_group);
    // Without a word the runtime takes the gid of the image's /etc/passwd, and 0 without an entry.
    Some((uid, gid.unwrap_or(0)))
}

/// The ephemeral container for a target, as the API takes it.
///
/// The user is said in full, since the image of the agent has one of its own. Root gets what its
/// target has, since the kernel shows a process only to whoever has all of its capabilities; any
/// other user has none. What takes nothing from the agent is as hard as it can be.
pub fn agent_container(
    target: &Target,
    container: &Container,
    image: &AgentImage,
    time: Duration,
) -> Value {
    // Root, where nobody knows: the agent then becomes the user of the process it finds.
    let (uid, gid) = target.user.unwrap_or((0, 0));
    let context = container.security_context.as_ref();
    let mut security = json!({
        "runAsUser": uid,
        "runAsGroup": gid,
        "runAsNonRoot": uid != 0,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let capabilities = match uid {
        0 => context.and_then(|context| context.capabilities.as_ref()).map(of_target),
        _ => Some(json!({"drop": ["ALL"]})),
    };
    let labels = context.and_then(|context| context.se_linux_options.as_ref());
    let also = [("capabilities", capabilities), ("seLinuxOptions", labels.map(|it| json!(it)))];
    for (key, value) in also.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        if let Some(security) = security.as_object_mut() {
            security.insert(key.to_owned(), value);
        }
    }
    let Target { id, started, shared, .. } = target;
    let task = Task { time, container: id.clone(), started: *started, shared: *shared };
    let mut agent = json!({
        "name": target.agent_name,
        "image": image.name,
        "args": task.arguments(),
        "targetContainerName": target.container,
        "stdin": true,
        // The agent ends with whoever reads it.
        "stdinOnce": true,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": security,
    });
    if let (Some(policy), Some(agent)) = (&image.pull_policy, agent.as_object_mut()) {
        agent.insert("imagePullPolicy".to_owned(), json!(policy));
    }
    agent
}

/// The target's capabilities. A name with `CAP_` gives it nothing in containerd, and
/// `CAP_SYS_ADMIN` is refused beside `allowPrivilegeEscalation: false`.
fn of_target(capabilities: &Capabilities) -> Value {
    let added = capabilities.add.iter().flatten();
    let add: Vec<&String> = added.filter(|name| !name.starts_with("CAP_")).collect();
    let drop: Vec<&String> = capabilities.drop.iter().flatten().collect();
    json!({"add": add, "drop": drop})
}
