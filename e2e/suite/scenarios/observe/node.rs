//! What a container wrote, as the node has it: the upper directory of its overlay, read from
//! outside by a pod that sees the node. `observe` has no part in it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod};
use crate::world::{Space, World};

/// A pod that sees the node.
pub struct Node(Space);

/// Finds a process of a container by its id, and the upper directory of the overlay at its root. Prints
/// for each entry: its kind, its mtime and its path. Mount points go to the other list: what the
/// runtime makes for them is no doing of the container's. What goes while it is listed is no entry.
const LOOK: &str = r#"
set -e
pid=$(grep -l "$ID" /proc/[0-9]*/cgroup 2>/dev/null | head -n 1 | cut -d / -f 3)
upper=$(sed -n 's/.* \/ \/ .*upperdir=\([^,]*\).*/\1/p' /proc/$pid/mountinfo | head -n 1)
cut -d ' ' -f 5 /proc/$pid/mountinfo | sed 's/^/mount 0 /'
cd /proc/1/root/$upper
find . -exec stat -c '%F %Y %n' {} + 2>/dev/null | sed 's/^character special file/whiteout/; s/^regular empty file/file/; s/^regular file/file/; s/^symbolic link/link/' | tr -s ' '
"#;

impl Node {
    pub fn start(world: &'static World) -> Self {
        let space = world.namespace("node", &[]);
        let mut one = container("app", BUSYBOX);
        one["securityContext"] = json!({"privileged": true});
        let mut pod = pod("node", &[one]);
        pod["spec"]["hostPID"] = json!(true);
        space.pod(&pod);
        space.ready("node");
        Self(space)
    }

    /// The topmost directories that the only container of a pod wrote to, outside of mounts.
    pub fn written(&self, pod: &Value) -> BTreeSet<String> {
        let status = &pod["status"]["containerStatuses"][0];
        let id = status["containerID"].as_str().unwrap().rsplit('/').next().unwrap();
        let started = status["state"]["running"]["startedAt"].as_str().unwrap();
        let started: jiff::Timestamp = started.parse().unwrap();
        let look = format!("ID={id}\n{LOOK}");
        let text = self.0.exec("node", "app", &["sh", "-c", &look]);
        topmost(written(&text, started.as_second()))
    }
}

/// Directories in which something stands that the image has not, or in which something stood.
fn written(listing: &str, started: i64) -> BTreeSet<String> {
    let mut mounts = BTreeSet::new();
    let mut entries = Vec::new();
    for line in listing.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(kind), Some(time), Some(path)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        match kind {
            "mount" => _ = mounts.insert(path.to_owned()),
            kind => entries.push((kind, time.parse().unwrap_or(0), path.trim_start_matches('.'))),
        }
    }
    let of_runtime = |path: &str| {
        mounts.iter().any(|mount| mount == path || mount.starts_with(&format!("{path}/")))
    };
    let mut written = BTreeSet::new();
    for (kind, time, path) in entries {
        if path.is_empty() || of_runtime(path) && kind != "directory" {
            continue;
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parent = if parent.is_empty() { "/" } else { parent };
        match kind {
            // Whether a directory's entries changed, only its mtime tells; what the runtime made
            // in it was there before the container was started.
            "directory" if !of_runtime(path) && time >= started => {
                _ = written.insert(path.to_owned())
            }
            "directory" if of_runtime(path) && time > started => {
                _ = written.insert(path.to_owned())
            }
            "directory" => {}
            _ => _ = written.insert(parent.to_owned()),
        }
    }
    written
}

fn topmost(paths: BTreeSet<String>) -> BTreeSet<String> {
    let covered = |path: &str| paths.iter().any(|above| is_below(path, above));
    paths.iter().filter(|path| !covered(path)).cloned().collect()
}

/// Whether a mount at `above` holds `path`. Nothing can be mounted at the root.
pub fn is_below(path: &str, above: &str) -> bool {
    above != "/" && path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}
