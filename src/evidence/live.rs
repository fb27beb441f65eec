//! What evidence reads of a pod besides the engine's view: identity, status, groups, tokens.

use crate::foresight::status::Status;
use crate::pod::{Raw, StringMap, Text, view};

view! {
    /// A pod, or the template of one.
    pub struct Live<'a> {
        metadata: Metadata<'a> = "metadata",
        spec: Spec<'a> = "spec",
        status: Status<'a> = "status",
    }
}

view! {
    /// An object that makes pods.
    pub struct Maker<'a> {
        metadata: Metadata<'a> = "metadata",
        spec: MakerSpec<'a> = "spec",
        status: MakerStatus<'a> = "status",
    }
}

view! {
    /// `spec` of an object that makes pods.
    pub struct MakerSpec<'a> {
        replicas: Option<i64> = "replicas",
        template: Raw<'a> = "template",
    }
}

view! {
    /// `status` of an object that makes pods.
    pub struct MakerStatus<'a> {
        replicas: i64 = "replicas",
        update_revision: Text<'a> = "updateRevision",
        completion_time: Text<'a> = "completionTime",
    }
}

view! {
    /// `metadata`.
    pub struct Metadata<'a> {
        uid: Text<'a> = "uid",
        name: Text<'a> = "name",
        namespace: Text<'a> = "namespace",
        labels: StringMap<'a> = "labels",
        annotations: StringMap<'a> = "annotations",
        owners: Vec<Owner<'a>> = "ownerReferences",
    }
}

view! {
    /// A reference to an owner.
    pub struct Owner<'a> {
        api_version: Text<'a> = "apiVersion",
        kind: Text<'a> = "kind",
        name: Text<'a> = "name",
        uid: Text<'a> = "uid",
        controller: bool = "controller",
    }
}

view! {
    /// `spec`.
    pub struct Spec<'a> {
        security_context: Groups<'a> = "securityContext",
        volumes: Vec<Volume<'a>> = "volumes",
    }
}

view! {
    /// The groups of `spec.securityContext`.
    pub struct Groups<'a> {
        supplemental: Vec<i64> = "supplementalGroups",
        policy: Text<'a> = "supplementalGroupsPolicy",
    }
}

view! {
    /// One of `spec.volumes`.
    pub struct Volume<'a> {
        name: Text<'a> = "name",
        host_path: Option<HostPath<'a>> = "hostPath",
        projected: Projected = "projected",
    }
}

view! {
    /// `hostPath` of a volume.
    pub struct HostPath<'a> {
        path: Text<'a> = "path",
    }
}

view! {
    /// `projected` of a volume.
    pub struct Projected {
        sources: Vec<Projection> = "sources",
    }
}

view! {
    /// One of the `sources` of a projected volume.
    pub struct Projection {
        token: Option<Token> = "serviceAccountToken",
    }
}

view! {
    /// `serviceAccountToken` of a projection.
    pub struct Token {
        expires: Option<i64> = "expirationSeconds",
    }
}

impl<'a> Metadata<'a> {
    /// The owner that makes and deletes it.
    pub(super) fn controller(&self) -> Option<&Owner<'a>> {
        self.owners.iter().find(|owner| owner.controller)
    }
}
