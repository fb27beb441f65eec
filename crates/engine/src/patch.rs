//! Planned changes to RFC 6902.
//!
//! The rules record what to set in a [`Plan`]. [`build`] turns it into `add` and `replace`
//! operations at known paths: parents before children, pointers escaped (RFC 6901), list
//! items appended with `/-`. A missing or empty parent is added whole, in one operation.
//! Most of a patch's cost is the API server applying it, so few large operations beat many
//! small ones. `remove` cannot be expressed, but for the token that the API server mounts
//! ([`NoToken`]).

mod seeding;
mod write;

use std::borrow::Cow;

use crate::pod::{Container, Placed, Pod};
use crate::rules::fs_group::ChangePolicy;
use crate::rules::read_only_root_filesystem::Medium;
use crate::rules::seccomp_profile::Profile;
pub use seeding::{Correction, SeedContainer, SeedPath, SeedTask, SeedUser, SeedingPlan};
pub use write::token::NoToken;
use write::{Edit, Path, Writer};

/// A JSON Patch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    json: String,
    operations: usize,
}

impl Patch {
    /// Whether the patch has no operations.
    pub fn is_empty(&self) -> bool {
        self.operations == 0
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.operations
    }

    /// The JSON text, an array of operations; the empty array for an empty patch.
    pub fn as_json(&self) -> &str {
        if self.json.is_empty() { "[]" } else { &self.json }
    }
}

/// The values to set.
#[derive(Clone, Debug, Default)]
pub struct Plan<'p> {
    /// `spec.securityContext`
    pub pod: PodPlan<'p>,
    /// The containers, by their index in the outcome.
    pub containers: Vec<ContainerPlan<'p>>,
    /// Volumes to append.
    pub volumes: Vec<NewVolume<'p>>,
    /// ironhull's own init containers.
    pub seeding: SeedingPlan<'p>,
    /// The token of the pod's ServiceAccount, if it is to have none.
    pub no_token: Option<NoToken>,
    /// Legacy seccomp annotations that must agree with a field: key prefix, the container's
    /// name that follows it, and the profile.
    pub seccomp_annotations: Vec<(&'static str, &'p str, &'p Profile)>,
    /// ironhull's own annotations to set.
    pub annotations: Vec<(&'static str, String)>,
}

impl Plan<'_> {
    /// Whether nothing is to be set in the pod or any container.
    pub fn is_empty(&self) -> bool {
        // A field that is forgotten here would be planned, reported as `set`, and never written.
        // Legacy annotations go with a profile that is set; the caller looks at ironhull's own.
        let Self {
            pod,
            containers,
            volumes,
            seeding,
            no_token,
            seccomp_annotations: _,
            annotations: _,
        } = self;
        let PodPlan {
            run_as_non_root,
            run_as_user,
            run_as_group,
            fs_group,
            fs_group_change_policy,
            seccomp_profile,
            sysctl,
            host_users,
        } = pod;
        run_as_non_root.is_none()
            && run_as_user.is_none()
            && run_as_group.is_none()
            && fs_group.is_none()
            && fs_group_change_policy.is_none()
            && seccomp_profile.is_none()
            && sysctl.is_none()
            && host_users.is_none()
            && volumes.is_empty()
            && seeding.is_empty()
            && no_token.is_none()
            && containers.iter().all(ContainerPlan::is_empty)
    }
}

impl ContainerPlan<'_> {
    fn is_empty(&self) -> bool {
        let Self {
            privileged,
            run_as_non_root,
            run_as_user,
            run_as_group,
            allow_privilege_escalation,
            read_only_root_filesystem,
            capabilities,
            seccomp_profile,
            mounts,
        } = self;
        privileged.is_none()
            && run_as_non_root.is_none()
            && run_as_user.is_none()
            && run_as_group.is_none()
            && allow_privilege_escalation.is_none()
            && read_only_root_filesystem.is_none()
            && !capabilities.drop_all
            && capabilities.rewrite_add.is_none()
            && capabilities.append_add.is_empty()
            && seccomp_profile.is_none()
            && mounts.is_empty()
    }
}

/// The values to set in `spec.securityContext`, and `spec.hostUsers`.
#[derive(Clone, Debug, Default)]
pub struct PodPlan<'p> {
    /// `runAsNonRoot`
    pub run_as_non_root: Option<bool>,
    /// `runAsUser`
    pub run_as_user: Option<i64>,
    /// `runAsGroup`
    pub run_as_group: Option<i64>,
    /// `fsGroup`
    pub fs_group: Option<i64>,
    /// `fsGroupChangePolicy`
    pub fs_group_change_policy: Option<ChangePolicy>,
    /// `seccompProfile`
    pub seccomp_profile: Option<&'p Profile>,
    /// A sysctl to append to `sysctls`: name and value.
    pub sysctl: Option<(&'static str, &'static str)>,
    /// `hostUsers` of the spec itself.
    pub host_users: Option<bool>,
}

/// The values to set in one container.
#[derive(Clone, Debug, Default)]
pub struct ContainerPlan<'p> {
    /// `privileged`
    pub privileged: Option<bool>,
    /// `runAsNonRoot`
    pub run_as_non_root: Option<bool>,
    /// `runAsUser`
    pub run_as_user: Option<i64>,
    /// `runAsGroup`
    pub run_as_group: Option<i64>,
    /// `allowPrivilegeEscalation`
    pub allow_privilege_escalation: Option<bool>,
    /// `readOnlyRootFilesystem`
    pub read_only_root_filesystem: Option<bool>,
    /// `capabilities`
    pub capabilities: CapabilitiesPlan<'p>,
    /// `seccompProfile`
    pub seccomp_profile: Option<&'p Profile>,
    /// Mounts to append.
    pub mounts: Vec<NewMount<'p>>,
}

/// A mount of a new volume.
#[derive(Clone, Debug)]
pub struct NewMount<'p> {
    /// The index of the volume in [`Plan::volumes`].
    pub volume: usize,
    /// `mountPath`
    pub path: Cow<'p, str>,
}

/// Changes to a container's `capabilities`.
#[derive(Clone, Debug, Default)]
pub struct CapabilitiesPlan<'p> {
    /// Whether to append `ALL` to `drop`.
    pub drop_all: bool,
    /// The complete new `add`, if some of it is removed or rewritten.
    pub rewrite_add: Option<Vec<Cow<'p, str>>>,
    /// Names to append to `add`.
    pub append_add: Vec<&'p str>,
}

/// An emptyDir volume to append.
#[derive(Clone, Debug)]
pub struct NewVolume<'p> {
    /// Its name.
    pub name: String,
    /// Its medium.
    pub medium: Medium,
    /// Its size limit.
    pub size_limit: Option<&'p str>,
}

/// Turns a plan into operations on `pod`. `root` is the pod's JSON Pointer in its document.
pub fn build<'c>(
    pod: &Pod<'_>,
    containers: impl ExactSizeIterator<Item = Placed<'c, 'c>>,
    plan: &Plan<'_>,
    root: &str,
) -> Patch {
    let mut writer = Writer::new(root, containers.len());
    pod_context(&mut writer, pod, &plan.pod);
    for (placed, container) in containers.zip(&plan.containers) {
        let index = placed.index.to_string();
        let path = Path::new(&["spec", placed.kind.list(), &index]);
        let context = path.then("securityContext");
        container_context(&mut writer, context, placed.container, container);
        let empty = placed.container.volume_mounts.is_empty();
        writer.append(path.then("volumeMounts"), empty, &container.mounts, |out, mount| {
            out.object(|object| {
                // Every mount refers to a volume of the plan.
                let name = plan.volumes.get(mount.volume).map_or("", |volume| &*volume.name);
                object.string("name", name);
                object.string("mountPath", &mount.path);
            });
        });
    }
    let volumes = Path::new(&["spec", "volumes"]);
    writer.append(volumes, pod.spec.volumes.is_empty(), &plan.volumes, |out, volume| {
        out.object(|object| {
            object.string("name", &volume.name);
            object.object("emptyDir", |source| {
                if volume.medium == Medium::Memory {
                    source.string("medium", "Memory");
                }
                if let Some(limit) = volume.size_limit {
                    source.string("sizeLimit", limit);
                }
            });
        });
    });
    if let Some(no_token) = &plan.no_token {
        write::token::write(&mut writer, &pod.spec, no_token);
    }
    let names =
        |volume: usize| plan.volumes.get(volume).map_or("", |volume| &*volume.name).to_owned();
    seeding::write(&mut writer, pod, &plan.seeding, &names);
    annotations(&mut writer, pod, plan);
    let (json, operations) = writer.finish();
    Patch { json, operations }
}

fn pod_context(writer: &mut Writer<'_>, pod: &Pod<'_>, plan: &PodPlan<'_>) {
    let now = &pod.spec.security_context;
    let path = Path::new(&["spec", "securityContext"]);
    let mut edit = Edit::new(writer, path, now.has_members);
    edit.flag("runAsNonRoot", now.run_as_non_root.is_some(), plan.run_as_non_root);
    edit.number("runAsUser", now.run_as_user.is_some(), plan.run_as_user);
    edit.number("runAsGroup", now.run_as_group.is_some(), plan.run_as_group);
    edit.number("fsGroup", now.fs_group.is_some(), plan.fs_group);
    if let Some(policy) = plan.fs_group_change_policy {
        edit.value("fsGroupChangePolicy", now.fs_group_change_policy.is_some(), |out| {
            out.text(policy.as_str());
        });
    }
    if let Some(profile) = plan.seccomp_profile {
        edit.value("seccompProfile", now.seccomp_profile.has_members, |out| {
            write::profile(out, profile)
        });
    }
    if let Some((name, value)) = plan.sysctl {
        edit.append("sysctls", now.sysctls.is_empty(), &[(name, value)], |out, (name, value)| {
            out.object(|object| {
                object.string("name", name);
                object.string("value", value);
            });
        });
    }
    edit.finish();
    let mut edit = Edit::new(writer, Path::new(&["spec"]), true);
    edit.flag("hostUsers", pod.spec.host_users.is_some(), plan.host_users);
    edit.finish();
}

fn container_context(
    writer: &mut Writer<'_>,
    path: Path<'_>,
    container: &Container<'_>,
    plan: &ContainerPlan<'_>,
) {
    let now = &container.security_context;
    let mut edit = Edit::new(writer, path, now.has_members);
    // Only a value that exists, and is true, is ever replaced.
    edit.flag("privileged", true, plan.privileged);
    edit.flag("runAsNonRoot", now.run_as_non_root.is_some(), plan.run_as_non_root);
    edit.number("runAsUser", now.run_as_user.is_some(), plan.run_as_user);
    edit.number("runAsGroup", now.run_as_group.is_some(), plan.run_as_group);
    edit.flag(
        "allowPrivilegeEscalation",
        now.allow_privilege_escalation.is_some(),
        plan.allow_privilege_escalation,
    );
    edit.flag(
        "readOnlyRootFilesystem",
        now.read_only_root_filesystem.is_some(),
        plan.read_only_root_filesystem,
    );
    if let Some(profile) = plan.seccomp_profile {
        edit.value("seccompProfile", now.seccomp_profile.has_members, |out| {
            write::profile(out, profile)
        });
    }
    capabilities(&mut edit, container, &plan.capabilities);
    edit.finish();
}

fn capabilities(edit: &mut Edit<'_, '_>, container: &Container<'_>, plan: &CapabilitiesPlan<'_>) {
    let CapabilitiesPlan { drop_all, rewrite_add, append_add } = plan;
    if !drop_all && rewrite_add.is_none() && append_add.is_empty() {
        return;
    }
    let now = &container.security_context.capabilities;
    edit.nested("capabilities", now.has_members, |edit| {
        match rewrite_add {
            Some(whole) => {
                edit.value("add", true, |out| out.array(whole, |out, name| out.text(name)))
            }
            None => edit.append("add", now.add.is_empty(), append_add, |out, name| out.text(name)),
        }
        if *drop_all {
            edit.append("drop", now.drop.is_empty(), &["ALL"], |out, name| out.text(name));
        }
    });
}

fn annotations(writer: &mut Writer<'_>, pod: &Pod<'_>, plan: &Plan<'_>) {
    let Plan { seccomp_annotations, annotations, .. } = plan;
    let now = &pod.metadata.annotations;
    if annotations.is_empty() && seccomp_annotations.is_empty() {
        return;
    }
    let mut edit = Edit::new(writer, Path::new(&["metadata"]), pod.metadata.has_members);
    edit.nested("annotations", !now.is_empty(), |edit| {
        for (prefix, name, profile) in seccomp_annotations {
            edit.theirs(&format!("{prefix}{name}"), |out| out.text(&profile.legacy()));
        }
        for (key, value) in annotations {
            edit.value(key, now.get(key).is_some(), |out| out.text(value));
        }
    });
    edit.finish();
}

#[cfg(test)]
mod tests;
