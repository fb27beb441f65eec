//! # `runAsGroup`
//!
//! ## What it does
//! Sets the primary group together with a uid that ironhull sets. The gid is that of the
//! image's entry (which may be 0), else the rule's `value`.
//!
//! ## Why
//! A uid without a gid runs with the gid of the image's passwd entry, or with gid 0, and
//! group 0 owns more than it should in many images.
//!
//! ## Fields
//! - `spec.securityContext.runAsGroup`
//! - `spec.containers[*].securityContext.runAsGroup`
//! - `spec.initContainers[*].securityContext.runAsGroup`
//! - `spec.ephemeralContainers[*].securityContext.runAsGroup`
//!
//! ## Left alone when
//! - the uid is the author's or the image's: the gid then is theirs too, also gid 0;
//! - the container is privileged (`privileged`).
//!
//! ## Exempting
//! `exempt.ironhull.dev/runAsGroup` leaves the group alone; an exemption from
//! `runAsNonRoot` covers it.
//!
//! ## Source
//! `k8s.io/api/core/v1`, `SecurityContext.RunAsGroup`; CIS Kubernetes Benchmark, 5.2.

use crate::outcome::Value;
use crate::pass::{Pass, UserField};
use crate::policy::GroupId;
use crate::policy::decode::settings;
use crate::rule::{Action, RuleName};
use crate::rules::Rule;

settings! {
    /// What a policy says to this rule.
    pub struct Settings {
        /// How strongly the rule acts.
        pub action: Action = "action",
        /// The gid that goes with the rule's uid.
        pub value: GroupId = "value",
    }
}

/// How the decision about this field is read and where it is written.
const FIELD: UserField<i64> = UserField {
    choice: |decision| &decision.gid,
    at_pod: |placement| placement.gid.as_ref(),
    author: |author| author.gid,
    own: |context| context.run_as_group,
    outer: |context| context.run_as_group,
    plan: |plan| &mut plan.run_as_group,
    pod_plan: |plan| &mut plan.run_as_group,
    value: Value::Id,
};

/// The rule.
pub struct RunAsGroup;

impl Rule for RunAsGroup {
    fn name(&self) -> RuleName {
        RuleName::RunAsGroup
    }

    fn apply(&self, pass: &mut Pass<'_>) {
        pass.project(self.name(), &FIELD);
    }
}
