//! # `hostUsers`
//!
//! ## What it does
//! Gives a pod in which something may run as root a user namespace of its own
//! (`hostUsers: false`), where nothing in the pod speaks against it. That something is a
//! container that is exempt from `runAsNonRoot`, one whose explicit root the policy keeps, or one
//! that gets no user and is not known to have another than root. Inside, it is root as before; on
//! the node it is an id that owns nothing. The ids of its volumes' files are mapped, so that
//! what is on disk stays as it is.
//!
//! A pod without root is left alone: a namespace would move uid 1000 to another number, which
//! gains little, and would tie the pod to nodes that have user namespaces.
//!
//! The field is on by default from Kubernetes 1.33 on, and stable from 1.36 on. An older API
//! server drops it after ironhull has set it. A node that cannot do it **refuses to start the
//! pod**: it takes Linux 6.3, containerd 2.0 with runc 1.2 or CRI-O 1.25, and a kubelet of 1.33.
//! Set `fill` or `enforce` where every node has these. No other rule relies on a
//! `hostUsers: false` that ironhull has set, which it knows by its note on the pod: root needs its
//! exemption as before. In a manifest that `ironhull harden` has written it is the author's.
//!
//! Pod Security relaxes `runAsNonRoot` and `runAsUser` for such a pod from 1.35 on, at *baseline* also
//! `procMount`, and no capability. What ironhull leaves to root (`rootKeeps` of the rule
//! `capabilities`) it still refuses at *restricted*: a namespace with such pods needs *baseline*, or
//! the container drops `ALL` itself.
//!
//! `storageClasses` names the StorageClasses whose volumes are on file systems with idmapped
//! mounts (ext4, xfs, btrfs; not NFS or SMB). A pod shows the name of a claim and not its class, so
//! that only `"*"`, every class, covers a persistentVolumeClaim; an ephemeral volume may name
//! its class. The default is none.
//!
//! ## Why
//! Some containers have to be root: they hand volumes over, switch users, or come from a
//! vendor. In a user namespace an escape from such a container ends as nobody, and every
//! capability that it has holds only for what belongs to the pod.
//!
//! ## Fields
//! - `spec.hostUsers`
//!
//! ## Left alone when
//! - no container can be root;
//! - the pod says `false`, or under `fill` also `true`;
//! - a container is privileged (`privileged`);
//! - something in the pod needs the node's user namespace (`needsHostUsers`):
//!   - `hostNetwork`, `hostPID`, `hostIPC`, `procMount`, a `runtimeClassName`;
//!   - devices: `volumeDevices`, an extended resource, a resource claim, a `cdi.k8s.io/` annotation, or
//!     `mknod` among a container's words;
//!   - an added capability that counts only in the node's user namespace, such as SYS_TIME or IPC_LOCK;
//!   - a sysctl that cannot be set from another;
//!   - an id of 65536 or more: a field, what the policy would give to a container that comes later, the
//!     image's user as far as facts know it, a number beside `chown` or the like, or a variable such as
//!     `PUID`;
//!   - a mounted volume whose ids cannot be mapped: NFS, CephFS, GlusterFS, Quobyte, Azure Files, a
//!     hostPath below /proc, /sys or /dev;
//! - a container mounts a volume of which that is not known (`unknownVolume`): a claim, unless
//!   `storageClasses` has it, the volume of a CSI or flexVolume driver, another hostPath, an image,
//!   huge pages.
//!
//! `ping` without NET_RAW works no more: runtimes open its sockets to everybody
//! (`net.ipv4.ping_group_range`), but not in a user namespace.
//!
//! Where another webhook adds something of that after ironhull has set `false`, by the note on
//! the pod, it becomes `true` again, with a warning.
//!
//! ## Exempting
//! `exempt.ironhull.dev/hostUsers`, for the whole pod.
//!
//! ## Source
//! KEP-127, "Support User Namespaces"; `validateHostUsers` in
//! `k8s.io/kubernetes/pkg/apis/core/validation`; mount_setattr(2) on file systems with idmapped
//! mounts; user_namespaces(7) and capabilities(7) on what a capability is for there;
//! `k8s.io/pod-security-admission/policy` (`relaxPolicyForUserNamespacePod`).

mod obstacles;

use crate::outcome::{Finding, Level, Note, RuleResult, Subject, Value};
use crate::pass::{Examined, Pass};
use crate::policy::StorageClass;
use crate::policy::decode::settings;
use crate::provenance;
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// StorageClasses whose volumes are on file systems with idmapped mounts; `"*"` for every
        /// claim.
        pub storage_classes: Vec<StorageClass> = "storageClasses",
    }
}

/// The rule.
pub struct HostUsers;

impl Rule for HostUsers {
    fn name(&self) -> RuleName {
        RuleName::HostUsers
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        // An ephemeral container is in the pod's user namespace, whichever that is.
        if pass.ephemeral {
            return;
        }
        let finding = judge(pass);
        if let (true, Some(Value::Bool(now))) = (finding.result.changes(), &finding.now) {
            pass.plan.pod.host_users = Some(*now);
        }
        pass.findings.push(finding);
    }
}

fn judge<'p>(pass: &Pass<'p>) -> Finding<'p> {
    let own = pass.pod.spec.host_users;
    let finding =
        |result| Finding::new(RuleName::HostUsers, Subject::Pod, result).was(own.map(Value::Bool));
    let settings = &pass.policy.rules.host_users;
    if pass.declared.of_pod().contains(RuleName::HostUsers) {
        return finding(RuleResult::Exempt);
    }
    let is_set = own == Some(false);
    let ours = is_set && provenance::has_set_host_users(pass.pod);
    if is_set && !ours {
        return finding(RuleResult::Compliant);
    }
    let root = |it: &Examined<'_>| {
        it.privileged || it.may_be_root() && it.uid().is_none_or(|uid| uid == 0)
    };
    // What ironhull has set has to work, whoever is root by now.
    if !ours && !pass.containers.iter().any(root) {
        return finding(RuleResult::Compliant).note(Some(Note::NothingIsRoot));
    }
    let now = |result, now| finding(result).now(Value::Bool(now), Level::Pod);
    match (obstacles::first(pass, settings), own, settings.action) {
        // Another webhook has added something since.
        (Some(obstacle), _, action) if ours && action.acts() => {
            now(RuleResult::Replaced, true).note(Some(Note::Obstacle(obstacle)))
        }
        (Some(obstacle), ..) => {
            let skip = RuleResult::Skipped(obstacle.skip());
            finding(skip).note(Some(Note::Obstacle(obstacle)))
        }
        (None, Some(false), _) => finding(RuleResult::Compliant),
        (None, _, Action::Off | Action::Warn) => {
            finding(RuleResult::Kept).note(Some(Note::OnlyWarns))
        }
        (None, Some(true), Action::Fill) => finding(RuleResult::Kept),
        (None, Some(true), Action::Enforce) => now(RuleResult::Replaced, false),
        (None, None, _) => now(RuleResult::Set, false),
    }
}
