//! What the kubelet reports of a pod's containers.

use crate::pod::{Text, view};

view! {
    /// `status` of a pod.
    pub struct Status<'a> {
        phase: Text<'a> = "phase",
        init: Vec<ContainerStatus<'a>> = "initContainerStatuses",
        app: Vec<ContainerStatus<'a>> = "containerStatuses",
        ephemeral: Vec<ContainerStatus<'a>> = "ephemeralContainerStatuses",
    }
}

view! {
    /// The status of one container.
    pub struct ContainerStatus<'a> {
        name: Text<'a> = "name",
        image_id: Text<'a> = "imageID",
        state: State<'a> = "state",
        user: User = "user",
    }
}

view! {
    /// `state` of a container.
    pub struct State<'a> {
        running: Option<Running<'a>> = "running",
        terminated: Option<Terminated<'a>> = "terminated",
    }
}

view! {
    /// `state.running` of a container.
    pub struct Running<'a> {
        started_at: Text<'a> = "startedAt",
    }
}

view! {
    /// `state.terminated` of a container. One that could not be started has no id.
    pub struct Terminated<'a> {
        container_id: Text<'a> = "containerID",
    }
}

view! {
    /// `user` of a container (KEP-3619).
    pub struct User {
        linux: Option<LinuxUser> = "linux",
    }
}

view! {
    /// `user.linux` of a container: the user its first process was started as.
    pub struct LinuxUser {
        uid: Option<i64> = "uid",
        gid: Option<i64> = "gid",
        supplemental_groups: Vec<i64> = "supplementalGroups",
    }
}

impl Status<'_> {
    /// Whether the pod will never run again.
    pub fn is_over(&self) -> bool {
        matches!(&*self.phase, "Succeeded" | "Failed")
    }

    /// The status of every container.
    pub fn all(&self) -> impl Iterator<Item = &ContainerStatus<'_>> {
        self.init.iter().chain(&self.app).chain(&self.ephemeral)
    }

    /// The status of a container, of whichever kind.
    pub fn of(&self, name: &str) -> Option<&ContainerStatus<'_>> {
        self.all().find(|status| &*status.name == name)
    }
}

impl ContainerStatus<'_> {
    /// Whether the runtime has started it, so that the kubelet's checks are behind it.
    pub fn has_started(&self) -> bool {
        self.state.running.is_some()
            || self.state.terminated.as_ref().is_some_and(|it| !it.container_id.is_empty())
    }
}
