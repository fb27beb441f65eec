//! The images of a running pod, and what its kubelet tells of them.

use super::digest::Digest;
use crate::facts::{ImageFacts, Origin};
use crate::foresight::status::{ContainerStatus, Status};
use crate::image::full_name;
use crate::pod::{Text, view};

/// An image that a pod uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodImage {
    /// The image, as the pod names it.
    pub image: String,
    /// What runs, if the kubelet says so.
    pub digest: Option<Digest>,
    /// The image's own user, as the container that says nothing of users shows it.
    pub user: Option<ImageFacts>,
}

view! {
    /// A pod, as far as it tells of images.
    pub struct PodOfImages<'a> {
        spec: Spec<'a> = "spec",
        status: Status<'a> = "status",
    }
}

view! {
    /// `spec`
    pub struct Spec<'a> {
        init_containers: Vec<Container<'a>> = "initContainers",
        containers: Vec<Container<'a>> = "containers",
        ephemeral_containers: Vec<Container<'a>> = "ephemeralContainers",
        image_pull_secrets: Vec<PullSecret<'a>> = "imagePullSecrets",
        security_context: SecurityContext<'a> = "securityContext",
        host_users: Option<bool> = "hostUsers",
        os: Os<'a> = "os",
    }
}

view! {
    /// `spec.os`
    pub struct Os<'a> {
        name: Text<'a> = "name",
    }
}

view! {
    /// A container.
    pub struct Container<'a> {
        name: Text<'a> = "name",
        image: Text<'a> = "image",
        security_context: SecurityContext<'a> = "securityContext",
        volume_mounts: Vec<VolumeMount<'a>> = "volumeMounts",
    }
}

view! {
    /// One of `volumeMounts`.
    pub struct VolumeMount<'a> {
        mount_path: Text<'a> = "mountPath",
    }
}

view! {
    /// One of `imagePullSecrets`.
    pub struct PullSecret<'a> {
        name: Text<'a> = "name",
    }
}

view! {
    /// What a pod or a container says of its user.
    pub struct SecurityContext<'a> {
        run_as_user: Option<i64> = "runAsUser",
        run_as_group: Option<i64> = "runAsGroup",
        fs_group: Option<i64> = "fsGroup",
        supplemental_groups: Option<Vec<i64>> = "supplementalGroups",
        supplemental_groups_policy: Text<'a> = "supplementalGroupsPolicy",
    }
}

impl SecurityContext<'_> {
    fn says_nothing(&self) -> bool {
        let Self { run_as_user, run_as_group, fs_group, supplemental_groups, .. } = self;
        // `Strict` leaves out the groups that the image's /etc/group gives its user.
        let merges = matches!(&*self.supplemental_groups_policy, "" | "Merge");
        run_as_user.is_none()
            && run_as_group.is_none()
            && fs_group.is_none()
            && supplemental_groups.as_ref().is_none_or(Vec::is_empty)
            && merges
    }
}

impl PodOfImages<'_> {
    /// Names of the Secrets whose credentials its images are pulled with. The API server adds those
    /// of the service account to each pod.
    pub fn pull_secrets(&self) -> impl Iterator<Item = &str> {
        let names = self.spec.image_pull_secrets.iter().map(|secret| &*secret.name);
        names.filter(|name| !name.is_empty())
    }

    /// The images of all containers, each container's.
    pub fn images(&self) -> Vec<PodImage> {
        let Self { spec, status, .. } = self;
        let containers =
            spec.init_containers.iter().chain(&spec.containers).chain(&spec.ephemeral_containers);
        let image = |container: &Container<'_>| {
            let status = status.of(&container.name);
            let digest = status.and_then(|status| digest(&status.image_id));
            let user = status.and_then(|status| self.own_user(container, status, digest.as_ref()));
            PodImage { image: container.image.to_string(), digest, user }
        };
        let named = containers.filter(|container| !container.image.is_empty());
        named.map(image).collect()
    }

    /// The image's own user: nobody said another one, and nothing lies over the files that decide.
    fn own_user(
        &self,
        container: &Container<'_>,
        status: &ContainerStatus<'_>,
        digest: Option<&Digest>,
    ) -> Option<ImageFacts> {
        let silent =
            self.spec.security_context.says_nothing() && container.security_context.says_nothing();
        let over_etc = container.volume_mounts.iter().any(|mount| {
            let path = mount.mount_path.trim_matches('/');
            path.is_empty() || path == "etc" || path.starts_with("etc/")
        });
        let linux = &*self.spec.os.name != "windows" && self.spec.host_users != Some(false);
        let user = status.user.linux.as_ref().filter(|_| silent && !over_etc && linux)?;
        let id = |id: i64| u32::try_from(id).ok();
        let mut groups: Vec<u32> =
            user.supplemental_groups.iter().copied().filter_map(id).collect();
        groups.sort_unstable();
        Some(ImageFacts {
            image: full_name(&container.image).into_owned(),
            digest: digest.map(Digest::to_string),
            from: Origin::Pod,
            uid: Some(id(user.uid?)?),
            gid: user.gid.and_then(id),
            groups,
            ..ImageFacts::default()
        })
    }
}

/// The digest in `imageID`: `docker.io/library/nginx@sha256:…`, which older runtimes write after
/// `docker-pullable://`. An image that came from no registry has its configuration's digest there,
/// without a name; that one names nothing in a registry.
fn digest(image_id: &str) -> Option<Digest> {
    Digest::parse(image_id.split_once('@')?.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use serde_json::{Value, json};

    use super::*;

    fn pod(change: impl Fn(&mut Value)) -> Vec<PodImage> {
        let digest = format!("sha256:{}", "a".repeat(64));
        let mut pod = json!({
            "spec": {
                "containers": [{"name": "app", "image": "web:1", "volumeMounts": [{"mountPath": "/data"}]}],
                "securityContext": {"runAsNonRoot": true, "supplementalGroups": []},
            },
            "status": {"containerStatuses": [{
                "name": "app",
                "imageID": format!("docker.io/library/web@{digest}"),
                "user": {"linux": {"uid": 1500, "gid": 1600, "supplementalGroups": [1700, 1600]}},
            }]},
        });
        change(&mut pod);
        let text = pod.to_string();
        serde_json::from_str::<PodOfImages<'_>>(&text).unwrap().images()
    }

    #[test]
    fn what_runs_without_a_word_is_the_images_own_user() {
        let images = pod(|_| {});
        let [image] = images.as_slice() else { panic!("{images:?}") };
        assert_eq!(image.image, "web:1");
        let user = image.user.as_ref().unwrap();
        assert_eq!((user.image.as_str(), user.from), ("docker.io/library/web:1", Origin::Pod));
        assert_eq!((user.uid, user.gid, &user.groups), (Some(1500), Some(1600), &vec![1600, 1700]));
        assert_eq!(user.digest.as_deref(), image.digest.as_ref().map(Digest::as_str));
    }

    #[test]
    fn an_image_from_no_registry_has_no_digest() {
        let configuration = json!(format!("sha256:{}", "a".repeat(64)));
        let images = pod(|pod| {
            *pod.pointer_mut("/status/containerStatuses/0/imageID").unwrap() =
                configuration.clone();
        });
        let image = images.first().unwrap();
        assert_eq!((&image.digest, image.user.as_ref().unwrap().uid), (&None, Some(1500)));
        assert_eq!(image.user.as_ref().unwrap().digest, None);
    }

    #[test]
    fn whoever_is_told_what_to_be_shows_nothing() {
        let changes: [(&str, Value); 10] = [
            ("/spec/securityContext", json!({"runAsUser": 1500})),
            ("/spec/securityContext", json!({"runAsGroup": 1})),
            ("/spec/securityContext", json!({"fsGroup": 1})),
            ("/spec/securityContext", json!({"supplementalGroups": [1]})),
            ("/spec/securityContext", json!({"supplementalGroupsPolicy": "Strict"})),
            ("/spec/containers/0/volumeMounts/0/mountPath", json!("/etc/")),
            ("/spec/containers/0/volumeMounts/0/mountPath", json!("/etc/passwd")),
            ("/spec/containers/0/volumeMounts/0/mountPath", json!("/")),
            ("/status/containerStatuses/0/user", json!({})),
            ("/status/containerStatuses/0/name", json!("other")),
        ];
        for (path, value) in changes {
            let images = pod(|pod| *pod.pointer_mut(path).unwrap() = value.clone());
            assert_eq!(images.first().unwrap().user, None, "{path}: {value}");
        }
        for (member, value) in [("hostUsers", json!(false)), ("os", json!({"name": "windows"}))] {
            let images = pod(|pod| {
                pod.pointer_mut("/spec")
                    .unwrap()
                    .as_object_mut()
                    .unwrap()
                    .insert(member.to_owned(), value.clone());
            });
            assert_eq!(images.first().unwrap().user, None, "{member}");
        }
        let images = pod(|pod| {
            let container = pod.pointer_mut("/spec/containers/0").unwrap().as_object_mut().unwrap();
            container.insert("securityContext".to_owned(), json!({"runAsUser": 1500}));
        });
        assert_eq!(images.first().unwrap().user, None);
    }
}
