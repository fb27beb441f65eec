//! `harden()`: folds the rules over a pod.

use std::marker::PhantomData;

use jiff::civil::Date;

use crate::outcome::Outcome;
use crate::pod::Pod;
use crate::policy::Policy;

/// What the engine must be told besides the pod and the policy.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// Today, in UTC: exemptions end by it.
    pub date: Date,
    /// What may be changed.
    pub scope: Scope<'c>,
    /// Whether a changed pod gets the annotation `ironhull.dev/hardened`.
    pub provenance: bool,
    /// The JSON Pointer of the pod in the document that the patch is for: empty for a
    /// pod, `/spec/template` for a Deployment.
    pub root: &'c str,
    /// Names of volumes that the pod will have besides its own: a StatefulSet's
    /// `volumeClaimTemplates`.
    pub reserved_volumes: &'c [&'c str],
}

/// What of a pod may be changed.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'c> {
    /// A pod that is being created, or a template: everything but ephemeral containers.
    Create,
    /// `pods/ephemeralcontainers`: only the ephemeral containers that are new.
    Ephemeral {
        /// The names of those that were there before.
        known: &'c [&'c str],
    },
}

/// Hardens a pod. Pure and total: the same input gives the same bytes, and nothing can
/// fail. Applying the patch and hardening again gives an empty patch.
pub fn harden<'p>(_pod: &'p Pod<'_>, _policy: &'p Policy, _context: &Context<'_>) -> Outcome<'p> {
    Outcome::default()
}

/// One hardening of one pod.
pub struct Pass<'p, 'a>(PhantomData<(&'p (), &'a ())>);
