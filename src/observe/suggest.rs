//! From what was seen of a container to what it needs: its user, its directories, its ports, and
//! where nothing else will do an exemption with its reason.
//!
//! Everything here is a conclusion from what happened while it was observed, in pods that their own
//! programs can lie in. It never suggests more than was seen, and whoever pastes it should read it.

mod merge;
mod paste;
mod paths;
mod user;

use schemars::JsonSchema;
use serde::Serialize;

use super::snapshot::{Port, ProcessGroup, Snapshot};
use crate::rule::RuleName;
use crate::text::printable;
pub use merge::merge;
pub use paste::{Observed, patch, policy};

/// Maximum length of a reason, which appears in warnings.
const MAX_REASON: usize = 120;

/// A container as its pod describes it: what observation is compared with.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// Whether it shares the pod's network with no other container.
    pub alone: bool,
    /// Whether the pod uses the node's network, where others' sockets are.
    pub host_network: bool,
    /// The ports it declares: protocol, number.
    pub ports: Vec<(String, u16)>,
    /// Ports that another container of the pod is known to hold.
    pub ports_of_others: Vec<(String, u16)>,
    /// The uid that its manifest states.
    pub uid: Option<i64>,
    /// Whether it was started as root.
    pub started_as_root: bool,
    /// Why its files could not be seen by way of `pods/exec`, for people.
    pub no_files: Option<String>,
}

/// What a container needs in order to run hardened, as far as was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Needs {
    /// The user to run as; null if the policy's will do.
    pub user: Option<RunAs>,
    /// Directories that need an emptyDir, beyond those that every container gets.
    pub writable_paths: Vec<Writable>,
    /// Directories of the system that need one in the manifest, where an annotation may not ask.
    pub volumes: Vec<String>,
    /// Ports below 1024 that are not declared.
    pub ports: Vec<ContainerPort>,
    /// The value that `HOME` has to keep; null if it may change.
    pub home: Option<String>,
    /// Rules that it cannot be held to.
    pub exemptions: Vec<Exempt>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// A user to run as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunAs {
    /// Its uid.
    pub uid: u32,
    /// Its gid.
    pub gid: u32,
    /// Its name in the image's /etc/passwd; null if it has none.
    pub name: Option<String>,
    /// Why this one.
    pub why: String,
}

/// A directory that needs an emptyDir.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Writable {
    /// Its path.
    pub path: String,
    /// Whether it has content of the image, which an emptyDir would hide: it has to be seeded.
    pub seed: bool,
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// Its number.
    pub container_port: u16,
    /// `TCP` or `UDP`.
    pub protocol: String,
}

/// A rule that a container cannot be held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exempt {
    /// The rule's name.
    pub rule: &'static str,
    /// Why.
    pub reason: String,
}

/// Judges what was seen of one container, in all of its pods ([`merge`]).
pub fn needs(seen: &Snapshot, described: &Described) -> Needs {
    let mut needs = Needs::default();
    let ports = low_ports(seen, described);
    root_reasons(seen, described, &mut needs);
    if !needs.is_exempt(RuleName::RunAsNonRoot) {
        let stated = |it: &RunAs| described.uid == Some(i64::from(it.uid));
        needs.user = user::run_as(seen).filter(|it| !stated(it));
    }
    paths::paths(seen, &mut needs);
    if needs.is_exempt(RuleName::RunAsNonRoot) {
        // Root it was, and root it stays.
        needs.user = None;
    } else {
        needs.home = user::home(seen, needs.user.as_ref());
        user::note_restricted(seen, &mut needs);
    }
    needs.ports = ports;
    notes(seen, described, &mut needs);
    needs
}

impl Needs {
    fn is_exempt(&self, rule: RuleName) -> bool {
        self.exemptions.iter().any(|it| it.rule == rule.as_str())
    }

    fn exempt(&mut self, rules: &[RuleName], reason: &str) {
        // No word of a reason may be taken for a key.
        let reason = printable(&reason.replace('=', " "), MAX_REASON).into_owned();
        for rule in rules {
            if !self.is_exempt(*rule) {
                self.exemptions.push(Exempt { rule: rule.as_str(), reason: reason.clone() });
            }
        }
    }
}

/// What only root can do, or a setuid program.
fn root_reasons(seen: &Snapshot, described: &Described, needs: &mut Needs) {
    use RuleName::{AllowPrivilegeEscalation, Capabilities, RunAsNonRoot};
    // A server that is root and acts as another user for a while is none.
    let setuid = seen.processes.iter().find(|it| it.uids[0] != 0 && it.uids[0] != it.uids[1]);
    if let Some(ProcessGroup { name, .. }) = setuid {
        let reason = format!("runs {}, a setuid program", printable(name, 32));
        // It takes its capabilities from the bounding set, which the rule empties.
        needs.exempt(&[AllowPrivilegeEscalation, Capabilities], &reason);
    }
    if let Some(device) = seen.devices.first() {
        let reason = format!("makes device files, such as {}", printable(device, 64));
        needs.exempt(&[RunAsNonRoot, Capabilities], &reason);
    }
    let mine = |held: bool| held || described.alone && !described.host_network;
    if seen.ports.iter().any(|it| it.protocol.is_empty() && mine(it.held)) {
        needs.exempt(&[RunAsNonRoot, Capabilities], "opens raw sockets (NET_RAW)");
    }
    if let Some(users) = user::several(seen) {
        let reason = format!("root that works as several users: {users}");
        needs.exempt(&[RunAsNonRoot], &reason);
    }
}

/// The low ports that are this container's, as far as can be told, and are not declared.
fn low_ports(seen: &Snapshot, described: &Described) -> Vec<ContainerPort> {
    let mut ports: Vec<ContainerPort> = seen
        .ports
        .iter()
        .filter(|it| !it.protocol.is_empty() && it.port > 0)
        .filter(|it| it.held || described.alone && !described.host_network)
        .filter(|it| !described.ports.contains(&(it.protocol.clone(), it.port)))
        .map(|it| ContainerPort { container_port: it.port, protocol: it.protocol.clone() })
        .collect();
    ports.sort();
    ports.dedup();
    ports
}

/// What cannot be seen in this container in particular.
fn notes(seen: &Snapshot, described: &Described, needs: &mut Needs) {
    let changes_user = needs.user.is_some() && described.started_as_root;
    let mut note = |text: String| needs.notes.push(text);
    if changes_user {
        note("it was started as root and changes its user itself: if it insists on that, take away the option or setting that names the user".to_owned());
    }
    if seen.processes.is_empty() {
        note("none of its processes could be told from others in its process namespace".to_owned());
    } else if !seen.root.open {
        let why = described.no_files.as_deref().unwrap_or("it was not tried for long enough");
        note(format!(
            "its files could not be seen: its processes gave up privileges, and what helps then, a process by pods/exec, failed: {why}"
        ));
    } else if seen.root.read_only {
        note(
            "its root file system is read-only already: what it failed to write is not seen"
                .to_owned(),
        );
    }
    if seen.root.cut_short {
        note(format!(
            "its root file system is large: {} entries were seen, and not all",
            seen.root.entries
        ));
    }
    if seen.root.unreadable > 0 {
        note(format!("{} directories could not be read", seen.root.unreadable));
    }
    if seen.more_directories {
        note("it writes to more directories than are listed: give it a volume".to_owned());
    }
    if seen.more_processes {
        note("it has more different processes than are listed".to_owned());
    }
    let of_others = |it: &Port| described.ports_of_others.contains(&(it.protocol.clone(), it.port));
    let unsure =
        seen.ports.iter().filter(|it| !it.held && !it.protocol.is_empty() && !of_others(it));
    let unsure: Vec<String> = unsure.map(|it| format!("{}/{}", it.port, it.protocol)).collect();
    if !unsure.is_empty() && (described.host_network || !described.alone) {
        note(format!(
            "somebody in its network listens on {}, and it may be this container",
            unsure.join(", ")
        ));
    }
    if seen.closed_processes > 0 {
        note(format!(
            "the open files of {} of its processes could not be seen, since these gave up privileges",
            seen.closed_processes
        ));
    }
}

#[cfg(test)]
mod tests;
