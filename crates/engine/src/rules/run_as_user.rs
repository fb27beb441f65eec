//! # `runAsUser`
//!
//! ## What it does
//! Gives a numeric, non-root uid to a container that says nothing about its user.
//! `runAsNonRoot` alone would stop every image that has no numeric USER. The uid is that
//! of the first entry of the policy's `images` that matches the container's image, else that of
//! the image's own user where [facts](images.md) know one that is not root, else that of a known
//! image, else the rule's `value`. An init container follows the first app container that has a uid; an
//! ephemeral container follows its target. With `shareProcessNamespace: true` an app or
//! sidecar container without a uid and without an entry follows the app container that has
//! one, so that signals between them go on working; a warning says where two users are left.
//! Where that entry says what the image's own entry point needs as such a user (`requires`), a
//! container that does not have it gets a warning.
//!
//! ## Why
//! Six pods in ten say nothing about users, and many of their images are root. A number
//! is also what the kubelet can verify, and what volumes and audits can be matched with.
//!
//! ## Fields
//! - `spec.securityContext.runAsUser`
//! - `spec.containers[*].securityContext.runAsUser`
//! - `spec.initContainers[*].securityContext.runAsUser`
//! - `spec.ephemeralContainers[*].securityContext.runAsUser`
//!
//! ## Left alone when
//! - the author gives a uid above 0;
//! - the author says `runAsNonRoot: true` and no uid: the image's own numeric user is
//!   relied on (`imageUser`), unless an image entry has a uid, facts say that the image's user is
//!   a name or root, both of which the kubelet refuses, or the policy says
//!   `whenImageUser: override`;
//! - the image's entry says `runAsUser: image`;
//! - the container is privileged (`privileged`);
//! - the pod has a user namespace of its own and the uid is 65536 or more (`userNamespace`);
//! - the container came when the pod level already had ironhull's uid, and is exempt or
//!   privileged (`injectedAfter`): give it its own `runAsUser`.
//!
//! ## Exempting
//! `exempt.ironhull.dev/runAsUser` leaves the image's user and still sets runAsNonRoot.
//! It does not allow root: that takes an exemption from `runAsNonRoot`.
//!
//! ## Source
//! Pod Security Standards, *restricted*, "Running as Non-root user"
//! (`k8s.io/pod-security-admission/policy/check_runAsUser.go`).

use crate::image::{Met, Purpose};
use crate::outcome::{Remark, Value};
use crate::pass::{Pass, UserField};
use crate::policy::NonRootId;
use crate::policy::decode::{settings, words};
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The uid of a container that sets none and whose image has no entry.
        pub value: NonRootId = "value",
        /// What to do if the author sets `runAsNonRoot: true` and no uid.
        pub when_image_user: WhenImageUser = "whenImageUser",
    }
}

/// `whenImageUser`: whether an author's `runAsNonRoot: true` without a uid is taken
/// as reliance on the image's own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenImageUser {
    /// The image's user stays.
    Keep,
    /// The rule's uid is set.
    Override,
}

/// How the decision about this field is read and where it is written.
const FIELD: UserField<i64> = UserField {
    choice: |decision| &decision.uid,
    at_pod: |placement| placement.uid.as_ref(),
    author: |author| author.uid,
    own: |context| context.run_as_user,
    outer: |context| context.run_as_user,
    plan: |plan| &mut plan.run_as_user,
    pod_plan: |plan| &mut plan.run_as_user,
    value: Value::Id,
};

words! { WhenImageUser as "whenImageUser" { Keep = "keep", Override = "override", } }

/// The rule.
pub struct RunAsUser;

impl Rule for RunAsUser {
    fn name(&self) -> RuleName {
        RuleName::RunAsUser
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        pass.project(self.name(), &FIELD);
        remark_requirements(pass);
    }
}

/// Adds remarks about what an image's own entry point needs to run as its new user. If `command`
/// replaces the entry point, the needs are unknown.
fn remark_requirements(pass: &mut Pass<'_>) {
    for examined in &pass.containers {
        let container = examined.placed.container;
        let Some(entry) = examined.entry.filter(|entry| !entry.requires.is_empty()) else {
            continue;
        };
        if !examined.user.changes_uid() || examined.is_ephemeral() || container.has_command() {
            continue;
        }
        for requirement in entry.required_for(Purpose::NonRoot) {
            let known = match requirement.met(container) {
                Met::Yes => continue,
                Met::No => true,
                Met::Unknown => false,
            };
            let remark =
                Remark::Requires { container: &container.name, say: &requirement.say, known };
            if !pass.remarks.contains(&remark) {
                pass.remarks.push(remark);
            }
        }
    }
}
