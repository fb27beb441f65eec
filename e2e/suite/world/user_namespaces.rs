//! Whether the node can run pods with `hostUsers: false`: it takes the kernel, the runtime
//! and the file system that images lie on, so it is tried.

use serde_json::json;

use super::{World, is_passing, say};
use crate::pods::{BUSYBOX, container, pod};

impl World {
    /// Tried once, where ironhull does not look.
    pub fn has_user_namespaces(&'static self) -> bool {
        *self.user_namespaces.get_or_init(|| self.try_user_namespace())
    }

    fn try_user_namespace(&'static self) -> bool {
        let space = self.namespace("probe", &[]);
        let mut probe = pod("probe", &[container("app", BUSYBOX)]);
        probe["spec"]["hostUsers"] = json!(false);
        space.pod(&probe);
        self.eventually("a pod with `hostUsers: false` runs or cannot", || {
            if let Some(message) = space.why_no_sandbox("probe") {
                say(format!("no user namespaces: {message}"));
                return Some(false);
            }
            let status = &space.get("probe")["status"]["containerStatuses"][0];
            let message = status["state"]["waiting"]["message"].as_str();
            if let Some(message) = message.filter(|message| !is_passing(message)) {
                say(format!("no user namespaces: {message}"));
                return Some(false);
            }
            status["state"]["running"].is_object().then(|| {
                // Where the API server does not know the field, root is the node's.
                let map = space.exec("probe", "app", &["head", "-n", "1", "/proc/self/uid_map"]);
                say(format!("user namespaces: uid_map {}", map.trim()));
                map.split_whitespace().nth(1) != Some("0")
            })
        })
    }
}
