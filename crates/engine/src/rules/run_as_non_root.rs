//! # `runAsNonRoot`
//!
//! ## What it does
//! Sets `runAsNonRoot: true`, so that the kubelet refuses to start a container as root
//! whatever its image says. Together with `runAsUser` and `runAsGroup` it goes to the pod
//! when every container can take the same values, else to each container. Under `enforce`
//! an explicit root (`runAsUser: 0`, or `runAsNonRoot: false` without a uid) becomes the
//! uid of the image's entry or of the `runAsUser` rule; under `fill` it stays, with one
//! warning. On Windows, where no uid exists, it is set under `enforce` when the pod says
//! `spec.os.name: windows`.
//!
//! ## Why
//! Root in a container is root on the node as soon as anything else goes wrong: a kernel
//! bug, a mounted socket, a hostPath.
//!
//! ## Fields
//! - `spec.securityContext.runAsNonRoot`
//! - `spec.containers[*].securityContext.runAsNonRoot`
//! - `spec.initContainers[*].securityContext.runAsNonRoot`
//! - `spec.ephemeralContainers[*].securityContext.runAsNonRoot`
//!
//! ## Left alone when
//! - the container is privileged (`privileged`);
//! - the pod has a user namespace of its own (`hostUsers: false`) and says root: that root
//!   is none on the node (`userNamespace`);
//! - a weak pod-level value is inherited by a container that is exempt (`exempt`): it stays,
//!   and the others get their own;
//! - it is `false` beside a uid above 0 under `fill`: the container is not root in fact, but
//!   Pod Security refuses it, and a warning says so; so it does of a Windows pod that says
//!   `spec.os.name`;
//! - the pod is for Windows and does not say so in `spec.os.name`, or is a HostProcess pod
//!   (`windows`).
//!
//! ## Exempting
//! `exempt.ironhull.dev/runAsNonRoot` (or `NAME.exempt.ironhull.dev/runAsNonRoot`) covers
//! `runAsUser` and `runAsGroup` too. Where the container would otherwise be held to a
//! pod-level `runAsNonRoot: true` and has no uid above 0, it gets `runAsNonRoot: false`.
//! A namespace that uses this exemption needs Pod Security `baseline`.
//!
//! ## Source
//! Pod Security Standards, *restricted*, "Running as Non-root"
//! (`k8s.io/pod-security-admission/policy/check_runAsNonRoot.go`); the kubelet's check is
//! `pkg/kubelet/kuberuntime/security_context.go`, `verifyRunAsNonRoot`.

use crate::outcome::Value;
use crate::pass::{Pass, UserField};
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

/// How the decision about this field is read and where it is written.
const FIELD: UserField<bool> = UserField {
    choice: |decision| &decision.non_root,
    at_pod: |placement| placement.non_root.as_ref(),
    author: |author| author.non_root,
    own: |context| context.run_as_non_root,
    outer: |context| context.run_as_non_root,
    plan: |plan| &mut plan.run_as_non_root,
    pod_plan: |plan| &mut plan.run_as_non_root,
    value: Value::Bool,
};

/// The rule.
pub struct RunAsNonRoot;

impl Rule for RunAsNonRoot {
    fn name(&self) -> RuleName {
        RuleName::RunAsNonRoot
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        pass.project(self.name(), &FIELD);
    }
}
