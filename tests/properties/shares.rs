//! How often the generator reaches what the rules look at.

use super::*;

/// How often the generator reaches what the rules look at.
#[derive(Default)]
pub(crate) struct Shares {
    changed: Share,
    exempt: Share,
    void: Share,
    privileged: Share,
    privileged_beside_another: Share,
    sidecar: Share,
    mixed_uids: Share,
    root: Share,
    shadowed: Share,
    windows: Share,
    mirror: Share,
    user_namespace: Share,
    host_network: Share,
    low_port: Share,
    legacy_seccomp: Share,
    narrow_mode: Share,
    noted: Share,
    many_containers: Share,
    full_annotations: Share,
    nothing_to_do: Share,
}

impl Shares {
    pub(crate) fn count(&self, pod: &Value, document: &Value, hardened: &Hardened) {
        let containers = facts::containers(pod);
        let any = |test: &dyn Fn(&Container) -> bool| containers.iter().any(test);
        let annotations = at(pod, &["metadata", "annotations"]).and_then(Value::as_object);
        let annotated = |part: &str| {
            annotations.is_some_and(|annotations| annotations.keys().any(|key| key.contains(part)))
        };
        let paths = words(document["spec"]["rules"]["readOnlyRootFilesystem"].get("writablePaths"));
        let beside =
            |mount: &String, path: &String| mount.starts_with(path) || path.starts_with(mount);
        let uids: Vec<_> = containers.iter().map(|c| c.effective.user.uid).collect();
        let modes = |volume: &Value| volume.to_string().contains(":256");
        self.changed.count(hardened.patch != "[]");
        self.exempt.count(hardened.exemptions > 0);
        self.void.count(hardened.void > 0);
        self.privileged.count(any(&|c| c.privileged));
        self.privileged_beside_another.count(any(&|c| c.privileged) && any(&|c| !c.privileged));
        self.sidecar.count(any(&|c| c.sidecar));
        self.mixed_uids.count(uids.iter().any(|uid| *uid != uids[0]));
        self.root.count(any(&|c| c.effective.user.is_root()));
        self.shadowed.count(any(&|c| {
            c.mounts.iter().any(|mount| paths.iter().any(|path| beside(mount, path)))
        }));
        self.windows.count(is_windows(pod));
        self.mirror.count(annotated("config.mirror"));
        self.user_namespace.count(has_user_namespace(pod));
        self.host_network.count(facts::on_host_network(pod));
        self.low_port.count(any(&|c| c.low_port(pod)));
        self.legacy_seccomp.count(annotated("seccomp.security.alpha"));
        self.narrow_mode.count(facts::list(pod, &["spec", "volumes"]).any(modes));
        self.noted.count(annotated("ironhull.dev/hardened"));
        self.many_containers.count(containers.len() > 9);
        self.full_annotations.count(facts::annotations_size(pod) > 200_000);
        self.nothing_to_do.count(hardened.patch == "[]");
    }

    pub(crate) fn at_least(&self) {
        self.changed.at_least(60.0, "changed");
        self.exempt.at_least(15.0, "exempt from something");
        self.void.at_least(10.0, "with a void annotation");
        self.privileged.at_least(10.0, "with a privileged container");
        self.privileged_beside_another.at_least(8.0, "with a privileged container beside another");
        self.sidecar.at_least(10.0, "with a sidecar");
        self.mixed_uids.at_least(20.0, "of mixed uids");
        self.root.at_least(15.0, "explicitly root");
        self.shadowed.at_least(20.0, "with a mount at, above or below a writable path");
        self.windows.at_least(4.0, "for Windows");
        self.mirror.at_least(1.0, "a mirror");
        self.user_namespace.at_least(4.0, "in a user namespace");
        self.host_network.at_least(2.0, "on the host's network");
        self.low_port.at_least(20.0, "with a port below 1024");
        self.legacy_seccomp.at_least(5.0, "with a legacy seccomp annotation");
        self.narrow_mode.at_least(5.0, "with a file of mode 0400");
        self.noted.at_least(5.0, "with a note of ironhull's, forged or not");
        self.many_containers.at_least(2.0, "of ten containers and more");
        self.full_annotations.at_least(0.3, "with annotations near the limit");
        self.nothing_to_do.at_least(10.0, "with nothing to do");
    }
}
