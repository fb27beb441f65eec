//! What hardening will do to a workload: what changes, what stays, what may break and what helps.
//!
//! The engine decides by the pod and the policy alone. This module changes nothing, so it may look
//! further: at commands, at images' habits and at how the containers run today.
//!
//! | module | what it does |
//! |---|---|
//! | [`workloads`] | a cluster's workloads, each with what its pods tell |
//! | [`outlook`] | a workload under a policy: changes, exemptions, risks, Pod Security |
//! | [`risk`] | what may break, and why |
//! | [`advice`] | what a container's own error message means: one table |
//! | [`breakage`] | whether hardening is what keeps a container from working |
//! | [`mend`] | a patch of a pod template that does what is advised |
//! | [`observed`] | what the running pods tell of their workload |
//! | [`owner`] | the object that a pod is made from |
//! | [`exemptions`] | exemptions in words |
//! | [`image_alone`] | an image in a container that says nothing else |
//! | [`status`] | what the kubelet reports of containers |
//! | [`unhardened`] | what stays root, privileged or untouched |

#[cfg(feature = "server")]
pub mod advice;
#[cfg(feature = "server")]
pub mod breakage;
#[cfg(feature = "server")]
pub mod exemptions;
#[cfg(feature = "server")]
pub mod image_alone;
#[cfg(feature = "server")]
pub mod mend;
#[cfg(feature = "server")]
pub mod observed;
#[cfg(feature = "server")]
pub mod outlook;
#[cfg(feature = "server")]
pub mod owner;
pub mod risk;
pub mod status;
#[cfg(feature = "server")]
pub mod unhardened;
#[cfg(feature = "server")]
pub mod workloads;

use k8s_openapi::api::core::v1::{PodSecurityContext, SecurityContext};

use crate::user::Author;

/// What a pod's author says of the user of one container, from Kubernetes' own types.
pub(crate) fn author(pod: Option<&PodSecurityContext>, own: Option<&SecurityContext>) -> Author {
    Author {
        non_root: own.and_then(|own| own.run_as_non_root).or_else(|| pod?.run_as_non_root),
        uid: own.and_then(|own| own.run_as_user).or_else(|| pod?.run_as_user),
        gid: own.and_then(|own| own.run_as_group).or_else(|| pod?.run_as_group),
    }
}
