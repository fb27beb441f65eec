//! # `unprivilegedPorts`
//!
//! ## What it does
//! Lets a process that is not root bind its container's ports below 1024: those that are
//! declared, those that probes and hooks connect to, and where the manifest tells of none, those
//! that its image is known for. (`ports` is only information to Kubernetes.) Where the pod has a
//! network of its own, it gets the safe sysctl `net.ipv4.ip_unprivileged_port_start: "0"`, so that
//! a non-root nginx on port 80 still starts.
//!
//! ## Why
//! One workload in eleven has such a port and could not bind it as non-root wherever
//! the container runtime keeps the kernel's default (containerd before 2.0, for one).
//! `NET_BIND_SERVICE` would not help: Kubernetes gives a non-root process no ambient
//! capabilities.
//!
//! ## Fields
//! - `spec.securityContext.sysctls`
//!
//! ## Left alone when
//! - the author sets that sysctl, in either spelling, to whatever value;
//! - the pod is on the host's network, where the API server rejects it; a port that a
//!   non-root process then cannot bind gets a warning.
//!
//! ## Exempting
//! `exempt.ironhull.dev/unprivilegedPorts`, for the whole pod.
//!
//! ## Source
//! Pod Security Standards, *baseline*, "Sysctls" (`k8s.io/pod-security-admission/policy/check_sysctls.go`);
//! ip-sysctl in the Linux kernel's documentation.

use crate::outcome::{Finding, Level, Note, RuleResult, Subject, Value};
use crate::pass::Pass;
use crate::policy::decode::settings;
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
    }
}

/// The rule.
pub struct UnprivilegedPorts;

/// The first port that needs no privilege.
const SYSCTL: &str = "net.ipv4.ip_unprivileged_port_start";
/// The same sysctl with slashes, as in the file system. The API server accepts that too.
const SYSCTL_SLASHES: &str = "net/ipv4/ip_unprivileged_port_start";

impl Rule for UnprivilegedPorts {
    fn name(&self) -> RuleName {
        RuleName::UnprivilegedPorts
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        if pass.ephemeral {
            return;
        }
        let finding = |result| Finding::new(RuleName::UnprivilegedPorts, Subject::Pod, result);
        let sysctls = &pass.pod.spec.security_context.sysctls;
        let own = sysctls.iter().find(|sysctl| matches!(&*sysctl.name, SYSCTL | SYSCTL_SLASHES));
        // Privileged containers can bind any port.
        let unprivileged = || pass.containers.iter().filter(|c| !c.privileged);
        let low = unprivileged().find_map(|container| container.low_port());
        let finding = match (low, own) {
            _ if pass.declared.of_pod().contains(RuleName::UnprivilegedPorts) => {
                finding(RuleResult::Exempt)
            }
            (None, _) => finding(RuleResult::Compliant),
            (_, Some(own)) => {
                finding(RuleResult::Compliant).was(Some(Value::Text((&*own.value).into())))
            }
            _ if pass.pod.spec.host_network => {
                let hindered = unprivileged().filter(|container| container.user.changes_uid());
                match hindered.filter_map(|c| c.low_port()).min() {
                    Some(port) => finding(RuleResult::Kept).note(Some(Note::HostNetworkPort(port))),
                    None => finding(RuleResult::Compliant),
                }
            }
            _ if pass.policy.rules.unprivileged_ports.action == Action::Warn => {
                finding(RuleResult::Kept).note(Some(Note::OnlyWarns))
            }
            _ => {
                pass.plan.pod.sysctl = Some((SYSCTL, "0"));
                finding(RuleResult::Set).now(Value::Text("0".into()), Level::Pod)
            }
        };
        pass.findings.push(finding);
    }
}
